# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch of the root would leave behind: state that lives on the root subvolume instead of one of its own."""

from __future__ import annotations

import os
import typing as t

from ...system.presence import NOT_THERE, is_link
from ...system.tree_size import tree_size

if t.TYPE_CHECKING:
    from .facts import HostFacts

# Directories in which services and people keep what no package can bring back. Of nested ones the outermost counts.
STATE_DIRECTORIES: t.Final = (
    "/home",
    "/opt/container",
    "/root",
    "/srv",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/libvirt",
    "/var/lib/lxc",
    "/var/lib/mongodb",
    "/var/lib/mysql",
    "/var/lib/pgsql",
    "/var/lib/postgresql",
    "/var/lib/redis",
    "/var/log",
    "/var/mail",
    "/var/spool",
    "/var/www",
)
_BUDGET: t.Final = 100_000


def state_at_risk(facts: HostFacts) -> list[dict[str, t.Any]]:
    """Known state directories on the root subvolume that hold anything: path, bytes on disk, and whether all was counted.

    What is written there between staging and reboot is not in the new root.
    """
    if facts.top is None or facts.booted is None:
        return []
    root = os.path.join(facts.top, facts.booted.path)
    device = os.lstat("/").st_dev
    found: list[dict[str, t.Any]] = []
    for path in STATE_DIRECTORIES:
        try:
            # As the host sees it: a mount point there (its own subvolume, another disk) is not at risk.
            if os.lstat(path).st_dev != device or is_link(path):
                continue
            size = tree_size(os.path.join(root, path.lstrip("/")), _BUDGET)
        except OSError as error:
            if error.errno in NOT_THERE:
                continue
            raise
        if size.entries:
            found.append({"path": path, "bytes": size.bytes, "complete": size.complete})
    found += [{"path": "/" + path.partition("/")[2], "bytes": None, "complete": False} for path in facts.nested.data]
    # Many, and all alike: the outermost say enough
    snapshots = [path for path in facts.nested.snapshots if not _lies_in(path, facts.nested.snapshots)]
    found += [{"path": "/" + path.partition("/")[2], "bytes": None, "complete": False} for path in snapshots]
    return found


def _lies_in(path: str, others: t.Iterable[str]) -> bool:
    return any(path.startswith(other + "/") for other in others)


__all__ = ("STATE_DIRECTORIES", "state_at_risk")
