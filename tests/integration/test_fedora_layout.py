# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in Fedora's layout, rebuilt in the lab (tests/lab/fedora.py): adopted, upgraded with a new kernel, tried, confirmed,
taken back, given back. DNF 5 and kernel-install are real.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.plan.entries.commands import UPGRADE_STEPS

from tests.integration.commands import Result, assert_refused, call, kill_at, succeed
from tests.integration.documented_examples import other_languages
from tests.integration.test_deployments import adopt, cmdline, root
from tests.integration.test_documented_examples import say
from tests.lab import Host, Lab
from tests.lab.bootloader import format_environment, parse_environment
from tests.lab.fedora_kernels import FIRST_KERNEL, NEW_KERNEL, NEWER
from tests.lab.kernel import kernel_release
from tests.lab.layouts import FEDORA
from tests.lab.process import run
from tests.lab.rootfs import NEXT_SUITE, rootfs_tarball
from tests.sampling import rotating

MakeHost = Callable[..., Host]
FIRST, SECOND = "root", "root.overc-1"
# All that is the distribution's on /boot; the block of its GRUB apart, because each boot writes it
_THEIRS: t.Final = (
    "cd /boot; find . -path ./overc -prune -o -type f ! -name grubenv ! -name custom.cfg -print0 | sort -z"
    " | xargs -0 sha256sum"
)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host(flavour=FEDORA)


def theirs(host: Host) -> str:
    return host.sh(_THEIRS)


def block(host: Host) -> dict[str, str]:
    return parse_environment((host.root / "boot/grub2/grubenv").read_bytes())


def set_block(host: Host, **values: str) -> None:
    (host.root / "boot/grub2/grubenv").write_bytes(format_environment({**block(host), **values}))
    host.sh("sync")


def snippet_of(host: Host, release: str) -> str:
    return host.sh(f"cat /boot/loader/entries/$(cat /etc/machine-id)-{release}.conf")


def ours_in(host: Host) -> list[str]:
    return [word for word in cmdline(host) if word.startswith("overc.")]


def kernel(host: Host) -> str:
    """The release of the kernel that was loaded: its text is where its header says."""
    loaded = host.sh("sed 's/^BOOT_IMAGE=//; s/ .*//' /proc/cmdline")
    return kernel_release((host.root / "boot" / loaded.lstrip("/")).read_bytes())


def offer_kernel(host: Host) -> None:
    host.enable_repo(NEWER)
    host.release("v2")


def upgrade(host: Host) -> Result:
    """With a new kernel, tried and found good."""
    offer_kernel(host)
    staged = succeed(host, "upgrade")
    host.reboot()
    succeed(host, "confirm")
    return staged


def test_it_is_what_is_known_of_the_layout(host: Host) -> None:
    """An upgrade in place, as an administrator does it, and the older kernel chosen in the menu."""
    assert (root(host), ours_in(host), kernel(host)) == (FIRST, [], FIRST_KERNEL)
    assert "rootflags=subvol=root" in cmdline(host)
    assert host.sh("findmnt -no FSTYPE /boot; findmnt -no FSROOT /home; btrfs subvolume get-default /").split("\n") == [
        "ext4", "/home", "ID 5 (FS_TREE)",
    ]  # fmt: skip
    identity = host.sh("cat /etc/machine-id")
    assert block(host)["saved_entry"] == f"{identity}-{FIRST_KERNEL}"
    offer_kernel(host)
    host.sh("dnf -q -y upgrade kernel-core")
    assert block(host)["saved_entry"] == f"{identity}-{NEW_KERNEL}"
    assert host.sh("rpm -q kernel-core | wc -l; ls /boot/vmlinuz-0-rescue-* | wc -l").split() == ["2", "1"]
    set_block(host, boot_success="1")
    host.reboot()
    assert (kernel(host), block(host)["boot_success"]) == (NEW_KERNEL, "0")
    host.boot_entry(f"{identity}-{FIRST_KERNEL}")
    host.reboot()
    assert kernel(host) == FIRST_KERNEL
    host.boot_entry(0)  # the newest comes first, whatever the order of the files
    host.reboot()
    assert kernel(host) == NEW_KERNEL


