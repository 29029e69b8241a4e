# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of the steps of ``grub-entry``, write by write."""

from __future__ import annotations

import typing as t
from unittest import mock

from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.entries.state import number_of
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.steps.context import Apply
from ansible_collections.overc.system.plugins.module_utils.host.steps.entries import remember
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Record

from tests.model.effects import build_root
from tests.model.effects.at_work import AtWork
from tests.model.effects.subvolumes import exchange
from tests.model.entries.facts import facts_of
from tests.model.entries.key import forget
from tests.model.entries.world import ADOPTED, MENU, Line, entry_name, initrd_of, line_text, menu_of, menu_text
from tests.model.facts import release
from tests.model.world import UNFINISHED, Boot, Btrfs, Firmware, Root, World

_KEPT: t.Final = ".overc-kept"


class _Thinks(Apply):
    """For those parts of the product's steps that only think."""

    def refresh(self, changed: str | None = None) -> None:
        """The facts are those of this moment."""


class EntriesAtWork(AtWork):
    """On a host with an entry for each deployment."""

    @staticmethod
    def observe(world: World) -> HostFacts:
        return facts_of(world)

    @staticmethod
    def forget(record: Record, disk: Btrfs) -> Record:
        return forget(record, disk)

    @property
    def apply(self) -> Apply:
        runner = t.cast("t.Any", None)
        return _Thinks(runner, self.facts, self.plan, self.context, "now", notes=self.notes)


# -- the partition of the menu -----------------------------------------------------------------------------------------


def write_text(at: AtWork, name: str, content: str) -> None:
    """Beside, read back, renamed, synced before and after."""
    at.storage.change_boot(lambda boot: boot.without(name + UNFINISHED))
    at.storage.write_boot_file(name + UNFINISHED, content)
    at.storage.sync_boot()
    at.storage.rename_boot(name + UNFINISHED, name)
    at.storage.sync_boot()


def set_menu(at: AtWork, lines: t.Iterable[Line]) -> bool:
    """Checked by GRUB's own checker beside, then the whole menu; with systemd-boot the files of what comes or goes."""
    if at.storage.world.boot.firmware is not None:
        return _set_entries(at, tuple(lines))
    text = menu_text(lines)
    if at.storage.world.boot.file(MENU) == text:
        return False
    checked = f"{MENU}.check{UNFINISHED}"
    write_text(at, checked, "text")
    at.storage.change_boot(lambda boot: boot.without(checked))
    write_text(at, MENU, text)
    return True


def _set_entries(at: AtWork, lines: tuple[Line, ...]) -> bool:
    """No name is ever written over; what is to be tried is there before what is listed, and goes after it."""
    before = lines_at(at)
    for line in sorted(set(lines) - set(before)):
        for trial in (True, False):
            write_text(at, entry_name(line.number, trial=trial), line_text(line))
    for line in sorted(set(before) - set(lines)):
        for trial in (False, True):
            name = entry_name(line.number, trial=trial)
            at.storage.change_boot(lambda boot, name=name: boot.without(name))  # type: ignore[misc]
        at.storage.sync_boot()
    return set(lines) != set(before)


def lines_at(at: AtWork) -> tuple[Line, ...]:
    found = menu_of(at.storage.world.boot)
    if found is None:
        raise AssertionError("the menu is gone")
    return found


def _has_copies(at: AtWork) -> bool:
    return at.storage.world.entries is not None and at.storage.world.entries.copies


def write_entry_files(at: AtWork) -> bool:
    if not _has_copies(at):
        return False
    return copy(at, at.notes["new_files"].values())


def copy(at: AtWork, files: t.Iterable[str]) -> bool:
    """Kernels and initrds beside the menu."""
    wanted = [name for name in files if at.storage.world.boot.file(name) != name]
    for name in wanted:
        at.storage.change_boot(lambda boot, name=name: boot.without(name + UNFINISHED))  # type: ignore[misc]
        at.storage.write_boot_file(name + UNFINISHED, name)
    at.storage.sync_boot()
    for name in wanted:
        at.storage.rename_boot(name + UNFINISHED, name)
    at.storage.sync_boot()
    return bool(wanted)


def write_menu(at: AtWork) -> bool:
    number, made = at.context.number or 0, at.apply.made_root()
    kernel = at.notes["new_files"]["kernel"]
    others = (line for line in lines_at(at) if line.number != number)
    return set_menu(at, (*others, Line(number, made.uuid, kernel)))


