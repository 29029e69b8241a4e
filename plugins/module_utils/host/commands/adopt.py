# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary host gets boot entries for its deployments beside its distribution's own menu; ``give_back`` takes them away.

Nothing that boots changes: the block chooses nothing yet, and the distribution's menu stays as it is, with its entries. Each
file is whole before the next one relies on it, and the lines that lead GRUB here come last; so a run that was cut off is
simply repeated.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, replace

from ...boot import guard, partition
from ...boot.entries.boot import ADOPTED, EntryBoot, initrd_problem, new_place
from ...boot.entries.in_place import Running, Source, entry_of, running, sources
from ...boot.entries.kernels import compare_releases
from ...boot.entries.menu import Entry, Menu
from ...boot.entries.place import GrubPlace
from ...boot.entries.start import named_by_stubs
from ...boot.entries.write import make_directories, missing_bytes, mode_of, write_files, write_text
from ...boot.grub.password import asks_for_password
from ...boot.kernel import module_releases, sha256_of
from ...errors import OvercError, certain
from ...system import syscalls
from ...system.flags import is_locked
from ...system.mount_table import mounts
from ...system.own_dirs import STATE_DIR
from ...system.presence import is_directory, is_plain_directory, is_there, text_of
from ..observe.entries.requirements import MARGIN
from ..observe.protection import protection_of
from ..store.record import Deployment, write_record

if t.TYPE_CHECKING:
    from ...boot.entries.method import Place
    from ...boot.timeouts import Timeouts
    from ..observe.facts import HostFacts
    from ..observe.state_model import HostState
    from ..session import Host


def present(host: Host, facts: HostFacts, derived: HostState, settings: Timeouts, *, append: bool) -> dict[str, t.Any]:
    """Set it up, or bring it up to date: time-outs, what is missing. Raises what refuses it before anything changes."""
    refuse_damaged(facts) if facts.entry_boot is None else refuse_mid_switch(derived)
    booted = certain(facts.booted, "the running root")
    top = certain(facts.top, "the top of the btrfs file system")
    boot = facts.entry_boot
    place = boot.place if boot is not None else None
    if place is None:
        layout = facts.layout
        place = new_place(host.runner, mounts(), layout.boot_dir, top, booted.path, layout.boot_method)
    before, problem = place.read_menu()
    if boot is not None and problem is not None:
        raise OvercError(
            "bootloader_changed",
            f"{problem}. Put it back from a backup, or move it away and run this again. Nothing was changed.",
        )
    hook_before = text_of(place.hook) or ""
    hook_after = place.hook_after(hook_before, append)
    unreachable = place.unreachable()
    if boot is None:
        _refuse_unusable(host, facts, place, unreachable)
    elif unreachable is not None:
        raise OvercError("layout_unsupported", f"{unreachable}. Nothing was changed; do that, then run this again.")
    numbers = [entry.id for entry in before.entries if entry.uuid == booted.uuid]
    number = numbers[0] if numbers else place.number_of(booted.path) or ADOPTED
    if before.entries and not numbers:
        raise OvercError(
            "inconsistent",
            f"The menu of deployments is there already, and the running {booted.path} is none of them. Boot one of them, then "
            "run this again.",
        )
    _refuse_undecided(facts)
    entry, sources = _entry(host, facts, place, number, before.of(number))
    _refuse_full(place, sources)
    menu = replace(before.with_entry(entry), settings=settings)
    wanted = guard.pieces(settings, place.mount_point, place.block, numbered=True) if place.problem is None else ()
    unknown = _unrecorded(facts, number, menu)
    todo = _Todo(place, number, sources, before, menu, wanted, hook_before, hook_after, unknown)
    changed = todo.anything()
    if changed and not host.check_mode:
        _carry_out(host, facts, todo)
    if not host.check_mode:
        partition.sync(place.directory)
    return result_of(host, facts, place, changed, (hook_before, hook_after))


def _refuse_undecided(facts: HostFacts) -> None:
    """A new block makes what runs the default; what is only tried was not found good by anybody."""
    boot, booted = facts.entry_boot, certain(facts.booted, "the running root")
    known = facts.record.deployments.get(booted.uuid)
    if boot is not None and boot.on_trial and not boot.exists and not (known and known.confirmed):
        raise OvercError(
            "unconfirmed",
            f"{booted.path} is on trial, and {boot.environment}, which says what boots for good, is gone. Reboot the host, then "
            "run this again. Nothing was changed.",
        )


@dataclass(frozen=True)
class _Todo:
    """What a set-up comes to. ``before``, ``menu``: the entries that are there, and those that shall be. ``unknown``: what the
    record has not with its id, by uuid.
    """

    place: Place
    number: int
    sources: t.Mapping[str, str]
    before: Menu
    menu: Menu
    guard: tuple[guard.Piece, ...]
    hook_before: str
    hook_after: str
    unknown: t.Mapping[str, int]

    def anything(self) -> bool:
        missing = guard.differing("/", self.guard)
        hook = self.hook_before != self.hook_after
        is_open = self.begins or self.place.unsettled() or self.unknown
        return bool(self.menu != self.before or missing or hook or is_open)

    @property
    def begins(self) -> bool:
        """Whether what boots has to be said anew: it is said nowhere, or in a way that cannot be believed."""
        return not is_there(self.place.block) or (self.hook_before == self.hook_after and bool(self.place.unled()))


