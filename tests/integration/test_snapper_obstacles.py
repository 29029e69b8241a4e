# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout: what would stop a run late is found before it begins, named with its remedy, and nothing is
changed; and what looks like an obstacle, and is none, is passed by.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.commands import assert_refused, call, succeed
from tests.integration.crash_points_snapper import Numbered
from tests.integration.test_crash_snapper import NumberedBench, check_snapper, kept
from tests.integration.test_deployments import adopt, root
from tests.integration.test_obstacles import swap_on
from tests.integration.test_opensuse_layout import FIRST, default, place
from tests.lab import Host, Lab
from tests.lab.layouts import OPENSUSE
from tests.lab.opensuse_kernels import FIRST_KERNEL
from tests.sampling import rotating

STORE: t.Final = "/.snapshots"
# The next number on a host that was set up, and beside it while it is claimed
NEXT: t.Final = 3
_BESIDE: t.Final = f"{STORE}/overc-{NEXT}.overc-new"
# /boot has a link to it
_IMAGE: t.Final = f"/usr/lib/modules/{FIRST_KERNEL}/vmlinuz"
_KERNEL, _INITRD = f"/boot/vmlinuz-{FIRST_KERNEL}", f"/boot/initrd-{FIRST_KERNEL}"
_LIST: t.Final = "/run/t/.overc/deployments"
# The top-level tree, for whoever has to reach it
_TOP: t.Final = "mkdir -p /run/t; mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t; "
_BLOCK: t.Final = "# GRUB Environment Block\\nnext_entry=1\\n".ljust(1026, "#")
_SWAP: t.Final = "an active swap file"


class Obstacle(t.NamedTuple):
    """``requirement``: those that are not met, by their ids; ``put`` and ``take`` are commands for the host; ``says``: words of
    the refusal.
    """

    requirement: str
    error_id: str
    put: str
    take: str
    says: tuple[str, ...] = ()


def _moved(path: str) -> tuple[str, str]:
    return f"mv {path} /root/kept", f"mv /root/kept {path}"


def _edited(path: str, command: str) -> tuple[str, str]:
    """With a copy of it as it was."""
    return f"cp -a {path} /root/kept; {command}", f"rm -f {path}; mv /root/kept {path}"


