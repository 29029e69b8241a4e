# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module and, with ``reboot: true``, reboots the host into what it staged and checks that this came up.

A module cannot see its own host come back, so this part runs on the controller. The reboot itself is in linux_reboot.py.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.errors import OvercError
from ..module_utils.host.brief import brief
from ..module_utils.host.observe.layout import LAYOUT_SPEC
from ..module_utils.host.words import after_reboot
from ..module_utils.plain import plain
from ..module_utils.values import whole_number
from .background import Background
from .linux_reboot import REBOOT, LinuxReboot
from .option_kinds import FleetError
from .orphan import end_if_orphan
from .reboot_words import confirmed, keep_facts, lost_words, unconfirmed, without_output
from .reboot_words import problem as reboot_problem
from .role_arguments import building, looking
from .role_options import asked
from .secrets import told_without, vaulted
from .waiting import Told, Waiting

# Seconds before a confirmation is tried again whose connection was lost
_AGAIN: t.Final = (1.0, 5.0, 15.0)

Result = dict[str, t.Any]


def _forget_interpreter(task_vars: Result | None) -> None:
    """What was found out about Python on the root that is left says nothing about the one that came up."""
    facts = (task_vars or {}).get("ansible_facts")
    for name in [name for name in facts or () if str(name).startswith("discovered_interpreter_")]:
        del t.cast("Result", facts)[name]


