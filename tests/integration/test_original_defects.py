# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test per host defect of the original tool, by its number. Each would fail on what the original did."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, kill_at, steps, succeed, upgrade_to
from tests.integration.disk_facts import (
    assert_backup_pair,
    assert_no_leftovers,
    assert_runs,
    booted,
    modules_of,
    release_on_boot,
    snapshot_of_disk,
    version_in,
)
from tests.integration.host_states import host_in_state
from tests.lab import Host, Lab

MakeHost = Callable[..., Host]

# A tool that fails when it is called with certain words, and else is itself
_BROKEN = """\
#!/bin/sh
case "$*" in {words}) echo 'broken on purpose' >&2; exit 1;; esac
exec {real} "$@"
"""
# Writes down what is there at every step boundary, as the boot loader would find it
_WATCH = """\
import json, os, subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def look(when, step):
    listing = subprocess.run(["btrfs", "subvolume", "list", "/"], capture_output=True, text=True).stdout
    entry = {
        "at": f"{when} {step}",
        "backup": " path rootfs_bakup\\n" in listing,
        "kernel": os.path.exists("/boot/bzImage_bakup"),
        "inode": os.stat("/boot/bzImage").st_ino,
        "size": os.stat("/boot/bzImage").st_size,
    }
    with open("/run/watched", "a") as stream:
        stream.write(json.dumps(entry) + "\\n")
transaction.step_hook = look
"""


def break_tool(host: Host, program: str, words: str) -> None:
    real = host.sh(f'p=$(command -v {program}); [ -e "$p.real" ] || cp -a "$p" "$p.real"; echo "$p"')
    host.write(real, _BROKEN.format(words=words, real=f"{real}.real"))


def mend_tool(host: Host, program: str) -> None:
    host.sh(f'p=$(command -v {program}); mv "$p.real" "$p"')


@pytest.mark.parametrize(
    ("program", "words", "error_id"),
    [
        ("btrfs", "*snapshot*rootfs_upgrade*", "btrfs_failed"),
        ("btrfs", "*snapshot*rootfs_bakup*", "btrfs_failed"),
        ("btrfs", "*set-default*", "btrfs_failed"),
        ("cp", "*modules*", "io_error"),
        ("unshare", "*upgrade*", "package_manager_failed"),
    ],
)
def test_defect_01_exit_codes_are_ignored(host: Host, program: str, words: str, error_id: str) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    break_tool(host, program, words)
    result = call(host, "upgrade")
    mend_tool(host, program)
    assert_refused(result, error_id)
    assert "broken on purpose" in result["msg"] + result.get("stderr", "")
    assert_no_leftovers(host)
    if "set-default" in words:  # the backup pair was renewed before: it is that of the running system
        after = snapshot_of_disk(host)
        assert (after.default, after.boot["bzImage"]) == (before.default, before.boot["bzImage"])
        assert after.names == ["rootfs", "rootfs_bakup"]
        assert_backup_pair(host, "1.0")
    else:
        assert_unchanged(before, host, history=False)
    assert upgrade_to(host, "v2")["changed"]


def test_defect_02_other_subvolumes_are_deleted(host: Host) -> None:
    """Whatever their names look like, also below the root and after several upgrades."""
    host.sh("mkdir /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t")
    names = ["data", ".factory", "rootfs_mine", "rootfs_upgrade_old", "rootfs_bakup.2024", "a b", "rootfs/srv/inner"]
    for name in names[:-1]:
        host.run(["btrfs", "subvolume", "create", f"/run/t/{name}"])
        host.run(["sh", "-c", 'echo mine > "/run/t/$1/file"', "sh", name])
    host.run(["btrfs", "subvolume", "create", "/run/t/data/nested"])
    host.sh("umount /run/t")
    before = snapshot_of_disk(host)
    upgrade_to(host, "v2")
    host.reboot()
    upgrade_to(host, "v3")
    host.reboot()
    succeed(host, "rollback")
    host.reboot()
    after = snapshot_of_disk(host)
    assert {entry for entry in before.subvolumes if entry.path != "rootfs"} <= set(after.subvolumes)
    with host.top() as top:
        for name in names[:-1]:
            assert (top / name / "file").read_text() == "mine\n"


def test_defect_03_no_backup_for_a_while(lab: Lab, make_host: MakeHost) -> None:
    """On a host that has one, at every step boundary of an upgrade there is a complete backup to boot."""
    host = host_in_state(lab, make_host, "upgraded")
    succeed(host, "upgrade", prelude=_WATCH)
    watched = [json.loads(line) for line in host.sh("cat /run/watched").splitlines()]
    assert len(watched) >= 30
    assert [entry["at"] for entry in watched if not (entry["backup"] and entry["kernel"])] == []
    assert_backup_pair(host, "2.0")


