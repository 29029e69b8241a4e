# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the distribution's menu consists of snippets (Fedora's): those for the kernels of what runs name it, one is the default.

Each snippet is a file of its own and replaced as a whole; ``saved_entry`` in GRUB's own block, which chooses one, comes last.
Nobody obeys it as long as our entries decide, so a run that was cut off is simply repeated.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ...boot.entries.command_line import arguments_for
from ...boot.entries.kernel_words import set_subvolume, text_of_words
from ...boot.entries.kernels import versioned
from ...boot.entries.make import name_of
from ...boot.entries.write import write_text
from ...boot.grub.environment import SAVED_ENTRY, parse_environment, read_block, write_environment
from ...boot.grub.snippets import (
    DIRECTORY,
    PLACE_VARIABLE,
    Snippet,
    new_snippet,
    obeys_saved_entry,
    read_snippets,
    runs_snippets,
)
from ...errors import OvercError
from ...system.presence import text_of
from ..steps.entries.own_subvolume import rewrite_kernel_words

if t.TYPE_CHECKING:
    from ...boot.entries.kernels import Kernel
    from ...boot.entries.place import GrubPlace

_RESCUE: t.Final = "vmlinuz-0-rescue-"
_MACHINE: t.Final = re.compile(r"[0-9a-f]{32}")
_DEFAULTS: t.Final = "/etc/default/grub"


@dataclass(frozen=True)
class Found:
    """``menu``: the text of grub.cfg. ``saved``: the snippet that GRUB's own block chooses; ``problem``: why it cannot be told,
    or not be changed, a sentence.
    """

    menu: str
    directory: str
    block: str
    snippets: tuple[Snippet, ...] = ()
    saved: str | None = None
    problem: str | None = None


def observe(place: GrubPlace, boot_dir: str) -> Found | None:
    """None where the distribution's menu has entries of its own."""
    menu = text_of(place.distribution_menu) or ""
    if not runs_snippets(menu):
        return None
    directory, block = os.path.join(boot_dir, DIRECTORY), os.path.join(os.path.dirname(place.hook), "grubenv")
    snippets = read_snippets(boot_dir)
    try:
        values = parse_environment(read_block(block))
    except OSError as error:
        return Found(menu, directory, block, snippets, problem=f"{block} cannot be read ({error.strerror})")
    except OvercError as error:
        return Found(menu, directory, block, snippets, problem=error.message)
    elsewhere = values.get(PLACE_VARIABLE)
    problem = f"{block} says that GRUB looks for its entries in {elsewhere}" if elsewhere else None
    return Found(menu, directory, block, snippets, values.get(SAVED_ENTRY), problem)


def boots(found: Found, subvolume: str) -> bool:
    """Whether GRUB's default snippet names this root; where none is the default, or that cannot be told, whether all do."""
    tells = found.problem is None and obeys_saved_entry(found.menu)
    chosen = [each for each in found.snippets if each.id == found.saved and tells]
    counted = chosen or [each for each in found.snippets if each.kernel]
    return bool(counted) and all(each.subvolume == subvolume for each in counted)


@dataclass(frozen=True)
class Changes:
    """``written``: snippets as they are to be. ``default``: the one to boot. ``others``: those that go on to boot other roots."""

    written: tuple[Snippet, ...]
    default: str
    others: tuple[Snippet, ...]


def planned(
    found: Found, subvolume: str, chosen: Kernel, modules: t.Collection[str], line: str, machine: str, name: str
) -> Changes:
    """What lets the menu boot ``subvolume`` with the kernel ``chosen``. ``line``: what the running kernel was given; ``machine``:
    its id; ``name``: of the system. Pure. Raises layout_unsupported.
    """
    if found.problem is not None:
        raise _refused(found.problem)
    own_id = f"{machine}-{chosen.release}"
    after: dict[str, Snippet] = {}
    for each in found.snippets:
        release = next((kernel.release for kernel in versioned([each.kernel or ""])), None)
        named = each.subvolume
        if named is None or named == subvolume or not ((each.kernel or "").startswith(_RESCUE) or release in modules):
            continue
        after[each.id] = each.with_options(set_subvolume(each.value("options") or "", subvolume))
    before = next((each for each in found.snippets if each.id == own_id), None)
    ours = after.get(own_id) or before
    initrd = (ours.value("initrd") or "").rpartition("/")[2] if ours is not None else None
    if ours is None or ours.subvolume != subvolume or (ours.kernel, initrd) != (chosen.name, chosen.initrd):
        options = text_of_words(arguments_for(line, subvolume)).strip()
        after[own_id] = new_snippet(
            own_id, f"{name} ({chosen.release})", chosen.release, chosen.initrd or "", chosen.name, options
        )
    left = [after.get(each.id, each) for each in found.snippets]
    others = tuple(each for each in left if each.kernel and each.subvolume != subvolume)
    if others and not obeys_saved_entry(found.menu):
        raise _refused(
            f"its menu does not obey saved_entry (GRUB_DEFAULT=saved), and {', '.join(each.id for each in others)} would boot "
            "another root"
        )
    return Changes(tuple(after.values()), own_id, others)


def refuse_pinned(subvolume: str) -> None:
    """The words of /etc/default/grub come last on each command line that grub2-mkconfig writes. Raises layout_unsupported."""
    for line in (text_of(_DEFAULTS) or "").splitlines():
        if line.lstrip().startswith("#"):
            continue
        named = re.findall(r"\bsubvol=/?([^\s,\"']+)", line)
        if any(each != subvolume for each in named):
            raise _refused(f"{_DEFAULTS} names the subvolume {', '.join(named)} (take rootflags= out of it)")


def machine_id() -> str:
    """Raises layout_unsupported."""
    found = (text_of("/etc/machine-id") or "").strip()
    if not _MACHINE.fullmatch(found):
        raise _refused("/etc/machine-id, which names the entries of its menu, holds no id")
    return found


def changes_for(found: Found, subvolume: str, chosen: Kernel, modules: t.Collection[str]) -> Changes:
    """``planned`` on this host."""
    refuse_pinned(subvolume)
    line, name = text_of("/proc/cmdline") or "", name_of("/") or "Linux"
    return planned(found, subvolume, chosen, modules, line, machine_id(), name)


def carry_out(found: Found, changes: Changes, subvolume: str, menu: str) -> None:
    """Write them, look at them, and choose. ``menu``: the path of grub.cfg. Raises boot_write_failed, no_space, inconsistent."""
    rewrite_kernel_words("/", subvolume, make=runs_snippets(text_of(menu) or ""))
    for each in changes.written:
        write_text(os.path.join(found.directory, f"{each.id}.conf"), each.text, 0o644)
    default = Snippet(changes.default, text_of(os.path.join(found.directory, f"{changes.default}.conf")) or "")
    if default.subvolume != subvolume:
        raise OvercError(
            "inconsistent",
            f"{changes.default} in {found.directory} does not boot {subvolume}, so the present default stays, and so do our "
            "entries.",
        )
    if obeys_saved_entry(found.menu):
        write_environment(found.block, {SAVED_ENTRY: changes.default})


def _refused(why: str) -> OvercError:
    return OvercError(
        "layout_unsupported", f"The distribution's menu cannot be made to boot what runs: {why}. Nothing was changed."
    )


__all__ = ("Changes", "Found", "boots", "carry_out", "changes_for", "machine_id", "observe", "planned", "refuse_pinned")
