# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in openSUSE's layout, rebuilt in the lab (tests/lab/opensuse.py): a root for each number of snapper, and the default
subvolume as all that decides. zypper and snapper are real.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.plan.entries.commands import UPGRADE_STEPS

from tests.integration.commands import assert_refused, call, kill_at, succeed
from tests.integration.documented_examples import other_languages
from tests.integration.test_deployments import adopt, cmdline, root
from tests.integration.test_documented_examples import say
from tests.lab import Host, Lab
from tests.lab.layouts import OPENSUSE
from tests.lab.opensuse_kernels import FIRST_KERNEL, NEW_KERNEL, NEWER
from tests.sampling import rotating

MakeHost = Callable[..., Host]


def place(number: int) -> str:
    """The root subvolume of a number."""
    return f"@/.snapshots/{number}/snapshot"


FIRST: t.Final = place(1)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host(flavour=OPENSUSE)


def kernel(host: Host) -> str:
    """The release of the kernel that was loaded."""
    return host.sh("sed 's/^BOOT_IMAGE=.boot.vmlinuz-//; s/ .*//' /proc/cmdline")


def default(host: Host) -> str:
    return host.sh("btrfs subvolume get-default / | sed 's/.* path //'")


def snapshots(host: Host) -> dict[int, dict[str, t.Any]]:
    """What snapper itself says of each number but 0."""
    said = json.loads(host.sh("snapper --no-dbus --jsonout list --disable-used-space"))
    return {entry["number"]: entry for entry in said["root"] if entry["number"]}


def offer_kernel(host: Host) -> None:
    host.enable_repo(NEWER)
    host.release("v2")


def test_it_is_what_is_known_of_the_layout(host: Host) -> None:
    """An upgrade in place, and snapper's own rollback, as an administrator does them."""
    assert (root(host), default(host), kernel(host)) == (FIRST, FIRST, FIRST_KERNEL)
    assert not [word for word in cmdline(host) if "subvol" in word]
    assert "subvol" not in host.sh("grep ' / ' /etc/fstab")
    mounted = host.sh("findmnt -nrvo TARGET,FSROOT -t btrfs | sort")
    assert "/.snapshots /@/.snapshots" in mounted
    assert "/var /@/var" in mounted
    found = snapshots(host)
    assert (list(found), found[1]["default"], found[1]["active"]) == ([1], True, True)
    offer_kernel(host)
    host.sh("zypper --non-interactive update")
    assert host.sh("rpm -q kernel-default | wc -l") == "2"
    host.reboot()
    assert (kernel(host), host.rpm_version("lab-app")) == (NEW_KERNEL, "2.0")
    host.sh(
        "snapper --no-dbus create --description before; rm /usr/bin/lab-app; snapper --no-dbus --ambit classic rollback 2"
    )
    assert default(host) != FIRST
    host.reboot()
    assert root(host) == default(host) != FIRST
    assert host.sh("lab-app") == "lab-app 2.0"


