# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of such a host, in every world and after every command."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState

from tests.model import invariants
from tests.model.entries import invariants as entries
from tests.model.grub import DoesNotBoot
from tests.model.invariants import Violated, check
from tests.model.snapper.moves import load
from tests.model.snapper.world import Numbers, number_in, numbers_of, roots_of, why_not
from tests.model.world import UNFINISHED, Root, World


def after_a_refusal(world: World, error: OvercError, accepted: t.Callable[[str], bool]) -> None:
    """On a host that was not set up, a set-up is what it names."""
    if numbers_of(world).listed is not None:
        entries.after_a_refusal(world, error, accepted)
    else:
        check("overc_bootloader" in error.message, f"{error.error_id} does not name the set-up: {error.message}")


def in_every_world(world: World, state: HostState) -> None:
    """Whatever runs, was killed, or is cut now."""
    expected = state.name == "unsupported" and numbers_of(world).listed is None
    check(
        expected or state.name not in ("inconsistent", "unsupported"),
        f"a person is needed: {state.name}: {' '.join(state.contradictions)}"
        f"{[entry.detail for entry in state.requirements if not entry.ok]}",
    )
    for disk in world.disks:
        _after_a_cut(world, t.cast("Numbers", disk))


def after_a_command(world: World) -> None:
    """A host without what is gone may look like one that never had it."""
    invariants.after_a_command(world)
    _check_foreign(world, numbers_of(world))


def _check_foreign(world: World, disk: Numbers) -> None:
    for uuid in world.foreign:
        check(disk.by_uuid(uuid), f"{uuid}, which is nobody's business, is gone")


def _after_a_cut(world: World, disk: Numbers) -> None:
    _check_foreign(world, disk)
    _check_numbers(disk)
    if disk.journal is None:
        _is_tidy(disk)
    for uuid, known in disk.record.deployments.items():
        check(not known.confirmed or uuid in world.good, f"the record says of {uuid} that somebody found it good")
    try:
        root = load(disk)
    except DoesNotBoot as why:
        raise Violated(f"nothing boots: {why}") from why
    _check_default(world, disk, root.uuid)


def _check_numbers(disk: Numbers) -> None:
    """Snapper sees whole snapshots only, and nobody's number is another's."""
    named = roots_of(disk)
    for each in disk.directories:
        root = named.get(each.number)
        if each.claimed:
            continue
        check(
            each.info != "theirs" or root is not None,
            f"the snapshot {each.number} is snapper's own, and its root is gone",
        )
        check(not (each.info == "theirs" and each.mark), f"the number {each.number} of snapper's has our mark")
        if each.info is not None and root is not None:
            check(why_not(root) is None, f"snapper shows {each.number}, and {why_not(root)}")
    for number, root in named.items():
        found = disk.directory(number)
        check(found is not None and found.info is not None, f"snapper does not know the root {number} ({root.uuid})")
    for number, uuid in disk.listed or ():
        is_there = disk.by_uuid(uuid)
        check(
            is_there is None or named.get(number) == is_there,
            f"the list calls {uuid} {number}, and it is another's name",
        )


def _check_default(world: World, disk: Numbers, uuid: str) -> None:
    """What we made boots only where it is listed and on record: whoever comes after a cut has to know what it is."""
    number = number_in(disk.name_of(uuid) or "")
    found = disk.directory(number) if number is not None else None
    check(found is not None, f"the default subvolume is {disk.name_of(uuid)}, which is no number")
    if found is not None and found.info == "ours" and uuid not in numbers_of(world).chosen:
        check(not found.mark, f"{number} boots by default, and it is marked as unfinished")
        check(uuid in disk.record.deployments, f"{number} boots by default, and nothing is on record of it")


def _is_tidy(disk: Numbers) -> None:
    """Nothing is left that nobody names."""
    left = [name for name, _root in disk.subvolumes if name.endswith(UNFINISHED)]
    named = roots_of(disk)
    left += [
        f"the directory {each.number}"
        for each in disk.directories
        if each.claimed or each.mark or each.number not in named
    ]
    check(not left and not disk.downloads, f"without a journal there is {', '.join(left) or 'a download'}")
    listed = {uuid for _number, uuid in disk.listed or ()}
    ours = {each.number for each in disk.directories if each.info == "ours"}
    lost = [
        f"{number}" for number in ours if named[number].uuid not in listed and not _was_given_up(disk, named[number])
    ]
    check(not lost, f"our list does not know {', '.join(lost)}")


def _was_given_up(disk: Numbers, root: Root) -> bool:
    """Ours until the host was given back: its user has it since."""
    known = disk.record.deployments.get(root.uuid)
    return known is not None and known.number is None


def after_a_repair(before: World, after: World, context: t.Mapping[str, t.Any], *, committed: bool) -> None:
    """Forward as a whole or back as a whole; and what boots is not decided anew where something else runs by now."""
    if not committed and context["operation"] == "upgrade" and context["root_name"]:
        made = after.disk.at(context["root_name"])
        known = made is not None and (made.uuid in after.disk.record.deployments or made.uuid in after.foreign)
        check(made is None or known, f"{context['root_name']} is still there after the upgrade is undone")
    if after.running != context["base"] and context["operation"] in ("upgrade", "rollback"):
        check(
            numbers_of(before).default == numbers_of(after).default,
            "a repair decided what boots on a host that has booted something else since",
        )


__all__ = ("after_a_command", "after_a_refusal", "after_a_repair", "in_every_world")
