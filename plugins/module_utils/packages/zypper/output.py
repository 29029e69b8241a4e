# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper says with ``--xmlout`` -> values. Pure.

Facts come from tests/unit/transcripts/zypper-1.14 and zypper(8). The document is read as it comes: one that was cut off, because
zypper was killed, is one without its end, and never taken for an answer.
"""

from __future__ import annotations

import re
import typing as t
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from ...values import decimal
from ..rpmdb import without_zero_epoch

# zypper's groups of a transaction. The last two repeat packages of the others, where those change their version as well.
_GROUPS: t.Final = (
    "to-upgrade",
    "to-downgrade",
    "to-install",
    "to-reinstall",
    "to-remove",
    "to-change-arch",
    "to-change-vendor",
)
# What XML 1.0 does not allow at all, and packages and their scripts may print all the same
_NO_XML: t.Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEEP: t.Final = 32
_CHUNK: t.Final = 1 << 16


class UnreadableOutput(ValueError):
    """It is not what zypper is known to say, or not all of it."""


@dataclass(frozen=True)
class Row:
    """A package of a transaction; versions have no zero epoch. ``repository`` is an alias, None for what goes."""

    name: str
    arch: str
    installed: str | None
    available: str | None
    repository: str | None


@dataclass(frozen=True)
class Update:
    """A newer version of an installed package, whether or not it can be installed."""

    name: str
    arch: str
    version: str
    repository: str


class Patch(t.NamedTuple):
    """An advisory, and whether the host is ``needed`` to have it."""

    name: str
    category: str
    status: str


@dataclass(frozen=True)
class Summary:
    """The transaction: ``rows`` each once, ``other_vendor`` the names of those that come from another vendor, sorted.

    ``size``: the sum of what is to be fetched, in bytes, None where zypper does not tell.
    """

    rows: tuple[Row, ...] = ()
    other_vendor: tuple[str, ...] = ()
    size: int | None = None


@dataclass(frozen=True)
class Stream:
    """A whole document: messages as (type, text) and questions as text in their order, and the answer that was asked for."""

    messages: tuple[tuple[str, str], ...] = ()
    prompts: tuple[str, ...] = ()
    summaries: tuple[Summary, ...] = ()
    updates: tuple[Update, ...] = ()
    locks: tuple[str, ...] = ()
    repositories: tuple[t.Mapping[str, t.Any], ...] = ()
    patches: tuple[Patch, ...] = ()
    conflicts: tuple[str, ...] = ()  # which file two packages bring differently, as sentences without their end

    @property
    def text(self) -> str:
        """What a person would have read."""
        return "\n".join([*(text for _kind, text in self.messages), *self.conflicts, *self.prompts])

    @property
    def summary(self) -> Summary:
        """Raises UnreadableOutput unless there is exactly one."""
        if len(self.summaries) != 1:
            raise UnreadableOutput(f"{len(self.summaries)} transactions were announced")
        return self.summaries[0]


def parse_stream(text: str) -> Stream:
    """Output of a zypper command. Raises UnreadableOutput for what is no whole document."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableOutput("it declares entities")
    reader: ET.XMLPullParser[t.Any] = ET.XMLPullParser(("start", "end"))
    found, depth = _Found(), 0
    clean = _NO_XML.sub("?", text)
    try:
        for begin in range(0, len(clean), _CHUNK):
            reader.feed(clean[begin : begin + _CHUNK])
            depth = found.take(reader, depth)
        reader.close()
        found.take(reader, depth)
    except ET.ParseError as error:
        raise UnreadableOutput(f"it is cut off, or no XML ({error})") from None
    if not found.ended:
        raise UnreadableOutput("it has no end")
    return found.stream()


