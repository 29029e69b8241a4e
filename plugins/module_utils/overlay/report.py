# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results for people: what became of a directory, and the difference it makes. Pure."""

from __future__ import annotations

import typing as t

from ..compare.model import Totals
from ..system.safe_path import printable
from .plan import DirectoryFacts, Operation, Wanted

_STATUS: t.Final = {
    "create": "shared",
    "reshare": "shared",
    "stop": "own",
    "stop_original": "own",
    "stop_copied": "own",
    "queue": "waits_for_boot",
}


def _status(operation: Operation, facts: DirectoryFacts) -> str:
    if operation.kind in _STATUS:
        return _STATUS[operation.kind]
    if facts.queued and operation.kind == "none":
        return "waits_for_boot"
    return "shared" if facts.active else "own"


def before_text(facts: DirectoryFacts) -> str:
    if not facts.active:
        return "the container's own files"
    by = "the original tool, " if facts.active == "original" else ""
    return f"shared ({by}sources: {', '.join(map(printable, facts.sources)) or 'not known'})"


def after_text(facts: DirectoryFacts, operation: Operation, wanted: Wanted) -> str:
    if operation.kind in ("none", "unqueue"):
        return before_text(facts)
    suffix = " after the next boot" if operation.kind == "queue" else ""
    if wanted.state == "absent":
        return "the container's own files" + suffix
    reason = f"; {operation.reason}" if facts.active else ""
    return f"shared (sources: {', '.join(map(printable, wanted.sources))}{reason}){suffix}"


def report_of(
    facts: DirectoryFacts, operation: Operation, wanted: Wanted, totals: Totals, extra: dict[str, t.Any]
) -> dict[str, t.Any]:
    return {
        "directory": printable(facts.directory),
        "status": _status(operation, facts),
        "operation": operation.kind,
        "reason": operation.reason,
        "sources": [printable(source) for source in (wanted.sources if wanted.state == "present" else ())],
        "steps": operation.describe(),
        "freeing": operation.empties_later or (facts.freeing and not operation.works),
        "entries_shared": totals.shared_entries,
        "bytes_shared": totals.shared_bytes,
        "bytes_freed": totals.freed_bytes,
        "entries_kept": totals.kept_entries,
        "bytes_kept": totals.kept_bytes,
        "whiteouts": totals.whiteouts,
        "opaque_directories": totals.opaque,
        "seconds": 0.0,
        "layers": [],
        "sources_without": [],
        **extra,
    }


def diff_text(texts: dict[str, str]) -> str:
    return "".join(f"{directory}: {text}\n" for directory, text in texts.items())


__all__ = ("after_text", "before_text", "diff_text", "report_of")
