# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab keeps its promises: what other tests conclude from it depends on these."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import DiskSize, Host, Lab, LabError, disk, gc, kernel, network, packages
from tests.lab.process import run

MakeHost = Callable[..., Host]
AUTOMATIC_MENU = """\
load_env
if [ "${next_entry}" ] ; then
  set default="${next_entry}"
  set next_entry=
  save_env next_entry
elif [ "${saved_entry}" ] ; then
  set default="${saved_entry}"
else
  set default=0
fi
set fallback=1
"""


def in_top(host: Host, script: str) -> str:
    """Shell in the top level of the running host's btrfs, mounted inside the host."""
    host.sh("mkdir -p /run/top && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/top")
    try:
        return host.sh(f"cd /run/top && {script}")
    finally:
        host.sh("umount /run/top")


def new_default(host: Host) -> None:
    in_top(host, "btrfs subvolume snapshot rootfs rootfs_upgrade && btrfs subvolume set-default rootfs_upgrade")


def booted(host: Host) -> str:
    return host.sh("findmnt -no SOURCE / | sed 's/.*\\[\\///; s/\\]//'")


# --- what a host looks like from inside -------------------------------------------------------------------------------


def test_layout_is_the_documented_one(host: Host) -> None:
    assert booted(host) == "rootfs"
    assert host.sh("btrfs subvolume get-default /").endswith(" path rootfs")
    assert host.sh("findmnt -no FSTYPE /boot") == "ext4"
    assert "subvol=" not in host.sh("cat /etc/fstab")
    assert host.sh("cat /proc/cmdline").startswith("BOOT_IMAGE=/bzImage root=UUID=")
    assert host.sh("systemctl is-system-running --wait") == "running"
    assert host.sh("ls /boot").split() == ["bzImage", "grub", "lost+found"]
    menu = host.sh("cat /boot/grub/grub.cfg")
    assert "linux /bzImage_bakup rootflags=subvol=rootfs_bakup root=" in menu


def test_packages_are_those_of_the_first_release(host: Host) -> None:
    installed = set(host.sh("rpm -qa --qf '%{NAME} %{VERSION}\\n'").splitlines())
    wanted = {f"{p.name} {p.version}" for p in packages.all_packages(0) if p.version == "1.0" and p.preinstalled}
    keys = {entry for entry in installed if entry.startswith("gpg-pubkey ")}
    assert len(keys) == 1, "the key that signs them"
    assert installed - keys == wanted
    assert host.run(["dnf", "check-update"], check=False).returncode == 0
    host.release("v2")
    assert host.run(["dnf", "check-update"], check=False).returncode == 100


@pytest.mark.parametrize("managers", [("dnf",), ("smart",), ()])
def test_package_managers_can_be_chosen(make_host: MakeHost, managers: tuple[str, ...]) -> None:
    host = make_host(managers=managers)
    assert (host.run("command -v dnf", check=False).returncode == 0) == ("dnf" in managers)


def test_the_machine_is_out_of_reach(host: Host) -> None:
    """Its disks, its kernel settings, its clock."""
    root = Path("/").stat().st_dev
    for script in (
        f"mknod /tmp/disk b {os.major(root)} {os.minor(root)} && dd if=/tmp/disk of=/dev/null count=1",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "date -s 2030-01-01",
        "echo freeze > /sys/power/state",
    ):
        assert host.run(script, check=False).returncode != 0, script
    # its own disk it may use as it likes
    host.sh("dd if=$(findmnt -nvo SOURCE /) of=/dev/null count=1 && umount /boot && mount /boot")


def test_a_chroot_may_have_its_own_devices(host: Host) -> None:
    host.sh(
        "mkdir /tmp/d && mount -t tmpfs d /tmp/d && mknod /tmp/d/null c 1 3 && echo x > /tmp/d/null && umount /tmp/d"
    )


# --- power ------------------------------------------------------------------------------------------------------------


def test_reboot_is_a_new_boot(host: Host) -> None:
    before = host.sh("cat /proc/sys/kernel/random/boot_id")
    host.reboot()
    assert host.boots == 2
    assert host.sh("cat /proc/sys/kernel/random/boot_id") != before
    assert float(host.sh("cut -d' ' -f1 /proc/uptime")) < 30


