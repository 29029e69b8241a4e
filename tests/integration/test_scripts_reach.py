# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of packages run as root, and some reach beyond the new root: what boots next is not theirs to decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, kill_at, succeed
from tests.integration.disk_facts import assert_no_leftovers, booted, in_top, snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package


def script(body: str) -> list[Package]:
    """A package whose second version runs this after it was installed."""
    files = {"/usr/share/own-script/version": b"own\n"}
    return [
        Package("own-script", "1.0", (), files),
        Package("own-script", "2.0", (), files, scriptlets={"post": body}),
    ]


def ready(host: Host, scratch: Path, body: str) -> None:
    files = build(scratch, *script(body))
    install(host, files["own-script-1.0"])
    offer(host, files["own-script-2.0"])


SET_DEFAULT = {"itself": "btrfs subvolume set-default /", "the top-level tree": "btrfs subvolume set-default 5 /"}


@pytest.mark.parametrize("target", SET_DEFAULT)
@pytest.mark.parametrize("fails", [True, False], ids=["and fails", "and ends well"])
def test_a_script_does_not_decide_what_boots(host: Host, tmp_path: Path, target: str, fails: bool) -> None:
    ready(host, tmp_path, f"{SET_DEFAULT[target]} {'' if fails else '|| true'}")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    if fails:
        assert_refused(result, "package_manager_failed", "own-script")
        assert result["state"] == "clean"
        assert_unchanged(before, host, history=False)
    else:
        assert result["state"] == "staged", result["msg"]
        assert snapshot_of_disk(host).default == "rootfs_upgrade"
    assert "Operation not permitted" in str(result), result
    host.powerloss()
    host.start()
    assert booted(host) == ("rootfs" if fails else "rootfs_upgrade")
    assert_no_leftovers(host)


@pytest.mark.parametrize("target", SET_DEFAULT)
def test_a_power_cut_right_after_a_script_set_the_default(host: Host, tmp_path: Path, target: str) -> None:
    ready(host, tmp_path, f"{SET_DEFAULT[target]}; sync; touch /var/set; sync; sleep 600")
    run = host.module_start("overc_host_upgrade", {})
    try:
        in_top(
            host, "for i in $(seq 600); do [ -e rootfs_upgrade.overc-new/var/set ] && exit 0; sleep 0.1; done; exit 1"
        )
    finally:
        host.powerloss()
        run.process.communicate()
    host.start()
    assert (booted(host), snapshot_of_disk(host).default) == ("rootfs", "rootfs")
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"
    assert_no_leftovers(host)


# Each of them acts on the whole file system, through the one directory that a script sees
_BEYOND = {
    "delete another subvolume": "btrfs subvolume delete -i $(cat /etc/other) /",
    "quotas": "btrfs quota enable /",
    "resize": "btrfs filesystem resize -16m /",
    "balance": "btrfs balance start --full-balance /",
}


def test_a_script_does_not_change_the_whole_file_system(host: Host, tmp_path: Path) -> None:
    """A script may make, snapshot and delete subvolumes of its own, and nothing beyond the new root."""
    in_top(host, "btrfs subvolume create other; btrfs inspect-internal rootid other > /etc/other")
    tries = "".join(
        f"{command} >/dev/null 2>&1 && echo '{name}' >> /etc/reached\n" for name, command in _BEYOND.items()
    )
    own = "btrfs subvolume create /own; btrfs subvolume snapshot /own /own2; btrfs subvolume delete /own2 /own"
    ready(host, tmp_path, f"{own} || exit 1\n{tries}touch /etc/reached")
    size = host.sh("btrfs filesystem usage -b / | grep 'Device size'")
    assert succeed(host, "upgrade")["state"] == "staged"
    assert host.sh("btrfs filesystem usage -b / | grep 'Device size'") == size
    assert "other" in snapshot_of_disk(host).names
    host.reboot()
    assert host.sh("cat /etc/reached") == ""


_SWAP = """\
truncate -s 0 /swap; chattr +C /swap; head -c 16M /dev/zero > /swap; chmod 600 /swap; mkswap -q /swap
swapon /swap && touch /etc/reached; exit 0
"""


def test_a_script_does_not_turn_on_swap(host: Host, tmp_path: Path) -> None:
    """It would be the whole machine's, and the root with that file could not be snapshotted or removed any more."""
    ready(host, tmp_path, _SWAP)
    before = host.sh("cat /proc/swaps")
    try:
        assert succeed(host, "upgrade")["state"] == "staged"
        assert host.sh("cat /proc/swaps") == before
    finally:
        in_top(host, "for root in rootfs_upgrade*; do swapoff $root/swap 2>/dev/null; done; true")
    host.reboot()
    assert host.sh("ls /etc/reached 2>/dev/null || true") == ""
    assert host.sh("stat -c %s /swap") == str(16 << 20), "the file is its own affair"


