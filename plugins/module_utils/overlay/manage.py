# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_overlay: observes, plans, applies, and says what came of it; at boot for all that waited."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import typing as t

from ..compare.model import Totals
from ..errors import OvercError
from ..failures import host_error, need_root
from ..system.alone import alone
from ..system.presence import is_directory
from ..system.safe_path import printable
from ..system.workers import allow_many_files, translate
from . import estimate, freeing, lines
from .apply import Observer, Work
from .at_boot import work as overlay_boot
from .observe import observe, queued_request
from .plan import AT_RISK, DirectoryFacts, Operation, Wanted, check_directories, plan_directory, when
from .record import HOME, Request
from .repair import foretold, repair
from .report import after_text, before_text, diff_text, report_of
from .site import Site, containers, normal_directory, trees

_OF_ALL: t.Final = "othing was changed"  # what a refusal says, of its own directory
_PATIENCE: t.Final = 2.0  # seconds: the workers of a run that was killed just now hold its lock until they are gone


def locked(site: Site) -> contextlib.AbstractContextManager[None]:
    """One run per container."""
    what = f"Another run works on container {printable(site.name)!r}; try again later."
    return alone(site.fd, what, patience=_PATIENCE)


def _request(site: Site, wanted: Wanted, directory: str, *, add: bool) -> None:
    """Put one directory's work on the record for the next boot, or take it off."""
    record = site.record()
    kept = []
    for request in record.requests:
        rest = tuple(d for d in request.directories if d != directory)
        if rest:
            kept.append(dataclasses.replace(request, directories=rest))
    if add:
        kept.append(Request(wanted.state, (directory,), wanted.sources, wanted.essential_root))
    record.requests = kept
    site.store.write(record)


def _unqueue(site: Site, wanted: Wanted, directory: str, places: overlay_boot.Places) -> None:
    if queued_request(site.record(), directory) is None:
        return
    _request(site, wanted, directory, add=False)
    if not site.record().requests:
        overlay_boot.forget(places, site.containers_dir, site.name)


def _perform(
    site: Site,
    wanted: Wanted,
    operation: Operation,
    places: overlay_boot.Places,
    observer: Observer | None,
    jobs: int | None,
) -> tuple[Totals, dict[str, t.Any]]:
    if operation.kind == "queue":
        # In this order: cut off between the two, the boot finds nothing to do, and the next run asks again
        overlay_boot.remember(places, site.containers_dir, site.name)
        _request(site, wanted, operation.directory, add=True)
        return Totals(), {}
    if operation.kind == "unqueue":
        _unqueue(site, wanted, operation.directory, places)
        return Totals(), {}
    work = Work(
        site,
        operation,
        sources=wanted.sources,
        essential_root=wanted.essential_root,
        observer=observer,
        jobs=jobs,
    )
    outcome = work.run()
    # Only now: work that is cut off must still be on the record for the next boot.
    try:
        _unqueue(site, wanted, operation.directory, places)
    except (OvercError, OSError) as raised:
        error = translate(raised, "forgetting what waited for the next boot") if isinstance(raised, OSError) else raised
        error.message = f"{error.message} The directory itself was done before."
        error.facts.update(changed=True, reached="switched")
        raise error from raised
    extra = {
        "seconds": outcome.seconds,
        "layers": outcome.layers,
        "sources_without": [printable(source) for source in outcome.sources_without],
    }
    return outcome.totals, extra


def _estimate(site: Site, wanted: Wanted, operation: Operation, facts: DirectoryFacts, jobs: int | None) -> Totals:
    if wanted.state == "absent" or operation.kind in ("none", "unqueue"):
        return Totals()
    found = trees(site, operation.directory, wanted.sources, wanted.essential_root)
    mounted = lines.shown(site, site.record()).get(operation.directory)
    if facts.active == "ours" and mounted is not None:
        return estimate.shared_again(site, mounted, found, jobs=jobs)
    return estimate.own_files(site, operation.directory, found, jobs=jobs)


def normalise(wanted: Wanted) -> Wanted:
    directories = tuple(normal_directory(directory) for directory in wanted.directories)
    check_directories(directories)
    if not directories and not (wanted.everything and wanted.state == "absent"):
        raise OvercError("bad_argument", "Name at least one directory.")
    if wanted.state == "present" and not wanted.sources:
        raise OvercError("bad_argument", "Name at least one source to share files with.")
    if len(set(wanted.sources)) != len(wanted.sources):
        raise OvercError("bad_argument", "A source is named twice.")
    sources = wanted.sources if wanted.state == "present" else ()
    return dataclasses.replace(wanted, directories=directories, sources=sources)