def _carry_out(host: Host, facts: HostFacts, todo: _Todo) -> None:
    place = todo.place
    make_directories(place)
    if place.copies:
        write_files(place, todo.sources)
    place.settle_entries()
    if todo.begins:
        place.begin(todo.number if todo.number != ADOPTED else None)
    if todo.menu != todo.before:
        place.write_menu(host.runner, todo.before, todo.menu)
        place.remove_unused(todo.menu)
    guard.install("/", todo.guard)
    syscalls.syncfs("/")
    _remember(host, facts, todo.number, todo.unknown)
    if todo.hook_before != todo.hook_after:
        write_text(place.hook, todo.hook_after, mode_of(place.hook))
    reload_units(host)


def _refuse_full(place: Place, sources: t.Mapping[str, str]) -> None:
    need = missing_bytes(place, sources) + MARGIN if place.copies else MARGIN
    usage = os.statvfs(place.mount_point)
    short = need - usage.f_bavail * usage.f_frsize
    if short > 0:
        raise OvercError(
            "no_space",
            f"{place.mount_point} needs {short} bytes more than it has free. Free them, then run this again.",
        )


def refuse_damaged(facts: HostFacts) -> None:
    """What of our own cannot be read, or is at work. Raises inconsistent, locked."""
    if facts.damage:
        raise OvercError("inconsistent", " ".join(facts.damage))
    if facts.journal is not None:
        raise OvercError("locked", "Another run is at work on this host. Nothing was changed; wait for it to finish.")


def refuse_mid_switch(derived: HostState) -> None:
    """Changing what decides over the next boot while a switch waits for it would decide over the switch as well."""
    how = "" if derived.waiting == "upgrade" else " with to: and the id of what runs"
    said = {
        "staged": (
            "not_booted",
            f"A staged deployment waits for its first boot. Reboot the host or cancel that (overc_host_rollback{how})",
        ),
        "trial": ("unconfirmed", "The running deployment is on trial. Confirm it or give it up"),
        "fallback": (
            "backup_boot",
            "A deployment was tried and did not stay. Run overc_host_rollback, which removes it",
        ),
        "elsewhere": ("not_default", "What runs is not what boots by default. Make it so with overc_host_rollback"),
        "busy": ("locked", "Another run is at work on this host. Wait for it"),
        "inconsistent": ("inconsistent", " ".join(derived.contradictions)),
    }
    if derived.name in said:
        error_id, text = said[derived.name]
        raise OvercError(error_id, f"{text.rstrip('.')}, then run this again.")


def _refuse_unusable(host: Host, facts: HostFacts, place: Place, unreachable: str | None) -> None:
    problems = [unreachable] if unreachable else []
    problems += _problems_of_grub(facts, place) if isinstance(place, GrubPlace) else ()
    problems += [*_problems_of_selector(facts, place), *_problems_of_host(host, facts, place)]
    if problems:
        raise OvercError(
            "layout_unsupported",
            f"This host cannot get boot entries for its deployments: {'; '.join(problems)}. Nothing was changed.",
        )


def _problems_of_grub(facts: HostFacts, place: GrubPlace) -> t.Iterator[str]:
    grub_cfg = place.distribution_menu
    booted = certain(facts.booted, "the running root")
    for path in filter(None, (asks_for_password(grub_cfg), asks_for_password(place.hook))):
        yield f"{path} asks for a password (superusers), and would ask for one before each of our entries"
    stubs = named_by_stubs(mounts())
    if stubs and not place.copies and booted.path not in stubs:
        yield f"GRUB looks for its menu in {', '.join(sorted(stubs))}, and {booted.path} runs (boot that, or run grub-install)"
    if facts.surroundings.boot_in_fstab and not place.copies:
        yield f"{facts.layout.boot_dir} is in /etc/fstab and not mounted (mount {facts.layout.boot_dir})"


def _problems_of_selector(facts: HostFacts, place: Place) -> t.Iterator[str]:
    if is_there(place.directory) and not is_plain_directory(place.directory):
        yield f"{place.directory} is there already, and no directory"
    if is_locked(place.directory):
        yield f"{place.directory} is immutable or append-only (chattr -i -a)"
    if any(known.number is not None for known in facts.record.deployments.values()):
        yield (
            "there are deployments on record, and their menu is not to be seen (mount what it lies on; if it is lost, move "
            f"{STATE_DIR}/record.json in the top-level tree away)"
        )


