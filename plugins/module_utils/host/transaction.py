# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a plan: journal, steps, and the way out when one fails."""

from __future__ import annotations

import contextlib
import signal
import typing as t

from ..errors import OvercError
from ..failures import as_error, host_error, is_full
from ..system.unfinished import NEW_SUFFIX
from .observe.facts import HostFacts, observe
from .observe.state import derive
from .plan.model import Plan
from .plan.repair import plan_repair
from .steps.context import Apply, Upgrade
from .steps.record import event
from .steps.table import functions_of
from .store import reserve
from .store.journal import Journal, discard_empty_journal
from .store.progress import Progress
from .store.record import write_record

if t.TYPE_CHECKING:
    from ..runner import Runner

# The seam of the crash tests: called right before the work of a step begins and right after it ended.
StepHook = t.Callable[[str, str], None]
# Once one of these has begun, it cannot be told any more that the next boot is as it was.
_SWITCH: t.Final = frozenset((
    "cancel_kernel", "cancel_default", "set_default", "swap_kernel", "install_efi", "arm_fallback", "arm_trial", "await_trial",
    "disarm", "rearm", "confirm", "choose",
))  # fmt: skip


def _no_hook(_when: str, _step: str) -> None:
    pass


step_hook: StepHook = _no_hook


def _run_steps(at: Apply, journal: Journal) -> list[dict[str, str]]:
    progress = Progress(at.plan.operation, len(at.plan.steps))
    try:
        return _steps_one_by_one(at, journal, progress)
    finally:
        progress.done()


def _work(at: Apply, step: str, progress: Progress) -> bool:
    if step != "run_packages" or at.upgrade is None:
        return functions_of(at.context)[step](at)
    with progress.packages(at.path(at.context.root_name + NEW_SUFFIX), len(at.upgrade.packages.changes)):
        return functions_of(at.context)[step](at)


def _steps_one_by_one(at: Apply, journal: Journal, progress: Progress) -> list[dict[str, str]]:
    done: list[dict[str, str]] = []
    for number, step in enumerate(at.plan.steps, 1):
        before = dict(at.notes)
        progress.step(number, step, at.plan.describe(step))
        journal.mark(step, "before")
        at.begun.append(step)
        step_hook("before", step)
        try:
            changed = _work(at, step, progress)
            if not changed:
                at.make_durable()
        except OSError as error:
            raise host_error(error, f"Step {step!r} ({at.plan.describe(step)})") from error
        step_hook("after", step)
        journal.mark(step, "after", {key: value for key, value in at.notes.items() if before.get(key) != value})
        done.append(at.plan.action(step, "done" if changed else "skipped"))
    return done


def repair(runner: Runner, facts: HostFacts, now: str) -> tuple[list[dict[str, str]], list[str]]:
    """Bring the interrupted transaction found in the facts (observed with digests) to an end; actions and warnings.

    Raises OvercError with ``state`` and, if it did anything, ``changed``; the journal stays, and the next command goes on.
    """
    if facts.journal is None or facts.top is None:
        return [], []
    plan = plan_repair(facts)
    if facts.space.free < reserve.LOW:
        reserve.give_back(facts.top)
    if plan.context is None:
        # The first line of the journal never became complete, so nothing was done.
        Journal(facts.top).close()
        return [], []
    at = Apply(runner, facts, plan, plan.context, now, notes=dict(plan.notes))
    journal = Journal(facts.top)
    try:
        at.make_durable()  # the plan follows what is seen, and each step relies on what is on the disk before it
        journal.resume()
        actions = _run_steps(at, journal)
        _close(journal)
    except (OvercError, OSError, KeyboardInterrupt) as raised:
        journal.let_go()
        error = as_error(raised, "The repair of an interrupted run")
        error.facts.update(state="interrupted", changed=bool(at.begun))
        if error.error_id == "no_space":  # the next command finds the room
            with contextlib.suppress(OSError):
                reserve.give_back(facts.top)
        raise error from (None if error is raised else raised)
    return actions, at.warnings


