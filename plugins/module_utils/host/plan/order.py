# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order kernel and root are exchanged on a way back, so that the middle boots. Pure."""

from __future__ import annotations

import typing as t

from ..observe.state import files_of, release_of_files

if t.TYPE_CHECKING:
    from ...btrfs.subvolumes import Subvolume
    from ..observe.facts import HostFacts, RootFacts


def in_order(
    facts: HostFacts, target: Subvolume, files: t.Mapping[str, str], steps: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None]:
    """The steps of a way back in the order whose middle boots, and a warning where neither does.

    The kernel comes first where the present default root has modules for it: so it is after an upgrade, which kept them.
    Where only ``target`` has modules for both kernels, the root comes first: the backup can be newer than the default root.
    """
    default = facts.default
    if (
        default is None
        or default.path not in facts.roots
        or target.path not in facts.roots
        or "swap_kernel" not in steps
    ):
        return steps, None
    present, wanted = release_of_files(facts, files_of(facts, default)), release_of_files(facts, files)
    if _has_modules(facts.roots[default.path], wanted):
        return steps, None
    if _has_modules(facts.roots[target.path], present):
        rest = [step for step in steps if step != "set_default"]
        rest.insert(rest.index("swap_kernel"), "set_default")
        return tuple(rest), None
    if facts.trial_boot.automatic:
        return steps, None
    return steps, (
        f"Neither does {default.path} have modules for kernel {wanted}, nor {target.path} for kernel {present}: while the two "
        "are exchanged, for milliseconds, only the backup entry of the boot menu boots. See that the power stays on."
    )


def _has_modules(root: RootFacts, release: str | None) -> bool:
    return release is None or not root.modules or release in root.modules


__all__ = ("in_order",)
