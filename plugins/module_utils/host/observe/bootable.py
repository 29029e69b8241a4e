# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a deployment could boot, as far as that can be seen from outside. Pure."""

from __future__ import annotations

import typing as t

from .state import files_of, release_of_files

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from .facts import HostFacts


def defects_of(facts: HostFacts, subvolume: Subvolume) -> tuple[str, ...]:
    """What keeps a deployment from booting, as sentences without their end; none where nothing shows that.

    ``facts`` must have been observed with digests. A host on which no root has modules has a kernel that needs none.
    """
    root = facts.roots.get(subvolume.path)
    if root is None:
        return ()
    found = []
    if not root.init:
        found.append(f"{subvolume.path} has no init that could be started")
    if root.read_only:
        found.append(f"{subvolume.path} has the btrfs property ro=true")
    release = release_of_files(facts, files_of(facts, subvolume))
    if release and release not in root.modules and any(entry.modules for entry in facts.roots.values()):
        found.append(f"{subvolume.path} has no modules for its kernel {release}")
    return tuple(found)


__all__ = ("defects_of",)
