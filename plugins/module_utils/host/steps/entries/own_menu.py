# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu that a root has in itself, where the default subvolume is what GRUB begins in: written by the distribution's tool."""

from __future__ import annotations

import typing as t

from ....boot.entries.kernels import Kernel, kernels_in
from ....boot.snapper.find import TOOLS
from ....boot.snapper.menu import DIRECTORY, boots
from ....errors import OvercError, certain
from ....system.unfinished import NEW_SUFFIX
from ..new_root import NewRoot
from ..places import default_kept

if t.TYPE_CHECKING:
    from ..context import Apply


def make_menu(at: Apply) -> bool:
    """The tool runs in the new root, and only where that has other kernels than the root that it was made of: the menu that it
    has names them. It sees the disk, without which it cannot tell where the root is; no script of a package does.
    """
    new, base = at.root(at.made_root()).path, at.base().path
    if kernels_in(new) == kernels_in(base):
        return False
    device = certain(at.facts.root_mount, "the mount of the root").source
    root = NewRoot(at.runner, device, at.made_root().id, at.lock_fds, disk=device)
    with default_kept(at), root as inside:
        tool = next((name for name in TOOLS if inside.find(name) is not None), TOOLS[0])
        done = inside.run((tool, "-o", f"/{DIRECTORY}/grub.cfg"))
    if done.rc != 0:
        raise OvercError(
            "kernel_broken",
            f"{tool} could not write the boot menu of the new root, which has other kernels: what boots is unchanged.",
            **done.facts(),
        )
    return True


def booted_by_menu(at: Apply, new: str, newest: Kernel) -> Kernel:
    """The kernel that the new root's menu boots: the newest, or the older one that its base boots by somebody's choice.

    Raises layout_unsupported, kernel_broken.
    """
    found, before = boots(new), boots(at.base().path)
    if found.problem is not None:
        raise OvercError("layout_unsupported", f"The new root would not boot by its own menu: {found.problem}.")
    if NEW_SUFFIX in (found.kernel or "") + (found.initrd or ""):
        raise OvercError("kernel_broken", "The boot menu of the new root names an unfinished file.")
    if (found.kernel, found.initrd) == (newest.name, newest.initrd):
        return newest
    chosen = next((each for each in kernels_in(new) if (each.name, each.initrd) == (found.kernel, found.initrd)), None)
    if chosen is None or chosen.release not in at.root(at.made_root()).modules or found.kernel != before.kernel:
        raise OvercError(
            "kernel_broken",
            f"The boot menu of the new root boots {found.kernel or 'nothing'} with {found.initrd or 'no initrd'}, and its newest "
            f"kernel is {newest.name} with {newest.initrd}.",
        )
    return chosen


__all__ = ("booted_by_menu", "make_menu")
