# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the menu of deployments and its block are on a host, and how GRUB comes to them."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ...errors import OvercError
from ...system.mount_table import mount_at
from ...system.presence import text_of
from ...system.unfinished import NEW_SUFFIX
from .. import partition
from ..grub.environment import EMPTY, change_environment, parse_environment, read_block, write_environment
from ..grub.password import asks_for_password
from ..grub.snippets import runs_snippets
from ..trial import WRITABLE_FILESYSTEMS, mapped_kind
from .device import uuid_of
from .menu import ADOPTED, DEFAULT, Menu, find_hook, hook_text, menu_text, parse_menu, reads_hook
from .method import SELECTOR, Choice, Place, read_block_at
from .start import ESP_DIRECTORIES, GRUB_DIRECTORIES, has_own_core, named_by_stubs
from .write import mode_of, remove_empty, remove_files, unused, write_text

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

MENU: t.Final = "menu.cfg"
HOOK: t.Final = "custom.cfg"
# As most distributions and as Fedora and openSUSE name it
_CHECKERS: t.Final = ("grub-script-check", "grub2-script-check")
_FROM_HOOK = re.compile(
    r"--set=overc_device (?P<device>[0-9A-Fa-f-]+)\nset overc_dir=\"\(\$\{overc_device\}\)(?P<directory>/[^\"\s]+)\""
)


class GrubPlace(Place):
    """``hook``: the custom.cfg that GRUB reads."""

    method = "grub-entry"
    loader = "GRUB"
    heals_unloadable = True
    replaces_whole = True

    @property
    def menu(self) -> str:
        return os.path.join(self.directory, MENU)

    @property
    def distribution_menu(self) -> str:
        """The grub.cfg that reads the hook."""
        return os.path.join(os.path.dirname(self.hook), "grub.cfg")

    @property
    def apart(self) -> bool:
        return self.copies

    @property
    def replaced(self) -> tuple[str, ...]:
        return (self.menu, self.block)

    def read_menu(self) -> tuple[Menu, str | None]:
        text = text_of(self.menu)
        if text is None:
            return Menu(), f"{self.menu} is gone"
        try:
            return parse_menu(text), None
        except ValueError as error:
            return Menu(), f"{self.menu} cannot be believed: {error}"

    def read_choice(self) -> Choice:
        return read_block_at(self.block)

    def unled(self) -> str | None:
        if find_hook(text_of(self.hook) or "") == hook_text(self.device, self.below):
            return None
        return f"{self.hook} does not lead to {self.menu}, so GRUB boots what the distribution's menu says"

    def unreachable(self) -> str | None:
        if reads_hook(text_of(self.distribution_menu) or ""):
            return None
        return (
            f"{self.distribution_menu} does not read custom.cfg any more, so GRUB boots what it says (chmod +x "
            "/etc/grub.d/41_custom, then update-grub)"
        )

    def waits(self) -> str | None:
        asking = asks_for_password(self.distribution_menu)
        if asking is None:
            return None
        return (
            f"{asking} makes GRUB ask for a password before it boots an entry of ours (superusers): the host would wait"
        )

    @property
    def by_kernel_install(self) -> bool:
        return runs_snippets(text_of(self.distribution_menu) or "")

    def begins_in(self, mounts: t.Sequence[Mount], top: str, menu: Menu) -> frozenset[int]:
        """Where GRUB was installed from them; only where /boot is in the root it needs one."""
        stubs = named_by_stubs(mounts)
        found = {entry.id for entry in menu.entries if entry.subvolume in stubs}
        anchor = menu.of(ADOPTED)
        if anchor is not None and not self.copies:
            found |= {entry.id for entry in menu.entries if has_own_core(top, entry.subvolume, anchor.subvolume)}
        return frozenset(found)

    def begin(self, chosen: int | None) -> None:
        values = {DEFAULT: str(chosen)} if chosen is not None else {}
        write_text(self.block, os.fsdecode(change_environment(EMPTY, values)))

    def hook_after(self, before: str, append: bool) -> str:
        ours, found = hook_text(self.device, self.below), find_hook(before)
        if found is not None:
            return before.replace(found, ours)
        if before.strip() and not append:
            raise OvercError(
                "custom_cfg_foreign",
                f"{self.hook} has lines of somebody else. Look whether they decide what boots; if not, run this again with "
                "adopt_custom_cfg: append. Nothing was changed.",
            )
        return f"{before}{'' if not before or before.endswith(chr(10)) else chr(10)}{ours}"

    def write_menu(self, runner: Runner, _before: Menu, after: Menu) -> None:
        """The whole menu, where GRUB's own checker, if the host has it, understands it."""
        try:
            text = menu_text(after)
        except ValueError as error:
            raise OvercError("layout_unsupported", f"No boot entry can be written: {error}.") from error
        checker = next((name for name in _CHECKERS if runner.find(name) is not None), None)
        if checker is not None:
            beside = f"{self.menu}.check{NEW_SUFFIX}"
            write_text(beside, text)
            done = runner.run((checker, beside))
            os.unlink(beside)
            if done.rc != 0:
                raise OvercError(
                    "internal", "GRUB does not understand the menu that was made. Please report it.", **done.facts()
                )
        write_text(self.menu, text)

    def choose(self, changes: t.Mapping[str, str | None]) -> tuple[bool, dict[str, str]]:
        """One write of GRUB's block."""
        changed = write_environment(self.block, changes)
        return changed, parse_environment(read_block(self.block))

    def remove_unused(self, menu: Menu) -> bool:
        return remove_files(self, unused(self, menu))

    def hook_without(self, before: str) -> str:
        ours = find_hook(before)
        return before.replace(ours, "") if ours else before

    def leave(self) -> None:
        after = self.hook_without(text_of(self.hook) or "")
        if after.strip():
            write_text(self.hook, after, mode_of(self.hook))
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.hook)
            partition.sync(os.path.dirname(self.hook))

    def remove(self) -> None:
        self.remove_unused(Menu())
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.block)
        remove_empty(self.files)
        partition.sync(self.directory)
        os.unlink(self.menu)
        remove_empty(self.directory)
        partition.sync(os.path.dirname(self.directory))