def update_entry(at: AtWork) -> bool:
    """The kernel that runs, and its initrd, then the menu."""
    running = at.root(at.storage.world.running)
    before = next((line for line in lines_at(at) if line.uuid == running.uuid), None)
    boot = at.facts.entry_boot
    if before is None or boot is None or not boot.runs_another or running.uuid != at.context.base:
        return False
    copy(at, (running.kernel, initrd_of(running.kernel)))
    others = (line for line in lines_at(at) if line.number != before.number)
    changed = set_menu(at, (*others, before._replace(kernel=running.kernel)))
    return remove_unused(at) or changed


def drop_entry(at: AtWork) -> bool:
    written = set_menu(at, (line for line in lines_at(at) if line.number != at.context.number))
    return remove_unused(at) or written


def remove_unused(at: AtWork) -> bool:
    used = {name for line in lines_at(at) for name in (line.kernel, initrd_of(line.kernel))} | {MENU}
    used |= {entry_name(line.number, trial=trial) for line in lines_at(at) for trial in (True, False)}
    gone = [name for name, _content in at.storage.world.boot.files if name not in used]
    for name in gone:
        at.storage.change_boot(lambda boot, name=name: boot.without(name))  # type: ignore[misc]
    if gone:
        at.storage.sync_boot()
    return bool(gone)


def _choose_by_firmware(at: AtWork, values: t.Mapping[str, str | None]) -> bool:
    """The variables, and the block around them: whatever is armed is noted after it, and forgotten before it is taken back."""
    before = at.storage.world.boot.firmware
    if "tried" in values and values["tried"] is None and before is not None and before.once is not None:
        note(at, tried=None)
        set_once(at, None)
    if values.get("default") is not None:
        set_default(at, values["default"])
    if values.get("tried") is not None:
        set_once(at, values["tried"])
    note(at, **values)
    return before != at.storage.world.boot.firmware


def set_default(at: AtWork, value: str | None) -> None:
    """One variable."""
    at.storage.change_firmware(
        lambda boot: boot._replace(firmware=(boot.firmware or Firmware())._replace(default=value))
    )


def set_once(at: AtWork, value: str | None) -> None:
    """Another one."""

    def change(boot: Boot) -> Boot:
        firmware = boot.firmware or Firmware()
        return boot._replace(firmware=firmware._replace(once=value, used=firmware.used and value is None))

    at.storage.change_firmware(change)


def note(at: AtWork, **values: str | None) -> None:
    """The block, in place and synced."""
    before = at.storage.world.boot.environment or (None, None)
    after = (values.get("default", before[0]), values.get("tried", before[1]))
    at.storage.change_block(lambda boot: boot._replace(environment=after))
    at.storage.sync_boot()


def write_block(at: AtWork, **values: str | None) -> bool:
    """In place, synced, read back: also where it says so already."""
    if at.storage.world.boot.firmware is not None:
        return _choose_by_firmware(at, values)
    before = at.storage.world.boot.environment or (None, None)
    after = (values.get("default", before[0]), values.get("tried", before[1]))
    at.storage.change_block(lambda boot: boot._replace(environment=after))
    at.storage.sync_boot()
    return before != after


# -- what boots --------------------------------------------------------------------------------------------------------


def _settled(at: AtWork) -> dict[str, str]:
    """What boots by default, where nobody has named it yet: whatever writes the distribution's menu while a trial runs writes
    it for the system on trial.
    """
    boot = at.storage.world.boot
    named = boot.firmware.default if boot.firmware is not None else (boot.environment or (None,))[0]
    return {} if named else {"default": f"n{ADOPTED}"}


def arm_trial(at: AtWork) -> bool:
    at.storage.commit()
    return write_block(at, **_settled(at), tried=f"n{at.context.number}")


def rearm(at: AtWork) -> bool:
    at.storage.commit()
    boot = at.facts.entry_boot
    if boot is None or boot.waiting is None:
        raise AssertionError("nothing waits for its trial")
    return write_block(at, **_settled(at), tried=f"n{boot.waiting}")


def disarm(at: AtWork) -> bool:
    return write_block(at, tried=None)


def choose(at: AtWork) -> bool:
    at.storage.commit()
    return write_block(at, default=f"n{at.context.number}", tried=None)


def _find_good(at: AtWork) -> None:
    """Whoever gave the command has found good what runs."""
    world = at.storage.world
    at.storage.world = world._replace(good=world.good | {world.running})


def confirm(at: AtWork) -> bool:
    if at.storage.world.running == at.context.base:
        _find_good(at)
    return choose(at)


# -- roots and the record ----------------------------------------------------------------------------------------------


def create_root(at: AtWork) -> bool:
    made = build_root.snapshot(at, at.context.root_name)
    at.change_root(made.uuid, written=False)
    at.storage.commit()
    return True


