# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a run is for: patterns as Ansible knows them, none of which may match nothing.

What is excluded is matched by itself and taken away by name. Two patterns put together as text are a third one, in which a
comma means something else.
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.parsing.dataloader import DataLoader

from .option_kinds import FleetError, flow, texts

Groups = t.Mapping[str, t.Sequence[str]]


def choose(groups: Groups, target: t.Any, exclude: t.Any = "", *, action: str = "change", limit: str = "") -> list[str]:
    """The names of the hosts of a run, in the order of the inventory. There is no default: who does not say which hosts means
    none. ``groups`` is Ansible's variable of this name, ``limit`` what was given as ``--limit``. Raises FleetError.
    """
    if not _given("target", target):
        raise FleetError(f"Say which hosts to {action}: -e target=GROUP (a host, a group or a pattern).")
    inventory = _Inventory(groups)
    chosen = inventory.match("target", target, action)
    out = set(inventory.match("fleet_exclude", exclude, action)) if _given("fleet_exclude", exclude) else set()
    left = [host for host in chosen if host not in out]
    if not left:
        without = f" without {exclude}" if out else ""
        raise FleetError(f"target={target}{without} names no host of this inventory, so there is nothing to {action}.")
    if limit and not inventory.within(limit, left):
        raise FleetError(
            f"--limit {limit} leaves none of the hosts of target={target}, so there is nothing to {action}."
        )
    return left


def refuse_parts(tags: t.Collection[str], skipped: t.Collection[str], start: str | None) -> None:
    """Raises FleetError where the command line asks for a part of a playbook that is only right as a whole."""
    if start:
        raise FleetError(
            f"--start-at-task {start!r}: this playbook cannot begin in its middle, where nobody has looked at the hosts. Run it "
            "from its beginning: what was done is not done again. Nothing was changed."
        )
    if not {"all", "untagged"} & set(tags) or {"all", "untagged"} & set(skipped):
        raise FleetError(
            "The tasks of this playbook have no tags, because it is only right as a whole: with these --tags or --skip-tags it "
            "would do nothing. Tags of your own tasks may be skipped. Nothing was changed."
        )


def as_patterns(names: t.Iterable[str]) -> list[str]:
    """Names of hosts as patterns that match exactly these: the keyword ``hosts`` takes its names for patterns again."""
    return [name if _is_plain(name) else f"~{_escaped(name)}\\Z" for name in names]


def _is_plain(name: str) -> bool:
    return split_host_pattern([name]) == [name] and not name.startswith(("!", "&", "~", "@"))


def _escaped(name: str) -> str:
    """As a regular expression of nothing but letters, digits, and backslashes: what splits or begins a pattern is gone."""
    return "".join(char if char.isascii() and char.isalnum() else _code(char) for char in name)


def _code(char: str) -> str:
    return (
        f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        if ord(char) < 65536
        else f"\\U{ord(char):08x}"
    )


def _given(option: str, given: t.Any, names: t.Container[str] = ()) -> list[str]:
    """One pattern or name each. A list may also be given, or be written as text."""
    value = flow(option, given) if isinstance(given, str) and given.rstrip().endswith("]") else given
    entries = texts(option, list(value) if isinstance(value, (list, tuple)) else value) if value is not None else []
    if isinstance(value, str):
        entries = [value]
    found: list[str] = []
    for entry in entries:
        found += [entry] if entry in names else split_host_pattern(entry)
    return [part for part in found if part]


class _Inventory:
    """Ansible's own matching, over the names alone."""

    def __init__(self, groups: Groups) -> None:
        self._names = {name for hosts in groups.values() for name in hosts}
        self._groups = groups
        self._manager = InventoryManager(DataLoader(), parse=False)
        for group, hosts in groups.items():
            self._manager.add_group(group)
            for host in hosts:
                self._manager.add_host(host, group=group)

    def match(self, option: str, given: t.Any, action: str) -> list[str]:
        parts = _given(option, given, self._names)
        both = [part for part in parts if part in self._names and set(self._groups.get(part, [part])) != {part}]
        if both:
            raise FleetError(f"{option}: {both[0]} is the name of a host and of a group. Rename one of them.")
        if all(part.startswith(("!", "&")) and part not in self._names for part in parts):
            raise FleetError(
                f"{option}: {','.join(parts)} only takes hosts away from all, as a pattern does whose beginning is an empty "
                f"variable. If all others are meant, say all:{':'.join(parts)}. Nothing was changed."
            )
        patterns = [as_patterns([part])[0] if part in self._names else part for part in parts]
        lost = [
            part
            for part, pattern in zip(parts, patterns, strict=True)
            if not self._hosts([pattern if part in self._names else pattern.lstrip("!&")])
        ]
        if lost:
            raise FleetError(
                f"{option}: {', '.join(lost)} names no host of this inventory{self._nearest(lost)}, so it is not known which "
                f"hosts to {action}. Nothing was changed."
            )
        return self._hosts(patterns)

    def within(self, limit: str, names: t.Sequence[str]) -> bool:
        """Whether --limit leaves any of these hosts."""
        try:
            self._manager.subset(limit)
            return bool(self._hosts(as_patterns(names)))
        except AnsibleError:
            return True  # Ansible says better what is wrong with it
        finally:
            self._manager.subset(None)

    def _nearest(self, lost: t.Sequence[str]) -> str:
        """What was probably meant, in brackets; empty if nothing is like it."""
        known = sorted({*self._groups, *self._names} - {"ungrouped"})
        meant = [name for part in lost for name in difflib.get_close_matches(part.lstrip("!&"), known, n=1)]
        return f" (did you mean {', '.join(meant)}?)" if meant else ""

    def _hosts(self, patterns: list[str]) -> list[str]:
        try:
            return [host.name for host in self._manager.get_hosts(pattern=patterns)]
        except (AnsibleError, re.error):
            return []


__all__ = ("as_patterns", "choose", "refuse_parts")
