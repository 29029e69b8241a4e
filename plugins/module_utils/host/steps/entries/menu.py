# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that write entries into the boot menu, with the files that they name, and take them out again."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ....boot.entries.command_line import arguments_for
from ....boot.entries.device import uuid_of
from ....boot.entries.in_place import Running, entry_of, running, sources
from ....boot.entries.make import title_of
from ....boot.entries.menu import Entry, Menu
from ....boot.entries.write import make_directories, write_files
from ....boot.grub.snippets import DIRECTORY, read_snippets
from ....errors import certain
from ....system.presence import text_of
from ...observe.entries.state import number_of
from ...observe.facts import with_choice
from ..places import drop
from .root import boot_files_of, menu_of

if t.TYPE_CHECKING:
    from ....btrfs.subvolumes import Subvolume
    from ..context import Apply


def write_entry_files(at: Apply) -> bool:
    """Kernel and initrd beside the menu, equal ones once. Where GRUB reads them from the subvolume, nothing has to be done."""
    _boot, where = menu_of(at)
    if not where.copies:
        return False
    make_directories(where)
    root = at.root(at.target()).path
    digests: t.Mapping[str, str] = at.notes["new_files"]
    names: t.Mapping[str, str] = at.notes["new_names"]
    files = boot_files_of(root, names)
    return write_files(where, {digest: files[role] for role, digest in digests.items()})


def write_menu(at: Apply) -> bool:
    """The menu with the new entry."""
    boot, where = menu_of(at)
    target, name = at.target(), at.context.root_name
    number = certain(at.context.number, "the id of the new deployment")
    own = where.own_entry(number, name, target.uuid)
    return _write(at, boot.menu.with_entry(own or _entry(at, number, target)))


def _entry(at: Apply, number: int, target: Subvolume) -> Entry:
    _boot, where = menu_of(at)
    name, digests, names = at.context.root_name, at.notes["new_files"], at.notes["new_names"]
    if where.copies:
        device = where.device
        files = {role: where.file_named(digest) for role, digest in digests.items()}
    else:
        root_mount = certain(at.facts.root_mount, "the mount of the root")
        device = uuid_of(at.runner, root_mount.source)
        files = {role: f"/{name}/boot/{names[role]}" for role in names}
    return Entry(
        id=number,
        title=title_of(at.root(target).path, number, at.notes["new_release"]),
        subvolume=name,
        uuid=target.uuid,
        device=device,
        kernel=files["kernel"],
        args=arguments_for(text_of("/proc/cmdline") or "", name),
        initrd=files["initrd"],
        release=at.notes["new_release"],
    )


def _write(at: Apply, menu: Menu) -> bool:
    boot, where = menu_of(at)
    if menu == boot.menu:
        return False
    where.write_menu(at.runner, boot.menu, menu)
    layout = replace(at.facts.layout, deployments=tuple(entry.subvolume for entry in menu.entries))
    at.facts = with_choice(replace(at.facts, layout=layout), replace(boot, menu=menu))
    return True


def update_entry(at: Apply) -> bool:
    """The entry of what runs boots the kernel that the distribution's menu has started it with, before that menu is no longer
    what decides. Its files first, then the menu; a kernel that nobody has tried yet is not taken.
    """
    boot, where = menu_of(at)
    booted = certain(at.facts.booted, "the running root")
    before = boot.menu.of(number_of(at.facts, boot))
    root = f"{at.top}/{booted.path}"
    runs = None
    if before is not None and boot.runs_another and booted.uuid == at.context.base:
        runs = running(sources(where, before.id, root, at.boot), text_of("/proc/cmdline") or "")
    if before is None or runs is None:
        return False
    device = certain(at.facts.root_mount, "the mount of the root").source
    entry, files = entry_of(at.runner, where, Running(before.id, booted.path, booted.uuid, root), runs, device)
    if where.copies:
        make_directories(where)
        write_files(where, files)
    changed = _write(at, boot.menu.with_entry(entry))
    return where.remove_unused(menu_of(at)[0].menu) or changed


def drop_entry(at: Apply) -> bool:
    """Repair: the deployment was never finished."""
    boot, where = menu_of(at)
    written = _write(at, boot.menu.without({certain(at.context.number, "the id of the new deployment")}))
    return where.remove_unused(menu_of(at)[0].menu) or written


def clean_boot(at: Apply) -> bool:
    """Repair: nothing unfinished, and no file that no entry names; a choice that was cut off half-way is noted as it was made."""
    boot, where = menu_of(at)
    number, may_choose = at.context.number, at.context.operation != "upgrade" and not at.context.arm
    noted = where.note((number,) if may_choose and number is not None else ())
    return where.remove_unused(boot.menu) or noted


def prune(at: Apply) -> bool:
    """What is not to be kept goes: first the entries, so that nobody can choose them, then their files, then their roots.

    What runs or boots by now, also where somebody chose it since, stays.
    """
    boot, where = menu_of(at)
    in_use = {boot.default, boot.newest, number_of(at.facts, boot)}
    going = [entry for entry in boot.menu.entries if entry.uuid in at.context.dropped and entry.id not in in_use]
    changed = _write(at, boot.menu.without({entry.id for entry in going}))
    changed = where.remove_unused(menu_of(at)[0].menu) or changed
    left = {entry.uuid for entry in menu_of(at)[0].menu.entries}
    for uuid in at.context.dropped:
        found = at.facts.by_uuid(uuid)
        if found is not None and uuid not in left:
            gone = drop(at, found, ours=uuid in at.facts.record.deployments, name=found.path, stays=where.by_default)
            _keep_listed(at, found, gone=gone)
            changed = True
    changed = where.remove_unused(menu_of(at)[0].menu) or changed
    if where.by_kernel_install:
        _tell_stale(at, {entry.subvolume for entry in going})
    return changed


def _keep_listed(at: Apply, root: Subvolume, *, gone: bool) -> None:
    """What is in use stays a deployment, where others see it by its number: that is not to be one without a root."""
    boot, where = menu_of(at)
    number = where.number_of(root.path)
    entry = where.own_entry(number, root.path, root.uuid) if number is not None and not gone else None
    if entry is not None:
        _write(at, boot.menu.with_entry(entry))


def _tell_stale(at: Apply, gone: t.Collection[str]) -> None:
    """kernel-install and grub2-mkconfig made entries of the distribution's for what they ran in."""
    stale = [each.id for each in read_snippets(at.boot) if each.subvolume in gone]
    if stale:
        at.warnings.append(
            f"Entries of the distribution's own menu boot roots that are gone: {', '.join(stale)}. Take these files (.conf) out "
            f"of {at.boot}/{DIRECTORY}."
        )


__all__ = ("clean_boot", "drop_entry", "prune", "update_entry", "write_entry_files", "write_menu")
