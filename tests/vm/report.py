# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of docs/reliability.md from what a full run has shown."""

from __future__ import annotations

import collections
import sys
import typing as t

from tests.lab.settings import REPOSITORY
from tests.marked import replace, table
from tests.vm import cuts, debian_cuts, killed, opensuse, results
from tests.vm.faults import FAULTS
from tests.vm.results import Row

DOCUMENT: t.Final = REPOSITORY / "docs/reliability.md"


def _of(rows: t.Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def _cuts(rows: t.Sequence[Row]) -> list[str]:
    filesystems = sorted({row["filesystem"] for row in rows})
    by_point: dict[str, dict[str, Row]] = collections.defaultdict(dict)
    order = {cut.name: number for number, cut in enumerate(cuts.every())}
    for row in sorted(rows, key=lambda row: order[row["point"]]):
        by_point[row["point"]][row["filesystem"]] = row

    def cell(row: Row | None) -> str:
        return f"{row['boots']} ({row['entry']}), then {row['ends']}" if row else ""

    body = [[f"`{point}`", *(cell(found.get(name)) for name in filesystems)] for point, found in by_point.items()]
    head = ["power cut at", *(f"{name} `/boot`: boots, then" for name in filesystems)]
    summary = (
        f"{len(rows)} power cuts at {len(by_point)} points. After each: `btrfs check` clean, one of the two systems boots with "
        "its kernel and modules, `rpm --verifydb` clean, and the next command goes on from there; what it, or the commands after "
        "it, left is in the table."
    )
    return [
        summary,
        "",
        *table(head, body),
    ]


def _sweeps(rows: t.Sequence[Row]) -> list[str]:
    def cells(row: Row) -> list[str]:
        counted = [row["prefixes"], row["variants"]]
        return [
            row["run"], row["protection"], row["filesystem"],
            *(", ".join(f"{name} {number}" for name, number in sorted(kind.items())) for kind in counted),
            str(sum(sum(kind.values()) for kind in counted)),
        ]  # fmt: skip

    head = ["recorded run", "protection", "`/boot`", "after each write", "with unflushed writes lost", "points"]
    return table(head, [cells(row) for row in rows])


def _killed(rows: t.Sequence[Row]) -> list[str]:
    def cells(row: Row) -> list[str]:
        return [f"`{row['point']}`", row["filesystem"], f"`{row['next']}`", str(row["points"]), ", ".join(row["ends"])]

    summary = (
        "The module is killed at the step, the next command runs at once, and the power is cut when that has answered: at each "
        "write until then the old or the new system boots, and afterwards the one that the answer names, whatever was not "
        "flushed. Nothing was written by itself meanwhile, only what was synced."
    )
    order = {cut.name: number for number, cut in enumerate(killed.points())}
    found = sorted(rows, key=lambda row: (order[row["point"]], row["filesystem"]))
    head = ["killed at", "`/boot`", "next command", "points", "then boots"]
    return [summary, "", *table(head, [cells(row) for row in found])]


def _faults(rows: t.Sequence[Row]) -> list[str]:
    return table(["what is broken", "`/boot`", "ends"], [[row["what"], row["filesystem"], row["ends"]] for row in rows])


def _boots(rows: t.Sequence[Row]) -> list[str]:
    head = ["what", "`/boot`", "firmware", "protection"]
    return table(head, [[row["what"], row["filesystem"], row["firmware"], row["protection"]] for row in rows])


def _debian_cuts(rows: t.Sequence[Row]) -> list[str]:
    order = {cut.name: number for number, cut in enumerate(debian_cuts.every())}
    firmwares = sorted({row["firmware"] for row in rows})
    found = {(row["point"], row["firmware"]): row for row in rows}

    def cell(point: str, firmware: str) -> str:
        row = found.get((point, firmware))
        return f"{row['boots']}, then {row['ends']}" if row else ""

    points = sorted({row["point"] for row in rows}, key=lambda point: order[point])
    body = [[f"`{point}`", *(cell(point, firmware) for firmware in firmwares)] for point in points]
    summary = (
        "Debian 12 with its own GRUB; BIOS with `/boot` on ext4, UEFI with `/boot` in the root subvolume. The same with "
        "systemd-boot (UEFI), and Fedora's layout with GRUB 2.14 (UEFI, `/boot` on ext4). After each cut: `btrfs check` clean, "
        "one of the two systems boots with its kernel and modules and the fstab of its own root, `dpkg --audit` or "
        "`rpm --verifydb` clean, and the next commands bring the host to order."
    )
    return [summary, "", *table(["power cut at", *(f"{name}: boots, then" for name in firmwares)], body)]


def _debian_faults(rows: t.Sequence[Row]) -> list[str]:
    firmwares = sorted({row["firmware"] for row in rows})
    found = {(row["name"], row["firmware"]): row["ends"] for row in rows}
    body = [
        [fault.what, *(found.get((fault.name, firmware), "") for firmware in firmwares)]
        for fault in FAULTS
        if any((fault.name, firmware) in found for firmware in firmwares)
    ]
    return table(["what is broken", *(f"{name}: ends" for name in firmwares)], body)


def _suse_cuts(rows: t.Sequence[Row]) -> list[str]:
    order = {cut.name: number for number, cut in enumerate(opensuse.cuts())}
    found = sorted(rows, key=lambda row: order[row["point"]])
    summary = (
        "openSUSE's layout, BIOS, with a stand-in for its GRUB. After each cut: `btrfs check` clean, the default subvolume is "
        "what boots, and that is one of the two systems with its kernel and modules, `rpm --verifydb` clean, snapper sees whole "
        "snapshots only, and the next commands bring the host to order."
    )
    return [summary, "", *table(["power cut at", "boots, then"], [_suse_cut(row) for row in found])]


def _suse_cut(row: Row) -> list[str]:
    return [f"`{row['point']}`", f"{row['boots']}, then {row['ends']}"]


def _suse_faults(rows: t.Sequence[Row]) -> list[str]:
    found = {row["name"]: row["ends"] for row in rows}
    return table(
        ["what is broken", "ends"], [[fault.what, found[fault.name]] for fault in FAULTS if fault.name in found]
    )


def _debian_sweeps(rows: t.Sequence[Row]) -> list[str]:
    def cells(row: Row) -> list[str]:
        counted = [row["prefixes"], row["variants"]]
        return [
            row["run"], row["firmware"],
            *(", ".join(f"{name}: {number}" for name, number in sorted(kind.items())) for kind in counted),
            str(sum(sum(kind.values()) for kind in counted)),
        ]  # fmt: skip

    summary = (
        "An upgrade from the first command to its confirmation. At each point: what GRUB's block names is what GRUB starts, with "
        "its kernel, initrd, root, packages, modules and fstab; and what boots after the one trial is the system before it. "
        "The one without a sync of ours, which has to fail, ends when it is staged."
    )
    head = ["recorded run", "firmware", "after each write", "with unflushed writes lost", "points"]
    return [summary, "", *table(head, [cells(row) for row in rows])]


def render(rows: t.Sequence[Row]) -> str:
    parts = {
        "Commands": (_boots, "boot"),
        "Broken upgrades": (_faults, "fault"),
        "Power cuts": (_cuts, "cut"),
        "Broken upgrades, an entry for each deployment": (_debian_faults, "debian-fault"),
        "Power cuts, an entry for each deployment": (_debian_cuts, "debian-cut"),
        "Broken upgrades, numbers of snapper": (_suse_faults, "suse-fault"),
        "Power cuts, numbers of snapper": (_suse_cuts, "suse-cut"),
        "Recorded writes": (_sweeps, "sweep"),
        "Recorded writes, an entry for each deployment": (_debian_sweeps, "debian-sweep"),
        "Killed, then a power cut": (_killed, "killed"),
    }
    lines: list[str] = []
    for title, (make, kind) in parts.items():
        found = _of(rows, kind)
        if found:
            lines += [f"### {title}", "", *make(found), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if not results.read():
        sys.exit(f"{results.path()} has no results: make test-vm-full")
    replace(DOCUMENT, "real boots", render(results.read()))
