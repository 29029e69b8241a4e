# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subvolumes, the default subvolume and usage of one btrfs file system, through the ``btrfs`` command.

Every function takes the path of a mount of the top-level tree (subvolid=5), so that paths are those of the file system
and never depend on what is mounted where. Output formats: btrfs-subvolume(8); there is no JSON for them in 6.2.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Completed, Runner

TOP_LEVEL_ID: t.Final = 5
_LIST_LINE = re.compile(
    r"^ID (?P<id>\d+) gen (?P<gen>\d+) parent (?P<parent>\d+) top level \d+ "
    r"parent_uuid (?P<parent_uuid>\S+)\s+uuid (?P<uuid>\S+) path (?P<path>.*)$"
)
_CREATED = re.compile(r"^\s*Creation time:\s+(\S+ \S+ \S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Subvolume:
    """A subvolume; ``path`` is relative to the top-level tree, ``parent`` the id of the subvolume that contains it."""

    id: int
    path: str
    uuid: str
    parent_uuid: str | None
    parent: int
    generation: int


def parse_subvolume_list(text: str) -> tuple[Subvolume, ...]:
    """Parse ``btrfs subvolume list -p -q -u``. A line that starts no entry continues a name with a newline in it."""
    rows: list[dict[str, str]] = []
    for line in text.splitlines():
        match = _LIST_LINE.match(line)
        if match:
            rows.append(match.groupdict())
        elif rows:
            rows[-1]["path"] += "\n" + line
    return tuple(
        Subvolume(
            id=int(row["id"]),
            path=row["path"],
            uuid=row["uuid"],
            parent_uuid=None if row["parent_uuid"] == "-" else row["parent_uuid"],
            parent=int(row["parent"]),
            generation=int(row["gen"]),
        )
        for row in rows
    )


def parse_default(text: str) -> int:
    """The id in the output of ``btrfs subvolume get-default``."""
    match = re.match(r"^ID (\d+)\b", text)
    if not match:
        raise OvercError("btrfs_failed", f"Cannot understand what 'btrfs subvolume get-default' says: {text!r}.")
    return int(match.group(1))


def _btrfs(runner: Runner, *args: str) -> Completed:
    done = runner.run(("btrfs", *args))
    if done.rc != 0:
        no_space = "No space left on device" in done.stderr
        raise OvercError(
            "no_space" if no_space else "btrfs_failed",
            f"'btrfs {' '.join(args[:2])}' failed on {args[-1]!r}: {done.stderr.strip() or done.stdout.strip()}",
            **done.facts(),
        )
    return done


def list_subvolumes(runner: Runner, top: str) -> tuple[Subvolume, ...]:
    """All subvolumes of the file system."""
    return parse_subvolume_list(_btrfs(runner, "subvolume", "list", "-p", "-q", "-u", top).stdout)


def get_default(runner: Runner, top: str) -> int:
    """The id of the default subvolume."""
    return parse_default(_btrfs(runner, "subvolume", "get-default", top).stdout)


def set_default(runner: Runner, subvolume_id: int, top: str) -> None:
    """Set the default subvolume, durably: without the sync the setting was lost in 3 of 3 power cuts."""
    _btrfs(runner, "subvolume", "set-default", str(subvolume_id), top)
    sync(runner, top)


def sync(runner: Runner, top: str) -> None:
    """Commit the file system."""
    _btrfs(runner, "filesystem", "sync", top)


def snapshot(runner: Runner, source: str, target: str) -> None:
    """Make a writable snapshot; ``target`` must not exist (btrfs would make the snapshot inside a directory)."""
    _btrfs(runner, "subvolume", "snapshot", source, target)


def delete(runner: Runner, path: str) -> None:
    """Delete one subvolume, durably."""
    _btrfs(runner, "subvolume", "delete", "--commit-after", path)


def created(runner: Runner, path: str) -> str | None:
    """The creation time of a subvolume as btrfs prints it (``YYYY-MM-DD HH:MM:SS +ZZZZ``)."""
    match = _CREATED.search(_btrfs(runner, "subvolume", "show", path).stdout)
    return match.group(1) if match else None


def parse_qgroup_limit(text: str, subvolume_id: int) -> int | None:
    """The limit in bytes on what a subvolume refers to, from ``btrfs qgroup show -r --raw``; None if unlimited."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[0] == f"0/{subvolume_id}":
            return int(fields[3]) if fields[3].isdigit() and int(fields[3]) > 0 else None
    return None


def quota_limit(runner: Runner, subvolume_id: int, top: str) -> int | None:
    """The quota limit of a subvolume in bytes; None where quotas are off or no limit is set."""
    done = runner.run(("btrfs", "qgroup", "show", "-r", "--raw", top))
    if done.rc != 0:
        if "quota" in done.stderr.lower():  # "quotas not enabled" / "can't list qgroups: quotas not enabled"
            return None
        raise OvercError(
            "btrfs_failed", f"'btrfs qgroup show' failed on {top!r}: {done.stderr.strip()}", **done.facts()
        )
    return parse_qgroup_limit(done.stdout, subvolume_id)


__all__ = (
    "TOP_LEVEL_ID",
    "Subvolume",
    "created",
    "delete",
    "get_default",
    "list_subvolumes",
    "parse_default",
    "parse_qgroup_limit",
    "parse_subvolume_list",
    "quota_limit",
    "set_default",
    "snapshot",
    "sync",
)
