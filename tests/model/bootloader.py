# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module overc_bootloader in the model: automatic protection put into a host, and taken out again."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState

from .effects.trial import write_environment
from .storage import Storage
from .world import Boot, Root, World


def _set(storage: Storage, **fields: object) -> None:
    """A file replaced: written beside, synced, renamed, synced."""
    storage.sync_boot()
    storage.change_boot(lambda boot: boot._replace(**fields))  # type: ignore[arg-type]
    storage.sync_boot()


def _set_guard(storage: Storage, running: str, *, there: bool) -> None:
    def changed(root: Root) -> Root:
        return root._replace(guard=there) if root.uuid == running else root

    storage.change(
        lambda disk: replace(disk, subvolumes=tuple((name, changed(root)) for name, root in disk.subvolumes))
    )


def present(world: World, state: HostState) -> Storage | None:
    """None where it is refused: only a clean host is changed."""
    boot: Boot = world.boot
    running = world.disk.by_uuid(world.running)
    complete = boot.menu and boot.environment is not None and running is not None and running.guard
    if state.name != "clean" and not (complete and state.name in ("staged", "trial")):
        return None
    storage = Storage(world)
    if boot.environment is None:
        _set(storage, made=True)
        _set(storage, environment=(None, None))
    _set_guard(storage, world.running, there=True)
    if not boot.menu:
        _set(storage, before=True)
        _set(storage, menu=True)
    storage.sync_boot()
    storage.commit()
    return storage


def absent(world: World, state: HostState) -> Storage | None:
    """None where it is refused. The menu first, the guard last: every middle is harmless."""
    boot = world.boot
    if boot.menu and state.name != "clean":
        return None
    storage = Storage(world)
    had_ours = boot.menu
    if had_ours:
        _set(storage, menu=False)
    if boot.made:
        _set(storage, environment=None)
        _set(storage, made=False)
    elif had_ours and boot.environment is not None:
        write_environment(storage, (None, None))
    storage.change_boot(lambda seen: seen._replace(before=False))
    storage.sync_boot()
    _set_guard(storage, world.running, there=False)
    storage.sync_boot()
    storage.commit()
    return storage


__all__ = ("absent", "present")
