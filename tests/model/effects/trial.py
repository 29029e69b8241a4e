# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps of automatic protection: GRUB's environment block, written in place and synced."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import backup_is_complete

from tests.model.effects.at_work import AtWork
from tests.model.storage import Storage
from tests.model.world import Boot

Values = tuple[str | None, str | None]


def write_environment(storage: Storage, values: Values) -> bool:
    """Also where it says so already; the whole file system is synced. Without a block nothing is done."""
    before = storage.world.boot.environment
    if before is None:
        return False

    def written(boot: Boot) -> Boot:
        return boot._replace(environment=values if boot.environment is not None else None)

    storage.change_block(written)
    storage.sync_boot()
    return before != values


def arm_fallback(at: AtWork) -> bool:
    if at.context.backup_entry is None:
        return False
    if not backup_is_complete(at.facts):
        raise AssertionError("the backup pair is not complete, so the host could not fall back to it")
    saved, following = at.storage.world.boot.environment or (None, None)
    used_up = saved not in (None, "", "0") and following == ""
    return write_environment(at.storage, (str(at.context.backup_entry), "" if used_up else None))


def arm_trial(at: AtWork) -> bool:
    if at.context.backup_entry is None:
        return False
    at.storage.commit()
    return write_environment(at.storage, (str(at.context.backup_entry), "0"))


def await_trial(at: AtWork) -> bool:
    if at.context.backup_entry is None:
        return False
    return write_environment(at.storage, (str(at.context.backup_entry), None))


def disarm(at: AtWork) -> bool:
    return write_environment(at.storage, (None, None))


def confirm(at: AtWork) -> bool:
    """One write. Whoever gave the command has found good what runs."""
    world = at.storage.world
    at.storage.world = world._replace(good=world.good | {world.running})
    return disarm(at)


EFFECTS: t.Final = {
    "arm_fallback": arm_fallback,
    "arm_trial": arm_trial,
    "await_trial": await_trial,
    "disarm": disarm,
    "confirm": confirm,
}

__all__ = ("EFFECTS", "write_environment")
