# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding what becomes of a new root in which packages wrote where nobody will see it."""

from __future__ import annotations

import typing as t

from ...errors import OvercError, certain
from ...system.mount_table import mounts
from ..observe.covered import covered_paths, is_below
from ..observe.hidden import BOOKKEEPING, Hidden, hidden_changes
from .context import Apply
from .new_root import NewRoot

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager
    from ...runner import Runner

_ASKED: t.Final = 60  # paths whose package is asked for: one process each
_TOLD: t.Final = 100
_NAMED: t.Final = 5


def refuse_hidden(at: Apply, new: str, base: str) -> None:
    """Raises hidden_by_mount, or warns where that was asked for; the result gets ``hidden``.

    What only keeps books or logs counts where it belongs to a package: its directory in /var/log must be there.
    """
    covered = covered_paths(mounts(), new, at.boot)
    found = hidden_changes(base, new, covered)
    if not found or at.upgrade is None:
        return
    serious = [entry for entry in found if not is_below(entry.path, BOOKKEEPING)]
    asked = [*serious[:_ASKED], *(entry for entry in found if entry not in serious)][:_ASKED]
    owners = _owners(at, at.upgrade.manager, [entry.path for entry in asked if entry.change != "removed"])
    left = [entry for entry in found if entry in serious or entry.path in owners]
    if not left:
        return
    at.result["hidden"] = [
        {"path": entry.path, "mount": entry.mount, "change": entry.change, "package": owners.get(entry.path)}
        for entry in left[:_TOLD]
    ]
    text = sentence(left, owners)
    if at.upgrade.refuse_hidden:
        raise OvercError(
            "hidden_by_mount",
            f"{text} Leave these packages out with exclude, put that directory onto the root subvolume, or allow it with "
            "hidden_policy: report and bring it there yourself after the reboot.",
            hidden=at.result["hidden"],
        )
    at.warnings.append(text)


def _owners(at: Apply, manager: t.Callable[[Runner], PackageManager], paths: t.Sequence[str]) -> t.Mapping[str, str]:
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    with NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds) as inside:
        return manager(inside).owners(paths)


def sentence(found: t.Sequence[Hidden], owners: t.Mapping[str, str]) -> str:
    """What is hidden by what, for people."""
    by_mount: dict[str, list[str]] = {}
    for entry in found:
        owner = owners.get(entry.path)
        what = f"{entry.path}{f' ({owner})' if owner else ''}{' (removed)' if entry.change == 'removed' else ''}"
        by_mount.setdefault(entry.mount, []).append(what)
    parts = []
    for mount, paths in by_mount.items():
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        parts.append(f"{mount} hides {', '.join(paths[:_NAMED])}{more}")
    return (
        f"{'; '.join(parts)}: packages or their scripts wrote that into the new root, and after the reboot another file "
        "system is mounted over it."
    )


__all__ = ("refuse_hidden", "sentence")
