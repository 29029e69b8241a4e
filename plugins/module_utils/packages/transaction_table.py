# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction table that both generations of DNF print -> values, and what it comes to for what is installed. Pure.

Facts come from the recorded outputs in tests/unit/transcripts: dnf4 (DNF 4.14) and dnf5 (DNF 5.4). The table is for
humans, so parsing is checked against the counts of the "Transaction Summary" that follows it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..values import decimal
from . import rpmdb
from .contract import Package, PackageChange


@dataclass(frozen=True)
class Row:
    """A package row of DNF's transaction table; ``replaced`` are (name, arch, version) of the rows below it."""

    name: str
    arch: str
    version: str
    repository: str | None
    replaced: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Transaction:
    """The rows of the table by what happens to them; ``held_back`` are (row, reason)."""

    installing: tuple[Row, ...] = ()
    upgrading: tuple[Row, ...] = ()
    downgrading: tuple[Row, ...] = ()
    removing: tuple[Row, ...] = ()
    held_back: tuple[tuple[Row, str], ...] = ()

    @property
    def announced(self) -> tuple[Row, ...]:
        """What would be done."""
        return (*self.installing, *self.upgrading, *self.downgrading, *self.removing)


# Section titles of both generations; the ones mapped to "other" list groups, environments and modules, no packages.
_SECTION_KINDS: t.Final[dict[str, str]] = {
    "Installing group/module packages": "installing",
    "Installing group packages": "installing",
    "Installing dependencies": "installing",
    "Installing weak dependencies": "installing",
    "Installing": "installing",
    "Upgrading": "upgrading",
    "Downgrading": "downgrading",
    "Reinstalling": "reinstalling",
    "Removing dependent packages": "removing",
    "Removing unused dependencies": "removing",
    "Removing": "removing",
    "Skipping packages with conflicts": "conflicts with another package",
    "Skipping packages with broken dependencies or part of a group": "has broken dependencies",
    "Skipping packages with broken dependencies": "has broken dependencies",
    "Installing module profiles": "other",
    "Disabling module profiles": "other",
    "Enabling module streams": "other",
    "Switching module streams": "other",
    "Disabling modules": "other",
    "Resetting modules": "other",
    "Changing reason": "other",
    "Changing reason of installed groups": "other",
}
_GROUP_SECTION: t.Final = re.compile(r"^(?:Installing|Upgrading|Removing) (?:\w+ )*(?:groups|Groups)\b", re.ASCII)
_SKIPPING: t.Final = ("conflicts with another package", "has broken dependencies")
# DNF 4 "Upgrade  2 Packages", DNF 5 " Upgrading:   2 packages"; what else DNF 5 counts are no rows of their own.
_SUMMARY_WORDS: t.Final = {
    "install": "install",
    "installing": "install",
    "upgrade": "upgrade",
    "upgrading": "upgrade",
    "remove": "remove",
    "removing": "remove",
    "downgrade": "downgrade",
    "downgrading": "downgrade",
    "skip": "skip",
    "skipping": "skip",
}
_HEAD: t.Final = re.compile(r"^ ?Package\s+Arch(?:itecture)?\s+Version\s+Repo")
_REPLACING: t.Final = re.compile(r"^\s{3,}replacing\s+(\S+)\s+(\S+)(?:\s+(\S+))?")


class UnreadableTable(ValueError):
    """DNF's transaction table does not look as expected; the message says where."""


def parse_transaction(text: str) -> Transaction:
    """stdout of `dnf upgrade --assumeno` -> its transaction; an output without a table is the empty transaction.

    Rows wrap at 80 columns when they nearly fit (dnf/cli/output.py, fmtColumns): a row starts with one blank, its
    continuation lines with more. Raises UnreadableTable if a section is unknown or the counts do not agree.
    """
    body, summary = _table(text)
    rows: dict[str, list[Row]] = {}
    held_back: list[tuple[Row, str]] = []
    for kind, words, replaced in _records(body):
        if kind == "other":
            continue
        row = _row(words, replaced)
        if kind in _SKIPPING:
            held_back.append((row, kind))
        else:
            rows.setdefault(kind, []).append(row)
    if "reinstalling" in rows:
        raise UnreadableTable("a reinstallation is no upgrade")
    transaction = Transaction(
        installing=tuple(rows.get("installing", ())),
        upgrading=tuple(rows.get("upgrading", ())),
        downgrading=tuple(rows.get("downgrading", ())),
        removing=tuple(rows.get("removing", ())),
        held_back=tuple(held_back),
    )
    _check_counts(transaction, summary)
    return transaction


def _table(text: str) -> tuple[list[str], list[str]]:
    """The lines between the table's head and its summary, and the lines of the summary.

    Plugins print what they like before and after, so the table is the last head that a summary follows.
    """
    lines = text.splitlines()
    found: tuple[int, int] | None = None
    start: int | None = None
    orphan = False
    for number, line in enumerate(lines):
        if _HEAD.match(line):
            start = number + 1
        elif line.startswith("Transaction Summary"):
            orphan = orphan or start is None
            found, start = ((start, number) if start is not None else found), None
    if found is None and orphan:
        raise UnreadableTable("a summary without a table")
    if found is None:
        return [], []
    begin, end = found
    if begin >= 2 and lines[begin - 2].startswith("====="):  # DNF 4: the head may wrap, and ends in a line as well
        begin = next((i + 1 for i in range(begin, end) if lines[i].startswith("=====")), begin)
    after = next((i for i in range(end + 1, len(lines)) if not lines[i].strip()), len(lines))
    return lines[begin:end], lines[end + 1 : after]