def test_there_and_back(host: Host) -> None:
    before, values = theirs(host), block(host)
    refused = call(host, "upgrade")
    assert_refused(refused, "layout_unsupported", "overc_bootloader")
    adopted = adopt(host)
    assert (adopted["protection"], adopted["boot_method"], adopted["grub_config"]) == (
        "automatic", "grub-entry", "/boot/grub2/custom.cfg",
    )  # fmt: skip
    assert adopt(host)["changed"] is False
    host.reboot()
    assert (root(host), ours_in(host)) == (FIRST, [])
    assert succeed(host, "info")["state"] == "clean"

    offer_kernel(host)
    shown = succeed(host, "upgrade", check=True)
    assert {each["name"]: each["installed"] for each in shown["upgrades"]}["kernel-core"] is None, "beside the old one"
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["staged"], staged.get("warnings", [])) == ("staged", SECOND, []), staged
    assert (theirs(host), block(host)) == (before, values), "kernel-install wrote into its own root"
    set_block(host, boot_success="1")
    host.reboot()
    assert (root(host), kernel(host)) == (SECOND, NEW_KERNEL)
    assert {"overc.id=1", "overc.trial=1", "rhgb", "quiet"} <= set(cmdline(host))
    # The distribution's own counting goes on: GRUB reset it, and whoever boots says that it is well
    assert block(host) == values
    assert host.sh("cat /etc/kernel/cmdline").endswith("ro rootflags=subvol=root.overc-1 rhgb quiet")
    assert f"subvol={SECOND} " in host.sh("grep ' / ' /etc/fstab")
    confirmed = succeed(host, "confirm")
    assert (confirmed["state"], confirmed["changed"]) == ("clean", True)
    host.reboot()
    assert (root(host), "overc.trial=1" in cmdline(host)) == (SECOND, False)
    assert succeed(host, "upgrade")["changed"] is False
    assert (theirs(host), block(host)) == (before, values)

    assert succeed(host, "rollback")["staged"] == FIRST
    host.reboot()
    assert (root(host), kernel(host)) == (FIRST, FIRST_KERNEL)
    succeed(host, "confirm")
    given = adopt(host, state="absent")
    assert (given["changed"], given["left"]) == (True, [SECOND])
    assert host.run("ls /boot/overc /boot/grub2/custom.cfg", check=False).stdout == ""
    host.reboot()
    assert (root(host), ours_in(host)) == (FIRST, [])
    assert (theirs(host), block(host)) == (before, values)


def test_a_later_deployment_becomes_the_distributions_own(host: Host) -> None:
    adopt(host)
    upgrade(host)
    identity = host.sh("cat /etc/machine-id")
    host.sh("echo 'GRUB_CMDLINE_LINUX=\"rootflags=subvol=root rhgb\"' >> /etc/default/grub")
    before = theirs(host)
    assert_refused(adopt_absent(host), "layout_unsupported", "/etc/default/grub", "root")
    assert theirs(host) == before
    host.sh("sed -i /subvol=/d /etc/default/grub")
    gone = adopt(host, state="absent")
    assert gone["left"] == [FIRST], gone
    assert "distribution's menu" not in str(gone["warnings"]), "nothing of it boots another root"
    assert block(host)["saved_entry"] == f"{identity}-{NEW_KERNEL}"
    assert "overc." not in snippet_of(host, NEW_KERNEL)
    for release in (NEW_KERNEL, FIRST_KERNEL):
        assert " rootflags=subvol=root.overc-1 " in snippet_of(host, release)
    host.reboot()
    assert (root(host), kernel(host), ours_in(host)) == (SECOND, NEW_KERNEL, [])
    host.boot_entry(f"{identity}-{FIRST_KERNEL}")
    host.reboot()
    assert (root(host), kernel(host)) == (SECOND, FIRST_KERNEL), "the older kernel boots the same system"
    host.boot_entry(f"{identity}-0-rescue")
    host.reboot()
    assert root(host) == SECOND
    # It is an ordinary host again, and can become one with deployments again
    assert adopt(host)["changed"]
    host.release("v3")
    assert succeed(host, "upgrade")["staged"] == "root.overc-2"
    host.reboot()
    assert root(host) == "root.overc-2"


def adopt_absent(host: Host) -> Result:
    return host.module("overc_bootloader", {"state": "absent"})


@pytest.mark.parametrize("how", ["grub2-mkconfig", "kernel-install"])
def test_what_a_later_deployment_wrote_for_itself(host: Host, how: str) -> None:
    """Its menu then boots that one; given back on the first one, it has to boot the first one again."""
    adopt(host)
    upgrade(host)
    if how == "grub2-mkconfig":
        host.sh("grub2-mkconfig -o /boot/grub2/grub.cfg")
    else:
        host.sh(f"kernel-install add {NEW_KERNEL} /lib/modules/{NEW_KERNEL}/vmlinuz")
    written = host.sh("cat /boot/loader/entries/*.conf")
    assert "subvol=root.overc-1" in written
    assert "overc." not in written.replace("root.overc-1", ""), "words of ours are for our own entries"
    succeed(host, "rollback")
    host.reboot()
    succeed(host, "confirm")
    assert root(host) == FIRST
    result = adopt(host, state="absent")
    if how == "kernel-install":
        assert f"{NEW_KERNEL} of the distribution's menu boots another root, {SECOND}" in str(result["warnings"])
    host.reboot()
    assert (root(host), kernel(host), ours_in(host)) == (FIRST, FIRST_KERNEL, [])


