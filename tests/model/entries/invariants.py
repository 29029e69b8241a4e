# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of a host with an entry for each deployment, in every world and after every command."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState

from tests.model import invariants
from tests.model.entries.grub import decide, is_whole, load
from tests.model.entries.world import ADOPTED, chosen_in, entry_name, initrd_of, line_of, line_text, menu_of, number_in
from tests.model.grub import DoesNotBoot, after_cut
from tests.model.invariants import Violated, check
from tests.model.world import UNFINISHED, Boot, Btrfs, World

after_a_command = invariants.after_a_command


def in_every_world(world: World, state: HostState) -> None:
    """Whatever runs, was killed, or is cut now."""
    check(
        state.name not in ("inconsistent", "unsupported"),
        f"a person is needed: {state.name}: {' '.join(state.contradictions)}"
        f"{[entry.detail for entry in state.requirements if not entry.ok]}",
    )
    if state.name == "clean":
        check(world.running in world.good, "what nobody confirmed counts as permanent")
    if state.name == "fallback" and world.boot.firmware is not None:
        check(world.boot.firmware.used, "what was never tried is said to have failed")
    for disk, left in after_cut(world):
        _after_a_cut(world, disk, left)


def _after_a_cut(world: World, disk: Btrfs, left: tuple[Boot, Boot]) -> None:
    for uuid in world.foreign:
        check(disk.by_uuid(uuid), f"{uuid}, which is nobody's business, is gone")
    if disk.journal is None:
        _is_tidy(disk, left[1])
    _check_record(world, disk)
    grub = left[0]
    lines = menu_of(grub)
    check(lines is not None, "GRUB finds no menu of deployments")
    for line in lines or ():
        why = is_whole(world, disk, grub, line)
        check(why is None, f"entry {line.number} of the menu does not boot: {why}")
    default, tried = chosen_in(grub)
    for number in (default, *(() if tried is None else (tried,))):
        check(line_of(grub, number), f"the block names {number}, which is not in the menu")
    kept, first = world.entries.in_place if world.entries is not None else None, line_of(grub, ADOPTED)
    if kept is not None and first is not None and default == ADOPTED and (grub.environment or (None,))[0]:
        check(first.kernel == kept, f"deployment 0 boots {first.kernel} by default, and it ran with {kept}")
    if tried is not None and grub.firmware is not None:
        named, on_trial = line_of(grub, tried), grub.file(entry_name(tried, trial=True))
        check(named and on_trial == line_text(named), f"what the firmware tries is {on_trial or 'gone'}")
    if tried is not None and world.entries is not None and world.entries.grub_writes:
        pending, line_tried = disk.record.pending, line_of(grub, tried)
        told = pending is not None and line_tried is not None and pending.uuid == line_tried.uuid
        check(told, f"the block tries {tried}, and the record says that {pending} waits")
    if world.entries is not None and not world.entries.manual:
        found = line_of(grub, default)
        check(found and found.uuid in world.good, f"deployment {default} boots for good, and nobody confirmed it")
    _boots(world, disk, left)


def _boots(world: World, disk: Btrfs, left: tuple[Boot, Boot]) -> None:
    """What the block names, and nothing else; twice without anybody there the second time with nothing to try."""
    try:
        first = load(world, disk, left)
        second = load(world, disk, first.left)
    except DoesNotBoot as why:
        raise Violated(f"nothing boots: {why}") from why
    wanted = decide(world, left)
    check(first.number == wanted.number, f"deployment {first.number} boots, not {wanted.number}")
    check(not first.trial or first.root.guard, "a trial without a guard")
    check(not second.trial, "a trial is not used up")
    if second.number is None and not (world.entries and world.entries.manual):
        check(
            second.root.uuid in world.good, f"the distribution's menu boots {second.root.uuid}, which nobody confirmed"
        )


def _is_tidy(disk: Btrfs, linux: Boot) -> None:
    """Nothing is left that nobody names."""
    names = [name for name, _root in disk.subvolumes if name.endswith(UNFINISHED)]
    lines = menu_of(linux) or ()
    used = {name for line in lines for name in (line.kernel, initrd_of(line.kernel))} | {"menu.cfg"}
    used |= {entry_name(line.number, trial=trial) for line in lines for trial in (True, False)}
    names += [name for name, _content in linux.files if name not in used]
    check(not names and not disk.downloads, f"without a journal there is {', '.join(names) or 'a download'}")
    listed = {line.uuid for line in menu_of(linux) or ()}
    lost = [name for name, root in disk.subvolumes if number_in(name) is not None and root.uuid not in listed]
    check(not lost, f"no entry of the menu boots {', '.join(lost)}")


def _check_record(world: World, disk: Btrfs) -> None:
    for uuid, known in disk.record.deployments.items():
        check(not known.confirmed or uuid in world.good, f"the record says of {uuid} that somebody found it good")


def after_a_refusal(world: World, error: OvercError, accepted: t.Callable[[str], bool]) -> None:
    """It names what to do next, and that is not refused as well; a list of the deployments there are is enough."""
    if "overc_host_info" not in error.message and "there are:" not in error.message:
        invariants.after_a_refusal(world, error, accepted)


def after_a_repair(before: World, after: World, context: t.Mapping[str, t.Any], *, committed: bool) -> None:
    """Forward as a whole or back as a whole; and nobody is sent into a trial who has booted something else since."""
    if not committed and context["operation"] == "upgrade" and context["root_name"]:
        made = after.disk.at(context["root_name"])
        known = made is not None and made.uuid in after.disk.record.deployments
        check(made is None or known, f"{context['root_name']} is still there after the upgrade is undone")
    if after.running != context["base"] and context["operation"] in ("upgrade", "rollback"):
        grew = chosen_in(after.boot)[1] is not None and chosen_in(before.boot)[1] is None
        check(not grew, "a repair sent a host into a trial that has booted something else since")


__all__ = ("after_a_command", "after_a_refusal", "after_a_repair", "in_every_world")
