# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed hosts for tests of the pure parts: a supported clean host, and what to change in it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.overc.system.plugins.module_utils.boot.grub.config import BootEntry
from ansible_collections.overc.system.plugins.module_utils.boot.grub.protection import Protected
from ansible_collections.overc.system.plugins.module_utils.boot.init import Program
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot
from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.boot_files import BootFile
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import DIRECTORIES
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import (
    HostFacts,
    ManagerFacts,
    RootFacts,
    Space,
)
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import OpenJournal
from ansible_collections.overc.system.plugins.module_utils.host.store.record import Deployment, Pending, Record
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange, PackagePlan
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount

OLD, NEW = "1" * 64, "2" * 64
SPACE = Space(boot_free=1 << 26, total=8 << 30, free=6 << 30)
INIT = Program("/sbin/init", "/sbin/init")
IDS = {"rootfs": 256, "rootfs_upgrade": 257, "rootfs_bakup": 258, "data": 300}
PENDING = PackagePlan((PackageChange("lab-app", "noarch", "1.0-1", "2.0-1", "lab", 6370),))
NOTHING = PackagePlan()


def uuid(name: str) -> str:
    return f"uuid-of-{name}"


def subvolume(name: str) -> Subvolume:
    return Subvolume(IDS.get(name, 400), name, uuid(name), None, 5, 10)


def kernel_file(name: str, sha256: str) -> BootFile:
    return BootFile(f"/boot/{name}", 1 << 20, "1.0-lab" if sha256 == OLD else "2.0-lab", sha256)


def root(name: str) -> RootFacts:
    modules = frozenset({"1.0-lab", "2.0-lab"})
    return RootFacts(subvolume(name), f"/top/{name}", modules, init=INIT, has=frozenset(DIRECTORIES))


def clean(booted: str = "rootfs", *others: str) -> HostFacts:
    """A supported host that runs ``booted``, with these other subvolumes beside it; no record."""
    names = (booted, *others)
    return HostFacts(
        layout=Layout(),
        kernel="bzImage",
        kernels_found=("bzImage",),
        root_mount=Mount("/", f"/{booted}", "btrfs", "/dev/sda2", frozenset({f"subvolid={IDS[booted]}"})),
        boot_mount=Mount("/boot", "/", "ext4", "/dev/sda1", frozenset()),
        top="/top",
        subvolumes=tuple(subvolume(name) for name in names),
        default_id=IDS[booted],
        booted=subvolume(booted),
        roots={name: root(name) for name in names},
        boot_files={"bzImage": kernel_file("bzImage", OLD), "bzImage_bakup": kernel_file("bzImage_bakup", OLD)},
        space=SPACE,
        grub_config="grub/grub.cfg",
        entries=(
            BootEntry("normal", "bzImage", ("root=/dev/sda2",)),
            BootEntry("backup", "bzImage_bakup", ("rootflags=subvol=rootfs_bakup", "root=/dev/sda2")),
        ),
        manager=ManagerFacts("dnf"),
    )


def upgraded() -> HostFacts:
    """Clean on rootfs_upgrade, which was made from rootfs; another kernel; the backup is the old pair."""
    return replace(
        clean("rootfs_upgrade", "rootfs", "rootfs_bakup"),
        boot_files={"bzImage": kernel_file("bzImage", NEW), "bzImage_bakup": kernel_file("bzImage_bakup", OLD)},
        record=record_of_upgrade(),
    )


def staged(fingerprint: str = PENDING.fingerprint) -> HostFacts:
    """rootfs runs, rootfs_upgrade was made from it and is the default."""
    return replace(
        clean("rootfs", "rootfs_upgrade", "rootfs_bakup"),
        default_id=IDS["rootfs_upgrade"],
        boot_files={"bzImage": kernel_file("bzImage", NEW), "bzImage_bakup": kernel_file("bzImage_bakup", OLD)},
        record=replace(record_of_upgrade(), pending=Pending("upgrade", uuid("rootfs_upgrade"), fingerprint)),
    )


def rollback_staged() -> HostFacts:
    """rootfs_upgrade runs, a rollback made rootfs the default again."""
    return replace(
        upgraded(),
        default_id=IDS["rootfs"],
        boot_files={"bzImage": kernel_file("bzImage", OLD), "bzImage_bakup": kernel_file("bzImage_bakup", OLD)},
        record=replace(record_of_upgrade(), pending=Pending("rollback", uuid("rootfs"))),
    )


def rolled_back() -> HostFacts:
    """rootfs runs again after a rollback from rootfs_upgrade."""
    return replace(clean("rootfs", "rootfs_upgrade", "rootfs_bakup"), record=record_of_upgrade())


def backup() -> HostFacts:
    """The backup entry was chosen; the default is rootfs_upgrade."""
    facts = clean("rootfs_bakup", "rootfs_upgrade", "rootfs")
    return replace(
        facts,
        default_id=IDS["rootfs_upgrade"],
        boot_files={"bzImage": kernel_file("bzImage", NEW), "bzImage_bakup": kernel_file("bzImage_bakup", OLD)},
        record=record_of_upgrade(),
    )


def automatic(facts: HostFacts, **values: str) -> HostFacts:
    """The same host with automatic protection and these variables in GRUB's environment."""
    boot = TrialBoot(
        config="/boot/grub/grub.cfg",
        environment="/boot/grub/grubenv",
        mount_point="/boot",
        exists=True,
        values=values,
        protected=Protected(1, Timeouts(), 1, intact=True),
    )
    return replace(facts, trial_boot=boot)


def _waits(facts: HostFacts, operation: str, name: str) -> HostFacts:
    fingerprint = PENDING.fingerprint if operation == "upgrade" else None
    return replace(facts, record=replace(facts.record, pending=Pending(operation, uuid(name), fingerprint, "then")))


def armed() -> HostFacts:
    """As ``staged``, on a host with automatic protection, the trial armed."""
    return automatic(_waits(staged(), "upgrade", "rootfs_upgrade"), saved_entry="1", next_entry="0")


def trial() -> HostFacts:
    """rootfs_upgrade runs on trial."""
    return automatic(_waits(upgraded(), "upgrade", "rootfs_upgrade"), saved_entry="1", next_entry="")


def fallback(*, tried: bool = True, operation: str = "upgrade") -> HostFacts:
    """The backup runs because rootfs_upgrade, the default, was not confirmed, or not even tried."""
    values = {"saved_entry": "1", **({"next_entry": ""} if tried else {})}
    return automatic(_waits(backup(), operation, "rootfs_upgrade"), **values)


def record_of_upgrade() -> Record:
    return Record(
        deployments={
            uuid("rootfs"): Deployment(uuid("rootfs"), "adopted", {"kernel": OLD}, "1.0-lab"),
            uuid("rootfs_bakup"): Deployment(
                uuid("rootfs_bakup"), "backup", {"kernel": OLD}, "1.0-lab", uuid("rootfs")
            ),
            uuid("rootfs_upgrade"): Deployment(
                uuid("rootfs_upgrade"),
                "upgrade",
                {"kernel": NEW},
                "2.0-lab",
                uuid("rootfs"),
                uuid("rootfs"),
                PENDING.fingerprint,
            ),
        }
    )


def interrupted(facts: HostFacts, context: t.Mapping[str, t.Any], *begun: str, **notes: t.Any) -> HostFacts:
    """The same host with an open journal that got as far as ``begun``."""
    return replace(
        facts,
        journal=OpenJournal(
            str(context["operation"]), "2026-01-01T00:00:00Z", context, begun, begun, begun[:-1], notes
        ),
    )
