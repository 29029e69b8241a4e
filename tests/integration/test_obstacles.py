# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop a run late is found before it begins, named with its remedy; and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, in_top, snapshot_of_disk
from tests.lab import Host


def swap_on(path: str) -> str:
    return (
        f"touch {path} && chattr +C {path} && dd if=/dev/zero of={path} bs=1M count=8 2>/dev/null && chmod 600 {path} && "
        f"mkswap {path} >/dev/null && swapon {path}"
    )


OBSTACLES = {
    "a plain directory": ("names_free", "inconsistent", "mkdir /run/t/rootfs_bakup", "rmdir /run/t/rootfs_bakup"),
    "a file": ("names_free", "inconsistent", "touch /run/t/rootfs_upgrade", "rm /run/t/rootfs_upgrade"),
    "a read-only root": (
        "root_writable",
        "layout_unsupported",
        "btrfs property set -ts /run/t/rootfs ro true",
        "btrfs property set -ts /run/t/rootfs ro false",
    ),
    "an immutable root": ("roots_movable", "access_denied", "chattr +i /run/t/rootfs", "chattr -i /run/t/rootfs"),
    "a backup only to be appended to": (
        "roots_movable",
        "access_denied",
        "btrfs subvolume create /run/t/rootfs_bakup && chattr +a /run/t/rootfs_bakup",
        "chattr -a /run/t/rootfs_bakup",
    ),
    "a kernel that is cut off": (
        "kernel_whole",
        "kernel_broken",
        "cp /boot/bzImage /root/kernel && truncate -s 2000 /boot/bzImage",
        "cp /root/kernel /boot/bzImage && rm /root/kernel",
    ),
    "an empty kernel": (
        "kernel_whole",
        "kernel_broken",
        "cp /boot/bzImage /root/kernel && truncate -s 0 /boot/bzImage",
        "cp /root/kernel /boot/bzImage && rm /root/kernel",
    ),
    "an immutable kernel": ("boot_files", "access_denied", "chattr +i /boot/bzImage", "chattr -i /boot/bzImage"),
    "a directory in the way": (
        "boot_files",
        "access_denied",
        "mkdir /boot/bzImage.overc-new",
        "rmdir /boot/bzImage.overc-new",
    ),
    "a boot partition behind a tmpfs": (
        "boot_separate",
        "layout_unsupported",
        "mkdir /run/b && cp -a /boot/. /run/b/ && mount -t tmpfs lab /boot && cp -a /run/b/. /boot/",
        "umount /boot; rm -r /run/b",
    ),
    "a directory of the boot partition": (
        "boot_separate",
        "layout_unsupported",
        "mkdir /boot/sub && cp -a /boot/bzImage /boot/grub /boot/sub && mount --bind /boot/sub /boot",
        "umount /boot; rm -r /boot/sub",
    ),
    "an active swap file": ("swap_files", "in_use", swap_on("/swapfile"), "swapoff /swapfile; rm /swapfile"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_found_first(host: Host, name: str) -> None:
    requirement, error_id, put, take = OBSTACLES[name]
    host.release("v2")
    if (
        name == "an active swap file"
        and host.run(["sh", "-c", put + "; swapon --show | grep -q swapfile"], check=False).returncode
    ):
        pytest.skip("this kernel lets nobody use a swap file")
    if name != "an active swap file":
        in_top(host, put)
    try:
        before = snapshot_of_disk(host)
        info = succeed(host, "info")
        assert [entry["id"] for entry in info["requirements"] if not entry["ok"]] == [requirement]
        for check in (True, False):
            assert_refused(call(host, "upgrade", check=check), error_id)
        assert_unchanged(before, host)
    finally:
        in_top(host, take)
    assert succeed(host, "info")["state"] == "clean"


def test_a_rollback_target_that_would_not_boot(host: Host) -> None:
    upgrade_to(host, "v2")
    host.reboot()
    for harm, word in (
        ("mv rootfs/usr/lib/modules rootfs/usr/lib/gone", "modules"),
        (
            """mv rootfs/usr/lib/gone rootfs/usr/lib/modules; mv rootfs/usr/sbin/init rootfs/usr/sbin/none
            mv rootfs/usr/lib/systemd/systemd rootfs/usr/lib/systemd/none""",
            "init",
        ),
        (
            """mv rootfs/usr/sbin/none rootfs/usr/sbin/init; mv rootfs/usr/lib/systemd/none rootfs/usr/lib/systemd/systemd
            btrfs property set -ts rootfs ro true""",
            "ro",
        ),
    ):
        in_top(host, harm)
        info = succeed(host, "info")
        assert any(word in said for said in info["previous"]["defects"]), info["previous"]
        assert info["booted"]["defects"] == []
        assert_refused(call(host, "rollback"), "no_target", "rootfs ", "it would not boot")
    in_top(host, "btrfs property set -ts rootfs ro false")
    host.sh("chattr +i /boot/bzImage")
    assert_refused(call(host, "rollback"), "access_denied", "/boot/bzImage is immutable")
    host.sh("chattr -i /boot/bzImage")
    assert succeed(host, "rollback")["state"] == "staged"


def test_a_backup_pair_that_is_none_is_no_way_back(host: Host) -> None:
    upgrade_to(host, "v2")
    assert "rootfs_bakup is the way back" in succeed(host, "info")["msg"]
    for harm, said in (
        ("mv /boot/bzImage_bakup /run/kept", "/boot/bzImage_bakup"),
        ("rm -r rootfs_bakup/usr/lib/modules", "modules"),
    ):
        in_top(host, harm)
        info = succeed(host, "info")
        assert "rootfs_bakup is the way back" not in info["msg"]
        assert any(said in defect for defect in info["backup"]["defects"])
        host.sh("test ! -e /run/kept || mv /run/kept /boot/bzImage_bakup")


@pytest.mark.parametrize(
    "harm",
    ["mv rootfs_upgrade/usr/lib/modules rootfs_upgrade/gone", "btrfs property set -ts rootfs_upgrade ro true"],
)
def test_what_is_staged_and_was_broken_since_is_made_anew(host: Host, harm: str) -> None:
    """The same command again said: staged already, reboot to run it."""
    upgrade_to(host, "v2")
    assert succeed(host, "upgrade")["changed"] is False
    in_top(host, harm)
    assert succeed(host, "upgrade")["changed"] is True
    assert succeed(host, "info")["staged"]["defects"] == []
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert_no_leftovers(host)


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("harm", ["mv rootfs_bakup kept", "btrfs property set -ts rootfs_bakup ro true"])
def test_what_is_staged_and_lost_its_way_back_is_made_anew(
    make_host: Callable[..., Host], automatic: bool, harm: str
) -> None:
    """The same command again said: staged already, reboot to run it. A trial that fails ends in the backup."""
    host = make_host(automatic=automatic)
    upgrade_to(host, "v2")
    in_top(host, harm)
    planned, done = succeed(host, "upgrade", check=True), succeed(host, "upgrade")
    assert (planned["changed"], done["changed"], done["replaced"]) == (True, True, True)
    assert succeed(host, "upgrade")["changed"] is False
    assert "rootfs_bakup is the way back" in succeed(host, "info")["msg"]
    host.boot_entry(1)
    host.reboot()
    assert_runs(host, "rootfs_bakup", "1.0")


def test_a_staged_host_whose_own_kernel_is_gone_is_not_sent_into_the_reboot(host: Host) -> None:
    """There is nothing left to make a backup of."""
    upgrade_to(host, "v2")
    host.sh("rm /boot/bzImage_bakup")
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "inconsistent", "/boot/bzImage_bakup")


def test_a_staged_root_that_was_renamed_gets_its_name_back(host: Host) -> None:
    """With the remedy of before, another default, the kernel of one system would have booted the root of another."""
    upgrade_to(host, "v2")
    in_top(host, "mv rootfs_upgrade renamed")
    refused = call(host, "rollback")
    assert_refused(refused, "layout_unsupported", "renamed", "mv renamed rootfs_upgrade")
    in_top(host, "mv renamed rootfs_upgrade")
    assert succeed(host, "info")["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


_USES = {
    "mounted": "mount -o subvol=rootfs $(findmnt -nvo SOURCE /) /mnt",
    "a bind mount of a directory in it": "mount --bind /run/t/rootfs/srv /mnt && umount /run/t",
}


@pytest.mark.parametrize("use", _USES)
def test_a_previous_root_that_is_in_use(host: Host, use: str) -> None:
    """What somebody writes there would be deleted under their feet; a look at it, or at the running root, is no reason."""
    upgrade_to(host, "v2")
    host.reboot()
    host.release("v3")
    host.sh(f"mkdir -p /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t && {_USES[use]}")
    host.sh("mkdir -p /run/same && mount --bind /srv /run/same")
    before = snapshot_of_disk(host)
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "in_use", "Subvolume rootfs ", "/mnt")
    assert_unchanged(before, host)
    assert succeed(host, "rollback", check=True)["state"] == "staged"  # deletes nothing
    host.sh("mount -o remount,bind,ro /mnt")
    assert succeed(host, "upgrade")["state"] == "staged"


def test_a_staged_root_that_is_in_use_is_kept_by_a_cancel(host: Host) -> None:
    upgrade_to(host, "v2")
    host.sh("mount -o subvol=rootfs_upgrade $(findmnt -nvo SOURCE /) /mnt && echo precious > /mnt/srv/own")
    cancelled = succeed(host, "rollback")
    assert "mounted writable on /mnt" in str(cancelled["warnings"])
    assert cancelled["state"] == "clean"
    in_top(host, "grep precious rootfs_upgrade.overc-kept/srv/own")


def test_a_previous_root_that_comes_into_use_meanwhile_is_kept(host: Host) -> None:
    """Mounted while the new root is built: what is mounted is looked at again on the host, not where this run mounts."""
    upgrade_to(host, "v2")
    host.reboot()
    host.release("v3")
    device = host.sh("findmnt -nvo SOURCE /").strip()
    wait = f"mkdir -p /run/t && mount -o subvolid=5 {device} /run/t && until test -e /run/t/*.overc-new; do sleep 0.02; done"
    use = f"mount -o subvol=rootfs {device} /mnt && echo precious > /mnt/srv/own"
    host.sh(f"nohup sh -c '{wait}; {use}' > /run/used 2>&1 &")
    result = succeed(host, "upgrade")
    assert result["state"] == "staged", host.sh("cat /run/used")
    assert "mounted writable on /mnt" in str(result["warnings"])
    host.sh("umount /run/t")
    in_top(host, "grep precious rootfs.overc-kept/srv/own")


_DEEP = """
import os, subprocess, sys
os.chdir(sys.argv[1])
for _ in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
subprocess.run(["btrfs", "subvolume", "create", "deep"], check=True)
"""


def test_a_subvolume_too_deep_for_any_path(host: Host) -> None:
    """Whoever may make a directory can do that, and it stops nothing but what would lose it."""
    upgrade_to(host, "v2")
    host.reboot()
    in_top(host, f"python3 -c '{_DEEP}' rootfs/srv")
    assert succeed(host, "info")["state"] == "clean"
    host.release("v3")
    result = succeed(host, "upgrade")
    assert result["state"] == "staged"
    assert "contains subvolumes with data (/rootfs.overc-new/srv/" in str(result["warnings"])
    in_top(host, "test -d rootfs.overc-kept/srv")
    host.reboot()
    succeed(host, "confirm")
    host.sh(f"python3 -c '{_DEEP}' /srv")
    host.release("v4")
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "state_at_risk", "/srv/")


