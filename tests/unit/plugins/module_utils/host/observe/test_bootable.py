# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root lacks: what every root needs, and what the one that is known to come up has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.init import Program
from ansible_collections.overc.system.plugins.module_utils.host.observe import essentials
from ansible_collections.overc.system.plugins.module_utils.host.observe.bootable import (
    defects_of,
    lacks,
    unusable_modules,
)
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import (
    DEVICES,
    absent_devices,
    essentials_of,
)
from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import backup_is_complete

from tests.unit import host_factory as make

INIT = Program("/sbin/init", "/sbin/init")
FSTAB = "/dev/sda2\t/\tbtrfs\tdefaults 0 1\nLABEL=boot /boot/ ext4 defaults 0 2\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("boot", "dev", "proc", "run", "sys", "etc/systemd/system", "bin", "sbin", "lib/systemd/system"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("passwd", "group", "shadow"):
        (tmp_path / "etc" / name).write_text("root:x:0:0\n")
    (tmp_path / "etc/fstab").write_text(FSTAB)
    shutil.copy("/bin/true", tmp_path / "lib/systemd/systemd")
    (tmp_path / "sbin/init").symlink_to("/lib/systemd/systemd")
    (tmp_path / "lib/systemd/system/graphical.target").touch()
    (tmp_path / "lib/systemd/system/default.target").symlink_to("graphical.target")
    (tmp_path / "bin/sh").write_bytes(b"#!/bin/busybox\n")
    (tmp_path / "bin/sh").chmod(0o755)
    (tmp_path / "bin/busybox").write_bytes(b"\x7fELF".ljust(256, b"\0"))
    (tmp_path / "bin/busybox").chmod(0o755)
    return tmp_path


def found(root: Path) -> frozenset[str]:
    return essentials_of(str(root), INIT, "/boot")


def test_all_of_it(root: Path) -> None:
    assert sorted(found(root)) == [
        *("/bin/sh", "/boot", "/dev", "/etc/fstab", "/etc/group"),
        *("/etc/passwd with a line for root", "/etc/shadow with a line for root", "/proc", "/run", "/sys"),
        *("default.target of systemd", DEVICES, "line for / in /etc/fstab", "line for /boot in /etc/fstab"),
    ]


@pytest.mark.parametrize(
    ("harm", "missing"),
    [
        (lambda root: (root / "etc/fstab").unlink(), "/etc/fstab"),
        (lambda root: (root / "etc/fstab").write_text(""), "/etc/fstab"),
        (
            lambda root: (root / "etc/fstab").write_text(FSTAB.split("\n", maxsplit=1)[0] + "\n"),
            "line for /boot in /etc/fstab",
        ),
        (lambda root: (root / "etc/fstab").write_text("#" + FSTAB), "line for / in /etc/fstab"),
        (lambda root: (root / "etc/shadow").write_text(""), "/etc/shadow with a line for root"),
        (lambda root: (root / "etc/shadow").write_text("rooted:*:1\n#root:*:1\n"), "/etc/shadow with a line for root"),
        (
            lambda root: ((root / "etc/passwd").unlink(), (root / "etc/passwd").symlink_to("/usr/etc/passwd")),
            "/etc/passwd with a line for root",
        ),
        (lambda root: (root / "proc").rmdir(), "/proc"),
        (lambda root: ((root / "dev").rmdir(), (root / "dev").symlink_to("/none")), "/dev"),
        (lambda root: ((root / "run").rmdir(), (root / "run").touch()), "/run"),
        (lambda root: (root / "bin/sh").chmod(0o644), "/bin/sh"),
        (lambda root: (root / "bin/busybox").unlink(), "/bin/sh"),
        (lambda root: (root / "lib/systemd/system/graphical.target").unlink(), "default.target of systemd"),
        (lambda root: (root / "lib/systemd/system/default.target").unlink(), "default.target of systemd"),
        (
            lambda root: (root / "etc/systemd/system/default.target").symlink_to("/dev/null"),
            "default.target of systemd",
        ),
        (
            lambda root: (root / "etc/systemd/system/graphical.target").symlink_to("/dev/null"),
            "default.target of systemd",
        ),
        (
            lambda root: (
                (root / "lib/systemd/system/poweroff.target").touch(),
                (root / "etc/systemd/system/default.target").symlink_to("/lib/systemd/system/poweroff.target"),
            ),
            "default.target of systemd",
        ),
        (
            lambda root: (
                (root / "lib/systemd/system/basic.target").touch(),
                (root / "etc/systemd/system/basic.target").symlink_to("/dev/null"),
            ),
            "default.target of systemd",
        ),
    ],
)
def test_each_of_it(root: Path, harm: Callable[[Path], object], missing: str) -> None:
    before = found(root)
    harm(root)
    assert missing in before - found(root)