def grub_directory(boot: str) -> str | None:
    """The directory of a /boot with the grub.cfg in it; None where there is none, or two."""
    found = [name for name in GRUB_DIRECTORIES if text_of(os.path.join(boot, name, "grub.cfg")) is not None]
    return os.path.join(boot, found[0]) if len(found) == 1 else None


def _is_on_root(mounts: t.Sequence[Mount], boot_dir: str) -> bool:
    return mount_at(mounts, boot_dir) is None


def _esp(mounts: t.Sequence[Mount]) -> Mount | None:
    found = [mount_at(mounts, path) for path in ESP_DIRECTORIES]
    return next((mount for mount in found if mount is not None and mount.fstype in WRITABLE_FILESYSTEMS), None)


def find_place(runner: Runner, mounts: t.Sequence[Mount], boot_dir: str, top: str, anchor: str) -> GrubPlace:
    """Where the menu belongs on this host, whether it is there yet or not. ``anchor``: the subvolume of deployment 0.

    Raises layout_unsupported where GRUB's own menu cannot be found.
    """
    apart = None if _is_on_root(mounts, boot_dir) else mount_at(mounts, boot_dir)
    boot = boot_dir if apart else os.path.join(top, anchor, boot_dir.lstrip("/"))
    grub = grub_directory(boot)
    if grub is None:
        raise OvercError(
            "layout_unsupported",
            f"There is no grub.cfg in {boot_dir}, or there are two: GRUB's own menu has to be in {boot_dir}/grub or "
            f"{boot_dir}/grub2.",
        )
    where = apart or _esp(mounts)
    root = mount_at(mounts, "/")
    if where is not None:
        if where.root != "/":
            raise OvercError(
                "layout_unsupported", f"{where.target} shows only a part of its file system, where GRUB sees all of it."
            )
        directory, mount_point, path = os.path.join(where.target, SELECTOR), where.target, f"/{SELECTOR}"
        problem = _write_problem(where)
        source = where.source
    else:
        directory, mount_point = os.path.join(boot, SELECTOR), top
        path = "/" + os.path.join(anchor, boot_dir.lstrip("/"), SELECTOR)
        problem = f"{boot_dir} is on btrfs, where GRUB reads and does not write, and there is no EFI system partition"
        source = root.source if root else ""
    return GrubPlace(
        directory, mount_point, uuid_of(runner, source), path, os.path.join(grub, HOOK), apart is not None, problem
    )


def _write_problem(mount: Mount) -> str | None:
    if mount.fstype not in WRITABLE_FILESYSTEMS:
        return f"GRUB cannot be relied on to write to {mount.fstype}, which {mount.target} is"
    if "data=journal" in mount.options:
        return f"{mount.target} is mounted with data=journal, and GRUB does not read the journal"
    kind = mapped_kind(os.stat(mount.target).st_dev)
    return f"{mount.target} lies on {kind} ({mount.source}), where GRUB cannot write" if kind else None


def adopted(boot_dir: str) -> tuple[str, str] | None:
    """The device's UUID and the path of the selector as the hook of the running root has them; None without a hook."""
    for name in GRUB_DIRECTORIES:
        hook = find_hook(text_of(os.path.join(boot_dir, name, HOOK)) or "")
        found = _FROM_HOOK.search(hook) if hook else None
        if found:
            return found["device"], found["directory"]
    return None


__all__ = ("HOOK", "MENU", "GrubPlace", "adopted", "find_place", "grub_directory")