def test_there_and_back(host: Host) -> None:
    refused = call(host, "upgrade")
    assert_refused(refused, "layout_unsupported", "overc_bootloader")
    adopted = adopt(host)
    assert (adopted["protection"], adopted["boot_method"], adopted["state"]) == ("manual", "snapper", "clean"), adopted
    assert "cannot" in str(adopted["warnings"]) or "nothing can be tried" in str(adopted["warnings"])
    assert adopt(host)["changed"] is False
    info = succeed(host, "info")
    assert (info["state"], [each["id"] for each in info["deployments"]]) == ("clean", [1]), info
    assert default(host) == FIRST

    offer_kernel(host)
    shown = succeed(host, "upgrade", check=True)
    assert list(snapshots(host)) == [1]
    staged = succeed(host, "upgrade")
    assert (staged["state"], staged["staged"], staged["protection"], staged.get("warnings", [])) == (
        "staged", place(2), "manual", [],
    ), staged  # fmt: skip
    assert [each["step"] for each in shown["actions"]] == [each["step"] for each in staged["actions"]]
    found = snapshots(host)
    assert (list(found), found[2]["default"], found[1]["active"]) == ([1, 2], True, True)
    assert (found[2]["type"], found[2]["cleanup"], found[2]["userdata"]) == (
        "single", "", {"overc.system": "deployment"},
    ), found  # fmt: skip
    assert default(host) == place(2)
    assert host.sh("ls -A /.snapshots/2") == "info.xml\nsnapshot"
    assert "subvol" not in host.sh(
        "cat /.snapshots/2/snapshot/boot/grub2/grub.cfg; grep ' / ' /.snapshots/2/snapshot/etc/fstab"
    )
    assert succeed(host, "upgrade")["changed"] is False
    host.reboot()
    assert (root(host), kernel(host), host.rpm_version("lab-app")) == (place(2), NEW_KERNEL, "2.0")
    assert not [word for word in cmdline(host) if "subvol" in word]
    assert succeed(host, "info")["state"] == "clean"
    confirmed = succeed(host, "confirm")
    assert (confirmed["state"], confirmed["unfinished"]) == ("clean", None), confirmed
    assert succeed(host, "upgrade")["changed"] is False

    assert succeed(host, "rollback")["staged"] == FIRST
    assert default(host) == FIRST
    host.reboot()
    assert (root(host), kernel(host), host.rpm_version("lab-app")) == (FIRST, FIRST_KERNEL, "1.0")
    assert succeed(host, "info")["state"] == "clean"
    given = adopt(host, state="absent")
    assert (given["changed"], given["left"]) == (True, [place(2)])
    assert "snapper delete" in str(given["warnings"])
    host.reboot()
    assert root(host) == FIRST
    assert list(snapshots(host)) == [1, 2]
    host.sh("snapper --no-dbus delete 2")
    assert host.sh("ls /.snapshots") == "1"


_BACK: t.Final = """\
menuentry 'back' --id back {{
  search --no-floppy --fs-uuid --set=root $1
  linux /boot/vmlinuz-{kernel} root=UUID=$1 rootflags=subvol={root}
  initrd /boot/initrd-{kernel}
}}
"""


def boot_at_console(host: Host, subvolume: str) -> None:
    """Somebody tells the kernel another root, at each start."""
    entry = _BACK.format(kernel=FIRST_KERNEL, root=subvolume)
    host.write("/boot/grub2/custom.cfg", entry.replace("$1", host.sh("findmnt -no UUID /")))
    host.boot_entry("back")


def test_at_the_console(host: Host) -> None:
    """The new one is of no use, and somebody tells its kernel the root before it; there it is put right."""
    adopt(host)
    host.release("v2")
    succeed(host, "upgrade")
    host.reboot()
    boot_at_console(host, FIRST)
    host.reboot()
    assert (root(host), default(host)) == (FIRST, place(2))
    assert succeed(host, "info")["state"] == "elsewhere"
    assert_refused(call(host, "upgrade"), "not_default", "overc_host_rollback")
    assert succeed(host, "rollback")["state"] == "clean"
    assert default(host) == FIRST
    host.boot_entry(None)
    host.reboot()
    assert (root(host), host.rpm_version("lab-app")) == (FIRST, "1.0")


def test_the_page_about_opensuse_comes_true(lab: Lab, make_host: MakeHost, tmp_path: Path) -> None:
    """docs/adopt.md: each command is typed, and each line that is shown below it is among what it says."""
    host = make_host("suse1", flavour=OPENSUSE)
    offer_kernel(host)
    block_of_page = other_languages()["docs/adopt.md#text2"]
    lab.inventory(tmp_path / "hosts.yml", only={"suse1"})
    for part in block_of_page.split("$ ")[1:]:
        command, *shown = part.splitlines()
        said = say(command, lab, tmp_path, host="suse1").splitlines()
        assert [line for line in shown if line and line.rstrip(",") not in [each.rstrip(",") for each in said]] == [], (
            command,
            said,
        )
    assert root(host) == FIRST


_FIRST_COME: t.Final = """\
import os
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def take(when, step):
    if (when, step) == ("before", "create_root"):
        os.system("snapper --no-dbus create --description theirs >/dev/null")
transaction.step_hook = take
"""