def test_ansible_reboots_it(lab: Lab, host: Host) -> None:
    inventory = lab.inventory()
    argv = [
        str(Path(sys.executable).with_name("ansible")),
        "-i",
        str(inventory),
        host.name,
        "-m",
        "ansible.builtin.reboot",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.boots == 2


def test_the_successor_at_an_address_answers_at_once(make_host: MakeHost) -> None:
    """Its card is that of its predecessor: whoever still knew another one would send to it for half a minute."""
    make_host("neighbour")  # or the bridge is down in between, and everybody forgets
    first = make_host("first")
    card = first.sh("cat /sys/class/net/eth0/address")
    address = first.address
    first.destroy()
    second = make_host("second")
    assert second.address == address
    assert second.sh("cat /sys/class/net/eth0/address") == card


def test_poweroff_stays_off(host: Host) -> None:
    host.poweroff()
    assert not host.is_on
    with pytest.raises(LabError, match="not running"):
        host.sh("true")
    host.start()
    assert host.ssh("echo", "hello").stdout == "hello\n"


def test_reboot_enters_the_default_subvolume_of_that_moment(host: Host) -> None:
    new_default(host)
    host.reboot()
    assert booted(host) == "rootfs_upgrade"


def test_powerloss_loses_what_was_not_synced(host: Host) -> None:
    new_default(host)
    host.powerloss()
    assert not host.is_on
    host.start()
    assert booted(host) == "rootfs"


def test_powerloss_keeps_what_was_synced(host: Host) -> None:
    new_default(host)
    host.sh("btrfs filesystem sync / && echo lost > /root/unwritten")
    host.powerloss()
    host.start()
    assert booted(host) == "rootfs_upgrade"
    assert host.run(["test", "-s", "/root/unwritten"], check=False).returncode != 0


def test_stop_loses_nothing(host: Host) -> None:
    host.sh("echo kept > /root/unwritten")
    host.stop()
    host.start()
    assert host.sh("cat /root/unwritten") == "kept"


# --- the boot loader --------------------------------------------------------------------------------------------------


def damage(script: str, host: Host) -> str:
    """Do this to the host, let it reboot, and return why that failed."""
    host.sh(script)
    host.reboot(wait=False)
    host.wait_off()
    assert host.boot_failed
    return host.boot_failed


def test_torn_kernel_is_refused(host: Host) -> None:
    assert "torn" in damage("truncate -s -1 /boot/bzImage", host)
    with pytest.raises(LabError, match="torn"):
        host.start()


def test_missing_kernel_is_refused(host: Host) -> None:
    assert "does not exist" in damage("rm /boot/bzImage", host)


def test_kernel_without_modules_is_refused(host: Host) -> None:
    assert "no modules" in damage("mv /lib/modules/1.0-lab /lib/modules/0.9-lab", host)


def test_missing_backup_root_is_refused(host: Host) -> None:
    host.boot_entry(1)
    assert "/bzImage_bakup does not exist" in damage("sync", host)


def test_human_boots_the_backup_once(make_host: MakeHost) -> None:
    host = make_host(backup=True)
    host.boot_entry(1)
    host.reboot()
    assert booted(host) == "rootfs_bakup"
    assert "BOOT_IMAGE=/bzImage_bakup rootflags=subvol=rootfs_bakup" in host.sh("cat /proc/cmdline")
    host.reboot()
    assert booted(host) == "rootfs"


def automatic(host: Host, **environment: str) -> None:
    """Give the host GRUB's stock variables, and this content of the environment block."""
    from tests.lab.bootloader import format_environment

    menu = host.sh("cat /boot/grub/grub.cfg").replace("rootwait", "rootwait panic=5")
    host.write("/boot/grub/grub.cfg", AUTOMATIC_MENU + menu.replace('set default="0"\n', ""))
    host.write("/boot/grub/grubenv", format_environment(environment).decode())
    host.sh("sync -f /boot")


def test_next_entry_counts_once_and_saved_entry_for_ever(make_host: MakeHost) -> None:
    host = make_host(backup=True)
    automatic(host, saved_entry="1", next_entry="0")
    host.reboot()
    assert booted(host) == "rootfs"
    assert "next_entry=\nsaved_entry=1" in "\n".join(sorted(host.sh("cat /boot/grub/grubenv").split("\n")))
    for _time in range(2):
        host.reboot()
        assert booted(host) == "rootfs_bakup"


def test_panic_restarts_into_the_saved_entry(make_host: MakeHost) -> None:
    host = make_host(backup=True)
    automatic(host, saved_entry="1", next_entry="0")
    host.sh("rm -r /lib/modules/1.0-lab")
    host.reboot()
    assert booted(host) == "rootfs_bakup"
    assert len(host.boot_failures) == 1


def test_loader_does_not_replay_the_journal(host: Host) -> None:
    """As GRUB: a fsynced rename alone is not there yet, a synced file system is."""
    replace = (
        "cp /boot/bzImage /boot/new && sync /boot/new && mv /boot/new /boot/renamed && sync /boot && sync /boot/renamed"
    )
    host.sh(f"{replace} && sed -i 's, /bzImage , /renamed ,' /boot/grub/grub.cfg && sync -f /boot")
    host.sh(
        "cp /boot/bzImage /boot/new && sync /boot/new && mv /boot/new /boot/later && sync /boot/later && sync /boot"
    )
    host.powerloss()
    loop = disk.attach(host.image)
    dump = run(["debugfs", "-R", "ls /", f"{loop}p1"])
    assert "renamed" in dump
    assert "later" not in dump
    with host.boot_partition() as boot:
        assert (boot / "later").exists()
    host.start()
    assert "BOOT_IMAGE=/renamed" in host.sh("cat /proc/cmdline")


# --- disks ------------------------------------------------------------------------------------------------------------


def test_saved_disk_starts_another_host(lab: Lab, make_host: MakeHost) -> None:
    host = make_host()
    host.sh("echo template > /root/mark")
    with pytest.raises(LabError, match="is on"):
        host.save()
    host.poweroff()
    saved = host.save()
    other = make_host(from_image=saved)
    host.start()
    assert other.sh("cat /root/mark /etc/hostname").split() == ["template", other.name]
    assert host.sh("cat /etc/machine-id; findmnt -no UUID /") != other.sh("cat /etc/machine-id; findmnt -no UUID /")
    host.sh("echo changed > /root/mark")
    host.stop()
    host.restore(saved)
    host.start()
    assert host.sh("cat /root/mark") == "template"
    assert saved.parent == lab.pool


def test_top_level_is_visible_on_and_off(host: Host) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    with host.top() as top:
        assert (top / "rootfs/etc/fstab").exists()
        assert Path("/proc/self/mountinfo").read_text() == mounts
    host.stop()
    with host.top() as top:
        assert [p.name for p in top.iterdir()] == ["rootfs"]
    assert host.default_subvolume() == "rootfs"


def test_disk_sizes(make_host: MakeHost) -> None:
    host = make_host(size=DiskSize(disk_mib=1024, boot_mib=32))
    assert int(host.sh("df -BM --output=size /boot | tail -1").rstrip("M")) < 32
    assert int(host.sh("df -BM --output=size / | tail -1").rstrip("M")) < 1024


# --- modules and kernels ----------------------------------------------------------------------------------------------


def test_module_runs_in_the_host(host: Host) -> None:
    result = host.module(
        "ansible.modules.command", {"argv": ["hostname"]}, prelude="import sys; print('first', file=sys.stderr)"
    )
    assert result["stdout"] == host.name
    assert result["_stderr"] == "first\n"
    skipped = host.module("ansible.modules.command", {"argv": ["touch", "/root/x"]}, check=True)
    assert skipped["skipped"]
    failed = host.module("ansible.modules.command", {"argv": ["false"]})
    assert failed["failed"]


def test_started_module_dies_with_the_host(host: Host) -> None:
    started = host.module_start("ansible.modules.command", {"argv": ["sleep", "100"]})
    host.stop()
    with pytest.raises(LabError, match="no result"):
        started.wait(timeout=10)


def test_kernel_file() -> None:
    data = kernel.make_kernel("5.0-lab")
    assert kernel.kernel_release(data) == "5.0-lab"
    assert data != kernel.make_kernel("5.0-lab", "#2")
    for torn in (data[:-1], data[:600], b"", data[:-1] + b"!"):
        with pytest.raises(ValueError, match=r"torn|header"):
            kernel.kernel_release(torn)


# --- cleaning up ------------------------------------------------------------------------------------------------------


def traces(lab: Lab) -> list[str]:
    name = lab.names.netns
    found = [str(p) for p in network.NETNS_DIRECTORY.glob(f"{name}*")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{lab.directory}/" in line]
    found += disk.loops_below(lab.directory)
    found += [str(p) for p in Path("/dev/shm").glob(f"*{lab.names.lab_id}*")]
    found += [str(p) for p in Path("/sys/fs/cgroup").glob(f"*/{lab.names.cgroup}")]
    return found


def test_nothing_is_left(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab") as other:
        other.create_many(["a", "b"])
        assert traces(other)
    assert traces(other) == []


def test_killed_lab_is_collected(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    script = (
        "import os, sys; from tests.lab import Lab\n"
        "lab = Lab(sys.argv[1]).__enter__(); lab.create('a').start(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(directory)], check=False, capture_output=True)
    assert Lab(directory).host("a").is_on
    assert gc.collect(directory) == 1
    assert traces(Lab(directory)) == []
