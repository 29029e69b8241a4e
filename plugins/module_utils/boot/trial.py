# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot loader of a host can do for a trial boot, and what its environment block says now."""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass, field

from ..errors import OvercError
from ..system import syscalls
from ..system.own_dirs import STATE_DIR
from ..system.presence import NOT_THERE, is_directory, is_link
from . import guard
from .grub.environment import NEXT_ENTRY, SAVED_ENTRY, damage_of, parse_environment, read_block
from .grub.protection import Protected, find_protection, leads_to

if t.TYPE_CHECKING:
    from ..system.mount_table import Mount

ENVIRONMENT_NAME: t.Final = "grubenv"
# Measured: GRUB writes its block there, and Linux' syncfs makes a change visible to it. XFS keeps changes in its log, which
# syncfs does not empty; on btrfs GRUB cannot write at all.
WRITABLE_FILESYSTEMS: t.Final = frozenset(("ext2", "ext3", "ext4", "vfat", "msdos"))


@dataclass(frozen=True)
class TrialBoot:
    """``environment`` is the block beside the grub.cfg, ``values`` its variables, ``mount_point`` what it lies on.

    The problems are sentences: ``menu_problem`` which grub.cfg GRUB runs cannot be told, ``place_problem`` GRUB could not
    write there, ``block_problem`` the block is damaged. ``guard_missing`` are the pieces that the running root lacks,
    ``guard_left`` those that it still has where the menu knows nothing of them.
    ``note`` is what the guard of a failed trial left behind.
    """

    config: str | None = None
    environment: str | None = None
    mount_point: str | None = None
    exists: bool = False
    values: t.Mapping[str, str] = field(default_factory=dict)
    protected: Protected | None = None
    menu_problem: str | None = None
    place_problem: str | None = None
    block_problem: str | None = None
    guard_missing: tuple[str, ...] = ()
    guard_left: tuple[str, ...] = ()
    note: str | None = None

    @property
    def automatic(self) -> bool:
        """Whether a trial that fails heals by itself."""
        problems = self.menu_problem or self.place_problem or self.block_problem
        return self.protected is not None and self.exists and problems is None

    @property
    def unclear(self) -> str | None:
        """Why it cannot be told what the protected menu boots; None where it can, or where nothing is protected.

        GRUB takes a block of another length, or a link, that is none to us.
        """
        return self.block_problem if self.protected is not None else None

    @property
    def forgetful(self) -> bool:
        """Whether the protected menu has no block to remember anything in: it boots the normal entry, whatever is asked for."""
        return self.protected is not None and not self.exists

    @property
    def unconfirmed(self) -> bool:
        """Whether GRUB boots something else than the normal entry until somebody confirms."""
        return self.automatic and self.values.get(SAVED_ENTRY, "") not in ("", "0")

    @property
    def armed(self) -> bool:
        """Whether the next boot is the trial."""
        return self.unconfirmed and self.values.get(NEXT_ENTRY) == "0"

    @property
    def tried(self) -> bool:
        """Whether the trial was used up: GRUB leaves the variable there, without a value, when it obeys it."""
        return self.unconfirmed and self.values.get(NEXT_ENTRY) == ""


def observe_trial_boot(
    boot_dir: str, configs: t.Mapping[str, str], chosen: str | None, mounts: t.Sequence[Mount]
) -> TrialBoot:
    """Read the block and where it lies. ``configs`` is path below ``boot_dir`` -> text of every grub.cfg there is."""
    if chosen is None:
        return TrialBoot(menu_problem=f"there is no grub.cfg in {boot_dir}")
    config = os.path.join(boot_dir, chosen)
    environment = os.path.join(os.path.dirname(config), ENVIRONMENT_NAME)
    mount = _mount_of(config, mounts)
    exists, values, block_problem = _read(environment)
    protected = find_protection(configs[chosen])
    missing: tuple[str, ...] = ()
    if protected is not None and mount is not None:
        missing = guard.differing("/", guard.pieces(protected.settings, mount.target, environment))
    return TrialBoot(
        config=config,
        environment=environment,
        mount_point=mount.target if mount else None,
        exists=exists,
        values=values,
        protected=protected,
        menu_problem=_menu_problem(boot_dir, configs, chosen),
        place_problem=_place_problem(config, mount),
        block_problem=block_problem,
        guard_missing=missing,
        guard_left=guard.there("/") if protected is None else (),
    )