def _problems_of_host(host: Host, facts: HostFacts, place: Place) -> t.Iterator[str]:
    booted = certain(facts.booted, "the running root")
    if "/" in booted.path and not place.by_default:
        yield f"the running root, {booted.path}, is not in the top-level tree"
    if place.problem is None and host.runner.find("systemctl") is None:
        yield "the host has no systemd, which the guard of a trial needs"
    if facts.layout.kernel_certificate is not None:
        yield "kernel_certificate is not looked at with boot entries of their own"
    problem = initrd_problem(f"{facts.top}/{booted.path}")
    if problem:
        yield f"{problem} (set MODULES=most)"
    if facts.root_mount is not None and facts.root_mount.read_only:
        yield "/ is mounted read-only"


def _entry(
    host: Host, facts: HostFacts, place: Place, number: int, before: Entry | None
) -> tuple[Entry, dict[str, str]]:
    """The entry of the running deployment, and sha256 -> path of its files; one that is whole stays as it is, unless a newer
    kernel is there.
    """
    booted = certain(facts.booted, "the running root")
    root = f"{facts.top}/{booted.path}"
    boot = facts.entry_boot
    modules = facts.roots[booted.path].modules if booted.path in facts.roots else module_releases(root)
    whole = before is not None and boot is not None and not {before.kernel, before.initrd} & boot.missing
    found = () if place.by_default else sources(place, number, root, facts.layout.boot_dir)
    own = place.own_entry(number, booted.path, booted.uuid)
    if before is not None and whole and (before.release is None or before.release in modules):
        source = _later(place, before, found)
        if source is None:
            return before, {}
    elif own is not None:
        return own, {}
    else:
        source = running(found, text_of("/proc/cmdline") or "") or (found[0] if found else None)
    if source is None:
        raise OvercError(
            "layout_unsupported",
            "There is no kernel in /boot that has an initrd, and modules in the running root. Nothing was changed.",
        )
    device = certain(facts.root_mount, "the mount of the root").source
    return entry_of(host.runner, place, Running(number, booted.path, booted.uuid, root), source, device)


def _later(place: Place, before: Entry, found: t.Sequence[Source]) -> Source | None:
    """What came in place since the entry was written: a newer kernel, or the same one or its initrd made anew."""
    newest = found[0] if found else None
    if newest is None or before.release is None or compare_releases(newest.release, before.release) < 0:
        return None
    if newest.release != before.release:
        return newest
    named = {os.path.basename(file) for file in (before.kernel, before.initrd) if file}
    anew = place.copies and place.replaces_whole and named != {sha256_of(newest.kernel), sha256_of(newest.initrd)}
    return newest if anew else None


def _unrecorded(facts: HostFacts, number: int, menu: Menu) -> dict[str, int]:
    """The id of what runs where it is not on record, as where a run was cut off between the entries and the record. And those of
    the entries whose roots were given up, by a removal that did not come to its end.
    """
    booted, known = certain(facts.booted, "the running root"), facts.record.deployments
    found = {entry.uuid: entry.id for entry in menu.entries if entry.uuid in known and known[entry.uuid].number is None}
    if booted.uuid not in known or known[booted.uuid].number != number:
        found[booted.uuid] = number
    return found


def _remember(host: Host, facts: HostFacts, number: int, unknown: t.Mapping[str, int]) -> None:
    booted, top = certain(facts.booted, "the running root"), certain(facts.top, "the top-level tree")
    record = facts.record
    others = [
        replace(record.deployments[uuid], number=given) for uuid, given in unknown.items() if uuid in record.deployments
    ]
    record = record.with_deployments(*others)
    known = record.deployments.get(booted.uuid) or Deployment(booted.uuid, "adopted", made=host.now)
    boot = facts.entry_boot
    good = known.confirmed or (None if boot is not None and boot.on_trial and boot.default != number else host.now)
    known = replace(known, number=number, confirmed=good)
    last = max(record.last_number, number)
    write_record(top, replace(record.with_deployments(known), last_number=last))


def result_of(host: Host, facts: HostFacts, place: Place, changed: bool, hook: tuple[str, str]) -> dict[str, t.Any]:
    """What is so now; ``hook``: what leads the boot loader to our entries, before and after."""
    after = facts if host.check_mode or not changed else host.observe()[0]
    boot = after.entry_boot
    if place.problem is not None and isinstance(boot, EntryBoot):
        host.warnings.append(f"Protection is manual: {place.problem}.")
    return {
        "changed": changed,
        "state": host.state,
        "protection": protection_of(after),
        "boot_method": place.method if boot is not None else None,
        "selector": place.directory,
        "left": [],
        "grub_config": place.hook,
        "environment": place.block,
        "diff": {"before_header": place.hook, "after_header": place.hook, "before": hook[0], "after": hook[1]},
    }


def reload_units(host: Host) -> None:
    """systemd learns of units that came or went."""
    if is_directory("/run/systemd/system"):
        host.runner.run(("systemctl", "daemon-reload"))


__all__ = ("present", "refuse_damaged", "refuse_mid_switch", "reload_units", "result_of")