def test_what_cannot_be_deleted_after_the_switch_is_kept(host: Host) -> None:
    """The previous root is in use by btrfs's own word: the new system is staged all the same."""
    upgrade_to(host, "v2")
    host.reboot()
    host.release("v3")
    prelude = """\
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
whole = subvolumes.delete
def delete(runner, path):
    if path.endswith("rootfs.overc-new"):
        raise OvercError("btrfs_failed", "busy", stderr="ERROR: Could not destroy subvolume: Text file busy")
    whole(runner, path)
subvolumes.delete = delete
"""
    result = succeed(host, "upgrade", prelude=prelude)
    assert result["state"] == "staged"
    assert "Text file busy" in str(result["warnings"])
    assert "rootfs.overc-kept" in snapshot_of_disk(host).names
    assert_no_leftovers(host)
    host.reboot()
    assert_runs(host, "rootfs", "3.0")


def test_an_immutable_file_to_carry_over_is_refused_first(host: Host) -> None:
    host.release("v2")
    host.sh("mkdir -p /etc/lab-dir/below && echo x >/etc/lab-dir/below/file && chattr +i /etc/lab-dir/below/file")
    try:
        refused = call(host, "upgrade", {"carry_over": ["/etc/lab-dir"]})
        assert_refused(refused, "bad_argument", "/etc/lab-dir/below/file", "immutable")
    finally:
        host.sh("chattr -i /etc/lab-dir/below/file")
    assert_no_leftovers(host)