_ELSEWHERE = """\
until [ -e /run/t/rootfs_upgrade.overc-new/etc/now ]; do sleep 0.1; done
btrfs subvolume set-default /run/t/rootfs_upgrade.overc-new; touch /run/t/rootfs_upgrade.overc-new/etc/done
"""


def test_somebody_else_sets_the_default_meanwhile(host: Host, tmp_path: Path) -> None:
    """A tool on the host itself, while packages are installed."""
    ready(host, tmp_path, "touch /etc/now; until [ -e /etc/done ]; do sleep 0.1; done; exit 1")
    host.sh("mkdir -p /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t")
    other = host.popen(["sh", "-c", _ELSEWHERE])
    result = call(host, "upgrade")
    other.communicate()
    assert_refused(result, "package_manager_failed", "own-script")
    assert "default" in str([result.get("warnings"), result.get("notes")]), result
    assert (result["state"], snapshot_of_disk(host).default) == ("clean", "rootfs")


def test_a_run_cut_off_after_a_script_set_the_default(host: Host, tmp_path: Path) -> None:
    ready(host, tmp_path, "")
    kill_at(host, "upgrade", "before", "run_packages")
    in_top(host, "btrfs subvolume set-default /run/t/rootfs_upgrade.overc-new")
    result = succeed(host, "rollback", check=True)
    assert "restore_default" in [action["step"] for action in result["actions"]]
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"
    assert snapshot_of_disk(host).default == "rootfs"
    assert_no_leftovers(host)


def test_the_unfinished_root_came_up_after_such_a_cut(host: Host, tmp_path: Path) -> None:
    """As on a kernel without seccomp filters: the first command says what to do, and the next boot is the old system."""
    ready(host, tmp_path, "")
    kill_at(host, "upgrade", "before", "run_packages")
    in_top(host, "btrfs subvolume set-default /run/t/rootfs_upgrade.overc-new && sync")
    host.powerloss()
    host.start()
    assert booted(host) == "rootfs_upgrade.overc-new"
    told = call(host, "confirm")
    assert_refused(told, "inconsistent", "rootfs_upgrade.overc-new", "reboot the host", changed=True)
    assert snapshot_of_disk(host).default == "rootfs"
    host.reboot()
    assert booted(host) == "rootfs"
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"
    assert_no_leftovers(host)


@pytest.mark.parametrize("fails", [True, False], ids=["and fails", "and ends well"])
@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_script_that_locks_the_new_root(host: Host, tmp_path: Path, flag: str, fails: bool) -> None:
    ready(host, tmp_path, f"chattr +{flag} /; exit {int(fails)}")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(result, "package_manager_failed" if fails else "access_denied")
    assert result["state"] == "clean"
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)


_KERNEL = """\
hostname evil; echo evil > /proc/sys/kernel/hostname; echo 1 > /proc/sys/net/ipv4/ip_forward; sysctl -w net.ipv4.ip_forward=1
echo 12345 > /proc/sys/net/ipv4/tcp_keepalive_time; echo b > /proc/sysrq-trigger; exit 0
"""


def test_a_script_does_not_change_the_running_kernel(host: Host, tmp_path: Path) -> None:
    ready(host, tmp_path, _KERNEL)
    host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward")
    look = "hostname; cat /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/tcp_keepalive_time"
    before = host.sh(look)
    assert succeed(host, "upgrade")["state"] == "staged"
    assert host.sh(look) == before


_NETWORK = """\
ip route add 10.99.0.0/16 dev lo; ip link set eth0 down; ip address flush dev eth0; ip link add own type dummy
python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); socket.create_connection(s.getsockname())' || exit 1
grep CapBnd /proc/self/status > /etc/capabilities
"""
_CAPABILITIES = {"sys_module": 16, "sys_rawio": 17, "sys_boot": 22, "sys_time": 25}  # linux/capability.h