def test_a_number_that_snapper_takes_first(host: Host) -> None:
    """Between the look at the numbers and the claim: what snapper made is not touched, and the next run takes another number."""
    adopt(host)
    host.release("v2")
    lost = call(host, "upgrade", prelude=_FIRST_COME)
    assert_refused(lost, "in_use", "number 2", "again")
    assert (snapshots(host)[2]["description"], host.sh("ls /.snapshots")) == ("theirs", "1\n2")
    assert host.sh("ls /.snapshots/2/snapshot/usr/bin/lab-app")
    assert succeed(host, "upgrade")["staged"] == place(3)
    # Whatever somebody makes the default: told, and put right
    host.sh("btrfs subvolume set-default 5 /; sync")
    info = succeed(host, "info")
    unmet = [each["id"] for each in info["requirements"] if not each["ok"]]
    assert (info["state"], "menu_hooked" in unmet) == ("unsupported", True), info
    assert adopt(host)["changed"]
    assert (default(host), succeed(host, "info")["state"]) == (FIRST, "clean")


STEPS: t.Final = tuple(
    step
    for step in (*UPGRADE_STEPS, "make_menu", "choose")
    if step not in ("carry_over", "run_commands", "install_guard")
)
CASES: t.Final = [(step, when) for step in STEPS for when in ("before", "after")]


@pytest.mark.crash
@pytest.mark.parametrize(("step", "when"), rotating(CASES, 3))
def test_killed_at_a_step(host: Host, step: str, when: str) -> None:
    adopt(host)
    offer_kernel(host)
    host.sh("snapper --no-dbus create --description theirs")
    kill_at(host, "upgrade", when, step)
    assert {1, 2} <= set(snapshots(host)) <= {1, 2, 3}, "snapper sees a whole one or none"
    host.powerloss()
    host.start()
    went_on = root(host) == place(3)
    assert (host.rpm_version("lab-app"), kernel(host)) == (("2.0", NEW_KERNEL) if went_on else ("1.0", FIRST_KERNEL))
    assert root(host) in (FIRST, place(3))
    if not went_on:
        succeed(host, "update")  # repairs first
        assert succeed(host, "upgrade")["state"] == "staged"
        host.reboot()
    succeed(host, "confirm")  # repairs first as well
    assert (host.rpm_version("lab-app"), kernel(host), root(host)) == ("2.0", NEW_KERNEL, default(host))
    info = succeed(host, "info", {"full": True})
    assert (info["state"], info["contradictions"], info["interrupted"]) == ("clean", [], None)
    found = snapshots(host)
    assert found[2]["description"] == "theirs"
    assert "overc-new" not in host.sh("btrfs subvolume list /; ls -R /.snapshots --ignore=snapshot")
    assert sorted(map(int, host.sh("ls /.snapshots").split())) == sorted(found), "no directory without a snapshot"


@pytest.mark.crash
@pytest.mark.parametrize("step", rotating(["choose", "record", "prune"], 1))
def test_a_cancellation_that_is_killed(host: Host, step: str) -> None:
    """Forward, whatever it did before: what runs boots, and of the other nothing is left, its number's directory included."""
    adopt(host)
    host.release("v2")
    succeed(host, "upgrade")
    kill_at(host, "rollback", "after", step)
    host.powerloss()
    host.start()
    succeed(host, "update")  # repairs first
    assert (root(host), default(host), succeed(host, "info")["state"]) == (FIRST, FIRST, "clean")
    assert (host.sh("ls -A /.snapshots"), host.sh("btrfs subvolume list / | grep -c snapshots/2 || true")) == ("1", "0")


