# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A later deployment becomes the distribution's own system: its menu, made by its own tool, boots what runs."""

from __future__ import annotations

import os
import typing as t

from ...boot import partition
from ...boot.entries.boot import ADOPTED
from ...boot.entries.kernels import choose, files_of, kernels_in
from ...boot.entries.place import GrubPlace
from ...boot.grub.config import parse_grub_config
from ...boot.kernel import sha256_of
from ...boot.loader.place import LoaderPlace
from ...errors import OvercError, certain
from ...system.presence import is_plain_file, text_of
from ...system.rooted_path import regular_file_in_root
from ..observe.entries.state import number_of
from . import own_snippets

if t.TYPE_CHECKING:
    from ...boot.entries.kernels import Kernel
    from ...boot.entries.method import Place
    from ..observe.facts import HostFacts
    from ..session import Host

_TOOLS: t.Final = ("grub-mkconfig", "grub2-mkconfig")


def is_needed(facts: HostFacts, place: Place, number: int | None) -> bool:
    """Whether the distribution's menu has to be changed so that it boots what runs, which is deployment ``number``."""
    if place.by_default:
        return False  # each root has its own, and the default subvolume stays
    if number != ADOPTED:
        return True
    if isinstance(place, LoaderPlace):
        return bool(place.of_other_roots(certain(facts.booted, "the running root").path))
    found = (
        own_snippets.observe(place, facts.layout.boot_dir) if isinstance(place, GrubPlace) and place.copies else None
    )
    runs = certain(facts.booted, "the running root").path
    # Another deployment ran for a while, and its grub-mkconfig or kernel-install wrote for itself
    if found is None:
        return isinstance(place, GrubPlace) and place.copies and _first_boots_another(place, runs)
    return not own_snippets.boots(found, runs)


def _first_boots_another(place: GrubPlace, subvolume: str) -> bool:
    """Not where that entry does not say which root it boots."""
    first = parse_grub_config(text_of(place.distribution_menu) or "")[:1]
    named = [flag[len("subvol=") :] for each in first for flag in each.rootflags if flag.startswith("subvol=")]
    return bool(named) and named[-1].lstrip("/") != subvolume


def _installed(facts: HostFacts) -> str | None:
    entry = facts.entry_boot.menu.of(ADOPTED) if facts.entry_boot is not None else None
    return entry.subvolume if entry is not None else None


def refuse_impossible(host: Host, facts: HostFacts, place: Place) -> GrubPlace:
    """Before anything changes; the place whose menu can be changed. Raises layout_unsupported, tool_missing, inconsistent."""
    booted = certain(facts.booted, "the running root")
    if isinstance(place, LoaderPlace) and booted.path == _installed(facts):
        raise OvercError(
            "layout_unsupported",
            f"Entries of the distribution boot another root than {booted.path}: "
            f"{', '.join(place.of_other_roots(booted.path))} (kernel-install remove, or bootctl unlink). Nothing was changed.",
        )
    if not isinstance(place, GrubPlace):
        raise OvercError(
            "layout_unsupported",
            f"The distribution's own entries boot the root that was installed, and {booted.path} runs. Return to deployment 0 "
            "(overc_host_rollback with to: 0, reboot) and run this again. Nothing was changed.",
        )
    if not place.copies:
        raise OvercError(
            "layout_unsupported",
            f"GRUB starts from the menu in {place.hook.rsplit('/', 1)[0]}, which is in the root that was installed, and not from "
            f"{booted.path}, which runs. Return to deployment 0 (overc_host_rollback with to: 0, reboot) and run this again. "
            "Nothing was changed.",
        )
    found = own_snippets.observe(place, facts.layout.boot_dir)
    if found is not None:
        _root, _where, chosen = _chosen(facts)
        own_snippets.changes_for(found, booted.path, chosen, facts.roots[booted.path].modules)
    elif _tool(host) is None:
        raise OvercError(
            "tool_missing",
            "grub-mkconfig is not installed, which would write the distribution's menu. Nothing was changed.",
        )
    return place


