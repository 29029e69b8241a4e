# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are not what they should be: the declared id, a helpful sentence, an untouched disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import DiskFacts, assert_no_leftovers, assert_runs, in_top, snapshot_of_disk
from tests.lab import Host
from tests.lab.process import run
from tests.lab.python_in_host import ModuleRun, command, refresh
from tests.lab.settings import REPOSITORY

MakeHost = Callable[..., Host]
Prepare = Callable[[Host], object]

# -- the host is not what it should be ---------------------------------------------------------------------------------


def default_elsewhere(host: Host) -> None:
    with host.top() as top:
        host.sh(
            "mkdir /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t && btrfs subvolume create /run/t/other"
        )
        host.sh("btrfs subvolume set-default /run/t/other && umount /run/t")
        assert (top / "other").is_dir()


def cmdline_pins(host: Host) -> None:
    host.sh("sed -i 's, /bzImage , /bzImage rootflags=subvol=rootfs ,' /boot/grub/grub.cfg && sync -f /boot")
    host.reboot()


def two_kernels(host: Host) -> None:
    host.sh(
        "cp /boot/bzImage /boot/zImage && printf 'menuentry z {\\n linux /zImage root=x\\n}\\n' >> /boot/grub/grub.cfg"
    )


def no_backup_entry(host: Host) -> None:
    host.sh("sed -i 's/subvol=rootfs_bakup/subvol=other/' /boot/grub/grub.cfg")


def without_btrfs_tool(host: Host) -> None:
    host.sh('p=$(command -v btrfs) && mv "$p" "$p.away"')