@pytest.mark.parametrize("how", rotating(["grub2-mkconfig", "dnf"], 2))
def test_a_trial_that_wrote_the_distributions_menu_ends(host: Host, how: str) -> None:
    """Automatic updates, say: the distribution's default is then the system on trial, and its end has to be the old one."""
    adopt(host)
    host.release("v2")
    succeed(host, "upgrade")
    host.reboot()
    assert "overc.trial=1" in cmdline(host)
    if how == "grub2-mkconfig":
        host.sh("grub2-mkconfig -o /boot/grub2/grub.cfg")
    else:
        host.enable_repo(NEWER)
        host.sh("dnf -q -y upgrade kernel-core")
        assert NEW_KERNEL in block(host)["saved_entry"]
    assert f"subvol={SECOND} " in host.sh("cat /boot/loader/entries/*.conf; sync")
    host.powerloss()
    host.start()
    assert (root(host), kernel(host)) == (FIRST, FIRST_KERNEL)
    assert succeed(host, "info")["state"] == "fallback"
    told = succeed(host, "rollback")["warnings"]
    assert "boot roots that are gone" in str(told)
    host.reboot()
    assert root(host) == FIRST, "its root is gone, and what the distribution's menu boots with it"
    adopt(host, state="absent")
    host.reboot()
    assert (root(host), ours_in(host)) == (FIRST, [])


def test_what_is_refused(host: Host) -> None:
    host.write("/boot/grub2/user.cfg", "GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.0\n")
    before = theirs(host)
    assert_refused(host.module("overc_bootloader", {}), "layout_unsupported", "user.cfg", "password")
    assert theirs(host) == before
    host.sh("rm /boot/grub2/user.cfg")
    adopt(host)
    offer_kernel(host)
    # dracut writes the name of the unfinished root into its initrd
    host.write("/etc/dracut.conf.d/own.conf", 'hostonly_cmdline="yes"\n')
    failed = call(host, "upgrade")
    assert_refused(failed, "layout_unsupported", "hostonly_cmdline=no", "subvol=")
    assert failed["state"] == "clean"
    host.sh("rm /etc/dracut.conf.d/own.conf")
    assert succeed(host, "upgrade")["state"] == "staged"
    # Somebody sets a password now: GRUB would stop at each entry of ours
    host.write("/boot/grub2/user.cfg", "GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.0\n")
    info = succeed(host, "info")
    assert (info["state"], [each["id"] for each in info["requirements"] if not each["ok"]]) == (
        "unsupported", ["menu_hooked"],
    ), info  # fmt: skip


def test_the_page_about_fedora_comes_true(lab: Lab, make_host: MakeHost, tmp_path: Path) -> None:
    """docs/adopt.md: each command is typed, and each line that is shown below it is among what it says."""
    host = make_host("fedora1", flavour=FEDORA)
    offer_kernel(host)
    block_of_page = other_languages()["docs/adopt.md#text1"]
    lab.inventory(tmp_path / "hosts.yml", only={"fedora1"})
    for part in block_of_page.split("$ ")[1:]:
        command, *shown = part.splitlines()
        said = say(command, lab, tmp_path, host="fedora1").splitlines()
        assert [line for line in shown if line and line.rstrip(",") not in [each.rstrip(",") for each in said]] == [], (
            command,
            said,
        )
    assert root(host) == FIRST


# dracut itself, and what it cannot do without
_DRACUT_PACKAGES: t.Final = ("systemd,systemd-sysv,udev,kmod,btrfs-progs,zstd,cpio,dracut",)
_DRACUT: t.Final = (
    *("usr/lib/dracut", "usr/bin/dracut", "usr/bin/cpio", "usr/bin/zstd"),
    *("usr/lib/udev", "usr/bin/udevadm", "usr/lib/systemd/systemd-udevd", "usr/lib/systemd/system"),
)
_DRACUT_PLUGIN: t.Final = """\
#!/bin/bash
case $1 in add) dracut -f --no-uefi --kver "$2" "/boot/initramfs-$2.img" ;; esac
"""
# As Fedora has it, but for the modules, which would take a minute more
_DRACUT_SETTINGS: t.Final = """\
hostonly="yes"
hostonly_cmdline="{cmdline}"
compress="zstd"
omit_dracutmodules+=" bash network kernel-network-modules plymouth i18n "
"""