def prepare_root(_at: AtWork) -> bool:
    """fstab, and kernels in its /boot: nothing that anybody asks for later."""
    return True


def check_root(at: AtWork) -> bool:
    kernel = at.root(at.apply.made_root().uuid).kernel
    files = {"kernel": kernel, "initrd": initrd_of(kernel)}
    at.notes.update({"new_files": files, "new_release": release(kernel), "new_names": files})
    return True


def name_root(at: AtWork) -> bool:
    if at.disk.at(at.context.root_name) is not None:
        return False
    at.storage.commit()
    exchange(at, at.context.root_name)
    return True


def unplace_root(at: AtWork) -> bool:
    current = at.disk.at(at.context.root_name)
    if current is None:
        return False
    if current.parent != at.context.base:
        raise AssertionError(f"{at.context.root_name} is neither what was there nor what was made")
    exchange(at, at.context.root_name, back=True)
    return True


def drop(at: AtWork, root: Root, *, ours: bool) -> None:
    """Deleted with its entry in the record if it is ours, else kept under another name."""
    name, default = at.disk.name_of(root.uuid), at.facts.default
    if name is None or root.uuid in (at.storage.world.running, default.uuid if default else None):
        raise OvercError("inconsistent", f"{name} is in use and would have been deleted; reboot the host first.")
    if ours:
        at.change_subvolumes(lambda named: named.pop(name, None))
    else:
        kept = name.replace(UNFINISHED, "") + _KEPT
        at.change_subvolumes(lambda named: named.update({kept: named.pop(name)}))
    at.storage.commit()
    if ours and root.uuid in at.disk.record.deployments:
        at.write_record(at.disk.record.with_deployments(dropped=(root.uuid,)))


def drop_unfinished(at: AtWork) -> bool:
    found = at.disk.at(at.context.root_name + UNFINISHED)
    if found is None:
        return False
    drop(at, found, ours=found.parent == at.context.base)
    return True


def prune(at: AtWork) -> bool:
    boot = at.facts.entry_boot
    if boot is None:
        raise AssertionError("the menu is gone")
    in_use = {boot.default, boot.newest, number_of(at.facts, boot)}
    dropped = at.context.dropped
    left = [line for line in lines_at(at) if line.uuid not in dropped or line.number in in_use]
    changed = set_menu(at, left)
    changed = remove_unused(at) or changed
    for uuid in dropped:
        found = at.disk.by_uuid(uuid)
        if found is not None and uuid not in {line.uuid for line in left}:
            drop(at, found, ours=uuid in at.disk.record.deployments)
            changed = True
    return changed


def record(at: AtWork) -> bool:
    """What it says is the product's business; that it is durable is the model's."""
    if at.context.operation == "rollback" and at.context.target == at.storage.world.running:
        _find_good(at)

    def sync(_top: str) -> None:
        at.storage.commit()

    with mock.patch.object(subvolumes, "sync", sync):
        at.record_by_product(remember.record)
    return True


def _note_again(at: AtWork) -> bool:
    """What the firmware was told last, where the run was cut off before the block said so."""
    boot, noted = at.storage.world.boot, (at.storage.world.boot.environment or (None,))[0]
    chosen = boot.firmware.default if boot.firmware is not None else None
    may_choose = at.context.operation != "upgrade" and not at.context.arm
    meant = {f"n{at.context.number}"} if may_choose else set()
    if chosen == noted or chosen not in meant | (set() if noted else {f"n{ADOPTED}"}):
        return False
    note(at, default=chosen)
    return True


def clean_boot(at: AtWork) -> bool:
    noted = _note_again(at)
    return remove_unused(at) or noted


EFFECTS: t.Final = {
    **{
        name: build_root.EFFECTS[name]
        for name in ("download_packages", "drop_downloads", "run_packages", "run_commands", "label", "close")
    },
    "install_guard": build_root.install_guard,
    "declare_late": build_root.declare_late,
    "create_root": create_root,
    "prepare_root": prepare_root,
    "check_root": check_root,
    "name_root": name_root,
    "unplace_root": unplace_root,
    "write_entry_files": write_entry_files,
    "write_menu": write_menu,
    "update_entry": update_entry,
    "drop_entry": drop_entry,
    "arm_trial": arm_trial,
    "rearm": rearm,
    "disarm": disarm,
    "choose": choose,
    "confirm": confirm,
    "record": record,
    "drop_unfinished": drop_unfinished,
    "prune": prune,
    "clean_boot": clean_boot,
}

__all__ = (
    "EFFECTS",
    "EntriesAtWork",
    "copy",
    "lines_at",
    "note",
    "prune",
    "remove_unused",
    "set_default",
    "set_menu",
    "set_once",
    "write_text",
)
