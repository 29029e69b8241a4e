# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What model and host have to agree on, of what the product observes. Runs on hosts as well: nothing is imported."""

from __future__ import annotations


def told_of_any(facts):  # type: ignore[no-untyped-def]
    """Facts that have nothing to do with a boot loader, as plain values."""
    record, journal = facts.record, facts.journal
    there = {one.uuid for one in facts.subvolumes}
    known = sorted((one for one in record.deployments.values() if one.uuid in there), key=lambda one: one.number or 0)
    staged = record.deployments.get(record.pending.uuid) if record.pending else None
    target = facts.by_uuid(record.pending.uuid) if record.pending else None
    ran = staged is not None and target is not None and target.generation > (staged.sealed or 0)
    return {
        "runs": facts.booted.uuid,
        "record": [
            (one.uuid, one.number, one.origin, one.previous if one.previous in there else None, bool(one.confirmed))
            for one in known
        ],
        "waits": (record.pending.operation, record.pending.uuid, ran and record.pending.operation == "upgrade")
        if record.pending
        else None,
        "journal": (journal.operation, list(journal.steps), sorted(set(journal.begun)), sorted(set(journal.finished)))
        if journal
        else None,
    }


def told_of(facts, files, downloads):  # type: ignore[no-untyped-def]
    """Facts as plain values. ``files``: the names of kernels and initrds beside the menu, and of what is unfinished there;
    ``downloads``: whether packages lie there for a new root.
    """
    boot = facts.entry_boot
    roots = sorted((one for one in facts.subvolumes if one.path.startswith("@rootfs")), key=lambda one: one.path)
    there = {one.uuid for one in facts.subvolumes}
    entries = sorted(boot.menu.entries, key=lambda one: one.id)
    return {
        "roots": [(one.path, one.uuid, one.parent_uuid if one.parent_uuid in there else None) for one in roots],
        "menu": [
            (one.id, one.subvolume, one.uuid, one.kernel.split("/")[-1], (one.initrd or "").split("/")[-1])
            for one in entries
        ],
        "modules": [
            one.release in facts.roots[one.subvolume].modules for one in entries if one.subvolume in facts.roots
        ],
        "missing": sorted(boot.missing),
        "block": {name: value for name, value in sorted(boot.values.items()) if name.startswith("overc_")},
        "boots": (boot.default, boot.trying, boot.newest, boot.number, boot.on_trial, boot.automatic),
        "guard": not boot.guard_missing,
        **told_of_any(facts),  # type: ignore[no-untyped-call]
        "files": sorted(files),
        "downloads": downloads,
    }


__all__ = ("told_of", "told_of_any")