def test_a_script_does_not_change_the_network_of_the_host(host: Host, tmp_path: Path) -> None:
    """A host whose upgrade was only staged could not be reached any more. Nor does it load modules or another kernel."""
    ready(host, tmp_path, _NETWORK)
    # Not of IPv6, whose addresses become valid after a while
    look = "ip -br link; ip -4 -br address; ip -4 route show table all"
    before = host.sh(look)
    assert succeed(host, "upgrade")["state"] == "staged"
    assert host.sh(look) == before
    host.reboot()
    bounding = int(host.sh("cat /etc/capabilities").split()[1], 16)
    assert [name for name, bit in _CAPABILITIES.items() if bounding & 1 << bit] == []
    assert bounding & 1 << 21  # sys_admin: scripts mount, in their own namespace


_NEST = "btrfs subvolume create /var/lib/nest && btrfs subvolume create /var/lib/nest/deep && echo x > /var/lib/nest/deep/data"


def test_a_script_makes_a_subvolume_and_fails(host: Host, tmp_path: Path) -> None:
    """Each attempt would keep a whole root aside; what somebody else moved there meanwhile is kept."""
    ready(host, tmp_path, f"{_NEST}; exit 1")
    before = snapshot_of_disk(host)
    for _attempt in range(2):
        assert_refused(call(host, "upgrade"), "package_manager_failed", "own-script")
        assert_unchanged(before, host, history=False)
    in_top(host, "btrfs subvolume create theirs && echo precious > theirs/data")
    kill_at(host, "upgrade", "before", "run_packages")
    in_top(host, "mv theirs rootfs_upgrade.overc-new/theirs")
    assert "rootfs_upgrade.overc-kept" in str(succeed(host, "confirm")["warnings"])
    in_top(host, "grep precious rootfs_upgrade.overc-kept/theirs/data")


def test_a_script_makes_a_subvolume(host: Host, tmp_path: Path) -> None:
    ready(host, tmp_path, _NEST)
    staged = succeed(host, "upgrade")
    assert "/var/lib/nest/deep" in str(staged["warnings"])
    host.reboot()
    assert host.sh("cat /var/lib/nest/deep/data") == "x"
    host.release("v2")
    assert_refused(call(host, "upgrade"), "state_at_risk", "var/lib/nest/deep", "move each")
    assert succeed(host, "rollback")["state"] == "staged"


_OUT = """
import os
os.makedirs("/tmp/below")
outside = os.open("/", os.O_RDONLY)
os.chroot("/tmp/below")
os.fchdir(outside)
for _each in range(100):
    os.chdir("..")
os.chroot(".")
open("/boot/got-out-of-the-chroot", "w").write("x")
"""
WAYS_OUT = (
    "for p in /proc/[0-9]*; do echo x > $p/root/boot/got-by-a-root; echo x > $p/cwd/boot/got-by-a-directory; done",
    "for p in /proc/[0-9]*; do echo x > $p/root/run/overc-system/top/got-to-the-top; done",
    "for f in /proc/[0-9]*/fd/*; do echo x > $f/boot/got-by-a-file; echo x > $f/../boot/got-by-a-file; done",
    "nsenter --target 1 --mount -- sh -c 'echo x > /boot/got-into-the-namespace'",
    "nsenter --all --target 1 -- sh -c 'echo x > /boot/got-into-all-namespaces'",
    f"cat > /tmp/out.py <<'END'\n{_OUT}\nEND\npython3 /tmp/out.py",
    # What these hide in the new root is gone again with the namespace
    "umount -l /proc; umount -l /; umount -R /; echo x > /boot/got-below",
)


def test_a_script_finds_no_way_to_the_host(host: Host, tmp_path: Path) -> None:
    """Not to its boot partition, its running root, or other subvolumes: not by what /proc shows of other processes either."""
    tried = "\n".join(f"({way}) >/dev/null 2>&1" for way in WAYS_OUT)
    ready(host, tmp_path, f"{tried}\nrm -f /boot/got-*\ntrue")
    before = snapshot_of_disk(host)
    assert succeed(host, "upgrade")["state"] == "staged"
    after = snapshot_of_disk(host)
    assert [path for path in (*after.boot, *after.roots, *after.top) if "got-" in path] == []
    assert after.boot["bzImage"] == before.boot["bzImage"]
    host.reboot()
    assert booted(host) == "rootfs_upgrade"


def test_a_script_can_tell_that_no_system_runs_there(host: Host, tmp_path: Path) -> None:
    """By which scripts decide that there is nothing to start: process 1 has another root (ischroot, running_in_chroot)."""
    ready(host, tmp_path, "test $(stat -Lc %d:%i /proc/1/root/) != $(stat -Lc %d:%i /) && touch /etc/told")
    succeed(host, "upgrade")
    in_top(host, "test -e rootfs_upgrade/etc/told")
