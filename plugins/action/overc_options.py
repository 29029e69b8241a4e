# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_options: what was asked for is known on the controller, and no host is needed to look at it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.option_names import refuse_cut_off, refuse_unknown
from ansible_collections.overc.system.plugins.plugin_utils.options import FALLBACKS, ROLES, convert, converter, public
from ansible_collections.overc.system.plugins.plugin_utils.own_tasks import check_file
from ansible_collections.overc.system.plugins.plugin_utils.secrets import vaulted, without

Result = dict[str, t.Any]
# Options that are files of tasks, and where health has one
_FILES: t.Final = ("drain_tasks", "undrain_tasks")
# Looked at, and not in the answer: -v shows that
_SECRET: t.Final = ("report_token", "verdicts_token")
_HERE: t.Final = ("localhost", "127.0.0.1", "::1")


class ActionModule(ActionBase):
    module: t.ClassVar[str] = "overc.system.overc_options"
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        variables = task_vars or {}
        _checked, args = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec={"role": {"type": "str", "required": True, "choices": sorted(ROLES)}}
        )
        role = args["role"]
        try:
            extra = load_extra_vars(self._loader)
            refuse_cut_off(extra)
            refuse_unknown(self._roles(role), self._names(role, variables, extra), extra, self._templates(variables))
            options = self._options(role, variables)
            if role == "fleet":
                self._given_for_this_run(variables, extra)
            delegates = self._own_files(role, options, variables)
        except FleetError as error:
            message = str(error)
            if "Nothing was changed." not in message:
                message = f"{message} Nothing was changed."
            message = without(message, vaulted(variables))
            # No exception: whoever asks for all hosts sees to it that one of them does not end the run (failed_when)
            return {**result, "failed": True, "changed": False, "msg": message, "error_id": "bad_argument"}
        options = {name: value for name, value in options.items() if name not in _SECRET}
        shown = without(options, vaulted(variables))
        return {
            **result,
            "changed": False,
            **options,
            "delegates": delegates,
            **({"shown": shown} if shown != options else {}),
        }

    @staticmethod
    def _roles(role: str) -> tuple[str, ...]:
        return (role, "host_upgrade") if role == "fleet" else (role,)

    @staticmethod
    def _names(role: str, variables: Result, extra: Result) -> set[str]:
        """A fleet's options are looked at once, for all hosts: those of one host's roles with that host."""
        if role == "fleet":
            return {name for name in variables if name.startswith("fleet_")} | set(extra)
        return set(variables)

    @staticmethod
    def _templates(variables: Result) -> str:
        return " ".join(text for name in public() if "{{" in (text := str(variables.get(name, ""))))

    def _value(self, name: str, value: t.Any) -> t.Any:
        try:
            return self._templar.template(value)
        except AnsibleError as error:
            raise FleetError(f"{name}: {' '.join(str(error).split())}") from None

    def _options(self, role: str, variables: Result) -> Result:
        found = {}
        for option in ROLES[role]:
            name = f"{role}_{option}"
            given = next((known for known in (name, *FALLBACKS.get(name, ())) if known in variables), None)
            if given is not None:
                found[option] = convert(role, option, self._value(given, variables[given]), given)
        return found

    def _given_for_this_run(self, variables: Result, extra: Result) -> None:
        """What holds for all hosts is refused once, not for each of them."""
        for name in sorted(set(extra) & set(public())):
            converter(name)(self._value(name, variables.get(name, extra[name])))

    def _own_files(self, role: str, options: Result, variables: Result) -> list[str]:
        files = [(f"{role}_{option}", options.get(option)) for option in _FILES]
        files.append((f"{role}_health.tasks", (options.get("health") or {}).get("tasks")))
        found: list[str] = []
        for name, path in files:
            if path:
                found += [self._delegate(written) for written in check_file(name, path, self._loader)]
        ours = variables.get("inventory_hostname")
        return sorted({host for host in found if host and host not in (*_HERE, ours)})

    def _delegate(self, written: str) -> str:
        """A host that is known only while the tasks run is not asked before."""
        try:
            return str(self._templar.template(written) or "")
        except AnsibleError:
            return ""


__all__ = ("ActionModule",)