def test_an_fstab_that_waits_for_what_is_not_there(host: Host) -> None:
    """Into what is staged it is not brought; what is made of a root with such a line is as good, and that is told."""
    upgrade_to(host, "v2", carry_over=["/etc"])
    host.sh("cp /etc/fstab /etc/fstab.kept; echo '/dev/none /mnt ext4 defaults 0 2' >>/etc/fstab")
    before = snapshot_of_disk(host)
    for path in ("/etc", "/etc/fstab"):
        for check in (True, False):
            refused = call(host, "upgrade", {"carry_over": [path]}, check=check)
            assert_refused(
                refused, "bad_argument", "/dev/none (for /mnt)", "rootfs_upgrade would not come up", "nofail"
            )
    assert_unchanged(before, host)
    anew = succeed(host, "upgrade", {"force": True}, check=True)
    assert "/dev/none (for /mnt)" in str(anew["warnings"])
    host.sh("sed -i '/none/s/defaults/defaults,nofail/' /etc/fstab")
    assert succeed(host, "upgrade", {"carry_over": ["/etc"]})["carried_over"] == ["/etc"]


_AT = """\
import subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def meanwhile(when, step):
    if (when, step) == {point!r}:
        subprocess.run({command!r}, shell=True, check=True)
transaction.step_hook = meanwhile
"""


