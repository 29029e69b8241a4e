# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was written into a root's /etc when changes of another one were brought over to it, and how it is told."""

from __future__ import annotations

import os
import typing as t

from ...people import plural
from ...system.presence import text_of
from ...system.rooted_path import plain_parent
from ...values import load_object

# Below /etc
NOTE: t.Final = "overc/carried-over.json"
_NAMED: t.Final = 8


def note_of(root: str) -> dict[str, t.Any]:
    """What was written into a root's /etc when it was merged; nothing if it was not. It may be anybody's."""
    if plain_parent(root, f"etc/{NOTE}") is None:
        return {}
    try:
        return load_object((text_of(os.path.join(root, "etc", NOTE)) or "").encode("utf-8", "surrogateescape"))
    except ValueError:
        return {}


def conflicts_of(root: str, uuid: str) -> list[dict[str, t.Any]]:
    """The conflicts of the merge that made the /etc of this very root."""
    note = note_of(root)
    found = note.get("conflicts")
    if note.get("uuid") != uuid or not isinstance(found, list):
        return []
    return [entry for entry in found if _is_conflict(entry)]


def _is_conflict(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    always = all(isinstance(entry.get(key), str) for key in ("path", "here", "upgrade"))
    return always and all(key in entry and isinstance(entry[key], (str, type(None))) for key in ("what", "kept"))


def sentence_of(conflicts: t.Sequence[t.Mapping[str, t.Any]]) -> str | None:
    """What to tell of them, short; None if there are none."""
    if not conflicts:
        return None
    named = [f"{entry['path']}{' (' + entry['what'] + ')' if entry['what'] else ''}" for entry in conflicts[:_NAMED]]
    more = f" and {len(conflicts) - _NAMED} more" if len(conflicts) > _NAMED else ""
    places = sorted({"/".join(entry["kept"].split("/")[:5]) for entry in conflicts if entry["kept"]})
    kept = f" What is here is in the new root below {', '.join(places)}." if places else ""
    return (
        f"{plural(len(conflicts), 'change')} of /etc did not come along, because the upgrade changed the same: "
        f"{', '.join(named)}{more}. The new root keeps the upgrade's.{kept}"
    )


__all__ = ("NOTE", "conflicts_of", "note_of", "sentence_of")