def _all_shared(site: Site) -> tuple[str, ...]:
    """The directories that are shared, or are to be at the next boot; overlays that are not ours are none of them."""
    record = site.record()
    shared = {found.directory for found in lines.shown(site, record).values() if not found.foreign}
    return tuple(sorted(shared.union(*(request.directories for request in record.requests))))


_FORGOTTEN: t.Final = "what a run that was cut off had left for the next boot, where nothing waits any more, {} removed"


def _left_over(site: Site, places: overlay_boot.Places) -> bool:
    """Whether the container is on the list for the next boot without work, or something of ours is there for nothing."""
    if overlay_boot.is_left_over(places) or site.store.is_hollow():
        return True
    return not site.record().requests and overlay_boot.on_list(places, site.containers_dir, site.name)


def _repaired(site: Site, places: overlay_boot.Places, *, mount: bool = True, wait: bool = True) -> str | None:
    """Take up what was cut off, and mend the table of mounts; says what was done. ``wait``: also for what others do."""
    done = [repair(site)]
    with _telling(_all_of(done), ()):
        overlay_boot.make_durable(places)
        done.append(freeing.finish(site, patient=wait))
    with _telling(_all_of(done), ()):
        done.append(lines.mend(site, mount=mount))
        if done[-1]:  # what the table did not name before
            done.append(freeing.finish(site, patient=wait))
        if _left_over(site, places):
            overlay_boot.forget(places, site.containers_dir, site.name)
            site.store.write(site.record())
            done.append(_FORGOTTEN.format("was"))
    return _all_of(done)


def _would_repair(site: Site, places: overlay_boot.Places, *, mount: bool) -> str | None:
    """The same for check mode: what would be done."""
    pending = site.intent()
    if pending is not None:
        return f"{pending.operation} of {printable(pending.directory)} was cut off and would be repaired first"
    told = [freeing.would_finish(site), lines.would_mend(site, site.record(), mount=mount)]
    return _all_of([*told, _FORGOTTEN.format("would be") if _left_over(site, places) else None])


def _all_of(told: t.Iterable[str | None]) -> str | None:
    return "; ".join(filter(None, told)) or None


@contextlib.contextmanager
def _telling(
    repaired: str | None, reports: t.Sequence[t.Mapping[str, t.Any]], *, check: bool = False
) -> t.Iterator[None]:
    """A failure says what was done before it: a repair, and directories that are finished. ``check``: what would be."""
    try:
        yield
    except (OvercError, OSError) as raised:
        error = translate(raised, "looking at the container") if isinstance(raised, OSError) else raised
        done = [report for report in reports if report["operation"] != "none"]
        if repaired is not None or done or error.facts.get("changed"):
            error.facts.update(changed=not check, repaired=repaired, directories=list(reports))
            before = [repaired] if repaired is not None else []
            before += [f"{report['directory']}: {report['status']}" for report in done]
            if before:
                what = error.message.replace(_OF_ALL, f"{_OF_ALL} there")
                when = "This would be done before that" if check else "Done before that"
                error.message = f"{what} {when}: {'; '.join(before)}."
        raise error from raised


def manage(
    wanted: Wanted,
    *,
    check: bool = False,
    places: overlay_boot.Places | None = None,
    observer: Observer | None = None,
    jobs: int | None = None,
) -> dict[str, t.Any]:
    """Bring the container's directories into the wanted state; returns the module's result."""
    need_root()
    places = places or overlay_boot.Places()
    allow_many_files()
    wanted = normalise(wanted)
    elsewhere = overlay_boot.known_places(places)
    opened = Site(wanted.containers_dir, wanted.container, units=places.units, elsewhere=elsewhere)
    with opened as site, contextlib.ExitStack() as stack:
        mount = wanted.state == "present"
        if check:
            repaired = _would_repair(site, places, mount=mount)
        else:
            stack.enter_context(locked(site))
            repaired = _repaired(site, places, mount=mount, wait=wanted.wait)
        reports: list[dict[str, t.Any]] = []
        stack.enter_context(_telling(repaired, reports, check=check))
        if wanted.everything:
            wanted = dataclasses.replace(wanted, directories=_all_shared(site))
        if wanted.state == "present":
            site.filesystem()
        facts = observe(site, wanted, foretold(site) if check else site.record(), jobs)
        if not overlay_boot.will_do(places, site.containers_dir, site.name):  # so it has to be asked for again
            facts = [dataclasses.replace(fact, queued="other") if fact.queued else fact for fact in facts]
        running = site.running()
        operations = _plans(site, wanted, facts, later=False)
        if any(operation.kind not in ("none", "unqueue") for operation in operations):
            later = when(wanted.apply, running or any(fact.owner_runs for fact in facts))
            operations = _plans(site, wanted, facts, later=later)
        if not check:
            stack.enter_context(_emptied(site, operations))
        for fact, operation in zip(facts, operations):
            totals, extra = Totals(), dict[str, t.Any]()
            if check or operation.kind == "queue":
                totals = _estimate(site, wanted, operation, fact, jobs)
            if not check and operation.changes:
                done, extra = _perform(site, wanted, operation, places, observer, jobs)
                totals = totals if operation.kind == "queue" else done
            reports.append(report_of(fact, operation, wanted, totals, extra))
        before = {printable(f.directory): before_text(f) for f in facts}
        after = {printable(f.directory): after_text(f, o, wanted) for f, o in zip(facts, operations)}
    return {
        "changed": repaired is not None or any(operation.changes for operation in operations),
        "directories": reports,
        "reboot_required": any(report["status"] == "waits_for_boot" for report in reports),
        "repaired": repaired,
        "running": running,
        "warnings": [AT_RISK] if any(f.on_root and o.sharing for f, o in zip(facts, operations)) else [],
        "diff": {"before": diff_text(before), "after": diff_text(after)},
    }


