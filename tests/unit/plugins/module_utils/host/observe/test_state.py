# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements one by one, and the state they lead to."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.grub.config import BootEntry
from ansible_collections.overc.system.plugins.module_utils.boot.trial import TrialBoot
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, ManagerFacts, Nested
from ansible_collections.overc.system.plugins.module_utils.host.observe.labelling import Labelling
from ansible_collections.overc.system.plugins.module_utils.host.observe.obstacles import Obstacles
from ansible_collections.overc.system.plugins.module_utils.host.observe.protection import trial_requirements
from ansible_collections.overc.system.plugins.module_utils.host.observe.requirements import requirements_of
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive, files_of
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import (
    Surroundings,
    observe_surroundings,
)
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount

from tests.unit import host_factory as make

Change = t.Callable[[HostFacts], HostFacts]
BACKUP = BootEntry("backup", "bzImage_bakup", ("rootflags=subvol=rootfs_bakup",))
NORMAL = BootEntry("normal", "bzImage", ())


def entries(*found: BootEntry) -> Change:
    return lambda facts: replace(facts, entries=found)


def pinned(facts: HostFacts) -> HostFacts:
    root = replace(facts.roots["rootfs"], fstab_pins=("subvol=rootfs",))
    return replace(facts, roots={**facts.roots, "rootfs": root})


VIOLATIONS: list[tuple[str, str, Change]] = [
    ("btrfs_root", "layout_unsupported", lambda f: replace(f, root_mount=Mount("/", "/", "ext4", "/dev/sda2", frozenset()), top=None)),
    ("root_subvolume", "layout_unsupported", lambda f: replace(f, booted=make.subvolume("data"))),
    ("root_subvolume", "layout_unsupported", lambda f: replace(f, booted=None)),
    ("default_subvolume", "layout_unsupported", lambda f: replace(f, default_id=5)),
    ("default_subvolume", "layout_unsupported", lambda f: replace(f, subvolumes=(*f.subvolumes, make.subvolume("data")), default_id=300)),
    ("root_not_pinned", "layout_unsupported", pinned),
    ("root_not_pinned", "layout_unsupported", lambda f: replace(f, cmdline=("rootflags=subvol=rootfs",))),
    ("root_writable", "layout_unsupported", lambda f: replace(f, root_mount=replace(t.cast(Mount, f.root_mount), options=frozenset({"ro"})))),
    ("boot_separate", "layout_unsupported", lambda f: replace(f, boot_mount=None)),
    ("boot_separate", "layout_unsupported", lambda f: replace(f, boot_mount=Mount("/boot", "/b", "btrfs", "/dev/sda2", frozenset()))),
    ("boot_separate", "layout_unsupported", lambda f: replace(f, boot_mount=Mount("/boot", "/sub", "ext4", "/dev/sda1", frozenset()))),
    ("boot_separate", "layout_unsupported", lambda f: replace(f, surroundings=Surroundings(boot_hidden="/dev/sda1"))),
    ("boot_writable", "layout_unsupported", lambda f: replace(f, boot_mount=Mount("/boot", "/", "ext4", "/dev/sda1", frozenset({"ro"})))),
    ("kernel", "layout_unsupported", lambda f: replace(f, kernel=None)),
    ("kernel", "layout_unsupported", lambda f: replace(f, boot_files={})),
    ("boot_entries", "layout_unsupported", entries()),
    ("boot_entries", "layout_unsupported", entries(NORMAL)),
    ("boot_entries", "layout_unsupported", entries(BACKUP, NORMAL)),
    ("boot_entries", "layout_unsupported", entries(BootEntry("n", "bzImage", ("rootflags=subvol=rootfs",)), BACKUP)),
    ("boot_entries", "layout_unsupported", entries(NORMAL, BootEntry("b", "bzImage_bakup", ("rootflags=subvol=other",)))),
    ("boot_entries", "layout_unsupported", entries(NORMAL, BootEntry("b", "bzImage", ("rootflags=subvol=rootfs_bakup",)))),
    ("boot_entries", "layout_unsupported", lambda f: replace(f, grub_config=None)),
    ("space", "no_space", lambda f: replace(f, space=replace(make.SPACE, free=1 << 20))),
    ("space", "no_space", lambda f: replace(f, space=replace(make.SPACE, root=5 << 30))),
    ("space", "no_space", lambda f: replace(f, space=replace(make.SPACE, root=1 << 30, quota_limit=(2 << 30) - 1))),
    ("root_writable", "layout_unsupported", lambda f: replace(f, roots={"rootfs": replace(f.roots["rootfs"], read_only=True)})),
    ("names_free", "inconsistent", lambda f: replace(f, obstacles=Obstacles(names=("rootfs_upgrade",)))),
    (
        "kernel_whole",
        "kernel_broken",
        lambda f: replace(f, boot_files={**f.boot_files, "bzImage": replace(f.boot_files["bzImage"], defect="is empty")}),
    ),
    ("trial_environment", "no_trial_boot", lambda f: replace(f, trial_boot=replace(make.automatic(f).trial_boot, exists=False))),
    ("roots_movable", "access_denied", lambda f: replace(f, obstacles=Obstacles(locked=("rootfs",)))),
    ("swap_files", "in_use", lambda f: replace(f, obstacles=Obstacles(swap_files=(("/swapfile", 256),)))),
    ("boot_files", "access_denied", lambda f: replace(f, obstacles=Obstacles(boot_files={"bzImage": "/boot/bzImage is immutable"}))),
    ("nested_subvolumes", "state_at_risk", lambda f: replace(f, nested=Nested(("rootfs/var/lib/docker/x",)))),
    ("package_database", "database_elsewhere", lambda f: replace(f, surroundings=Surroundings(("/var/lib/rpm",)))),
    ("selinux", "selinux_enforcing", lambda f: replace(f, surroundings=Surroundings(labelling=Labelling("enforcing", ("x",))))),
    ("tools", "tool_missing", lambda f: replace(f, missing_tools=("unshare",))),
    ("package_manager", "package_manager_missing", lambda f: replace(f, manager=ManagerFacts())),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mounted", "hidden"),
    [
        ((("8:1", "/dev/sda1"),), None),
        ((("8:1", "/dev/sda1"), ("8:17", "/dev/sdb1")), "/dev/sda1"),
        ((("8:1", "/dev/sda1"), ("8:1", "/dev/sda1")), None),
        ((("0:50", "systemd-1"), ("8:1", "/dev/sda1")), None),
        ((("0:50", "tmpfs"), ("8:1", "/dev/sda1")), None),
    ],
)
def test_two_devices_on_the_boot_directory(mounted: tuple[tuple[str, str], ...], hidden: str | None) -> None:
    """One over the other: the one that is seen is not the one that the boot loader knows. An automount is no device."""
    there = [Mount("/boot", "/", "any", source, frozenset(), device=device) for device, source in mounted]
    assert observe_surroundings(t.cast("t.Any", None), there, "/boot", None).boot_hidden == hidden


