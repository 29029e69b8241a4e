# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What model and host have to agree on with numbers of snapper. Runs on hosts as well: nothing is imported."""

from __future__ import annotations

from tests.model.entries.told import told_of_any


def told_of(facts, directories, listed, downloads):  # type: ignore[no-untyped-def]
    """Facts as plain values. ``directories``: those of the numbers, as (number, whether it has not its name, whether our mark is
    in it, whom snapper's file tells of); ``listed``: our list, as (number, uuid).
    """
    boot = facts.entry_boot
    roots = sorted((one for one in facts.subvolumes if "/.snapshots/" in one.path), key=lambda one: one.path)
    there = {one.uuid for one in facts.subvolumes}
    entries = sorted(boot.menu.entries, key=lambda one: one.id)
    return {
        "roots": [(one.path, one.uuid, one.parent_uuid if one.parent_uuid in there else None) for one in roots],
        "menu": [(one.id, one.subvolume, one.uuid, one.release) for one in entries],
        "modules": [
            one.release in facts.roots[one.subvolume].modules for one in entries if one.subvolume in facts.roots
        ],
        "missing": [one.id for one in entries if {one.kernel, one.initrd} & boot.missing],
        "boots": (boot.default, boot.newest, dict(boot.values), boot.automatic, boot.highest),
        **told_of_any(facts),  # type: ignore[no-untyped-call]
        "directories": sorted(directories),
        "listed": sorted(listed),
        "downloads": downloads,
    }


__all__ = ("told_of",)