def _records(lines: t.Iterable[str]) -> t.Iterator[tuple[str, list[str], list[tuple[str, str, str]]]]:
    """(kind of section, words of the row, packages it replaces) of every row."""
    kind: str | None = None
    words: list[str] = []
    replaced: list[tuple[str, str, str]] = []
    for line in lines:
        if not line.strip():
            continue
        if not line.startswith(" "):
            if line.startswith("("):  # DNF 4: second line of "Skipping packages with conflicts", an advice
                continue
            if kind is not None and words:
                yield kind, words, replaced
            words, replaced = [], []
            kind = _section_kind(line)
            continue
        if kind is None:
            raise UnreadableTable(f"a row outside of any section: {line!r}")
        replacing = _REPLACING.match(line)
        if replacing is not None and words:
            replaced.append(_replaced(replacing))
        elif line.startswith("  "):
            words += line.split()
        else:
            if words:
                yield kind, words, replaced
            words, replaced = line.split(), []
    if kind is not None and words:
        yield kind, words, replaced


def _section_kind(line: str) -> str:
    title = line.strip().rstrip(":").strip()
    kind = _SECTION_KINDS.get(title)
    if kind is None and _GROUP_SECTION.match(title):
        kind = "other"
    if kind is None:
        raise UnreadableTable(f"unknown section {title!r}")
    return kind


def _replaced(match: re.Match[str]) -> tuple[str, str, str]:
    """DNF 4 prints ``name.arch version``, DNF 5 ``name arch version``."""
    first, second, third = match.group(1), match.group(2), match.group(3)
    if third is not None:
        return first, second, rpmdb.without_zero_epoch(third)
    name, dot, arch = first.rpartition(".")
    return (name, arch, rpmdb.without_zero_epoch(second)) if dot else (first, "", rpmdb.without_zero_epoch(second))


def _row(words: list[str], replaced: list[tuple[str, str, str]]) -> Row:
    """name arch version [repository] [size [unit]]."""
    if len(words) < 3 or len(words) > 6:
        raise UnreadableTable(f"a row of {len(words)} words: {' '.join(words)!r}")
    name, arch, version = words[:3]
    after_version = " ".join(words[3:])
    repository = re.sub(r"(?:^| )\d+(?:\.\d+)?(?: \w+)?$", "", after_version)
    return Row(name, arch, rpmdb.without_zero_epoch(version), repository or None, tuple(replaced))


def _check_counts(transaction: Transaction, summary: list[str]) -> None:
    counted = {
        "install": len(transaction.installing),
        "upgrade": len(transaction.upgrading),
        "remove": len(transaction.removing),
        "downgrade": len(transaction.downgrading),
        "skip": len(transaction.held_back),
    }
    announced = dict.fromkeys(counted, 0)
    for line in summary:
        match = re.match(r"^\s*(\w+):?\s+(\d+)\s+packages?\s*$", line, re.IGNORECASE)
        word = _SUMMARY_WORDS.get(match.group(1).lower()) if match is not None else None
        if match is not None and word is not None:
            announced[word] = decimal(match.group(2)) or 0
    if announced != counted:
        raise UnreadableTable(f"counted {counted}, announced {announced}")


def held_back_sentences(transaction: Transaction, explanations: t.Sequence[str]) -> tuple[str, ...]:
    """One sentence per package left out, with the solver's explanation where one names it."""
    sentences = []
    for row, reason in transaction.held_back:
        text = f"{row.name} {row.version} from {row.repository} is left out because it {reason}"
        because = [e for e in explanations if f"{row.name}-{row.version}" in e or f"package {row.name}-" in e]
        sentences.append(f"{text}: {because[0]}." if because else f"{text}.")
    return tuple(sentences)


def changes(transaction: Transaction, installed: t.Iterable[Package]) -> tuple[PackageChange, ...]:
    """The transaction as changes of the packages ``installed`` now.

    An upgrade of a name and architecture with more than one registered version replaces all of them (rpm erases every
    older one): the newest in sort order is "the" installed one, the others are listed as removals.
    """
    by_name: dict[str, list[Package]] = {}
    for package in installed:
        by_name.setdefault(package.name, []).append(package)
    result: set[PackageChange] = set()
    for row in (*transaction.upgrading, *transaction.downgrading):
        same_name = by_name.get(row.name, [])
        replaced = sorted(p for p in same_name if p.arch == row.arch) or sorted(same_name)
        if not replaced:
            raise UnreadableTable(f"an upgrade of {row.name}, which is not installed")
        result.add(PackageChange(row.name, row.arch, replaced[-1].version, row.version, row.repository))
        result |= {PackageChange(p.name, p.arch, p.version, None) for p in replaced[:-1]}
    for row in transaction.installing:
        result.add(PackageChange(row.name, row.arch, None, row.version, row.repository))
    for row in transaction.removing:
        result.add(PackageChange(row.name, row.arch, row.version, None))
    for row in (*transaction.upgrading, *transaction.downgrading, *transaction.installing):
        result |= {
            PackageChange(name, arch, version, None)
            for name, arch, version in row.replaced
            if not any(c.name == name and c.installed == version for c in result)  # DNF 5 also lists the old version
        }
    return tuple(sorted(result, key=lambda c: (c.name, c.arch, c.available or "", c.installed or "")))


__all__ = ("Row", "Transaction", "UnreadableTable", "changes", "held_back_sentences", "parse_transaction")