def _menu_problem(boot_dir: str, configs: t.Mapping[str, str], chosen: str) -> str | None:
    config = os.path.join(boot_dir, chosen)
    if is_link(config) or os.path.realpath(config) != os.path.join(os.path.realpath(boot_dir), chosen):
        return f"{config} is reached through a link, which GRUB may follow to another place"
    others = [path for path, text in configs.items() if path != chosen and not leads_to(text, chosen)]
    if others:
        return (
            f"besides {chosen} there is {', '.join(others)} in {boot_dir}, and neither does it plainly lead there: "
            "which of them GRUB reads cannot be told"
        )
    return None


def _read(path: str) -> tuple[bool, dict[str, str], str | None]:
    try:
        block = read_block(path)
    except FileNotFoundError:
        return False, {}, None
    except OSError as error:
        return True, {}, f"{path} cannot be read: {error.strerror}"
    except OvercError as error:
        return True, {}, error.message
    damage = damage_of(block)
    return True, {} if damage else parse_environment(block), f"{path} is damaged: {damage}" if damage else None


def _mount_of(path: str, mounts: t.Sequence[Mount]) -> Mount | None:
    real = os.path.realpath(path)
    above = [mount for mount in mounts if real.startswith(mount.target.rstrip("/") + "/")]
    longest = max((len(mount.target) for mount in above), default=0)
    return next((mount for mount in reversed(above) if len(mount.target) == longest), None)


def _place_problem(config: str, mount: Mount | None) -> str | None:
    if mount is None:
        return f"what {config} lies on cannot be told"
    if mount.target == "/":
        return f"{config} lies on the root file system, which is not the boot partition"
    if mount.fstype not in WRITABLE_FILESYSTEMS:
        return f"GRUB cannot be relied on to write to {mount.fstype}, which {mount.target} is"
    if "data=journal" in mount.options:
        return f"{mount.target} is mounted with data=journal, and GRUB does not read the journal"
    kind = mapped_kind(os.stat(os.path.dirname(config)).st_dev)
    return f"{mount.target} lies on {kind} ({mount.source}), where GRUB cannot write" if kind else None


def mapped_kind(device: int) -> str | None:
    """What is between a file system and its disk, by the kernel's own word; None for a plain disk or partition."""
    path = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for place in (path, os.path.dirname(path)):
        if is_directory(f"{place}/md"):
            return "a software RAID"
        if is_directory(f"{place}/dm"):
            try:
                with open(f"{place}/dm/uuid", encoding="utf-8") as stream:
                    kind = stream.read().split("-")[0]
            except FileNotFoundError:
                kind = ""
            return {"LVM": "LVM", "CRYPT": "an encrypted device"}.get(kind, "a device-mapper device")
    return None


def read_note(top: str) -> str | None:
    """What the guard of a failed trial wrote: a time and a reason; None if nothing, or nothing that can be shown."""
    try:
        fd = os.open(os.path.join(top, STATE_DIR, guard.NOTE), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise
    with os.fdopen(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        text = stream.read(500).decode("utf-8", "replace").strip()
    return text or None


def drop_note(top: str) -> None:
    """Forget it: a new trial begins."""
    try:
        os.unlink(os.path.join(top, STATE_DIR, guard.NOTE))
    except FileNotFoundError:
        return
    syscalls.fsync_directory(os.path.join(top, STATE_DIR))


__all__ = (
    "ENVIRONMENT_NAME",
    "WRITABLE_FILESYSTEMS",
    "TrialBoot",
    "drop_note",
    "mapped_kind",
    "observe_trial_boot",
    "read_note",
)
