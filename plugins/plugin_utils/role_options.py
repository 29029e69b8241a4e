# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of one host by the variables of a role: looked at on the controller, converted, or refused."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError, AnsibleValueOmittedError
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from .option_kinds import FleetError
from .option_names import refuse_cut_off, refuse_unknown
from .options import DEFAULTS, FALLBACKS, ROLES, convert, converter, public
from .own_tasks import check_file
from .secrets import vaulted, without

Result = dict[str, t.Any]
# Options that are files of tasks, and where health has one
_FILES: t.Final = ("drain_tasks", "undrain_tasks")
# Looked at, and not in the answer: -v shows that
_SECRET: t.Final = ("report_token", "verdicts_token")
_HERE: t.Final = ("localhost", "127.0.0.1", "::1")
# What only our own tasks and playbooks set
_OURS: t.Final = tuple(f"__{name}_" for name in (*ROLES, "overc", "preflight", "health", "report"))
# In place of a value that is Ansible's ``omit``
_OMITTED: t.Final = object()


class Templar(t.Protocol):
    """The part of Ansible's Templar that is needed."""

    def template(self, variable: t.Any) -> t.Any: ...


def asked(role: str, variables: Result, templar: Templar, loader: DataLoader) -> Result:
    """The options that were given, each as its kind wants it; ``delegates``, to whom tasks of their own are delegated; and
    ``shown``, what people may read of them, where that is less.

    Raises FleetError with one sentence, in which no secret is.
    """
    try:
        return _Asked(role, variables, templar, loader).look()
    except FleetError as error:
        message = str(error)
        if "Nothing was changed." not in message:
            message = f"{message} Nothing was changed."
        raise FleetError(without(message, vaulted(variables))) from None


class _Asked:
    def __init__(self, role: str, variables: Result, templar: Templar, loader: DataLoader) -> None:
        self._role, self._variables, self._templar, self._loader = role, variables, templar, loader

    def look(self) -> Result:
        extra = load_extra_vars(self._loader)
        refuse_cut_off(extra)
        self._refuse_facts()
        refuse_unknown(self._roles(), self._names(extra), extra, self._templates())
        options = self._options()
        if self._role == "fleet":
            self._given_for_this_run(extra)
        delegates = self._own_files(options)
        options = {name: value for name, value in options.items() if name not in _SECRET}
        shown = without(options, vaulted(self._variables))
        return {**options, "delegates": delegates, **({"shown": shown} if shown != options else {})}

    def _refuse_facts(self) -> None:
        """What a module answers as a fact is a variable, and goes before the inventory: a host that somebody has taken over
        would choose which file of tasks the controller carries out.
        """
        facts = self._variables.get("ansible_facts")
        named = sorted(map(str, facts)) if isinstance(facts, t.Mapping) else []
        found = next((name for name in named if name in public() or name.startswith(_OURS)), None)
        if found:
            raise FleetError(
                f"{found}: it is among the facts that the host says about itself. Give it in the inventory."
            )

    def _roles(self) -> tuple[str, ...]:
        return (self._role, "host_upgrade") if self._role == "fleet" else (self._role,)

    def _names(self, extra: Result) -> set[str]:
        """A fleet's options are looked at once, for all hosts: those of one host's roles with that host."""
        if self._role == "fleet":
            return {name for name in self._variables if name.startswith("fleet_")} | set(extra)
        return set(self._variables)

    def _templates(self) -> str:
        return " ".join(text for name in public() if "{{" in (text := str(self._variables.get(name, ""))))

    def _value(self, name: str, value: t.Any) -> t.Any:
        try:
            return self._templar.template(value)
        except AnsibleValueOmittedError:
            return _OMITTED
        except AnsibleError as error:
            raise FleetError(f"{name}: {' '.join(str(error).split())}") from None

    def _options(self) -> Result:
        found = {}
        for option in ROLES[self._role]:
            name, value = self._given(option)
            if name:
                found[option] = convert(self._role, option, value, name)
        return found

    def _given(self, option: str) -> tuple[str, t.Any]:
        """By which variable an option was given, and its value; what is omitted was not given, as for any task."""
        own = f"{self._role}_{option}"
        omitted = ""
        for name in (own, *FALLBACKS.get(own, ())):
            value = self._value(name, self._variables[name]) if name in self._variables else _OMITTED
            if value is not _OMITTED:
                return name, value
            omitted = omitted or (name if name in self._variables else "")
        if not omitted:
            return "", None
        if self._role not in DEFAULTS:
            # Its default is the role's, and hidden by what was given
            raise FleetError(f"{omitted}: it cannot be omitted. Leave the variable out, or give its default.")
        return omitted, DEFAULTS[self._role][option]

    def _given_for_this_run(self, extra: Result) -> None:
        """What holds for all hosts is refused once, not for each of them."""
        for name in sorted(set(extra) & set(public())):
            value = self._value(name, self._variables.get(name, extra[name]))
            if value is not _OMITTED:
                converter(name)(value)

    def _own_files(self, options: Result) -> list[str]:
        files = [(f"{self._role}_{option}", options.get(option)) for option in _FILES]
        files.append((f"{self._role}_health.tasks", (options.get("health") or {}).get("tasks")))
        found: list[str] = []
        for name, path in files:
            if path:
                found += [self._delegate(written) for written in check_file(name, path, self._loader)]
        ours = self._variables.get("inventory_hostname")
        return sorted({host for host in found if host and host not in (*_HERE, ours)})

    def _delegate(self, written: str) -> str:
        """A host that is known only while the tasks run is not asked before."""
        try:
            return str(self._templar.template(written) or "")
        except AnsibleError:
            return ""


__all__ = ("asked",)