@pytest.mark.parametrize(("when", "step"), [("before", "swap_backup_files"), ("after", "place_backup")])
def test_defect_03_the_backup_boots_in_the_middle(lab: Lab, make_host: MakeHost, when: str, step: str) -> None:
    """Its root is new, its kernel still the old one: the root has the modules of both."""
    host = host_in_state(lab, make_host, "upgraded")
    kill_at(host, "upgrade", when, step)
    host.powerloss()
    host.boot_entry(1)
    host.start()
    assert booted(host) == "rootfs_bakup"
    release = release_on_boot(host, "bzImage_bakup")
    assert release in modules_of(host, "rootfs_bakup")


def test_defect_04_kernel_is_overwritten_in_place(host: Host) -> None:
    """The file that boots is complete at every moment: another file takes its name, after it is on the disk."""
    host.release("v2")
    old = host.sh("stat -c %i /boot/bzImage")
    succeed(host, "upgrade", prelude=_WATCH)
    watched = [json.loads(line) for line in host.sh("cat /run/watched").splitlines()]
    inodes = [entry["inode"] for entry in watched]
    assert set(inodes) == {int(old), inodes[-1]}
    assert {entry["size"] for entry in watched} == {watched[0]["size"]}
    host.powerloss()
    assert release_on_boot(host) == "2.0-lab"
    host.start()
    assert_runs(host, "rootfs_upgrade", "2.0")


def test_defect_05_backup_halves_drift_apart(host: Host) -> None:
    """Also by an upgrade that brings no kernel."""
    host.enable_repo("obsoletes")
    succeed(host, "upgrade")
    assert_backup_pair(host, "1.0")
    host.reboot()
    upgrade_to(host, "v2")
    assert_backup_pair(host, "1.0")
    host.reboot()
    upgrade_to(host, "v3")
    assert_backup_pair(host, "2.0")
    host.boot_entry(1)
    host.reboot()
    assert_runs(host, "rootfs_bakup", "2.0")


@pytest.mark.parametrize("repository", ["pre-fails", "post-fails", "preun-fails"])
def test_defect_06_failed_upgrade_stays(host: Host, repository: str) -> None:
    host.release("v2")
    host.enable_repo(repository)
    if repository == "preun-fails":  # an update runs %preun of the old version only where the new one replaces it
        host.enable_repo("post-fails")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(result, "package_manager_failed", "lab-")
    assert "on purpose" in result["stdout"] + result["stderr"]
    assert "rc" in result
    assert [done["step"] for done in result["undone"][:2]] == ["restore_default", "unplace_root"]
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)
    assert_refused(call(host, "rollback"), "no_target")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")


def test_defect_07_rollback_right_after_upgrade(host: Host) -> None:
    """Cancels: what boots is what ran, and nothing of the upgrade is left but the backup."""
    before = snapshot_of_disk(host)
    upgrade_to(host, "v2")
    result = succeed(host, "rollback")
    assert (result["operation"], result["state"], result["reboot_required"]) == ("cancel", "clean", False)
    after = snapshot_of_disk(host)
    assert (after.default, after.boot["bzImage"]) == ("rootfs", before.boot["bzImage"])
    assert after.names == ["rootfs", "rootfs_bakup"]
    host.powerloss()
    host.start()
    assert_runs(host, "rootfs", "1.0")


def test_defect_08_rollback_always_copies_and_reboots(host: Host) -> None:
    host.release("v2")
    succeed(host, "upgrade", {"packages": ["lab-app"]})
    host.reboot()
    assert host.rpm_version("lab-app") == "2.0"
    boots, kernel = host.boots, host.sh("stat -c '%i %Z' /boot/bzImage")
    result = succeed(host, "rollback")
    assert steps(result) == ["set_default", "install_efi", "record"]
    assert (host.sh("stat -c '%i %Z' /boot/bzImage"), host.boots) == (kernel, boots)
    assert result["reboot_required"] is True
    assert succeed(host, "rollback")["changed"] is False


def test_defect_09_no_way_out_of_the_backup(lab: Lab, make_host: MakeHost) -> None:
    host = host_in_state(lab, make_host, "backup boot")
    backup = snapshot_of_disk(host).uuid("rootfs_bakup")
    assert_refused(call(host, "upgrade"), "backup_boot", "overc_host_rollback")
    assert succeed(host, "rollback")["operation"] == "restore"
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert snapshot_of_disk(host).uuid("rootfs_bakup") == backup
    assert_backup_pair(host, "1.0")
    upgrade_to(host, "v2")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


