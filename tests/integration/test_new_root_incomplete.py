# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new root from which packages took what a host comes up with is refused before the switch, and so is an old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, in_top, snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package

PLACE = "/etc/own-harm"


def own(version: str) -> Package:
    return Package(
        "own-harm", version, (), {"/usr/share/own/harm": version.encode()}, scriptlets={"post": f". {PLACE}"}
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("own"), own("1.0"), own("2.0"))


@pytest.fixture
def ready(host: Host, packages: dict[str, Path]) -> Host:
    """What a file of the host says, a script of the package does in the new root."""
    host.write(PLACE, "\n")
    host.write(
        "/etc/crypttab",
        "# <name> <device>\nother /dev/vdb none luks,noauto\ndata /dev/vdc none luks\n",
    )
    install(host, packages["own-harm-1.0"])
    offer(host, packages["own-harm-2.0"])
    return host


HARM: dict[str, tuple[str, str]] = {
    "init is gone": ("rm -f /sbin/init /etc/init /bin/init", "init that could be started"),
    "init leads nowhere": ("ln -sfn /usr/lib/none /sbin/init", "init that could be started"),
    "init leads out of the root": ("ln -sfn ../../../../../proc/1/exe /sbin/init", "init that could be started"),
    "init is not executable": ("chmod 0644 /usr/lib/systemd/systemd", "init that could be started"),
    "init is empty": (": > /usr/lib/systemd/systemd", "init that could be started"),
    "a library of init": ("rm /usr/lib/*/systemd/libsystemd-core-*.so", "libsystemd-core"),
    "fstab": ("rm /etc/fstab", "/etc/fstab"),
    "an empty fstab": (": > /etc/fstab", "/etc/fstab"),
    "an fstab without an end": ("truncate -s 100G /etc/fstab", "line for / in /etc/fstab"),
    "the directory for the boot partition": ("rm -rf /boot", "no /boot"),
    "the line for /boot": ("sed -i '\\, /boot ,d' /etc/fstab", "line for /boot in /etc/fstab"),
    "a directory to mount on": ("umount -l /sys; rmdir /sys", "/sys"),
    "accounts": ("rm /etc/shadow", "/etc/shadow"),
    "the account root": ("sed -i /^root:/d /etc/passwd", "/etc/passwd with a line for root"),
    "accounts of noise": ("head -c 999 /dev/urandom > /etc/shadow", "/etc/shadow with a line for root"),
    "disks to be unlocked": ("sed -i /^data/d /etc/crypttab", "line for data in /etc/crypttab"),
    "a disk that nobody has": (
        "echo '/dev/none /srv ext4 defaults 0 2' >> /etc/fstab",
        "device /dev/none, which a new line of its /etc/fstab mounts on /srv",
    ),
    "a line that hides the system": ("echo 'tmpfs /usr tmpfs defaults 0 0' >> /etc/fstab", "mounts tmpfs over it"),
    "the shell of who comes in": ("usermod -s /bin/false root", "the shell of root is /bin/false"),
    "the first target": (
        "rm /etc/systemd/system/default.target /lib/systemd/system/default.target; :",
        "default.target",
    ),
    "a first target that is masked": (
        "ln -sfn /dev/null /etc/systemd/system/default.target",
        "default.target",
    ),
    "a first target that ends everything": (
        "ln -sfn /usr/lib/systemd/system/poweroff.target /etc/systemd/system/default.target",
        "default.target",
    ),
    "what lets people in": ("rm /usr/sbin/sshd", "no /usr/sbin/sshd"),
    "it may not be started": ("chmod 0644 /usr/sbin/sshd", "no /usr/sbin/sshd"),
    "it cannot start": ("printf '#!/bin/sh\\nexit 3\\n' > /usr/sbin/sshd", "nobody could log in"),
    "it has no keys": ("rm /etc/ssh/ssh_host_*_key", "nobody could log in"),
    "it does not know a word of its configuration": ("echo Nonsense yes >> /etc/ssh/sshd_config", "Nonsense"),
    "who may come in": (
        "rm -r /etc/pam.d; sed -i s/^UsePAM.*/UsePAM\\ yes/ /etc/ssh/sshd_config.d/*",
        "PAM knows no service sshd",
    ),
    "nobody but root may enter": ("chmod 700 /", "right for others than root to enter / ("),
    "nor may they enter a part of it": ("chmod o-x /usr/lib /etc", "/usr/lib (services"),
    "what we come by": ("rm -r /usr/lib/python3*/ctypes", "no Python that works"),
}


def test_modules_without_their_index(ready: Host) -> None:
    ready.sh("for release in /lib/modules/*; do touch $release/modules.dep; done")
    ready.write(PLACE, "rm /lib/modules/*/modules.dep\n")
    before = snapshot_of_disk(ready)
    result = call(ready, "upgrade")
    assert_refused(result, "kernel_modules_missing", "modules.dep for its kernel 1.0-lab")
    assert_unchanged(before, ready, history=False)