def test_what_others_do_in_between(host: Host) -> None:
    """Snapper's own rollback and cleanup, and a number that it takes."""
    adopt(host)
    host.release("v2")
    assert succeed(host, "upgrade")["staged"] == place(2)
    # An administrator goes back in his own way while one is staged: that is what boots, and it is said
    host.sh("btrfs subvolume set-default /; snapper --no-dbus --ambit classic rollback")
    theirs = default(host)
    assert theirs not in (FIRST, place(2))
    info = succeed(host, "info")
    assert (info["state"], info["next_boot"]["subvolume"]) == ("elsewhere", theirs), info
    assert_refused(call(host, "upgrade"), "not_default", "overc_host_rollback")
    host.reboot()
    assert root(host) == theirs
    assert succeed(host, "info")["state"] == "clean"
    again = succeed(host, "upgrade")
    assert again["state"] == "staged"
    assert again["staged"] not in (FIRST, place(2), theirs)
    host.reboot()
    assert (root(host), host.rpm_version("lab-app")) == (again["staged"], "2.0")
    before = snapshots(host)
    ours = [number for number, entry in before.items() if entry["userdata"]]
    for _ in range(12):
        host.sh("snapper --no-dbus create --cleanup-algorithm number")
    host.sh("snapper --no-dbus cleanup number")
    assert set(ours) < set(snapshots(host))
    # What was kept for long goes with newer ones; what is not ours never does
    foreign = set(snapshots(host)) - set(ours)
    host.release("v3")
    succeed(host, "upgrade", {"keep": 1})
    host.reboot()
    succeed(host, "upgrade", {"keep": 1, "force": True})
    assert foreign <= set(snapshots(host))
    assert place(2) not in host.sh("btrfs subvolume list /")
    # Cancelled: nothing of it is left, and what runs is the default again
    runs = root(host)
    assert succeed(host, "rollback")["state"] == "clean"
    assert default(host) == runs
    assert foreign <= set(snapshots(host))


def test_what_is_refused(host: Host) -> None:
    def refused(*words: str) -> None:
        before = default(host), host.sh("ls -A /.snapshots /.snapshots/1")
        assert_refused(host.module("overc_bootloader", {}), "layout_unsupported", *words)
        assert (default(host), host.sh("ls -A /.snapshots /.snapshots/1")) == before

    host.sh("btrfs property set -ts / ro true")
    refused("transactional-update", "read-only")
    host.sh(
        "btrfs property set -ts / ro false; sed -i 's,/  btrfs  defaults,/  btrfs  subvol=@/.snapshots/1/snapshot,' /etc/fstab"
    )
    refused("/etc/fstab", "subvol=")
    host.sh(
        "sed -i 's,/  btrfs  subvol=[^ ]*,/  btrfs  defaults,' /etc/fstab; sed -i s/grub2/grub2-bls/ /etc/sysconfig/bootloader"
    )
    refused("LOADER_TYPE=grub2-bls")
    host.sh("sed -i s/grub2-bls/grub2/ /etc/sysconfig/bootloader; cp /boot/grub2/grub.cfg /boot/kept")
    host.sh("sed -i 's,linux.*/boot/,linux /@/.snapshots/1/snapshot/boot/,' /boot/grub2/grub.cfg")
    refused("btrfs_relative_path")
    host.sh(
        "cp /boot/kept /boot/grub2/grub.cfg; sed -i 's/extra_cmdline}/extra_cmdline} rootflags=subvol=@/' /boot/grub2/grub.cfg"
    )
    refused("rootflags")
    host.sh("cp /boot/kept /boot/grub2/grub.cfg; snapper --no-dbus --ambit classic rollback")
    refused("default subvolume is")
    host.sh("btrfs subvolume set-default /")
    assert adopt(host)["changed"]
    host.release("v2")
    # What would not boot by its own menu is found before it is chosen
    host.sh("rm /boot/grub2/grub.cfg")
    failed = call(host, "upgrade")
    assert_refused(failed, "kernel_broken", "grub.cfg is not there", "grub2-mkconfig -o")
    host.sh("cp /boot/kept /boot/grub2/grub.cfg; mv /usr/sbin/grub2-mkconfig /root/kept")
    host.write("/usr/sbin/grub2-mkconfig", "#!/bin/sh\necho no such disk >&2\nexit 1\n")
    host.sh("chmod +x /usr/sbin/grub2-mkconfig")
    host.enable_repo(NEWER)
    failed = call(host, "upgrade")
    assert_refused(failed, "kernel_broken", "grub2-mkconfig")
    assert "no such disk" in failed["stderr"]
    assert (default(host), sorted(snapshots(host))[:1]) == (FIRST, [1])
    assert host.sh("btrfs subvolume list / | grep -c overc-new || true") == "0"