@pytest.mark.one_day_in(5)
def test_with_the_real_dracut(host: Host, tmp_path: Path) -> None:
    """As Debian's next release has it. It takes the new root for the running one, and what it packs with zstd is looked into."""
    tarball = rootfs_tarball(NEXT_SUITE, _DRACUT_PACKAGES)
    run(["tar", "-C", tmp_path, "--zstd", "-xf", tarball, *(f"./{name}" for name in _DRACUT)])
    run(["cp", "-a", "--remove-destination", tmp_path / "usr", f"{host.root}/"])
    plugins = "/usr/lib/kernel/install.d"
    host.sh(f"rm {plugins}/51-dracut-rescue.install {plugins}/55-initrd.install")
    host.write(f"{plugins}/50-dracut.install", _DRACUT_PLUGIN)
    adopt(host)
    before = theirs(host)
    host.enable_repo(NEWER)
    host.write("/etc/dracut.conf.d/01-dist.conf", _DRACUT_SETTINGS.format(cmdline="yes"))
    refused = call(host, "upgrade", timeout=900)
    assert_refused(refused, "layout_unsupported", "hostonly_cmdline=no", f"subvol=/{SECOND}.overc-new")
    host.write("/etc/dracut.conf.d/01-dist.conf", _DRACUT_SETTINGS.format(cmdline="no"))
    staged = succeed(host, "upgrade", timeout=900)
    assert (staged["state"], staged.get("warnings", [])) == ("staged", []), staged
    assert theirs(host) == before
    initrd = f"/mnt/boot/initramfs-{NEW_KERNEL}.img"
    host.sh(f"mount -o subvol={staged['staged']} $(findmnt -nvo SOURCE /) /mnt")
    names = host.sh(f"zstd -dcq < {initrd} | cpio -it --quiet").split()
    host.sh("umount /mnt")
    assert {"init", "usr/lib/systemd/systemd-udevd"} & set(names)


STEPS: t.Final = tuple(step for step in (*UPGRADE_STEPS, "arm_trial") if step not in ("carry_over", "run_commands"))
CASES: t.Final = [(step, when) for step in STEPS for when in ("before", "after")]


@pytest.mark.crash
@pytest.mark.parametrize(("step", "when"), rotating(CASES, len(CASES)))
def test_killed_at_a_step(host: Host, step: str, when: str) -> None:
    before = theirs(host)
    adopt(host)
    offer_kernel(host)
    kill_at(host, "upgrade", when, step)
    host.powerloss()
    host.start()
    went_on = root(host) == SECOND
    assert (host.rpm_version("lab-app"), kernel(host)) == (("2.0", NEW_KERNEL) if went_on else ("1.0", FIRST_KERNEL))
    if not went_on:
        succeed(host, "update")  # repairs first
        assert succeed(host, "upgrade")["state"] == "staged"
        host.reboot()
    succeed(host, "confirm")
    assert (host.rpm_version("lab-app"), kernel(host), root(host)[:11]) == ("2.0", NEW_KERNEL, SECOND[:11])
    assert host.sh("cat /etc/kernel/cmdline").endswith(f"rootflags=subvol={root(host)} rhgb quiet")
    assert theirs(host) == before
    assert "overc-new" not in host.sh("ls -R /boot/overc; btrfs subvolume list /")
    assert host.sh("ls /boot/overc/files | wc -l") == "4"
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"]) == ("clean", [])


# The process dies right before the change of a name, or of GRUB's block, with this number
_KILL: t.Final = """\
import os, signal
left = {number}
def dying(call):
    def instead(*args, **more):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    return instead
for name in ("unlink", "rename", "mkdir", "rmdir", "pwrite"):
    setattr(os, name, dying(getattr(os, name)))
"""


@pytest.mark.crash
def test_given_back_and_killed_at_any_change_of_a_name(host: Host) -> None:
    """What boots is what runs, whether our entries or the distribution's decide by then."""
    adopt(host)
    upgrade(host)
    host.poweroff()
    saved = host.save()
    for number in rotating(list(range(1, 28)), 9):
        host.restore(saved)
        host.start()
        process = host.module_start(
            "overc_bootloader", {"state": "absent"}, prelude=_KILL.format(number=number)
        ).process
        process.communicate()
        came_to_its_end = process.returncode == 0
        host.powerloss()
        host.start()
        assert (root(host), kernel(host)) == (SECOND, NEW_KERNEL), number
        adopt(host, state="absent")
        host.reboot()
        assert (root(host), kernel(host), ours_in(host)) == (SECOND, NEW_KERNEL, []), number
        host.poweroff()
        if came_to_its_end:
            break
