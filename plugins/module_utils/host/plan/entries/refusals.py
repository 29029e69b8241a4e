# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused where each deployment has a boot entry of its own: taken names, deployments that would not boot. Pure."""

from __future__ import annotations

import typing as t

from ....errors import OvercError
from ...observe.bootable import lacks, unusable_modules

if t.TYPE_CHECKING:
    from ....boot.entries.boot import EntryBoot
    from ....boot.entries.menu import Entry
    from ...observe.facts import HostFacts, RootFacts
    from ...observe.state_model import HostState


def refuse_taken(facts: HostFacts, name: str) -> None:
    """Raises inconsistent where the name of a new root is somebody's already."""
    taken = [entry.path for entry in facts.subvolumes if entry.path in (name, f"{name}.overc-new")]
    if taken:
        raise OvercError(
            "inconsistent",
            f"Subvolume {', '.join(taken)} exists without an open transaction, so it is nobody's known work. "
            "Look what it is, then rename or delete it.",
        )


def refuse_another(boot: EntryBoot, state: HostState, runs: int) -> t.NoReturn:
    """Another deployment waits or is on trial, and has to be out of the way first. Raises unconfirmed, not_booted."""
    if state.name == "trial":
        raise OvercError(
            "unconfirmed",
            "The running deployment is on trial. Run overc_host_confirm, or overc_host_rollback without 'to', then this again.",
        )
    if state.name == "fallback":
        way = "Run overc_host_rollback without 'to', which removes what was tried"
    elif state.waiting == "upgrade":
        way = "Run overc_host_rollback without 'to', which cancels it"
    elif boot.default == runs or not boot.automatic:
        way = f"Run overc_host_rollback with to: {runs}, which lets what runs stay"
    else:
        way = "Reboot the host"
    said = "was tried and did not stay" if state.name == "fallback" else "waits for its reboot"
    raise OvercError("not_booted", f"Another deployment {said}. {way}, then this again.")


def refuse_unbootable(facts: HostFacts, boot: EntryBoot, entry: Entry) -> None:
    """Before a switch to a deployment that was not looked at when it was made. Raises no_target."""
    found = entry_defects(facts, boot, entry)
    if found:
        raise OvercError(
            "no_target",
            f"{'; '.join(found)}: it would not boot, so nothing was changed. overc_host_info lists the deployments; name another "
            "one with the option to.",
        )


def entry_defects(facts: HostFacts, boot: EntryBoot, entry: Entry) -> tuple[str, ...]:
    """What keeps a deployment from booting, as sentences without their end; none where nothing shows that."""
    subvolume = facts.by_uuid(entry.uuid)
    root = facts.roots.get(subvolume.path) if subvolume else None
    if subvolume is None or subvolume.path != entry.subvolume or root is None:
        return (f"the subvolume of deployment {entry.id}, {entry.subvolume}, is gone or was replaced",)
    running = facts.roots.get(facts.booted.path) if facts.booted else None
    found = [f"{entry.subvolume} has no {thing}" for thing in lacks(root, running)]
    if root.read_only:
        found.append(f"{entry.subvolume} has the btrfs property ro=true")
    if boot.place is not None and boot.place.by_default:
        found += _misnamed(boot.place.root_named(entry.id), root)
    found += [
        f"{file} of deployment {entry.id} is gone, or broken"
        for file in (entry.kernel, entry.initrd)
        if file in boot.missing
    ]
    found += [f"{entry.subvolume}: {boot.defects[entry.id]}"] if entry.id in boot.defects else []
    if entry.release and entry.release not in root.modules:
        found.append(f"{entry.subvolume} has no modules for its kernel {entry.release}")
    unusable = unusable_modules(root, running, entry.release)
    if unusable:
        found.append(f"{entry.subvolume} {unusable}")
    return tuple(found)


def _misnamed(name: str | None, root: RootFacts) -> t.Iterator[str]:
    """What would make it another system than the one that was asked for, where ids are names and nothing names a root."""
    path = root.subvolume.path
    if path != name:
        yield f"{path} was renamed, and is no deployment under that name (in the top-level tree, give it its name back: {name})"
    if root.fstab_pins:
        yield f"/etc/fstab of {path} names a subvolume for /, and the default one decides: {' '.join(root.fstab_pins)}"


__all__ = ("entry_defects", "refuse_taken", "refuse_unbootable")