def _tool(host: Host) -> str | None:
    return next((name for name in _TOOLS if host.runner.find(name) is not None), None)


def _chosen(facts: HostFacts) -> tuple[str, str, Kernel]:
    """The kernel of what runs, and where it is: the root, and the directory in it."""
    booted, boot = certain(facts.booted, "the running root"), certain(facts.entry_boot, "the boot loader's menu")
    modules = facts.roots[booted.path].modules
    root, where = f"{facts.top}/{booted.path}", "boot"
    if number_of(facts, boot) == ADOPTED:
        root, where = "/", facts.layout.boot_dir.lstrip("/")
    there = kernels_in(root, where)
    runs = [kernel for kernel in there if kernel.release == os.uname().release] if root == "/" else []
    chosen = choose(runs, modules) or choose(there, modules)
    if chosen is None:
        raise OvercError("inconsistent", f"{booted.path} has no kernel of its own in /boot. Nothing was changed.")
    return root, where, chosen


def let_distribution_boot(host: Host, facts: HostFacts, place: GrubPlace) -> tuple[str, ...]:
    """Kernel and initrd of what runs come to /boot, and the distribution's menu is made of them; only if its first entry boots
    what runs it takes the place of the one before. Where it consists of snippets, these are written, and one is chosen.

    Returns sentences about what else it boots. Raises package_manager_failed where the tool fails, inconsistent where its menu
    would boot something else, layout_unsupported.
    """
    booted = certain(facts.booted, "the running root")
    boot_dir = facts.layout.boot_dir
    root, _where, chosen = _chosen(facts)
    if root != "/":
        _bring(root, boot_dir, chosen.release)
    found = own_snippets.observe(place, boot_dir)
    if found is not None:
        partition.sync(boot_dir)
        changes = own_snippets.changes_for(found, booted.path, chosen, facts.roots[booted.path].modules)
        own_snippets.carry_out(found, changes, booted.path, place.distribution_menu)
        return tuple(
            f"The entry {each.id} of the distribution's menu boots another root, {each.subvolume or 'which it does not name'}. "
            f"Take {each.id}.conf out of {found.directory} before you delete that one."
            for each in changes.others
        )
    config = os.path.join(os.path.dirname(place.hook), "grub.cfg")
    new = f"{config}.overc-new"
    done = host.runner.run((certain(_tool(host), "grub-mkconfig"), "-o", new))
    entries = parse_grub_config(text_of(new) or "") if done.rc == 0 else ()
    flags = (f"subvol={booted.path}", f"subvol=/{booted.path}")
    first = entries[0] if entries else None
    pair = (first.kernel, first.initrd) if first is not None else None
    if first is None or pair != (chosen.name, chosen.initrd) or not set(flags) & set(first.rootflags):
        if is_plain_file(new):
            os.unlink(new)
        raise OvercError(
            "inconsistent",
            f"The menu that grub-mkconfig makes does not boot {booted.path} with {chosen.name} first, so the present one "
            "stays, and so do our entries.",
            **done.facts(),
        )
    partition.sync(boot_dir)
    os.rename(new, config)
    partition.sync(boot_dir)
    return ()


def _bring(root: str, boot_dir: str, release: str) -> None:
    """The files of a root's own kernel to the boot partition, each replaced as a whole."""
    for name in files_of(release):
        source = regular_file_in_root(root, f"boot/{name}")
        target = os.path.join(boot_dir, name)
        if source is None:
            continue
        digest = sha256_of(source)
        if not is_plain_file(target) or sha256_of(target) != digest:
            partition.write_beside(source, boot_dir, name, digest)
            partition.swap_in(boot_dir, [name])


__all__ = ("is_needed", "let_distribution_boot", "refuse_impossible")