UNSUITABLE: dict[str, tuple[Prepare, str, str]] = {
    "default subvolume elsewhere": (default_elsewhere, "layout_unsupported", "the default subvolume is other"),
    "fstab pins": (
        lambda host: host.sh("sed -i '/ btrfs /s/defaults/defaults,subvol=rootfs/' /etc/fstab"),
        "layout_unsupported",
        "/etc/fstab of rootfs: subvol=rootfs",
    ),
    "command line pins": (cmdline_pins, "layout_unsupported", "kernel command line: rootflags=subvol=rootfs"),
    "boot not separate": (lambda host: host.sh("umount /boot"), "layout_unsupported", "/boot is not a mount point"),
    "boot read-only": (
        lambda host: host.sh("mount -o remount,bind,ro /boot"),
        "layout_unsupported",
        "/boot is mounted read",
    ),
    "two kernels": (two_kernels, "kernel_ambiguous", "bzImage, zImage"),
    "no backup entry": (no_backup_entry, "layout_unsupported", "rootflags=subvol=rootfs_bakup"),
    "no btrfs tool": (without_btrfs_tool, "tool_missing", "missing: btrfs"),
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_unsuitable_host(host: Host, name: str) -> None:
    prepare, error_id, named = UNSUITABLE[name]
    host.release("v2")
    prepare(host)
    before = snapshot_of_disk(host)
    info = call(host, "info")
    assert info["state"] == "unsupported"
    violated = [entry for entry in info["requirements"] if not entry["ok"]]
    assert any(named in entry["detail"] + entry["remedy"] for entry in violated)
    for command_name in ("upgrade", "rollback"):
        for check in (True, False):
            result = call(host, command_name, check=check)
            assert_refused(result, error_id, named, "to mend:")
            assert result["state"] == "unsupported"
            assert [entry["id"] for entry in result["requirements"] if not entry["ok"]] == [v["id"] for v in violated]
    assert_unchanged(before, host)


def test_root_in_the_top_level_tree(host: Host) -> None:
    host.stop()
    with host.top() as top:
        run(["sh", "-c", 'cp -a --reflink=always "$1"/rootfs/. "$1"/', "sh", top])
        run(["btrfs", "subvolume", "set-default", "5", top])
    host.start()
    assert host.sh("findmnt -vno FSROOT /") == "/"
    before_id, names = host.sh("btrfs subvolume get-default /"), host.sh("ls -A / /boot; btrfs subvolume list -u /")
    for command_name in ("upgrade", "rollback"):
        result = call(host, command_name)
        assert_refused(result, "layout_unsupported", "root_subvolume: / is not a subvolume", "default_subvolume")
    assert call(host, "info")["state"] == "unsupported"
    assert (host.sh("btrfs subvolume get-default /"), host.sh("ls -A / /boot; btrfs subvolume list -u /")) == (
        before_id,
        names,
    )


def module_through(host: Host, wrapper: list[str], name: str) -> Result:
    """Run one of our modules as the last words of another command line."""
    refresh(host.root, name)
    argv = command(f"overc_host_{name}", {"_ansible_remote_tmp": "/tmp/lab-tmp"}, "")
    return ModuleRun(host.popen([*wrapper, *argv])).wait(timeout=60)


def test_root_is_not_btrfs(host: Host) -> None:
    """A root file system of another kind, here an overlay as in a container or a live system."""
    host.sh("mkdir -p /run/up/u /run/up/w /run/other")
    host.sh("mount -t overlay o -o lowerdir=/,upperdir=/run/up/u,workdir=/run/up/w /run/other")
    refresh(host.root, "overc_host_info")
    host.sh("mkdir /run/other/run/lab-py && mount --bind /run/lab-py /run/other/run/lab-py")
    host.sh("for d in proc dev; do mount --rbind /$d /run/other/$d; done")
    before = snapshot_of_disk(host)
    for name in ("upgrade", "rollback"):
        result = module_through(host, ["chroot", "/run/other"], name)
        assert_refused(result, "layout_unsupported", "btrfs_root: / is overlay")
    assert_unchanged(before, host)


_READ_ONLY = """\
mkdir -p /run/ro && mount --rbind / /run/ro && mount -o remount,bind,ro /run/ro && exec chroot /run/ro "$@"
"""


def test_root_is_read_only(host: Host) -> None:
    """Seen through a mount of its own: the real one cannot be made read-only while so much is open."""
    host.release("v2")
    before = snapshot_of_disk(host)
    call(host, "info")  # brings the files of the module
    for name in ("upgrade", "rollback"):
        result = module_through(host, ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh"], name)
        assert_refused(result, "layout_unsupported", "root_writable: / is mounted read-only", "remount,rw")
    assert_unchanged(before, host)


# What a module insists on, so that it comes to look at the host at all
_GIVEN: dict[str, Result] = {
    "overc_host_health": {"commands": ["true"]},
    "overc_host_service": {"state": "out"},
    "overc_overlay": {"container": "one", "directories": ["usr"], "sources": ["/opt/container/two/rootfs"]},
}
# Their work is done on the controller
_ELSEWHERE = ("overc_options", "overc_report", "overc_wait")
_MODULES = [path.stem for path in sorted((REPOSITORY / "plugins/modules").glob("*.py")) if path.stem not in _ELSEWHERE]


def test_not_root(host: Host) -> None:
    """Every module of the collection, in check mode and without, by somebody who may not even look."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    host.sh("mkdir -p /opt/container/one/rootfs && chmod 0700 /opt/container")
    before = snapshot_of_disk(host)
    said = {}
    for name in _MODULES:
        refresh(host.root, name)
        for check in (True, False):
            internal = {"_ansible_remote_tmp": "/tmp/lab-tmp", "_ansible_check_mode": check}
            argv = command(name, {**_GIVEN.get(name, {}), **internal}, "")
            result = ModuleRun(host.popen([*nobody, *argv])).wait(timeout=60)
            said[name, check] = result
    wrong = {key: result for key, result in said.items() if result.get("error_id") != "not_root"}
    assert not wrong
    for result in said.values():
        assert_refused(result, "not_root", "become: true")
    assert_unchanged(before, host)


# -- space -------------------------------------------------------------------------------------------------------------


def failed_and_undone(host: Host, before: DiskFacts, result: Result, error_id: str, *named: str) -> None:
    """A failure in the middle: everything is as before but for a line in the history, and the host still works."""
    assert_refused(result, error_id, *named)
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)
    info = call(host, "info")
    assert (info["state"], info["last_event"]["outcome"], info["last_event"]["error_id"]) == (
        "clean",
        "failed",
        error_id,
    )
    host.reboot()
    assert_runs(host, "rootfs", "1.0")


def test_boot_partition_is_full(host: Host) -> None:
    host.release("v2")
    host.sh("fallocate -l $(($(df -B1 --output=avail /boot | tail -1) - 300000)) /boot/filler && sync -f /boot")
    before = snapshot_of_disk(host)
    failed_and_undone(host, before, call(host, "upgrade"), "no_space", "/boot has", "Free some space")
    host.sh("rm /boot/filler")
    assert upgrade_to(host, "v2")["changed"]


_BINARY = """\
import os
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def bring(when, step):
    if (when, step) == ("after", "run_packages"):
        path = "/run/overc-system/top/rootfs_upgrade.overc-new/boot/EFI/BOOT"
        os.makedirs(path)
        with open(path + "/bootx64.efi", "wb") as file:
            file.write(os.urandom({size}))
transaction.step_hook = bring
"""


def test_boot_partition_has_no_room_for_what_comes_last(host: Host) -> None:
    """EFI binaries are put in place after the switch: that they do not fit is found before it."""
    host.release("v2")
    host.sh("mkdir -p /boot/EFI/BOOT && sync -f /boot")
    before = snapshot_of_disk(host)
    prelude = _BINARY.format(size=int(host.sh("df -B1 --output=avail /boot | tail -1")))
    failed_and_undone(host, before, call(host, "upgrade", prelude=prelude), "no_space", "/boot has", "Free some space")


@pytest.mark.parametrize("left", [160, 20], ids=["while the packages are installed", "before"])
def test_disk_is_full(host: Host, left: int) -> None:
    """The space is taken by another subvolume, the administrator's, so that the root itself fits twice."""
    host.enable_repo("big")
    host.sh("mkdir /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t && btrfs subvolume create /run/t/data")
    host.sh(
        f"fallocate -l $(($(df -B1 --output=avail / | tail -1) - ({left} << 20))) /run/t/data/filler && umount /run/t"
    )
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    if left == 160:
        failed_and_undone(host, before, result, "no_space")
    else:
        assert_refused(result, "no_space", "space:", "to mend:")
        assert_unchanged(before, host)


# -- packages ----------------------------------------------------------------------------------------------------------


def unreachable(host: Host) -> None:
    host.write("/etc/yum.repos.d/lab-u.repo", "[lab-u]\nname=u\nbaseurl=http://10.77.0.1:9/\nenabled=1\ngpgcheck=1\n")


@pytest.mark.parametrize("kind", ["unreachable", "missing", "corrupt"])
def test_repository_cannot_be_read(host: Host, kind: str) -> None:
    """What is pending is unknown then, although another repository would have something."""
    host.release("v2")
    if kind == "unreachable":
        unreachable(host)
    else:
        host.enable_repo(kind)
    before = snapshot_of_disk(host)
    for name in ("upgrade", "update"):
        for check in (True, False):
            result = call(host, name, check=check)
            assert_refused(result, "repository_failed", "lab-u" if kind == "unreachable" else kind, "again.")
    assert result["rc"] != 0
    assert result["stderr"]
    assert_unchanged(before, host)


def test_unsigned_package(host: Host) -> None:
    host.enable_repo("unsigned", gpgcheck=True)
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert result["stdout"]
    failed_and_undone(host, before, result, "package_untrusted", "lab-unsigned")


@pytest.mark.parametrize(
    ("managers", "error_id", "option"),
    [
        ((), "package_manager_missing", "auto"),
        (("dnf",), "package_manager_missing", "smartpm"),
        (("dnf", "smart"), "bad_argument", "auto"),
    ],
    ids=["none", "not this one", "two"],
)
def test_package_manager(make_host: MakeHost, managers: tuple[str, ...], error_id: str, option: str) -> None:
    host = make_host(managers=managers)
    host.release("v2")
    before = snapshot_of_disk(host)
    for name in ("upgrade", "update"):
        assert_refused(call(host, name, {"package_manager": option}), error_id, "smart")
    assert_unchanged(before, host)
    assert call(host, "info")["state"] == "clean"


def test_a_host_without_package_manager_can_be_rolled_back(host: Host) -> None:
    upgrade_to(host, "v2")
    host.reboot()
    host.sh("mv /usr/bin/dnf /usr/bin/dnf.away")
    succeed(host, "rollback")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")


def test_unknown_package(host: Host) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    for names in (["lab-nothing"], ["lab-app", "lab-nothing"]):
        assert_refused(call(host, "upgrade", {"packages": names}), "package_unknown", "lab-nothing")
    assert_unchanged(before, host)


# -- somebody tampers --------------------------------------------------------------------------------------------------

TAMPERED: dict[str, tuple[str, str]] = {
    "a link to a directory": ("mkdir -p /tmp/evil && ln -s /tmp/evil /run/overc-system", "/run/overc-system"),
    "a directory for all": ("mkdir -m 0777 /run/overc-system", "/run/overc-system"),
    "a stranger's directory": ("mkdir -m 0700 /run/overc-system && chown 1000 /run/overc-system", "/run/overc-system"),
    "a file": ("touch /run/overc-system", "/run/overc-system"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_runtime_directory(host: Host, how: str) -> None:
    script, named = TAMPERED[how]
    host.release("v2")
    host.sh(f"rm -rf /run/overc-system && {script}")
    before = snapshot_of_disk(host)
    for name in ("info", "update", "upgrade", "rollback", "confirm"):
        assert_refused(call(host, name), "inconsistent", named)
    assert host.run("ls -A /tmp/evil", check=False).stdout == ""
    assert_unchanged(before, host)


def test_lock_is_a_link(host: Host) -> None:
    """Nothing is written through it."""
    host.sh("mkdir -m 0700 -p /run/overc-system && ln -sf /etc/passwd /run/overc-system/lock")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(result, "inconsistent", "/run/overc-system/lock")
    assert_unchanged(before, host)


_HALF = '{"operation": "upgrade", "started": "", "context": {"x": 1}, "steps": []}'
DAMAGED: dict[str, tuple[str, str]] = {
    "stranger with our name": ("btrfs subvolume create rootfs_upgrade.overc-new", "rootfs_upgrade.overc-new"),
    "stranger with the backup's": ("btrfs subvolume create rootfs_bakup.overc-new", "rootfs_bakup.overc-new"),
    "record is no JSON": ("mkdir -m 0700 .overc; echo '{' > .overc/record.json", ".overc/record.json"),
    "record of the future": ("mkdir -m 0700 .overc; echo '{\"version\": 99}' > .overc/record.json", "version 99"),
    "record is empty": ("mkdir -m 0700 .overc; : > .overc/record.json", ".overc/record.json"),
    "journal is damaged": (
        "mkdir -m 0700 .overc; printf '{}x\\n{\"step\": \"create_root\"}\\n' > .overc/journal.jsonl", "journal",
    ),
    "journal of somebody else": ("mkdir -m 0700 .overc; printf '{\"a\": 1}\\n' > .overc/journal.jsonl", "journal"),
    "journal with half a plan": (f"mkdir -m 0700 .overc; echo '{_HALF}' > .overc/journal.jsonl", "journal"),
    "state directory is a link": ("mkdir x && ln -s x .overc", ".overc"),
    "state directory of all": ("mkdir .overc && chmod 0777 .overc", ".overc"),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGED)
def test_damaged(host: Host, how: str) -> None:
    script, named = DAMAGED[how]
    host.release("v2")
    in_top(host, script)
    before = snapshot_of_disk(host)
    for check in (True, False):
        result = call(host, "upgrade", check=check)
        assert_refused(result, "inconsistent", named)
    assert "failed" not in call(host, "info")
    assert_unchanged(before, host)
    host.reboot()
    assert_runs(host, "rootfs", "1.0")


@pytest.mark.parametrize("when", ["staged", "booted", "going back"])
def test_the_default_that_goes_with_the_kernel_is_named(host: Host, when: str) -> None:
    """Somebody chose another default subvolume: of the two roots only one has the modules of the kernel in /boot."""
    upgrade_to(host, "v2")
    expected = ("rootfs_upgrade", "2.0")
    if when != "staged":
        host.reboot()
        succeed(host, "confirm")
    if when == "going back":
        succeed(host, "rollback")
        expected = ("rootfs", "1.0")
    in_top(host, "btrfs subvolume set-default 5 .")
    remedies = {entry["id"]: entry["remedy"] for entry in succeed(host, "info")["requirements"] if not entry["ok"]}
    assert list(remedies) == ["default_subvolume"]
    assert remedies["default_subvolume"].startswith(f"btrfs subvolume set-default to {expected[0]}, which goes with")
    refused = call(host, "upgrade")
    assert_refused(refused, "layout_unsupported", f"set-default to {expected[0]}, which")
    in_top(host, f"btrfs subvolume set-default {expected[0]} && sync")
    host.powerloss()
    host.start()
    assert_runs(host, *expected)
