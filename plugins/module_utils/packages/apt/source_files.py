# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewriting files of apt's sources where they name suites, word by word: everything else stays as it was written. Pure.

Both formats (sources.list(5)): a line for each source, or stanzas. What is commented out or disabled is nobody's source, and
left alone.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .sources import UnreadableSources


@dataclass(frozen=True)
class Entry:
    """A line or a stanza: what can be disabled as one. ``types``: deb, deb-src."""

    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fate:
    """What becomes of an entry: ``suites`` to be called otherwise, ``components`` to come in addition, or ``disabled``."""

    suites: t.Mapping[str, str] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    disabled: bool = False


Decide = t.Callable[[Entry], Fate]
_UNTOUCHED: t.Final = Fate()
_LINE: t.Final = re.compile(
    r"^(?P<lead>\s*(?P<type>deb|deb-src)\s+(?:\[[^]]*\]\s*)?(?P<uri>(?!\[)(?:cdrom:\[[^]]*\])?\S*)\s+)(?P<suite>\S+)(?P<rest>.*)$"
)
_DISABLED: t.Final = ("no", "false", "0", "off", "without", "disable")


def entries(path: str, text: str) -> tuple[Entry, ...]:
    """The entries of one file that are in use. Raises UnreadableSources."""
    found: list[Entry] = []

    def look(entry: Entry) -> Fate:
        found.append(entry)
        return _UNTOUCHED

    rewritten(path, text, look)
    return tuple(found)


def rewritten(path: str, text: str, decide: Decide) -> str:
    """The text of one file with what ``decide`` says of each entry in use. Raises UnreadableSources."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    if not path.endswith(".sources"):
        return "".join(_line(path, line, decide) for line in lines)
    result: list[str] = []
    stanza: list[str] = []
    for line in lines:
        if line.strip(" \t\r\n"):
            stanza.append(line)
        else:
            result += [*_stanza(path, stanza, decide), line]
            stanza = []
    return "".join([*result, *_stanza(path, stanza, decide)])


def _line(path: str, line: str, decide: Decide) -> str:
    comment = re.search(r"(?:^|\s)#", line)
    said = line[: comment.start()] if comment else line.rstrip("\r\n")
    if not said.strip():
        return line
    match = _LINE.match(said)
    if match is None:
        raise UnreadableSources(f"{path}: {said.strip()}")
    after = line[len(said) :]
    components = tuple(match.group("rest").split())
    fate = decide(Entry((match.group("type"),), (match.group("uri"),), (match.group("suite"),), components))
    if fate.disabled:
        return f"# {line}"
    suite = fate.suites.get(match.group("suite"), match.group("suite"))
    more = "".join(f" {name}" for name in fate.components if name not in components)
    rest = match.group("rest")
    return f"{match.group('lead')}{suite}{rest.rstrip()}{more}{rest[len(rest.rstrip()) :]}{after}"


def _stanza(path: str, lines: t.Sequence[str], decide: Decide) -> list[str]:
    of_line = _fields(path, lines)
    values: dict[str, list[str]] = {}
    for line, name in zip(lines, of_line):
        if name:
            values.setdefault(name, []).extend(_value(line, name)[1].split())
    types = tuple(word for word in values.get("types", ()) if word in ("deb", "deb-src"))
    if not types or (values.get("enabled") or ["yes"])[0].lower() in _DISABLED:
        return list(lines)
    entry = Entry(types, *(tuple(values.get(name, ())) for name in ("uris", "suites", "components")))
    if not entry.uris or not entry.suites:
        raise UnreadableSources(f"{path}: no URIs or no Suites in a stanza")
    fate = decide(entry)
    if fate.disabled:
        return _disabled(lines, of_line)
    result = list(lines)
    for number, name in enumerate(of_line):
        if name == "suites":
            head, value = _value(lines[number], name)
            result[number] = head + re.sub(r"\S+", lambda word: fate.suites.get(word.group(), word.group()), value)
    more = [name for name in fate.components if name not in entry.components]
    if more and "components" in of_line:
        last = len(of_line) - 1 - of_line[::-1].index("components")
        line = result[last]
        result[last] = f"{line.rstrip()} {' '.join(more)}{line[len(line.rstrip()) :]}"
    return result


def _fields(path: str, lines: t.Sequence[str]) -> list[str]:
    """The name of the field that each line belongs to, in small letters; "" for a comment."""
    found: list[str] = []
    current = ""
    for line in lines:
        key, colon, _rest = line.partition(":")
        if line.startswith("#"):
            found.append("")
        elif line[:1] in (" ", "\t") and current:
            found.append(current)
        elif colon and line[:1] not in (" ", "\t"):
            current = key.strip().lower()
            found.append(current)
        else:
            raise UnreadableSources(f"{path}: {line.strip()}")
    return found


def _value(line: str, name: str) -> tuple[str, str]:
    """What is before the value on a line of this field, and the value with the end of the line."""
    key, colon, value = line.partition(":")
    if line[:1] in (" ", "\t") or key.strip().lower() != name:
        return "", line
    return key + colon, value


def _disabled(lines: t.Sequence[str], of_line: t.Sequence[str]) -> list[str]:
    first = next(number for number, name in enumerate(of_line) if name)
    ending = "\r\n" if lines[first].endswith("\r\n") else "\n"
    rest = [line for line, name in zip(lines, of_line) if name != "enabled"]
    first = next(number for number, line in enumerate(rest) if not line.startswith("#"))
    return [*rest[:first], f"Enabled: no{ending}", *rest[first:]]


__all__ = ("Entry", "Fate", "entries", "rewritten")