def test_a_kernel_without_an_end_is_not_read_to_it(ready: Host) -> None:
    """A script makes hundreds of gigabytes of nothing in no time, and reading them takes hours."""
    ready.write(PLACE, "cp /boot/bzImage /boot/new; truncate -s 300G /boot/new; mv /boot/new /boot/bzImage\n")
    before = snapshot_of_disk(ready)
    assert_refused(
        call(ready, "upgrade"), "kernel_broken", "/boot/bzImage of the new root", "more than any boot loader"
    )
    assert_unchanged(before, ready, history=False)
    assert_no_leftovers(ready)


@pytest.mark.parametrize("name", HARM)
def test_refused_before_the_switch(ready: Host, name: str) -> None:
    harm, missing = HARM[name]
    ready.write(PLACE, f"{harm}\n")
    before = snapshot_of_disk(ready)
    result = call(ready, "upgrade")
    assert_refused(result, "root_incomplete", missing, "Mend the package", "exclude")
    assert_unchanged(before, ready, history=False)
    assert_no_leftovers(ready)
    ready.write(PLACE, "\n")
    assert succeed(ready, "upgrade")["state"] == "staged"


@pytest.mark.parametrize("harm", ["chmod 0755", "chown 1", "rm"])
def test_what_makes_the_administrator_root(ready: Host, harm: str) -> None:
    ready.sh("cp /usr/bin/env /usr/bin/sudo; chmod 4755 /usr/bin/sudo")
    ready.write(PLACE, f"{harm} /usr/bin/sudo\n")
    assert_refused(call(ready, "upgrade", env={"SUDO_UID": "1"}), "root_incomplete", "no /usr/bin/sudo")
    ready.write(PLACE, f"{harm} /usr/bin/sudo; chmod 0755 /bin/mount\n")
    assert succeed(ready, "upgrade")["state"] == "staged", "nobody came by it, nor by another one"


def test_what_the_command_line_names(ready: Host) -> None:
    """Only that is started, although there is a /sbin/init too."""
    ready.sh("mkdir -p /opt && ln -s /usr/lib/systemd/systemd /opt/own-init")
    ready.sh("sed -i 's, /bzImage , /bzImage init=/opt/own-init ,' /boot/grub/grub.cfg && sync -f /boot")
    ready.write(PLACE, "rm /opt/own-init\n")
    before = snapshot_of_disk(ready)
    assert_refused(call(ready, "upgrade"), "root_incomplete", "init that could be started")
    assert_unchanged(before, ready, history=False)
    ready.write(PLACE, "rm -f /sbin/init\n")
    assert succeed(ready, "upgrade")["state"] == "staged"


def test_the_modules_of_an_unchanged_kernel(ready: Host) -> None:
    """They come back from the running root, so the new one boots."""
    ready.write(PLACE, "rm -r /usr/lib/modules/1.0-lab\n")
    assert succeed(ready, "upgrade")["state"] == "staged"
    ready.reboot()
    assert ready.sh("findmnt -no FSROOT /") == "/rootfs_upgrade"


@pytest.mark.parametrize(
    ("harm", "missing"),
    [
        ("rm rootfs/etc/fstab", "/etc/fstab"),
        ("rmdir rootfs/proc", "/proc"),
        ("rm rootfs/usr/lib/*/ld-linux*", "init that could be started"),
        ("rm rootfs/usr/bin/sh", "/bin/sh"),
        ("echo '/dev/none /srv ext4 defaults 0 2' >> rootfs/etc/fstab", "device for each line of its /etc/fstab"),
        ("rm rootfs/usr/lib/modules/*/modules.dep", "modules.dep for its kernel 1.0-lab"),
        (
            "rm -r rootfs/usr/lib/modules/*/kernel; truncate -s 0 rootfs/usr/lib/modules/*/modules.dep",
            "module for its kernel 1.0-lab",
        ),
    ],
)
def test_a_rollback_target(host: Host, harm: str, missing: str) -> None:
    upgrade_to(host, "v2")
    host.reboot()
    in_top(host, harm)
    before = snapshot_of_disk(host)
    assert any(missing in said for said in succeed(host, "info")["previous"]["defects"])
    for check in (True, False):
        assert_refused(call(host, "rollback", check=check), "no_target", f"rootfs has no {missing}", "would not boot")
    assert_unchanged(before, host)


def test_a_cancel_to_a_running_root_that_was_broken_meanwhile(host: Host) -> None:
    upgrade_to(host, "v2")
    host.sh("rm /usr/sbin/init")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "rollback"), "no_target", "rootfs has no init")
    assert_unchanged(before, host)