def test_a_supported_host_meets_them_all() -> None:
    found = requirements_of(make.clean())
    assert all(entry.ok for entry in found)
    assert len({entry.id for entry in found}) == len(found)


@pytest.mark.parametrize(("name", "error_id", "change"), VIOLATIONS)
def test_each_violation_is_named_with_its_remedy(name: str, error_id: str, change: Change) -> None:
    facts = change(make.clean())
    violated = [entry for entry in requirements_of(facts) if not entry.ok]
    assert name in [entry.id for entry in violated]
    entry = next(entry for entry in violated if entry.id == name)
    assert entry.detail
    assert entry.remedy
    assert entry.error_id == error_id
    state = derive(facts)
    assert (state.name == "unsupported") is (error_id == "layout_unsupported")


def test_every_requirement_has_a_violation_above() -> None:
    assert {entry.id for entry in requirements_of(make.clean())} == {name for name, _id, _change in VIOLATIONS}


def test_boot_that_is_only_not_mounted() -> None:
    facts = replace(make.clean(), boot_mount=None, surroundings=Surroundings(boot_in_fstab=True))
    entry = next(entry for entry in requirements_of(facts) if entry.id == "boot_separate")
    assert entry.remedy.startswith("mount /boot, which /etc/fstab knows")


@pytest.mark.parametrize("manager", ["apt", "dnf", "dnf5", "zypper", "smart"])
@pytest.mark.parametrize(
    "found", [None, Labelling("enforcing"), Labelling("permissive"), Labelling("permissive", ("x",))]
)
def test_a_host_that_labels_or_does_not_have_to_is_not_refused(found: Labelling | None, manager: str) -> None:
    facts = replace(make.clean(), surroundings=Surroundings(labelling=found), manager=ManagerFacts(manager))
    assert all(entry.ok for entry in requirements_of(facts))