def test_defect_10_two_at_once(host: Host) -> None:
    """One works, the other says who does, and neither harms the other's work."""
    host.release("v2")
    waits = (
        "from ansible_collections.overc.system.plugins.module_utils.host import transaction\nimport os, time\n"
        "def wait(when, step):\n"
        "    if (when, step) == ('before', 'create_backup'):\n"
        "        open('/run/there', 'w').close()\n"
        "        while not os.path.exists('/run/go'): time.sleep(0.01)\n"
        "transaction.step_hook = wait\n"
    )
    first = host.module_start("overc_host_upgrade", prelude=waits)
    host.sh("until [ -e /run/there ]; do sleep 0.02; done")
    pid = host.sh("grep -o '\"pid\": [0-9]*' /run/overc-system/lock | grep -o '[0-9]*'")
    before = snapshot_of_disk(host)
    for name in ("upgrade", "rollback", "confirm", "update"):
        result = call(host, name)
        assert_refused(result, "locked", "overc_host_upgrade", f"process {pid}")
        assert result["holder"]["command"] == "overc_host_upgrade"
    info = call(host, "info")
    assert (info["state"], info["holder"]["pid"]) == ("busy", int(pid))
    assert_unchanged(before, host)
    host.sh("touch /run/go")
    assert first.wait()["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


_SYSTEM = (
    "findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS | sort; ls -lA --time-style=+ /boot /dev /mnt; losetup -nl -O NAME"
)


@pytest.mark.parametrize("repository", ["hostile", "post-fails"])
def test_defect_11_chroot_leaks(host: Host, repository: str) -> None:
    """A package that attacks the host, and one that fails, leave no mount, no process and no file behind."""
    host.enable_repo(repository)
    units = "systemctl show -p ActiveEnterTimestamp,InvocationID systemd-tmpfiles-clean.service"
    before, ran, processes = host.sh(_SYSTEM), host.sh(units), set(host.sh("ps -eo args=").splitlines())
    result = call(host, "upgrade")
    assert bool(result.get("failed")) is (repository == "post-fails")
    listing = [line for line in host.sh(_SYSTEM).splitlines() if "bzImage" not in line and not line.startswith("total")]
    assert listing == [line for line in before.splitlines() if "bzImage" not in line and not line.startswith("total")]
    assert host.sh(units) == ran
    left = set(host.sh("ps -eo args=").splitlines()) - processes
    assert [line for line in left if "sleep" in line or "dnf" in line or "unshare" in line] == []
    assert not host.run("ls /boot/lab-hostile /dev/lab-hostile* /var/log/lab-hostile.log", check=False).stdout
    if repository == "hostile":
        # in the new root's own tree it may write: that is what packages do
        assert version_in(host, "rootfs_upgrade", "lab-hostile") == "2.0"


def test_defect_12_exit_codes_say_the_contrary(host: Host) -> None:
    """A module's exit code and its result agree: nothing to do, done, refused."""
    for prepare, name, code in (
        (None, "upgrade", 0),
        (None, "rollback", 1),
        ("v2", "upgrade", 0),
        (None, "confirm", 1),
        (None, "rollback", 0),
    ):
        if prepare:
            host.release(prepare)
        started = host.module_start(f"overc_host_{name}")
        result = started.wait()
        assert started.process.returncode == code, (name, result)
        assert bool(result.get("failed")) is bool(code)


def test_defect_13_names_go_through_a_shell(make_host: MakeHost) -> None:
    """No program is started by a shell, and an odd name that is allowed works all the way."""
    host = make_host(start=False)
    with host.top() as top:
        (top / "rootfs").rename(top / "@r+o.o_t-")
    with host.boot_partition() as boot:
        menu = boot / "grub/grub.cfg"
        menu.write_text(menu.read_text().replace("rootfs_bakup", "_b@k+"))
    host.start()
    names = {"root_subvolume": "@r+o.o_t-", "upgrade_subvolume": "@u", "backup_subvolume": "_b@k+"}
    host.release("v2")
    watch = (
        "import sys\n"
        "def watch(event, args):\n"
        "    if event == 'subprocess.Popen' and (str(args[0]).endswith('sh') or isinstance(args[1], str)):\n"
        "        open('/run/shell', 'a').write(repr(args) + '\\n')\n"
        "    if event == 'os.system': open('/run/shell', 'a').write(repr(args) + '\\n')\n"
        "sys.addaudithook(watch)\n"
    )
    path = "/etc/it's $(touch /run/pwned); a `path`"
    host.write(path, "kept\n")
    succeed(host, "upgrade", {**names, "carry_over": [path]}, prelude=watch)
    host.reboot()
    assert_runs(host, "@u", "2.0")
    assert host.run(["cat", path]).stdout == "kept\n"
    succeed(host, "rollback", names, prelude=watch)
    host.reboot()
    assert_runs(host, "@r+o.o_t-", "1.0")
    assert host.run("cat /run/shell; ls /run/pwned", check=False).stdout == ""