def test_what_a_host_never_had_is_not_missed() -> None:
    bare = make.root("rootfs")
    assert lacks(bare) == lacks(bare, bare) == ()
    assert lacks(replace(bare, init=None)) == ("init that could be started",)
    assert lacks(replace(bare, has=bare.has - {"/proc"}), bare) == ("/proc",)
    more = replace(bare, has=bare.has | {"/etc/fstab", "default.target of systemd"})
    assert lacks(bare, more) == ("/etc/fstab", "default.target of systemd")
    assert lacks(more, bare) == ()
    assert lacks(replace(bare, init=None), more) == ("init that could be started", "/etc/fstab")


def test_a_rollback_target_is_compared_with_what_runs() -> None:
    facts = make.upgraded()
    running, prior = facts.roots["rootfs_upgrade"], facts.roots["rootfs"]
    roots = {**facts.roots, "rootfs_upgrade": replace(running, has=running.has | {"/etc/fstab"})}
    facts = replace(facts, roots=roots)
    assert defects_of(facts, prior.subvolume) == ("rootfs has no /etc/fstab",)
    assert defects_of(facts, running.subvolume) == ()


@pytest.mark.parametrize(
    ("indexed", "hollow", "said"),
    [
        ({"1.0", "2.0"}, set(), None),
        ({"2.0"}, set(), "has no modules.dep for its kernel 1.0: depmod did not run, none would be found"),
        ({"1.0", "2.0"}, {"1.0"}, "has no module for its kernel 1.0, only the empty index that depmod made"),
    ],
)
def test_modules_that_nothing_would_find(indexed: set[str], hollow: set[str], said: str | None) -> None:
    """Of a target to return to as well: known is what comes up with an index."""
    releases = frozenset({"1.0", "2.0"})
    known = replace(make.root("rootfs_upgrade"), modules=frozenset({"2.0"}), indexed=frozenset({"2.0"}))
    old = replace(make.root("rootfs"), modules=releases, indexed=frozenset(indexed), hollow=frozenset(hollow))
    assert unusable_modules(old, known, "1.0") == said
    # No index anywhere, or this very kernel runs without one
    assert unusable_modules(old, replace(known, indexed=frozenset()), "1.0") is None
    assert unusable_modules(replace(old, indexed=frozenset()), replace(known, modules=releases), "1.0") is None
    assert unusable_modules(old, None, "1.0") is None


def test_a_backup_without_what_it_needs_protects_nothing() -> None:
    facts = make.upgraded()
    assert backup_is_complete(facts)
    backup = facts.roots["rootfs_bakup"]
    for broken in (replace(backup, init=None), replace(backup, has=frozenset())):
        assert not backup_is_complete(replace(facts, roots={**facts.roots, "rootfs_bakup": broken}))


DISKS = "/dev/none / btrfs defaults 0 0\n/dev/none /boot ext4 defaults 0 0\n/dev/null /a ext4 defaults 0 2\n"
LINES = {
    "as it was": ("", []),
    "a disk that is not there": ("/dev/none /srv ext4 defaults 0 2\n", [("/dev/none", "/srv")]),
    "that need not be there": ("/dev/none /srv ext4 defaults,nofail 0 2\n", []),
    "that is mounted later": ("/dev/none /srv ext4 noauto 0 2\n", []),
    "swap": ("/dev/none none swap sw 0 0\n", []),
    "no disk at all": (
        "tmpfs /srv tmpfs defaults 0 0\nserver:/x /net nfs defaults 0 0\n/srv/x /srv/y none bind 0 0\n",
        [],
    ),
    "a comment": ("# /dev/none /srv ext4 defaults 0 2\n", []),
}


@pytest.mark.parametrize("name", LINES)
def test_devices_that_a_root_waits_for(tmp_path: Path, name: str) -> None:
    more, absent = LINES[name]
    for root, text in (("base", DISKS), ("new", DISKS + more)):
        (tmp_path / root / "etc").mkdir(parents=True)
        (tmp_path / root / "etc/fstab").write_text(text)
    new, base = str(tmp_path / "new"), str(tmp_path / "base")
    assert list(absent_devices(new, base)) == absent
    # Compared with the running root, and never for what the host itself is on
    assert (DEVICES in essentials_of(new, INIT, "/boot")) is not bool(absent)
    assert DEVICES in essentials_of(base, INIT, "/boot")


def test_devices_by_uuid_are_known_where_udev_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(
        'UUID=AAAA-1 /a ext4 rw 0 0\nUUID="bbbb" /b ext4 rw 0 0\nUUID=cccc /c ext4 rw 0 0\n'
    )
    monkeypatch.setitem(essentials._BY, "UUID", str(tmp_path / "by-uuid"))
    assert absent_devices(str(tmp_path)) == ()
    (tmp_path / "by-uuid").mkdir()
    for uuid in ("aaaa-1", "bbbb"):
        (tmp_path / "by-uuid" / uuid).touch()
    assert absent_devices(str(tmp_path)) == (("UUID=cccc", "/c"),)
