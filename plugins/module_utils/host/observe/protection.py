# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guarantee a host has, and why not the better one. Pure."""

from __future__ import annotations

import typing as t

from ...boot.trial import WRITABLE_FILESYSTEMS
from .requirements import Requirement

if t.TYPE_CHECKING:
    from ...boot.entries.boot import EntryBoot
    from .facts import HostFacts

Protection = t.Literal["manual", "automatic"]
_OTHER_LOADER: t.Final = (
    "run the module overc_bootloader, which writes what is missing, and names what else has to be put right"
)
_INSTALL: t.Final = "run the role overc.system.bootloader (or the module overc_bootloader)"


def method_of(boot: EntryBoot | None) -> str:
    """How a host chooses what it boots, as the option boot_method has it."""
    return boot.place.method if boot is not None and boot.place is not None else "default-subvolume"


def protection_of(facts: HostFacts) -> Protection:
    """``automatic``: a system on trial that does not come up, or is not confirmed, is left by itself."""
    return "automatic" if facts.trial_boot.automatic else "manual"


def place_requirements(facts: HostFacts) -> tuple[Requirement, ...]:
    """What the host itself must offer before anything can be installed."""
    boot = facts.trial_boot
    place = facts.entry_boot.place if facts.entry_boot is not None else None
    loader = place.loader if place is not None else "GRUB"

    def of(name: str, problem: str | None, fine: str, remedy: str) -> Requirement:
        return Requirement(name, problem is None, problem or fine, remedy, "no_trial_boot")

    filesystems = ", ".join(sorted(WRITABLE_FILESYSTEMS))
    menu = of(
        "grub_menu",
        boot.menu_problem,
        f"{loader}'s menu is {boot.config}",
        _OTHER_LOADER
        if loader != "GRUB"
        else "leave one grub.cfg with the two entries, and let any other do nothing but 'configfile' it",
    )
    if place is not None and place.by_default:
        return (
            menu,
            of("grub_writes", boot.place_problem, "", "a boot loader that counts boots, as systemd-boot does"),
            of("grub_environment", None, "the default subvolume is all that chooses", ""),
        )
    if boot.config is None:
        # Where there is no menu, nothing can be said of what lies beside it
        unknown, remedy = "cannot be told without a grub.cfg", f"write GRUB's menu in {facts.layout.boot_dir} first"
        return menu, of("grub_writes", unknown, "", remedy), of("grub_environment", unknown, "", remedy)
    return (
        menu,
        of(
            "grub_writes",
            boot.place_problem,
            f"{boot.environment} is on {boot.mount_point}, where GRUB can write"
            if loader == "GRUB"
            else f"{loader} uses up what is tried once",
            f"put {facts.layout.boot_dir} on a plain partition with one of {filesystems}",
        ),
        of(
            "grub_environment",
            boot.block_problem,
            f"{boot.environment} {'is an environment block' if boot.exists else 'does not exist yet'}",
            f"grub-editenv {boot.environment} create" if loader == "GRUB" else _OTHER_LOADER,
        ),
    )


def trial_requirements(facts: HostFacts) -> tuple[Requirement, ...]:
    """Everything that automatic protection needs, in the order in which it makes sense to mend."""
    boot = facts.trial_boot
    installed = boot.protected is not None and boot.exists
    missing = ", ".join(f"/{path}" for path in boot.guard_missing)
    if boot.protected is None:
        left = ", ".join(f"/{path}" for path in boot.guard_left)
        guard = f"left by a removal that was cut off: {left}" if left else "not installed"
    else:
        guard = f"missing or changed in the running root: {missing}" if missing else "installed in the running root"
    return (
        *place_requirements(facts),
        Requirement(
            "grub_trial_boot",
            installed,
            f"{boot.config or 'no grub.cfg'} knows {'trial boots' if installed else 'no trial boot'}",
            _INSTALL,
            "no_trial_boot",
        ),
        Requirement("trial_guard", boot.protected is not None and not missing, guard, _INSTALL, "no_trial_boot"),
    )


__all__ = ("Protection", "method_of", "place_requirements", "protection_of", "trial_requirements")
