# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of accounts that changed on two sides, merged line by line and field by field. Pure.

passwd(5), shadow(5), group(5), gshadow(5), subuid(5). An account that was made here does not come along if its number is
another account's in the new root by now: the files of one would be the other's.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

FILES: t.Final = ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
_MEMBERS: t.Final[dict[str, tuple[int, ...]]] = {"group": (3,), "gshadow": (2, 3)}
_RANGES: t.Final = ("subuid", "subgid")

# A line's first field, or all of it where that says nothing; and which one of several such lines it is
Key = tuple[bytes, int]
Lines = dict[Key, list[bytes]]


@dataclass(frozen=True)
class Clash:
    """A line of ``file`` that is not as it is here: whose, and why."""

    file: str
    name: str
    why: str


@dataclass(frozen=True)
class Merged:
    """``files`` are the new contents of those that are not as in the new root."""

    files: t.Mapping[str, bytes]
    clashes: tuple[Clash, ...]


def merge_accounts(base: t.Mapping[str, bytes], ours: t.Mapping[str, bytes], theirs: t.Mapping[str, bytes]) -> Merged:
    """The files that all three sides have, by their names in /etc; ``theirs`` is what the upgrade made of ``base``."""
    names = [name for name in FILES if name in base and name in ours and name in theirs]
    sides = {name: (_lines(name, base[name]), _lines(name, ours[name]), _lines(name, theirs[name])) for name in names}
    users, groups, clashes = _left_out(sides)
    files: dict[str, bytes] = {}
    for name in names:
        left_out = groups if name in ("group", "gshadow") else users
        if ours[name] == base[name] or ours[name] == theirs[name]:
            continue
        if theirs[name] == base[name] and not users and not groups:
            files[name] = ours[name]
            continue
        content, found = _merge_file(name, *sides[name], left_out, users)
        clashes += found
        if content != theirs[name]:
            files[name] = content
    return Merged(files, tuple(clashes))


def _lines(name: str, text: bytes) -> Lines:
    found: Lines = {}
    for line in text.split(b"\n"):
        if not line:
            continue
        fields = line.split(b":")
        whole = name in _RANGES or len(fields) < 2 or line.startswith((b"#", b"+", b"-"))
        key, number = line if whole else fields[0], 0
        while (key, number) in found:
            number += 1
        found[(key, number)] = [line] if whole else fields
    return found


def _left_out(sides: t.Mapping[str, tuple[Lines, Lines, Lines]]) -> tuple[set[bytes], set[bytes], list[Clash]]:
    """The names of users and of groups that were made here and whose number the upgrade gave to somebody else."""
    clashes: list[Clash] = []
    groups = _with_taken_numbers("group", sides, clashes)
    users = _with_taken_numbers("passwd", sides, clashes)
    if "passwd" in sides and "group" in sides:
        numbers = {fields[2] for key, fields in sides["group"][1].items() if key[0] in groups and len(fields) > 2}
        base, here, there = sides["passwd"]
        for key, fields in here.items():
            made_here = key not in base and key not in there
            if made_here and key[0] not in users and len(fields) > 3 and fields[3] in numbers:
                users.add(key[0])
                clashes.append(Clash("passwd", _text(key[0]), f"its group {_text(fields[3])} is another one's there"))
    return users, groups, clashes


def _with_taken_numbers(
    name: str, sides: t.Mapping[str, tuple[Lines, Lines, Lines]], clashes: list[Clash]
) -> set[bytes]:
    if name not in sides:
        return set()
    base, here, there = sides[name]
    taken = {
        fields[2]: key[0]
        for key, fields in there.items()
        if len(fields) > 2 and (key not in base or base[key][2:3] != fields[2:3])
    }
    found: set[bytes] = set()
    for key, fields in here.items():
        if len(fields) > 2 and key not in base and key not in there and fields[2] in taken:
            found.add(key[0])
            clashes.append(
                Clash(name, _text(key[0]), f"number {_text(fields[2])} is given to {_text(taken[fields[2]])} there")
            )
    return found


def _merge_file(
    name: str, base: Lines, here: Lines, there: Lines, left_out: t.Container[bytes], users: t.Container[bytes]
) -> tuple[bytes, list[Clash]]:
    clashes: list[Clash] = []
    result: list[bytes] = []
    for key, fields in there.items():
        mine, before = here.get(key), base.get(key)
        if mine is None and before == fields:
            continue  # removed here
        if mine is None:
            if before is not None:
                clashes.append(Clash(name, _text(key[0]), "removed here, changed by the upgrade"))
            mine = before = fields
        merged, differing = _merge_fields(name, before, mine, fields, users)
        if differing:
            clashes.append(Clash(name, _text(key[0]), "changed here and by the upgrade"))
        result.append(b":".join(merged))
    added = []
    for key, fields in here.items():
        if key in there or key[0].split(b":")[0] in left_out:
            continue
        if (
            key not in base
            and name in _RANGES
            and _overlaps(key[0], (line for line, _n in there if (line, _n) not in base))
        ):
            clashes.append(Clash(name, _text(key[0]), "the upgrade gave some of these numbers away"))
        elif key not in base:
            added.append(b":".join(_without_members(name, fields, users)))
        elif fields != base[key]:
            clashes.append(Clash(name, _text(key[0]), "changed here, removed by the upgrade"))
    # What is behind a line of NIS would not be found
    end = next((number for number, line in enumerate(result) if line.startswith(b"+")), len(result))
    result[end:end] = added
    return b"".join(line + b"\n" for line in result), clashes


def _overlaps(line: bytes, others: t.Iterable[bytes]) -> bool:
    mine = _numbers(line)
    found = (_numbers(other) for other in others)
    return any(mine and other and mine[0] < other[1] and other[0] < mine[1] for other in found)


def _numbers(line: bytes) -> tuple[int, int] | None:
    fields = line.split(b":")
    if len(fields) != 3 or not (fields[1].isdigit() and fields[2].isdigit()):
        return None
    return int(fields[1]), int(fields[1]) + int(fields[2])


def _merge_fields(
    name: str, base: list[bytes] | None, here: list[bytes], there: list[bytes], users: t.Container[bytes]
) -> tuple[list[bytes], bool]:
    """The merged fields, and whether one of them changed on both sides; then it is the upgrade's."""
    if here in (there, base):
        return there, False
    if base == there:
        return _without_members(name, here, users), False
    if base is None or not len(base) == len(here) == len(there):
        return there, True
    result, differing = [], False
    for number, (before, mine, other) in enumerate(zip(base, here, there)):
        if mine in (before, other):
            result.append(other)
        elif before == other:
            result.append(mine)
        elif number in _MEMBERS.get(name, ()):
            result.append(_members(before, mine, other))
        else:
            differing = True
            result.append(other)
    return _without_members(name, result, users), differing


def _members(base: bytes, here: bytes, there: bytes) -> bytes:
    before, mine, other = ([name for name in text.split(b",") if name] for text in (base, here, there))
    kept = [name for name in other if name in mine or name not in before]
    return b",".join([*kept, *(name for name in mine if name not in before and name not in kept)])


def _without_members(name: str, fields: list[bytes], users: t.Container[bytes]) -> list[bytes]:
    numbers = _MEMBERS.get(name, ()) if len(fields) == 4 else ()
    return [
        b",".join(member for member in field.split(b",") if member not in users) if number in numbers else field
        for number, field in enumerate(fields)
    ]


def _text(value: bytes) -> str:
    """As people may be shown it: a line may be anything."""
    return value.split(b":")[0].decode("utf-8", "replace")


__all__ = ("FILES", "Clash", "Merged", "merge_accounts")
