# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mends a requirement that is not met, where that depends on how the host is. Pure."""

from __future__ import annotations

import typing as t

from ...boot.snapper.find import is_numbered

if t.TYPE_CHECKING:
    from .facts import HostFacts


def remedy_of_default(facts: HostFacts, names: str) -> str:
    """Another default subvolume would not go with the kernel of one that was staged. Where that was only renamed, it is the name
    that is amiss.
    """
    default, taken = facts.default, {entry.path for entry in facts.subvolumes}
    free = [name for name in facts.layout.roots if name not in taken]
    known = facts.record.deployments.get(default.uuid) if default is not None else None
    if default is None or known is None or known.origin == "backup" or len(free) != 1:
        found = _goes_with_the_kernel(facts)
        if found is None:
            return f"btrfs subvolume set-default to {names}, that of both which goes with the kernel in {facts.layout.boot_dir}"
        return f"btrfs subvolume set-default to {found}, which goes with the kernel in {facts.layout.boot_dir}"
    return (
        f"it is a root of this host that somebody renamed, and {facts.layout.boot_dir} has its kernel: give it its name back, "
        f"in the top-level tree (mount -o subvolid=5) mv {default.path} {free[0]}"
    )


def _goes_with_the_kernel(facts: HostFacts) -> str | None:
    """Which of the two roots the kernel on the boot partition boots; None where nobody can tell. The other one need not boot."""
    kernel = facts.boot_files.get(facts.names.of("kernel") or "") if facts.names is not None else None
    if kernel is None:
        return None
    found = []
    for subvolume in facts.subvolumes:
        if subvolume.path not in facts.layout.roots:
            continue
        known, root = facts.record.deployments.get(subvolume.uuid), facts.roots.get(subvolume.path)
        own = known.files.get("kernel") if known is not None else None
        if own and kernel.sha256:
            fits = own == kernel.sha256
        elif known is not None and known.release:
            fits = known.release == kernel.release
        else:
            fits = root is not None and kernel.release in root.modules
        if fits:
            found.append(subvolume)
    pending = facts.record.pending
    waiting = [each for each in found if pending is not None and each.uuid == pending.uuid]
    running = [each for each in found if facts.booted is not None and each.id == facts.booted.id]
    best = waiting or running or found
    return best[0].path if len(best) == 1 else None


def not_adopted(facts: HostFacts) -> tuple[str, str]:
    """Of a host as its distribution installs it: what it lacks, and what mends that."""
    name, adds = "/", "entries beside the distribution's to the boot menu"
    runs = (
        "what the kernel is told to run, as distributions install it, and no deployment has a boot entry of its own yet"
    )
    if facts.booted is not None:
        name = facts.booted.path
        if is_numbered(name):
            runs = "a snapshot with a number of snapper, and there is no list of deployments yet"
            adds = "a list of the deployments to the top-level tree"
    remedy = "run the module overc_bootloader (or the role overc.system.bootloader): it adds"
    return f"{name} is {runs}", f"{remedy} {adds}, and changes nothing that boots"


def remedy_of_nested(paths: t.Iterable[str]) -> str:
    if any("/.overc-overlay/" in path for path in paths):
        # Their layers are named by where they are, and are subvolumes themselves
        return (
            "containers share files there: stop that first (overc_overlay, state=absent), then move the directory of the"
            " containers to a subvolume in the top-level tree, mount it by fstab, and share again"
        )
    return "move each to a subvolume in the top-level tree and mount it by fstab: a snapshot of the root shows it empty"


__all__ = ("not_adopted", "remedy_of_default", "remedy_of_nested")