class _Found:
    """Collects what has ended, and forgets it in the document: that may be long."""

    def __init__(self) -> None:
        self.ended = False
        self._messages: list[tuple[str, str]] = []
        self._prompts: list[str] = []
        self._summaries: list[Summary] = []
        self._updates: list[Update] = []
        self._locks: list[str] = []
        self._repositories: list[t.Mapping[str, t.Any]] = []
        self._patches: list[Patch] = []
        self._conflicts: list[str] = []

    def take(self, reader: ET.XMLPullParser[t.Any], depth: int) -> int:
        """Read what came; how deep it ends."""
        for event, element in t.cast("t.Iterator[tuple[str, ET.Element]]", reader.read_events()):
            depth += 1 if event == "start" else -1
            if depth > _DEEP:
                raise UnreadableOutput("it is nested too deeply")
            if event == "end":
                self._end(element, depth)
        return depth

    def _end(self, element: ET.Element, depth: int) -> None:
        tag, attributes = element.tag, element.attrib
        if depth == 0:
            if tag != "stream":
                raise UnreadableOutput(f"it begins with {tag!r}")
            self.ended = True
        elif tag == "message":
            self._messages.append((attributes.get("type", ""), "".join(element.itertext()).strip()))
        elif tag == "prompt":
            parts = (element.findtext("description") or "", element.findtext("text") or "")
            self._prompts.append("\n".join(part.strip() for part in parts if part.strip()))
        elif tag == "install-summary":
            self._summaries.append(_summary(element))
        elif tag == "update" and attributes.get("kind") == "package":
            self._updates.append(_update(element))
        elif tag == "update" and attributes.get("kind") == "patch":
            self._patches.append(Patch(*(_needed(element, key) for key in ("name", "category", "status"))))
        elif tag == "fileconflict":
            self._conflicts.append(_conflict(element))
        elif tag == "lock":
            self._locks.append(element.findtext("name") or "")
        elif tag == "repo":
            urls = [(url.text or "").strip() for url in element.findall("url")]
            self._repositories.append({**attributes, "urls": tuple(urls)})
        else:
            return
        element.clear()

    def stream(self) -> Stream:
        return Stream(
            tuple(self._messages),
            tuple(self._prompts),
            tuple(self._summaries),
            tuple(self._updates),
            tuple(self._locks),
            tuple(self._repositories),
            tuple(self._patches),
            tuple(self._conflicts),
        )


def _conflict(element: ET.Element) -> str:
    sides = []
    for side in ("lhs", "rhs"):
        edition = element.find(f"{side}/solvable/edition")
        version = "" if edition is None else f"-{edition.get('version', '?')}-{edition.get('release', '?')}"
        sides.append(f"{element.findtext(f'{side}/solvable/name') or 'a package'}{version}")
    return f"{sides[0]} and {sides[1]} both have {element.findtext('lhs/file') or 'a file'}, and not the same"


def _update(element: ET.Element) -> Update:
    source = element.find("source")
    return Update(
        _needed(element, "name"),
        _needed(element, "arch"),
        without_zero_epoch(_needed(element, "edition")),
        source.get("alias", "") if source is not None else "",
    )


def _summary(element: ET.Element) -> Summary:
    rows: dict[tuple[str, str, str], Row] = {}
    other_vendor = set()
    for group in element:
        if group.tag not in _GROUPS:
            raise UnreadableOutput(f"the group {group.tag!r} is unknown")
        for solvable in group:
            if solvable.tag != "solvable":
                raise UnreadableOutput(f"{solvable.tag!r} in {group.tag!r}")
            if solvable.get("type") != "package":  # patterns, products and patches are what zypper makes of packages
                continue
            row = _row(group.tag, solvable)
            if group.tag == "to-change-vendor":
                other_vendor.add(row.name)
            rows.setdefault((row.name, row.arch, _needed(solvable, "edition")), row)
    announced = decimal(element.get("packages-to-change", ""))
    if announced != len(rows):
        raise UnreadableOutput(f"{len(rows)} packages are named, and {announced} announced")
    return Summary(tuple(rows.values()), tuple(sorted(other_vendor)), decimal(element.get("download-size", "")))


def _row(group: str, solvable: ET.Element) -> Row:
    name, arch, edition = (_needed(solvable, key) for key in ("name", "arch", "edition"))
    edition = without_zero_epoch(edition)
    if group == "to-remove":
        return Row(name, arch, edition, None, None)
    repository = _needed(solvable, "repository")
    if group == "to-install":
        return Row(name, arch, None, edition, repository)
    before = solvable.get("edition-old")
    if before is None and group != "to-reinstall":
        raise UnreadableOutput(f"{name} has no version before")
    return Row(name, arch, without_zero_epoch(before or edition), edition, repository)


def _needed(element: ET.Element, key: str) -> str:
    value = element.get(key)
    if not value:
        raise UnreadableOutput(f"{element.tag!r} without {key}")
    return value


__all__ = ("Patch", "Row", "Stream", "Summary", "UnreadableOutput", "Update", "parse_stream")