class RebootingAction(ActionBase):
    """Shared by the modules with a ``reboot`` option; ``module`` is the full name of the module."""

    module: t.ClassVar[str]
    _supports_async = True
    # Whether the end of the long step may have been some time ago
    _was_lost = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            made, told = self._of_role(task_vars or {})
        except FleetError as error:
            # No exception: whoever asks for all hosts sees to it that one of them does not end the run (failed_when)
            return {**result, "failed": True, "changed": False, "msg": str(error), "error_id": "bad_argument"}
        args.update(made)
        full = self._boolean(args.pop("full", False), "full") or Display().verbosity > 0
        # What is needed here is more than what is shown; of a job in the background nobody is here to shorten what it says
        args["full"] = full or not self._task.async_val
        secrets = vaulted(task_vars or {})
        if secrets:
            # Ansible's modules write into the host's log with what they were called; a check may have a token in it
            task_vars = {**(task_vars or {}), "ansible_no_target_syslog": True}
        try:
            result = self._all(result, args, task_vars)
        except AnsibleConnectionFailure as error:
            result = self._silent(result, error, task_vars)
        result = {**told_without(result, secrets), "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        if result.get("failed") and self._shown(task_vars):
            # Ansible prints all of it, on one line, for each host that failed; what it was about to do goes into the record
            return {**brief(result), **{key: result[key] for key in ("upgrades",) if key in result}}
        return {**(result if full else brief(result)), **told}

    def _of_role(self, variables: Result) -> tuple[Result, Result]:
        """What a task of our roles is to do, which says only for which role it is (``__overc_role``): the module's arguments,
        and what whoever has asked goes on with. For all other tasks, nothing. Raises FleetError.
        """
        role = variables.get("__overc_role")
        if not role:
            return {}, {}
        if self._boolean(variables.get("__overc_looks", False), "__overc_looks"):
            given = asked(role, variables, self._templar, self._loader)
            # With -v Ansible shows all of a result
            return looking(role, given), {"asked": given, **({"_ansible_no_log": True} if "shown" in given else {})}
        options = self._templar.template(variables[f"__{role}_options"])
        return building(role, options, check_mode=bool(self._task.check_mode)), {}

    def _shown(self, task_vars: Result | None) -> bool:
        """Whether the playbook shows how far its hosts are, as ours do."""
        return self._boolean((task_vars or {}).get("overc_background", False), "overc_background")

    def cleanup(self, force: bool = False) -> None:
        """What cannot be removed because the host is away must not take the place of what is known about it."""
        with contextlib.suppress(AnsibleError):
            super().cleanup(force)  # type: ignore[no-untyped-call]

    def _silent(self, result: Result, error: AnsibleConnectionFailure, task_vars: Result | None) -> Result:
        """A host that fell silent is unreachable; or failed, where a role asks for that: only a failure leads into its
        rescue, and a task to ask whether there was an answer would cost as much as a task that does something.
        """
        said = {**result, "msg": f"The host stopped answering: {error}"}
        if self._boolean((task_vars or {}).get("overc_silence_fails", False)):
            return {**said, "failed": True, "silent": True}
        return {**said, "unreachable": True}

    def _all(self, result: Result, args: Result, task_vars: Result | None) -> Result:
        wants_reboot = self._boolean(args.pop("reboot", False))
        timeout = self._seconds(args.pop("reboot_timeout", 600))
        confirm = self._boolean(args.pop("confirm", True))
        if wants_reboot:
            self._refuse_impossible_reboot()
            if not self._task.check_mode:
                # A trial is armed right before the reboot: until then a power cut starts what is known to work.
                args["arm"] = False
        began = time.time()
        result.update(self._command(args, task_vars, then_reboots=wants_reboot))
        if result.get("error_id") == "unconfirmed" and self._boolean((task_vars or {}).get("__overc_finishes", False)):
            result["failed"] = False  # what an earlier run left on trial is what the caller goes on with
        result["seconds"] = round(time.time() - began, 1)
        if not wants_reboot or self._task.check_mode or result.get("failed") or not result.get("reboot_required"):
            return result
        try:
            result = self._into_it(result, args, timeout, task_vars, confirm=confirm)
        except AnsibleConnectionFailure as error:
            # What was staged is not forgotten with the connection, nor the reboot, which is noted in this same dict as soon
            # as it is ordered: whoever goes on needs to know it
            result = self._silent(result, error, task_vars)
        return {**result, "seconds": round(time.time() - began, 1)}

    def _into_it(
        self, result: Result, args: Result, timeout: int, task_vars: Result | None, *, confirm: bool
    ) -> Result:
        end_if_orphan()
        # With state_policy: refuse nothing is left behind, up to the last moment
        careful = args.get("state_policy") == "refuse"
        if careful or args.get("carry_over") or result.get("protection") == "automatic":
            result = self._last_moment(result, args, task_vars)
            if result.get("failed"):
                return result
        elif self.module.endswith("upgrade") and not self._just_looked(result):
            self._last_look(result, args, task_vars)
        lost = lost_words(result.get("left_behind"))
        if lost:
            self._say(lost, task_vars)
        end_if_orphan()
        return self._reboot(result, args, timeout, task_vars, confirm=confirm)

    def _last_moment(self, result: Result, args: Result, task_vars: Result | None) -> Result:
        """Once more: on the staged host only what changed since is carried over again, and its trial is armed."""
        again = {**args, "arm": True}
        if self.module.endswith("upgrade"):
            again.update(update_cache=False, force=False)
        last = self._module(self.module, again, task_vars)
        if last.get("failed"):
            return {**result, **last, "changed": result["changed"]}
        if args.get("carry_over"):
            result["carried_over"] = last.get("carried_over", result.get("carried_over", []))
        result.update({key: last[key] for key in ("staged", "staged_uuid", "trial", "left_behind") if key in last})
        if "carry_conflicts" in last:
            result["carry_conflicts"] = last["carry_conflicts"]
        result["actions"] = [*result.get("actions", []), *last.get("actions", [])]
        told = result.get("warnings") or []
        result["warnings"] = [*told, *(text for text in last.get("warnings") or [] if text not in told)]
        return result

    def _just_looked(self, result: Result) -> bool:
        """Whether what would be lost was looked at a moment ago: it is the last that the module does once it has built a root."""
        built = any(action.get("step") == "create_root" for action in result.get("actions") or ())
        return built and not self._was_lost and bool(result.get("left_behind"))

    def _last_look(self, result: Result, args: Result, task_vars: Result | None) -> None:
        """Where nothing is left to be done: what was written meanwhile is told all the same."""
        info = self._module("overc.system.overc_host_info", {**self._layout(args), "full": True}, task_vars)
        lost, before = info.get("left_behind") or {}, result.get("left_behind") or {}
        if lost:
            result["left_behind"] = lost
        text = lost_words(lost)
        if text and lost.get("paths") != before.get("paths"):
            result["warnings"] = [*(result.get("warnings") or []), f"{text[0].upper()}{text[1:]}."]

    def _confirm(self, wanted: str, result: Result, args: Result, task_vars: Result | None) -> Result:
        """Whether the right system runs and works, and if so make it permanent: in one run of a module.

        That can be repeated, so a connection lost meanwhile, as happens while a host still starts, is no reason to go back.
        """
        asked = {**self._layout(args), "expected_uuid": wanted, "failed_before": result.get("failed_units") or []}
        if args.get("health") is not None:
            asked["health"] = args["health"]
        for pause in _AGAIN:
            with contextlib.suppress(AnsibleConnectionFailure):
                return self._confirm_once(asked, task_vars)
            time.sleep(pause)
            end_if_orphan()
            with contextlib.suppress(AnsibleError):  # it is not there to be reset
                self._connection.reset()
        return self._confirm_once(asked, task_vars)

    def _confirm_once(self, asked: Result, task_vars: Result | None) -> Result:
        try:
            return self._module("overc.system.overc_host_confirm", asked, task_vars)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}

    @staticmethod
    def _layout(args: Result) -> Result:
        return {"full": True, **{key: args[key] for key in LAYOUT_SPEC if key in args}}

    def _command(self, args: Result, task_vars: Result | None, *, then_reboots: bool) -> Result:
        """The module itself, or as the task asks for it; where ``overc_background`` is set, so that it outlives this
        connection and shows how far it is. The playbooks set it; for one host with nothing to do it would cost more than
        the module does.
        """
        shown = self._shown(task_vars)
        local = getattr(self._connection, "transport", "") == "local"
        if not shown or self._task.check_mode or self._task.async_val or local:
            host = (task_vars or {}).get("inventory_hostname", "host")
            with Told(lambda text: Display().display(f"{host}: {text}", stderr=True)) as told:
                told.say("is asked what would be done" if self._task.check_mode else "is at work", aloud=False)
                return self._module(self.module, args, task_vars, in_background=self._task.async_val)
        background = Background(self, self.module)
        result = background.run(args, task_vars, then_reboots=then_reboots)
        self._was_lost = background.was_lost
        return result

    def _refuse_impossible_reboot(self) -> None:
        """Before anything is changed, also in check mode."""
        if getattr(self._connection, "transport", "") == "local":
            raise self._bad_argument(
                "reboot: true is not possible over a local connection: the controller would reboot itself."
            )
        if self._task.async_val:
            raise self._bad_argument(
                "reboot: true is not possible with async: nobody would be there to see the host come back."
            )

    def _say(self, text: str, task_vars: Result | None) -> None:
        """A line for whoever waits, where the playbook shows how far its hosts are. Beside the output of playbooks, of which
        callbacks make JSON.
        """
        if self._shown(task_vars):
            Display().display(f"{(task_vars or {}).get('inventory_hostname', 'host')}: {text}", stderr=True)

    def _boolean(self, value: t.Any, option: str = "reboot") -> bool:
        try:
            return bool(boolean(value))
        except TypeError as error:
            raise self._bad_argument(f"{option}: {error}.") from None

    def _seconds(self, value: t.Any) -> int:
        try:
            seconds = whole_number("reboot_timeout", value)
        except OvercError as error:
            raise self._bad_argument(error.message) from None
        if seconds == 0:
            raise self._bad_argument(f"reboot_timeout: {seconds} seconds is no time to wait.")
        return seconds

    @staticmethod
    def _bad_argument(message: str) -> AnsibleActionFail:
        return AnsibleActionFail(f"{message} Nothing was changed.", result={"error_id": "bad_argument"})

    def _module(self, name: str, args: Result, task_vars: Result | None, *, in_background: int = 0) -> Result:
        return t.cast(
            "Result",
            self._execute_module(
                module_name=name, module_args=args, task_vars=task_vars, wrap_async=bool(in_background)
            ),
        )

    def _reboot(self, result: Result, args: Result, timeout: int, task_vars: Result | None, *, confirm: bool) -> Result:
        wanted, name = result["staged_uuid"], result["staged"]
        result["changed"] = True
        result["reboot"] = {
            "elapsed": None,
            "came_up": None,
            "booted_before": result.get("booted"),
            "staged_uuid": wanted,
        }
        began = time.time()
        try:
            self._say(f"reboots into {name}", task_vars)
            reboot = self._restart(timeout, task_vars)
            result["reboot"]["elapsed"] = reboot.get("elapsed")
            answer: Result = {}
            if confirm and not reboot.get("failed"):
                with Told(lambda text: self._say(text, task_vars)) as told:
                    told.say("answers, is asked whether it works", aloud=args.get("health") is not None)
                    answer = self._confirm(wanted, result, args, task_vars)
                if not answer.get("failed"):
                    return confirmed(result, answer)
            info = self._look(args, task_vars)
        finally:
            result["reboot"]["seconds"] = round(time.time() - began, 1)
        keep_facts(result, info)
        booted = info.get("booted") or {}
        result["reboot"]["came_up"] = booted or None
        if booted:
            names = ("booted", "default", "next_boot", "backup", "staged")
            result.update({key: (info.get(key) or {}).get("subvolume") for key in names})
            result.update(
                state=info["state"],
                trial=info.get("trial"),
                staged_uuid=(info.get("staged") or {}).get("uuid"),
                reboot_required=info["state"] == "staged",
            )
        problem = reboot_problem(reboot, info, booted, wanted, timeout, name)
        if problem:
            # In it may be what the host's own tools print for a terminal
            said = " ".join(plain(problem).split())
            return {**without_output(result), "failed": True, "msg": said, "error_id": "reboot_failed"}
        # The lock is asked for last: a system that needs no confirmation was found good by then
        fine = not answer or (answer.get("error_id") == "locked" and result["state"] == "clean")
        if not fine:
            return unconfirmed(result, answer)
        return {**result, "msg": after_reboot(result)}

    def _restart(self, timeout: int, task_vars: Result | None) -> Result:
        # On the root that is left it would stay for ever
        self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]  # noqa: SLF001
        try:
            action = self._reboot_action(timeout)
            with Waiting(lambda text: self._say(text, task_vars), timeout) as action.waiting:
                reboot: Result = action.run(task_vars=task_vars)
        except AnsibleError as error:
            reboot = {"failed": True, "msg": str(error)}
        # Without pipelining, the reboot made one as well: the root that came up does not have it
        self._connection._shell.tmpdir = None  # noqa: SLF001
        _forget_interpreter(task_vars)
        return reboot

    def _reboot_action(self, timeout: int) -> t.Any:
        task = self._task.copy()
        task.args = {"reboot_timeout": timeout, "reboot_command": REBOOT}
        return LinuxReboot(  # type: ignore[no-untyped-call]
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )

    def _look(self, args: Result, task_vars: Result | None) -> Result:
        """What the host says now; an answer without ``booted`` if it says nothing."""
        try:
            return self._module("overc.system.overc_host_info", self._layout(args), task_vars)
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}
