# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot files on the boot partition, as every method writes them: beside, verified, then renamed."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.observe.state import source_of

from tests.model.effects.at_work import AtWork
from tests.model.world import BACKUP, NORMAL, UNFINISHED

# The model has one role of boot files, the kernel: a signature and an initrd take the same way
_ROLE: t.Final = "kernel"


def _name(*, backup: bool) -> str:
    return BACKUP if backup else NORMAL


def write_files(at: AtWork, files: t.Mapping[str, str], *, backup: bool) -> bool:
    """Beside what is there, fsynced and read back; False if it has the content already."""
    name, wanted = _name(backup=backup), files[_ROLE]
    if at.storage.world.boot.file(name) == wanted:
        return False
    if source_of(at.facts, _ROLE, wanted) is None:
        raise AssertionError(f"kernel {wanted} cannot be found any more")
    at.storage.change_boot(lambda boot: boot.without(name + UNFINISHED))
    at.storage.write_boot_file(name + UNFINISHED, wanted)
    return True


def swap_files(at: AtWork, files: t.Mapping[str, str], *, backup: bool) -> bool:
    """Synced, renamed, synced; where it has its name already, that is made durable."""
    name = _name(backup=backup)
    if at.storage.world.boot.file(name) == files[_ROLE]:
        at.storage.sync_boot()
        return False
    if at.storage.world.boot.file(name + UNFINISHED) is None:
        raise AssertionError(f"there is no {name}{UNFINISHED} to be put in place")
    at.storage.sync_boot()
    at.storage.rename_boot(name + UNFINISHED, name)
    at.storage.sync_boot()
    return True


__all__ = ("swap_files", "write_files")