def test_a_snapshot_that_takes_the_place_of_the_new_root_is_not_taken_for_it(host: Host) -> None:
    """It is a snapshot of the same root, and nothing was upgraded in it."""
    host.release("v2")
    meanwhile = (
        "mkdir /run/top && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top && cd /run/top && "
        "mv rootfs_upgrade.overc-new elsewhere && btrfs subvolume snapshot rootfs rootfs_upgrade.overc-new"
    )
    refused = call(host, "upgrade", prelude=_AT.format(point=("after", "run_packages"), command=meanwhile))
    assert_refused(refused, "inconsistent", "rootfs_upgrade.overc-new is gone or was replaced")
    assert (refused["state"], succeed(host, "info")["booted"]["subvolume"]) == ("clean", "rootfs")


def test_another_tool_sets_the_default_between_the_steps_of_a_switch(host: Host) -> None:
    """The new kernel with the old root boots nothing: ours is set again, and what cannot be mended any more is no success."""
    host.release("v2")
    meanwhile = "btrfs subvolume set-default $(btrfs inspect-internal rootid /) /"
    done = succeed(host, "upgrade", prelude=_AT.format(point=("before", "swap_kernel"), command=meanwhile))
    assert (done["state"], done["next_boot"]) == ("staged", "rootfs_upgrade")
    assert "it is rootfs_upgrade again" in str(done["warnings"])
    succeed(host, "rollback")
    too_late = call(host, "upgrade", prelude=_AT.format(point=("after", "record"), command=meanwhile))
    assert_refused(too_late, "inconsistent", "carried out to its end", "Do not reboot", changed=True)
    assert too_late["state"] == "inconsistent"
    host.sh("btrfs subvolume set-default $(btrfs subvolume list / | awk '$NF == \"rootfs_upgrade\" {print $2}') /")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


def test_a_killed_write_of_the_record_leaves_nothing(host: Host) -> None:
    upgrade_to(host, "v2")
    in_top(host, "echo torn >.overc/record.json.overc-new")
    succeed(host, "info")
    succeed(host, "rollback")
    assert list(snapshot_of_disk(host).record) == ["record.json"]


def test_programs_find_others_without_sbin(host: Host) -> None:
    host.release("v2")
    assert succeed(host, "upgrade", env={"PATH": "/usr/bin:/bin"})["state"] == "staged"


def test_a_kill_of_the_bootloader_module_is_made_durable(host: Host) -> None:
    kill = """\
import os, signal
whole = os.rename
def rename(source, target, **more):
    whole(source, target, **more)
    if target.endswith("grub.cfg"):
        os.kill(os.getpid(), signal.SIGKILL)
os.rename = rename
"""
    host.module_start("overc_bootloader", prelude=kill).process.communicate()
    again = host.module("overc_bootloader")
    assert not again.get("failed"), again
    host.powerloss()
    host.start()
    assert succeed(host, "info")["protection"] == "automatic"
    kill = "import os, signal\nfrom ansible_collections.overc.system.plugins.module_utils.boot import guard\n"
    kill += "guard.remove = lambda root: os.kill(os.getpid(), signal.SIGKILL)\n"
    host.module_start("overc_bootloader", {"state": "absent"}, prelude=kill).process.communicate()
    said = {entry["id"]: entry["detail"] for entry in succeed(host, "info")["protection_requirements"]}
    assert "left by a removal" in said["trial_guard"]
    assert host.module("overc_bootloader", {"state": "absent"})["changed"]
    said = {entry["id"]: entry["detail"] for entry in succeed(host, "info")["protection_requirements"]}
    assert said["trial_guard"] == "not installed"
