# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overlays share and free, in words and numbers."""

from __future__ import annotations

import typing as t

from ..module_utils.people import human_bytes, plural
from .host_outcome import Answer, Entry


def overlay_lines(answers: t.Iterable[Answer]) -> list[str]:
    """What overc_overlay said about containers, one line for each directory, and for each container that is gone."""
    lines = []
    for answer in answers:
        container = (answer.get("item") or {}).get("container") or "?"
        if answer.get("gone"):
            lines.append(f"{container}: no such container, so nothing to give back")
        for entry in answer.get("directories") or ():
            being = "being " if entry.get("freeing") else ""
            freed = f", {human_bytes(entry['bytes_freed'])} {being}freed" if entry["bytes_freed"] else ""
            waits = " (after the next boot)" if entry["status"] == "waits_for_boot" else ""
            status = "own files" if entry["status"] == "own" else entry["status"].replace("_", " ")
            lines.append(f"{container} {entry['directory']}: {status}{freed}{waits if freed else ''}")
    return lines


def shared(answer: Answer) -> Entry | None:
    """What overc_overlay_info said about all containers of a host, in numbers; None if nothing is shared there."""
    containers = answer.get("containers") or ()
    found = [(entry["container"], overlay) for entry in containers for overlay in entry["overlays"]]
    waiting = sum(len(request["directories"]) for entry in containers for request in entry["waiting"])
    unreadable = [problem for entry in containers for problem in entry.get("problems") or ()]
    if not found and not waiting and not unreadable:
        return None
    return {
        "containers": len({name for name, _overlay in found}),
        "directories": len(found),
        "bytes_freed": sum(overlay.get("bytes_freed") or 0 for _name, overlay in found),
        "bytes_shared": sum(overlay.get("bytes_shared") or 0 for _name, overlay in found),
        "waiting": waiting,
        "outdated": [f"{name}:{overlay['directory']}" for name, overlay in found if overlay.get("sources_changed")],
        "broken": [
            *unreadable,
            *(
                f"{name}:{overlay['directory']}: {'; '.join(overlay['problems'])}"
                for name, overlay in found
                if overlay["problems"]
            ),
        ],
    }


def shared_words(overlays: Answer) -> str:
    """One cell of the page."""
    words = [f"{human_bytes(overlays['bytes_freed'])} freed in {plural(overlays['directories'], 'directory')}"]
    words += [f"{overlays['waiting']} waiting for a boot"] if overlays["waiting"] else []
    words += [f"{len(overlays['outdated'])} with a source that changed"] if overlays["outdated"] else []
    return ", ".join(words)


__all__ = (
    "overlay_lines",
    "shared",
    "shared_words",
)