@pytest.mark.parametrize(("method", "refused"), [("snapper", True), ("grub-entry", False), ("loader-entry", False)])
def test_an_enforcing_host_where_that_was_not_seen_to_come_up(method: str, refused: bool) -> None:
    facts = make.clean()
    facts = replace(
        facts,
        layout=replace(facts.layout, boot_method=t.cast("t.Any", method)),
        surroundings=Surroundings(labelling=Labelling("enforcing")),
    )
    (found,) = (entry for entry in requirements_of(facts) if entry.id == "selinux")
    assert found.ok is not refused


def test_a_swap_file_elsewhere_is_no_obstacle() -> None:
    facts = replace(make.clean(), obstacles=Obstacles(swap_files=(("/swap/file", 300),)))
    assert all(entry.ok for entry in requirements_of(facts))


def test_many_names_are_not_all_told() -> None:
    facts = replace(make.clean(), nested=Nested(tuple(f"rootfs/.snapshots/{number}/snapshot" for number in range(40))))
    (found,) = (entry for entry in requirements_of(facts) if entry.id == "nested_subvolumes")
    assert "and 35 more" in found.detail
    assert len(found.detail) < 300


def test_quotas_are_not_required_and_a_generous_limit_is_fine() -> None:
    for limit in (None, 2 << 30):
        facts = replace(make.clean(), space=replace(make.SPACE, root=1 << 30, quota_limit=limit))
        assert derive(facts).name == "clean"
        assert all(entry.ok for entry in requirements_of(facts))


def test_a_host_on_the_backup_is_not_unsupported_for_its_default_subvolume() -> None:
    assert derive(replace(make.backup(), default_id=5)).name == "backup"


def test_the_command_line_of_the_backup_entry_is_no_pin() -> None:
    facts = replace(make.backup(), cmdline=("rootflags=subvol=rootfs_bakup",))
    assert all(entry.ok for entry in requirements_of(facts) if entry.id == "root_not_pinned")


def test_a_kernel_without_modules_in_the_default_root_is_a_contradiction() -> None:
    facts = make.clean()
    root = replace(facts.roots["rootfs"], modules=frozenset({"9.9"}))
    state = derive(replace(facts, roots={"rootfs": root}))
    assert state.name == "inconsistent"
    assert "1.0-lab" in state.contradictions[0]


def test_a_monolithic_kernel_needs_no_modules() -> None:
    facts = make.clean()
    assert derive(replace(facts, roots={"rootfs": replace(facts.roots["rootfs"], modules=frozenset())})).name == "clean"


def test_what_boots_counts_more_than_the_record() -> None:
    facts = make.upgraded()
    facts = replace(facts, boot_files={**facts.boot_files, "bzImage": make.kernel_file("bzImage", "3" * 64)})
    assert files_of(facts, make.subvolume("rootfs_upgrade")) == {"kernel": "3" * 64}
    assert files_of(facts, make.subvolume("rootfs")) == {"kernel": make.OLD}
    assert files_of(facts, make.subvolume("rootfs_bakup")) == {"kernel": make.OLD}


def requirement(facts: HostFacts, name: str) -> dict[str, t.Any]:
    return next(entry.as_dict() for entry in requirements_of(facts) if entry.id == name)


def test_what_is_there_is_named() -> None:
    found = replace(make.clean(), kernel=None, kernels_found=(), kernels_versioned=("vmlinuz-6.1.0-28-amd64",))
    kernel = requirement(found, "kernel")
    assert "vmlinuz-6.1.0-28-amd64" in kernel["detail"]
    assert "overc_bootloader" in kernel["remedy"]


def test_a_remedy_only_where_something_is_to_be_mended() -> None:
    for facts in (make.clean(), make.automatic(make.clean())):
        for entry in (*requirements_of(facts), *trial_requirements(facts)):
            assert bool(entry.as_dict()["remedy"]) is not entry.ok, entry


def test_without_a_menu_nothing_is_said_of_what_lies_beside_it() -> None:
    bare = replace(make.clean(), trial_boot=TrialBoot(menu_problem="there is no grub.cfg in /boot"))
    for entry in trial_requirements(bare):
        assert not entry.ok, entry
        assert "None" not in entry.detail + entry.remedy