def apply(
    runner: Runner,
    facts: HostFacts,
    plan: Plan,
    now: str,
    *,
    lock_fds: tuple[int, ...] = (),
    upgrade: Upgrade | None = None,
) -> tuple[list[dict[str, str]], Apply]:
    """Execute a plan with steps. If one fails, everything is undone (or, after the switch, completed) before the error.

    Raises OvercError with the tool's own output, ``undone``: the actions that brought the host back, and the ``state`` that
    they left.
    """
    if plan.context is None or facts.top is None:
        raise OvercError("internal", f"The plan for {plan.operation} has no context.")
    at = Apply(runner, facts, plan, plan.context, now, lock_fds=lock_fds, upgrade=upgrade)
    _make_room(at)
    _make_durable(at)
    journal = Journal(facts.top)
    try:
        journal.open(plan.operation, now, plan.steps, plan.context.as_dict())
        actions = _run_steps(at, journal)
    except (OvercError, OSError, KeyboardInterrupt) as raised:
        if isinstance(raised, OvercError) and not at.begun:
            raise  # somebody else has the journal: there is nothing of ours to undo
        with _undisturbed():
            journal.let_go()
            _undo(runner, at, as_error(raised, "Writing the journal" if isinstance(raised, OSError) else "The run"))
    try:
        _close(journal)
    except OSError as raised:
        error = host_error(raised, "Removing the journal")
        error.message = f"The {plan.operation} was carried out to its end. {error.message}"
        error.facts.update(changed=True, actions=actions, **_as_it_is(runner, at))
        raise error from raised
    return actions, at


def _make_room(at: Apply) -> None:
    """What an undo may need is reserved before anything begins. Where there is little left, the way back goes first."""
    if at.plan.operation != "upgrade" and at.facts.space.free < reserve.LOW:
        reserve.give_back(at.top)
        return
    try:
        reserve.keep(at.top)
    except OSError as error:
        if at.plan.operation == "upgrade" or not is_full(error):
            raise host_error(error, "Reserving room for an undo") from error


def _make_durable(at: Apply) -> None:
    """What the plan was made of may be in memory only, where a run was killed before this one: the journal would be on the disk
    without it.
    """
    try:
        at.make_durable()
    except OSError as error:
        raise host_error(error, "Writing what is there to the disk") from error


def _close(journal: Journal) -> None:
    try:
        journal.close()
    except OSError:
        journal.close()  # what could not be written once may be written now: one failed sync is no failed disk


@contextlib.contextmanager
def _undisturbed() -> t.Iterator[None]:
    """Whoever stopped the run once is heard; a second signal must not stop the undo."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _as_it_is(runner: Runner, at: Apply) -> dict[str, t.Any]:
    """State and staged deployment, as far as they can be told now."""
    try:
        after = observe(runner, at.facts.layout)
        told: dict[str, t.Any] = {"state": derive(after).name}
    except (OvercError, OSError):
        return {"state": None}
    if after.default and after.booted and after.default.id != after.booted.id:
        told.update(staged=after.default.path, staged_uuid=after.default.uuid)
    return told


def _undo(runner: Runner, at: Apply, error: OvercError) -> t.NoReturn:
    try:
        if error.error_id == "no_space":
            reserve.give_back(at.top)
        facts = observe(runner, at.facts.layout, digests=True)
        forward = facts.journal is not None and bool(plan_repair(facts).notes.get("committed"))
        undone, warnings = repair(runner, facts, at.now)
        if facts.journal is None:
            discard_empty_journal(at.top)
    except (OvercError, OSError) as second:
        why = "for the same reason" if str(second) == error.message else second
        raise OvercError(
            error.error_id,
            f"{error.message.rstrip('.')}. Undoing it failed as well ({why}); the journal is kept, and the next command tries "
            f"again. {_next_boot(at)}",
            **{**error.facts, **({"state": "interrupted", "changed": True} if at.begun else {})},
        ) from error
    error.facts["undone"] = undone
    error.facts["notes"] = [*at.warnings, *warnings, *_remember_failure(runner, at, error, completed=forward)]
    raise error from None


def _next_boot(at: Apply) -> str:
    """What is known of the next boot while an unfinished transaction stays."""
    if _SWITCH & set(at.begun):
        return "The switch had begun, so do not reboot the host before a command has ended it."
    return "What boots is unchanged."


def _remember_failure(runner: Runner, at: Apply, error: OvercError, *, completed: bool) -> list[str]:
    """A line in the host's history, and in the error what the repair left; warnings where that is not possible."""
    try:
        after = observe(runner, at.facts.layout)
        error.facts["state"] = derive(after).name
        if completed:
            error.facts["changed"] = True
            said = f"It had switched over already, so the {at.context.operation} was completed."
            if at.context.operation == "confirm":
                said = "The confirmation was completed all the same: the running deployment is permanent."
            error.message = f"{error.message.rstrip('.')}. {said}"
            if after.default and after.booted and after.default.id != after.booted.id:
                error.facts.update(staged=after.default.path, staged_uuid=after.default.uuid)
        if after.top is not None:
            write_record(
                after.top, after.record.with_event(event(at, "failed", error_id=error.error_id, completed=completed))
            )
    except (OvercError, OSError) as second:
        return [f"This failure could not be written into the host's history: {second}."]
    return []


__all__ = ("apply", "repair", "step_hook")