OBSTACLES: t.Final = {
    "the numbers are immutable": Obstacle(
        "new_root", "access_denied", f"chattr +i {STORE}", f"chattr -i {STORE}", ("chattr -i -a",)
    ),
    "the numbers are read-only": Obstacle(
        "new_root", "access_denied", f"btrfs property set -ts {STORE} ro true", f"btrfs property set -ts {STORE} ro false",
        ("btrfs property set",),
    ),
    "a file where a number is claimed": Obstacle("new_root", "inconsistent", f"touch {_BESIDE}", f"rm {_BESIDE}", (_BESIDE,)),
    "somebody's directory where a number is claimed": Obstacle(
        "new_root", "inconsistent", f"mkdir {_BESIDE}; touch {_BESIDE}/theirs", f"rm -r {_BESIDE}", (_BESIDE,)
    ),
    "a subvolume where a number is claimed": Obstacle(
        "new_root", "inconsistent", f"btrfs subvolume create {_BESIDE}; touch {_BESIDE}/theirs",
        f"btrfs subvolume delete {_BESIDE}", (_BESIDE,),
    ),
    "the last number is taken": Obstacle(
        "new_root", "inconsistent", f"mkdir {STORE}/999999999", f"rmdir {STORE}/999999999", ("999999999",)
    ),
    "a number that is longer than any": Obstacle(
        "new_root", "inconsistent", f"mkdir {STORE}/4294967295", f"rmdir {STORE}/4294967295", ("4294967295",)
    ),
    "the numbers are hidden": Obstacle(
        "new_root", "inconsistent", f"mount -t tmpfs lab {STORE}", f"umount {STORE}", (STORE, "tmpfs")
    ),
    "the numbers are not mounted": Obstacle(
        "new_root", "inconsistent", f"umount {STORE}", f"mount {STORE}", (STORE, "mount /.snapshots")
    ),
    "a link where the numbers belong": Obstacle(
        "new_root", "inconsistent", f"umount {STORE}; rmdir {STORE}; ln -s /var/tmp {STORE}",
        f"rm {STORE}; mkdir {STORE}; mount {STORE}", (STORE,),
    ),
    "other numbers are mounted": Obstacle(
        "new_root", "inconsistent",
        f"umount {STORE}; btrfs subvolume create /run/t/@/other; mount -o subvol=@/other $(findmnt -nvo SOURCE /) {STORE}",
        f"umount {STORE}; mount {STORE}; btrfs subvolume delete /run/t/@/other", ("@/other",),
    ),
    "the list is immutable": Obstacle("new_root", "access_denied", f"chattr +i {_LIST}", f"chattr -i {_LIST}", ("deployments",)),
    "our directory is immutable": Obstacle("new_root", "access_denied", "chattr +i /run/t/.overc", "chattr -i /run/t/.overc"),
    "no tool for a menu": Obstacle(
        "new_root", "kernel_broken", *_moved("/usr/sbin/grub2-mkconfig"), ("grub2-mkconfig", "install"),
    ),
    "the list is cut off": Obstacle(
        "menu_hooked root_deployment", "layout_unsupported", *_edited(_LIST, f"truncate -s 60 {_LIST}"), ("deployments",)
    ),
    "the list is a fifo": Obstacle(
        "menu_hooked root_deployment", "layout_unsupported", *_edited(_LIST, f"rm {_LIST}; mkfifo {_LIST}"), ("deployments",)
    ),
    "the list has no end": Obstacle(
        "menu_hooked root_deployment", "layout_unsupported", *_edited(_LIST, f"truncate -s 5G {_LIST}"), ("deployments",)
    ),
    "another boot loader": Obstacle(
        "menu_hooked", "layout_unsupported",
        *_edited("/etc/sysconfig/bootloader", "sed -i s/grub2/systemd-boot/ /etc/sysconfig/bootloader"), ("LOADER_TYPE",),
    ),
    "fstab names a subvolume": Obstacle(
        "root_not_pinned", "layout_unsupported",
        *_edited("/etc/fstab", f"sed -i 's,  /  btrfs  defaults,  /  btrfs  subvol={FIRST},' /etc/fstab"), ("subvol=",),
    ),
    "a kernel that is cut off": Obstacle(
        "entry_files", "kernel_broken", *_edited(_IMAGE, f"truncate -s 2000 {_IMAGE}"), (FIRST_KERNEL,)
    ),
    "an empty kernel": Obstacle("entry_files", "kernel_broken", *_edited(_IMAGE, f"truncate -s 0 {_IMAGE}")),
    "no kernel": Obstacle("entry_files", "kernel_broken", *_moved(_KERNEL)),
    "no initrd": Obstacle("entry_files", "kernel_broken", *_moved(_INITRD), ("dracut",)),
    "no modules": Obstacle("entry_files", "kernel_broken", *_moved(f"/usr/lib/modules/{FIRST_KERNEL}")),
    "no menu": Obstacle("entry_files", "kernel_broken", *_moved("/boot/grub2/grub.cfg"), ("grub2-mkconfig -o",)),
    "a menu that names a subvolume": Obstacle(
        "entry_files", "kernel_broken",
        *_edited("/boot/grub2/grub.cfg", "sed -i 's/extra_cmdline}/extra_cmdline} rootflags=subvol=@/' /boot/grub2/grub.cfg"),
        ("rootflags",),
    ),
    "a menu without an entry": Obstacle(
        "entry_files", "kernel_broken", *_edited("/boot/grub2/grub.cfg", "echo > /boot/grub2/grub.cfg"), ("no entry",)
    ),
    "a one shot that GRUB cannot take back": Obstacle(
        "entry_files", "kernel_broken",
        f"printf '{_BLOCK}' > /boot/grub2/grubenv", "rm /boot/grub2/grubenv", ("next_entry",),
    ),
    "an immutable root": Obstacle("roots_movable", "access_denied", "chattr +i /", "chattr -i /", ("chattr -i",)),
    "data in a subvolume of the root": Obstacle(
        "nested_subvolumes", "state_at_risk", "btrfs subvolume create /data; touch /data/precious",
        "btrfs subvolume delete /data", ("/data",),
    ),
    _SWAP: Obstacle("swap_files", "in_use", swap_on("/swapfile"), "swapoff /swapfile; rm /swapfile", ("swapoff",)),
    "a quota that holds no second root": Obstacle(
        "space", "no_space",
        "btrfs quota enable /; btrfs quota rescan -w /; btrfs qgroup limit 300M 0/$(btrfs inspect-internal rootid /) /",
        "btrfs quota disable /", ("quota",),
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def bench(lab: Lab) -> t.Iterator[NumberedBench]:
    made = NumberedBench(lab, "obst_snapper", flavour=OPENSUSE)
    yield made
    made.host.destroy()


def begin(bench: NumberedBench, start: str, release: str = "v2") -> Host:
    return bench.begin(Numbered("", start, "", (), {}, 1, follows=release))


@pytest.mark.parametrize("name", OBSTACLES)
def test_an_obstacle_is_found_first(bench: NumberedBench, name: str) -> None:
    obstacle, host = OBSTACLES[name], begin(bench, "adopted")
    put = host.run(["sh", "-ec", _TOP + obstacle.put], check=name != _SWAP)
    if put.returncode:
        pytest.skip("this kernel lets nobody use a swap file")
    before = kept(host)
    info = succeed(host, "info", {"full": True})
    assert [each["id"] for each in info["requirements"] if not each["ok"]] == obstacle.requirement.split(), info["msg"]
    for check in (True, False):
        refused = call(host, "upgrade", check=check)
        assert_refused(refused, obstacle.error_id, *obstacle.says)
        assert "with the option exclude" not in refused["msg"], "no package is what is wrong"
    assert kept(host) == before
    host.sh(obstacle.take)
    assert succeed(host, "info")["state"] == "clean"
    assert succeed(host, "upgrade", check=True)["changed"] is True


# -- what is none ------------------------------------------------------------------------------------------------------

_MARKED: t.Final = "<key>overc.system</key><value>deployment</value>"
_THEIR_INFO: t.Final = f"{STORE}/2/info.xml"
_WITH_ENTITIES: t.Final = (
    '<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/shadow"><!ENTITY b "&a;&a;">]><snapshot>'
    f"<description>&b;{_MARKED}</description></snapshot>"
)
# What is done, and the number of the next root
HARMLESS: t.Final = {
    "a snapshot whose file is empty": (f": > {_THEIR_INFO}", NEXT),
    "one whose file is no XML": (f"printf '<<<&\\0\\377' > {_THEIR_INFO}", NEXT),
    "one whose file has entities": (f"printf '%s' '{_WITH_ENTITIES}' > {_THEIR_INFO}", NEXT),
    "one whose file is huge": (f"truncate -s 300M {_THEIR_INFO}", NEXT),
    "one whose file is a fifo": (f"rm {_THEIR_INFO}; mkfifo {_THEIR_INFO}", NEXT),
    "one whose file is a link to nothing": (f"rm {_THEIR_INFO}; ln -s /none {_THEIR_INFO}", NEXT),
    "one whose file is immutable": (f"chattr +i {_THEIR_INFO}", NEXT),
    "one that has our words": ("snapper --no-dbus modify --userdata overc.system=deployment 2", NEXT),
    "a plain directory that has the next number": (f"mkdir {STORE}/3", 4),
    "a file that has it": (f"touch {STORE}/3", 4),
    "a link that has it": (f"ln -s / {STORE}/3", 4),
    "a subvolume that has it": (f"btrfs subvolume create {STORE}/3", 4),
    "names that are no numbers": (
        f"cd {STORE}; mkdir 007 -- -5 ' 9'; n=$(printf '8\\n.'); touch \"${{n%.}}\" \"$(printf '\\303')\" overc; mkdir overc-x",
        NEXT,
    ),
    "thousands of numbers": (
        f"cd {STORE}; for n in $(seq 10 3000); do mkdir $n; done; seq 10 3000 | xargs -I% cp 2/info.xml %/info.xml", 3001,
    ),
    "hundreds of snapshots": (
        f"cd {STORE}; for n in $(seq 10 200); do mkdir $n; btrfs subvolume snapshot -r / $n/snapshot >/dev/null; done", 201,
    ),
    "snapper has no configuration": ("rm /etc/snapper/configs/root", NEXT),
    "snapper looks after another directory": ("sed -i 's,^SUBVOLUME=.*,SUBVOLUME=\"/home\",' /etc/snapper/configs/root", NEXT),
    "snapper knows another file system": ("sed -i 's,^FSTYPE=.*,FSTYPE=\"ext4\",' /etc/snapper/configs/root", NEXT),
    "there is no snapper": ("mv /usr/bin/snapper /root/kept", NEXT),
    "an immutable kernel": (f"chattr +i {_IMAGE}", NEXT),
    "a directory over /boot": ("mount -t tmpfs lab /boot", NEXT),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_obstacle(bench: NumberedBench, name: str) -> None:
    (put, number), host = HARMLESS[name], begin(bench, "adopted")
    host.sh(put)
    before = _names(host)
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["staged"], staged.get("warnings", [])) == ("staged", place(number), []), staged
    assert default(host) == place(number)
    assert succeed(host, "rollback")["state"] == "clean"
    assert (_names(host), default(host)) == (before, FIRST)
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"], info["interrupted"]) == ("clean", [], None)


def _names(host: Host) -> list[str]:
    """What others have in the directory of the numbers."""
    return host.sh(
        f"find {STORE} -maxdepth 2 -printf '%P %y %s\\0' | LC_ALL=C sort -z | cat -v; btrfs subvolume list / | wc -l"
    ).splitlines()


# -- ways back ---------------------------------------------------------------------------------------------------------

_OLD: t.Final = "/.snapshots/1/snapshot"
TARGETS: t.Final = {
    "deleted by snapper": ("snapper --no-dbus delete 1", None, "gone"),
    "renamed": (
        f"mkdir {STORE}/9; mv {_OLD} {STORE}/9/snapshot", f"mv {STORE}/9/snapshot {_OLD}; rmdir {STORE}/9", "was renamed"
    ),
    "another one in its place": (
        f"mv {_OLD} {STORE}/1/old; btrfs subvolume snapshot / {_OLD}",
        f"btrfs subvolume delete {_OLD}; mv {STORE}/1/old {_OLD}", "was renamed",
    ),
    "a directory in its place": (
        f"mv {_OLD} {STORE}/1/old; mkdir {_OLD}", f"rmdir {_OLD}; mv {STORE}/1/old {_OLD}", "was renamed"
    ),
    "without its kernel": (*_moved(f"{_OLD}{_KERNEL}"), "vmlinuz"),
    "with half a kernel": (*_edited(f"{_OLD}{_IMAGE}", f"truncate -s 2000 {_OLD}{_IMAGE}"), "vmlinuz"),
    "without its initrd": (*_moved(f"{_OLD}{_INITRD}"), "initrd"),
    "without its modules": (*_moved(f"{_OLD}/usr/lib/modules"), "modules"),
    "with its /boot emptied": (
        f"mv {_OLD}/boot {_OLD}/gone; mkdir {_OLD}/boot", f"rmdir {_OLD}/boot; mv {_OLD}/gone {_OLD}/boot", "grub.cfg"
    ),
    "without a menu": (*_moved(f"{_OLD}/boot/grub2/grub.cfg"), "grub.cfg"),
    "without init": (
        f"mv {_OLD}/usr/sbin/init /root/init; mv {_OLD}/usr/lib/systemd/systemd /root/systemd",
        f"mv /root/init {_OLD}/usr/sbin/init; mv /root/systemd {_OLD}/usr/lib/systemd/systemd", "init",
    ),
    "read-only": (f"btrfs property set -ts {_OLD} ro true", f"btrfs property set -ts {_OLD} ro false", "ro=true"),
    "whose fstab names another root": (
        *_edited(f"{_OLD}/etc/fstab", f"sed -i 's,  /  btrfs  defaults,  /  btrfs  subvol={place(3)},' {_OLD}/etc/fstab"),
        "subvol=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_a_way_back_that_is_none(bench: NumberedBench, name: str) -> None:
    (put, take, says), host = TARGETS[name], begin(bench, "upgraded")
    host.sh(put)
    before = kept(host)
    assert succeed(host, "info")["state"] == "clean"
    for args in ({}, {"to": "1"}):
        for check in (True, False):
            assert_refused(call(host, "rollback", args, check=check), "no_target", says, "overc_host_info")
    assert kept(host) == before
    if take is None:
        return
    host.sh(take)
    assert succeed(host, "rollback")["state"] == "staged"
    host.reboot()
    assert (root(host), succeed(host, "info")["state"]) == (FIRST, "clean")


def test_a_number_that_is_somebody_elses_by_now(bench: NumberedBench) -> None:
    """The staged one is deleted and snapper takes its number: that is no deployment of ours, and is not touched."""
    host = begin(bench, "adopted")
    assert succeed(host, "upgrade")["staged"] == place(NEXT)
    host.sh(
        "btrfs subvolume set-default /; sync; snapper --no-dbus delete 3; snapper --no-dbus create --description again"
    )
    assert "again" in host.sh(f"cat {STORE}/3/info.xml")
    before = host.sh(f"btrfs subvolume show {STORE}/3/snapshot | grep UUID")
    assert succeed(host, "info")["state"] == "clean"
    assert_refused(call(host, "rollback", {"to": "3"}), "no_target", "gone or was replaced")
    assert succeed(host, "upgrade")["staged"] == place(4)
    assert host.sh(f"btrfs subvolume show {STORE}/3/snapshot | grep UUID") == before
    host.reboot()
    succeed(host, "upgrade", {"keep": 1, "force": True})
    assert host.sh(f"btrfs subvolume show {STORE}/3/snapshot | grep UUID") == before
    check_snapper(host)


# -- what comes into use, and what others do meanwhile -------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_is_to_go_and_is_in_use_stays_a_deployment(bench: NumberedBench, when: str) -> None:
    """Under its number: snapper would show a number without a root."""
    host = begin(bench, "twice", "v3")
    use = "mount -o subvol=@/.snapshots/3/snapshot $(findmnt -nvo SOURCE /) /mnt; echo precious > /mnt/own"
    prelude = (
        None if when == "before" else _AT.format(point=("after", "choose"), command=f"nsenter -t 1 -m sh -c '{use}'")
    )
    if when == "before":
        host.sh(use)
    result = succeed(host, "upgrade", {"keep": 1, "force": True}, **({"prelude": prelude} if prelude else {}))
    assert result["staged"] == place(5)
    assert "mounted writable on /mnt" in str(result["warnings"])
    assert host.sh(f"cat {STORE}/3/snapshot/own; ls {STORE}/3") == "precious\ninfo.xml\nsnapshot"
    assert 3 in {each["id"] for each in succeed(host, "info")["deployments"]}
    check_snapper(host)
    host.sh("umount /mnt")
    succeed(host, "upgrade", {"keep": 1, "force": True})
    assert host.sh(f"ls {STORE}") == "1\n2\n4\n5\n6"  # what was the default until now goes with the next one


def test_a_staged_root_that_is_in_use_stays_when_it_is_cancelled(bench: NumberedBench) -> None:
    host = begin(bench, "adopted")
    succeed(host, "upgrade")
    host.sh(f"mount -o subvol={place(NEXT)} $(findmnt -nvo SOURCE /) /mnt; echo precious > /mnt/own")
    cancelled = succeed(host, "rollback")
    assert cancelled["state"] == "clean"
    assert "mounted writable on /mnt" in str(cancelled["warnings"])
    assert (default(host), host.sh(f"cat {STORE}/3/snapshot/own")) == (FIRST, "precious")
    check_snapper(host)
    info = succeed(host, "info", {"full": True})
    assert ([each["id"] for each in info["deployments"]], info["contradictions"]) == ([3, 1], [])


_AT: t.Final = """\
import subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def meanwhile(when, step):
    if (when, step) == {point!r}:
        subprocess.run({command!r}, shell=True, check=True)
transaction.step_hook = meanwhile
"""
_ROLLBACK: t.Final = "snapper --no-dbus --ambit classic rollback"


@pytest.mark.parametrize("point", rotating([("before", "choose"), ("after", "choose"), ("before", "create_root")], 2))
def test_snappers_own_rollback_during_an_upgrade(bench: NumberedBench, point: tuple[str, str]) -> None:
    """It makes two snapshots and sets the default: both stay, ours is a whole one, and what boots is what is said."""
    host = begin(bench, "adopted")
    result = call(host, "upgrade", prelude=_AT.format(point=point, command=_ROLLBACK))
    said = result.get("next_boot") or default(host)
    if point == ("before", "create_root"):
        assert_refused(result, "in_use", "again")
    elif point == ("after", "choose"):
        assert result["state"] == "elsewhere"
        assert "somebody else changed that meanwhile" in str(result["warnings"])
    else:
        assert (result["state"], said) == ("staged", default(host)), result
    check_snapper(host)
    assert succeed(host, "info")["state"] in ("staged", "elsewhere")
    boots = default(host)
    host.reboot()
    assert root(host) == boots
    assert succeed(host, "info")["state"] == "clean"


# As transactional-update leaves it, and with its words in snapper's file
_TRANSACTIONAL: t.Final = """\
cd /.snapshots; mkdir 9; btrfs subvolume snapshot / 9/snapshot
printf '<?xml version="1.0"?>\\n<snapshot><type>single</type><num>9</num><date>2026-01-02 03:04:05</date>%s</snapshot>\\n' \
  '<description>Snapshot Update of #1</description><cleanup>number</cleanup>' > 9/info.xml
btrfs property set -ts 9/snapshot ro true; btrfs subvolume set-default /.snapshots/9/snapshot; btrfs filesystem sync /
"""


def test_a_transactional_update_in_between(bench: NumberedBench) -> None:
    """Its root is the default and read-only: nothing of it is touched, nothing is made of it, and there is a way back from it."""
    host = begin(bench, "adopted")
    assert succeed(host, "upgrade")["staged"] == place(NEXT)
    host.sh(_TRANSACTIONAL)
    before = kept(host)
    assert succeed(host, "info")["state"] == "elsewhere"
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "not_default", "overc_host_rollback")
    assert kept(host) == before
    host.reboot()
    assert root(host) == place(9)
    info = succeed(host, "info")
    assert (info["state"], "root_not_managed" in str(info["requirements"])) == ("unsupported", True)
    before = kept(host)
    for command in ("upgrade", "rollback"):
        assert_refused(call(host, command), "layout_unsupported", "transactional-update")
    assert kept(host) == before
    host.sh("btrfs subvolume set-default /.snapshots/1/snapshot; btrfs filesystem sync /")
    host.reboot()
    assert (root(host), succeed(host, "info")["state"]) == (FIRST, "clean")
    assert succeed(host, "upgrade")["staged"] == place(10)


@pytest.mark.parametrize("path", ["@/var", "@/.snapshots", "@/.snapshots/1/snapshot/of-mine"])
def test_a_default_that_is_no_number(bench: NumberedBench, path: str) -> None:
    """Nothing would boot from it: that is said, a set-up mends it, and until then nothing else is done."""
    host = begin(bench, "adopted")
    host.sh(f"{_TOP} test -d /run/t/{path} || btrfs subvolume create /run/t/{path}")
    host.sh(f"btrfs subvolume set-default /run/t/{path}; btrfs filesystem sync /")
    before = kept(host)
    info = succeed(host, "info")
    assert (info["state"], path in str(info["requirements"])) == ("unsupported", True)
    for command in ("upgrade", "confirm", "rollback"):
        assert_refused(call(host, command), "layout_unsupported", "overc_bootloader")
    assert kept(host) == before
    assert adopt(host)["changed"]
    assert (default(host), succeed(host, "info")["state"]) == (FIRST, "clean")


# -- set-up ------------------------------------------------------------------------------------------------------------

NO_SET_UP: t.Final = {
    "the numbers are hidden": (f"mount -t tmpfs lab {STORE}", f"umount {STORE}", (STORE, "tmpfs")),
    "a link where the numbers belong": (
        f"umount {STORE}; rmdir {STORE}; ln -s /var/tmp {STORE}", f"rm {STORE}; mkdir {STORE}; mount {STORE}", (STORE,),
    ),
    "our directory is a file": ("touch /run/t/.overc", "rm /run/t/.overc", ("not a directory", "move it away")),
    "our directory is immutable": (
        "mkdir /run/t/.overc; chattr +i /run/t/.overc", "chattr -i /run/t/.overc; rmdir /run/t/.overc", ("immutable",),
    ),
    "no kernel": (*_moved(_KERNEL), ("vmlinuz",)),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_SET_UP)
def test_a_set_up_that_is_refused(bench: NumberedBench, name: str) -> None:
    (put, take, says), host = NO_SET_UP[name], begin(bench, "new")
    host.sh(_TOP + put)
    before = kept(host)
    for check in (True, False):
        error_id = "inconsistent" if name == "our directory is a file" else "layout_unsupported"
        assert_refused(host.module("overc_bootloader", {}, check=check), error_id, *says)
    assert kept(host) == before
    host.sh(take)
    assert adopt(host)["changed"]