def _plans(site: Site, wanted: Wanted, facts: t.Sequence[DirectoryFacts], *, later: bool) -> list[Operation]:
    return [
        plan_directory(
            fact,
            wanted.state,
            wanted.sources,
            later=later,
            host_side=site.table.kind != "lxc",
            container=wanted.container,
            state_policy=wanted.state_policy,
            wait=wanted.wait,
        )
        for fact in facts
    ]


@contextlib.contextmanager
def _emptied(site: Site, operations: t.Sequence[Operation]) -> t.Iterator[None]:
    """Nothing is made while copies of an earlier run are still removed; those of this run go when all of it is made."""
    worked = {operation.directory for operation in operations if operation.works}
    if worked:
        freeing.finish(site, patient=True, unmount=worked)
    try:
        yield
    finally:
        freeing.begin(site)


def _to_do(places: overlay_boot.Places, unreadable: list[OvercError]) -> list[tuple[str, str]]:
    """The containers on the list and, where the unit is there for good, all others with work that waits or was cut off.

    The list lies on the root file system; containers may lie elsewhere, and know more than a root that was rolled back.
    """
    found = set(overlay_boot.waiting(places, unreadable))
    try:
        everywhere = overlay_boot.installed(places) or ()
    except OvercError as error:
        unreadable.append(error)
        everywhere = ()
    for containers_dir in everywhere:
        real = os.path.realpath(containers_dir)
        try:
            found |= {(real, name) for name in containers(real) if is_directory(f"{real}/{name}/{HOME}")}
        except OSError as error:
            unreadable.append(host_error(error, f"Looking for work in {printable(real)}"))
    return sorted(found)


def _do_waiting(places: overlay_boot.Places, containers_dir: str, name: str) -> None:
    if overlay_boot.is_destroyed(places, containers_dir, name):
        overlay_boot.forget(places, containers_dir, name)
        sys.stdout.write(f"{printable(name)}: destroyed since, so its work is forgotten\n")
        return
    with Site(containers_dir, name, units=places.units) as site:
        requests = site.record().requests
        if not requests:
            with locked(site):
                repaired = _repaired(site, places)
            if repaired:
                sys.stdout.write(f"{printable(name)}: {repaired}\n")
    for request in requests:
        wanted = Wanted(
            name,
            containers_dir,
            request.directories,
            request.sources,
            request.state,
            "now",
            request.essential_root,
            "report",  # was decided when it was asked for
        )
        for report in manage(wanted, places=places)["directories"]:
            sys.stdout.write(f"{printable(name)}: {report['directory']}: {report['status']}\n")
    with Site(containers_dir, name, units=places.units) as site, locked(site):  # a run may ask for more right now
        if not site.record().requests:
            overlay_boot.forget(places, containers_dir, name)


def run_waiting(places: overlay_boot.Places) -> int:
    """Do all the work that waits; the exit code of the boot unit. One container's trouble does not stop the others."""
    failed: list[OvercError] = []
    for containers_dir, name in _to_do(places, failed):
        try:
            _do_waiting(places, containers_dir, name)
        except Exception as error:  # noqa: BLE001 - a defect that one container meets is no reason to leave the others
            what = error if isinstance(error, (OvercError, OSError)) else f"{type(error).__name__}: {error}"
            failed.append(OvercError("overlay_failed", f"{printable(name)}: {what}"))
    for trouble in failed:
        sys.stderr.write(f"{trouble}\n")
    overlay_boot.tidy(places)
    return 1 if failed else 0


__all__ = ("manage", "normalise", "run_waiting")
