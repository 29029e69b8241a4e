# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed hosts whose deployments have boot entries of their own: one in each state, and what to change in it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.boot.entries.boot import EntryBoot
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import Entry, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.entries.place import GrubPlace
from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import Protected
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import DIRECTORIES
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, RootFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Deployment, Pending, Record

from tests.unit.host_factory import INIT, PENDING, SPACE, clean

STEM: t.Final = "@rootfs"
GENERATION: t.Final = 10
PLACE: t.Final = GrubPlace("/boot/overc", "/boot", "b007", "/overc", "/boot/grub/custom.cfg", True)


def name(number: int) -> str:
    return f"{STEM}.overc-{number}" if number else STEM


def uuid(number: int) -> str:
    return f"uuid-{number}"


def subvolume(number: int, generation: int = GENERATION) -> Subvolume:
    parent = uuid(number - 1) if number else None
    return Subvolume(256 + number, name(number), uuid(number), parent, 5, generation)


def entry(number: int) -> Entry:
    files = [f"/overc/files/{letter}{number}" for letter in "ki"]
    return Entry(
        number,
        f"deployment {number}",
        name(number),
        uuid(number),
        "b007",
        files[0],
        ("root=x",),
        files[1],
        f"{number}-lab",
    )


def root(number: int) -> RootFacts:
    has = frozenset(DIRECTORIES)
    return RootFacts(subvolume(number), f"/top/{name(number)}", frozenset({f"{number}-lab"}), init=INIT, has=has)


def deployment(number: int, *, confirmed: bool = True, **more: t.Any) -> Deployment:
    return Deployment(
        uuid(number),
        "upgrade" if number else "adopted",
        previous=uuid(number - 1) if number else None,
        number=number,
        confirmed="then" if confirmed else None,
        sealed=GENERATION,
        **more,
    )


def host(
    numbers: t.Sequence[int] = (0,),
    *,
    runs: int = 0,
    pending: Pending | None = None,
    unconfirmed: t.Collection[int] = (),
    automatic: bool = True,
    on_trial: bool = False,
    keep: int = 2,
    **values: str,
) -> HostFacts:
    """Deployments with these ids, one of which runs; ``values`` are those of GRUB's block."""
    boot = EntryBoot(
        config=PLACE.hook,
        environment=PLACE.block,
        mount_point="/boot",
        exists=True,
        values=values,
        protected=Protected(1, Timeouts(), 0, intact=True),
        place_problem=None if automatic else "GRUB does not write to btrfs",
        place=PLACE,
        menu=Menu(tuple(entry(number) for number in sorted(numbers, reverse=True))),
        number=runs,
        on_trial=on_trial,
        sizes=dict.fromkeys(numbers, 1 << 20),
        free=SPACE.boot_free,
    )
    record = Record(
        {uuid(number): deployment(number, confirmed=number not in unconfirmed) for number in numbers},
        pending=pending,
        last_number=max(numbers),
    )
    facts = replace(
        clean(),
        layout=Layout(deployments=tuple(map(name, numbers)), keep=keep),
        subvolumes=tuple(map(subvolume, numbers)),
        booted=subvolume(runs),
        roots={name(number): root(number) for number in numbers},
        record=record,
    )
    return with_choice(facts, boot)


UPGRADE: t.Final = Pending("upgrade", uuid(2), PENDING.fingerprint, "then")
BACK: t.Final = Pending("rollback", uuid(0), None, "then")


def staged() -> HostFacts:
    return host((0, 1, 2), runs=1, pending=UPGRADE, unconfirmed=(2,), overc_default="1", overc_try="2")


def unarmed() -> HostFacts:
    return host((0, 1, 2), runs=1, pending=UPGRADE, unconfirmed=(2,), overc_default="1")


def trial() -> HostFacts:
    return host((0, 1, 2), runs=2, pending=UPGRADE, unconfirmed=(2,), on_trial=True, overc_default="1", overc_try="")


def fallback() -> HostFacts:
    return host((0, 1, 2), runs=1, pending=UPGRADE, unconfirmed=(2,), overc_default="1", overc_try="")


def elsewhere() -> HostFacts:
    return host((0, 1, 2), runs=0, overc_default="2")


def rollback_staged() -> HostFacts:
    return host((0, 1), runs=1, pending=BACK, overc_default="1", overc_try="0")


def given_up() -> HostFacts:
    """On trial, and given up: the default was never another one."""
    facts = replace(UPGRADE, operation="rollback", uuid=uuid(1), fingerprint=None)
    return host((0, 1, 2), runs=2, pending=facts, unconfirmed=(2,), on_trial=True, overc_default="1")


def settled() -> HostFacts:
    return host((0, 1, 2), runs=2, overc_default="2")


def manual_staged() -> HostFacts:
    return host((0, 1, 2), runs=1, pending=UPGRADE, unconfirmed=(2,), automatic=False, overc_default="2")
