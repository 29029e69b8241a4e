# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new root is the tree that will run: what a mount would hide of it is found before anything is switched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package

_SCRIPT = "mkdir -p /srv/own-state && echo migrated > /srv/own-state/format; echo post >> /var/log/own.log"


def own(version: str) -> Package:
    files = {
        "/opt/own/bin/tool": f"tool {version}\n".encode(),
        "/usr/share/own/version": f"{version}\n".encode(),
        "/var/lib/own/deep/data": f"data {version}\n".encode(),
    }
    scripts = {"post": _SCRIPT} if version == "2.0" else {}
    return Package("own-files", version, (), files, scriptlets=scripts)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("own"), own("1.0"), own("2.0"))


@pytest.fixture
def ready(host: Host, packages: dict[str, Path]) -> Host:
    """1.0 is installed with all its files on the root subvolume, 2.0 is offered."""
    install(host, packages["own-files-1.0"])
    offer(host, packages["own-files-2.0"])
    return host


_SUBVOLUME = """\
set -e
device=$(findmnt -nvo SOURCE /)
mkdir -p /run/t {path}
mount -o subvolid=5 $device /run/t
btrfs subvolume create /run/t/{name}
cp -a {path}/. /run/t/{name}/
umount /run/t
echo $device {path} btrfs subvol={name} 0 0 >> /etc/fstab
mount {path}
"""


def subvolume(host: Host, path: str) -> None:
    """A subvolume of its own in the top-level tree, with what is at this path, mounted there now and at boot."""
    host.sh(_SUBVOLUME.format(path=path, name=path.strip("/").replace("/", "-")))


def only_fstab(host: Host, path: str) -> None:
    subvolume(host, path)
    host.sh(f"umount {path}")


def only_unit(host: Host, path: str) -> None:
    """A unit of systemd instead of a line in fstab, enabled, and stopped at the moment."""
    subvolume(host, path)
    host.sh(f"umount {path}; sed -i '\\# {path} #d' /etc/fstab")
    name = path.strip("/").replace("/", "-")
    device = host.sh("findmnt -nvo SOURCE /")
    unit = f"[Mount]\nWhat={device}\nWhere={path}\nType=btrfs\nOptions=subvol={name}\n[Install]\nWantedBy=local-fs.target\n"
    host.write(f"/etc/systemd/system/{name}.mount", unit)
    host.sh(f"systemctl enable {name}.mount")


def bind(host: Host, path: str) -> None:
    host.sh(f"cp -a {path} /home/elsewhere && mount --bind /home/elsewhere {path}")


def tmpfs(host: Host, path: str) -> None:
    host.sh(f"cp -a {path} /run/copy; mount -t tmpfs lab {path} && cp -a /run/copy/. {path}/")


def linked(host: Host, path: str) -> None:
    """What the script writes has another name too, which no mount covers, and which is the one that the kernel tells."""
    host.sh("mkdir -p /srv/own-state /etc/own; echo old > /etc/own/format; ln -f /etc/own/format /srv/own-state/")
    tmpfs(host, path)


HIDING: dict[str, tuple[Callable[[Host, str], None], str, str]] = {
    "subvolume": (subvolume, "/opt", "/opt/own/bin/tool (own-files)"),
    "of fstab, not mounted now": (only_fstab, "/opt", "/opt/own/bin/tool (own-files)"),
    "of a unit, not mounted now": (only_unit, "/opt/own", "/opt/own/bin/tool (own-files)"),
    "bind": (bind, "/opt/own", "/opt/own/bin/tool (own-files)"),
    "two levels down": (subvolume, "/var/lib/own/deep", "/var/lib/own/deep/data (own-files)"),
    "what a script wrote": (tmpfs, "/srv", "/srv/own-state/format"),
    "what a script wrote, of two names": (linked, "/srv", "/srv/own-state/format"),
}


@pytest.mark.parametrize("name", HIDING)
def test_hidden(ready: Host, name: str) -> None:
    hide, path, named = HIDING[name]
    hide(ready, path)
    before = snapshot_of_disk(ready)
    result = call(ready, "upgrade")
    assert_refused(result, "hidden_by_mount", path, named, "hidden_policy: report")
    assert {entry["mount"] for entry in result["hidden"]} == {path}
    assert_unchanged(before, ready, history=False)
    allowed = succeed(ready, "upgrade", {"hidden_policy": "report"})
    assert allowed["hidden"] == result["hidden"]
    assert named in str(allowed["warnings"])


@pytest.mark.parametrize("how", ["mounted", "in fstab"])
def test_what_is_bound_onto_itself_hides_nothing(ready: Host, how: str) -> None:
    """Done to have other flags there, read-only say; without it the same is seen."""
    ready.sh("mount --bind /opt /opt && mount -o remount,bind,nodev /opt")
    if how == "in fstab":
        ready.sh("echo '/opt /opt/ none bind,nodev 0 0' >> /etc/fstab")
    assert succeed(ready, "upgrade")["state"] == "staged"
    ready.reboot()
    assert ready.sh("cat /opt/own/bin/tool") == "tool 2.0"


def test_another_part_of_the_root_hides_it(ready: Host) -> None:
    ready.sh("mkdir /other && mount --bind /other /opt")
    assert_refused(call(ready, "upgrade"), "hidden_by_mount", "/opt/own/bin/tool")


def test_nested_mounts_and_logs(ready: Host) -> None:
    """Logs on a file system of their own, as the documentation asks for, hide nothing that anybody misses."""
    subvolume(ready, "/var/log")
    subvolume(ready, "/var/cache")
    result = succeed(ready, "upgrade")
    assert "hidden" not in result
    ready.reboot()
    assert ready.rpm_version("own-files") == "2.0"
    assert ready.sh("rpm -V own-files") == ""


def test_everything_below_var(ready: Host) -> None:
    subvolume(ready, "/var/lib/own")
    subvolume(ready, "/var/lib/own/deep")
    result = call(ready, "upgrade")
    assert_refused(result, "hidden_by_mount", "/var/lib/own/deep/data (own-files)")


def test_what_is_there_already_is_not_hidden(ready: Host) -> None:
    """An administrator who brought the new files there first is not refused."""
    subvolume(ready, "/opt")
    ready.sh("echo 'tool 2.0' > /opt/own/bin/tool")
    result = succeed(ready, "upgrade")
    assert "hidden" not in result
    ready.reboot()
    assert ready.sh("cat /opt/own/bin/tool") == "tool 2.0"


def test_package_database_on_another_subvolume(host: Host) -> None:
    """No new root would have it: said before anything is built, and in check mode; a rollback does not need it."""
    host.release("v2")
    subvolume(host, "/var/lib/rpm")
    before = snapshot_of_disk(host)
    entry = next(e for e in succeed(host, "info")["requirements"] if e["id"] == "package_database")
    assert not entry["ok"]
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "database_elsewhere", "/var/lib/rpm", "to mend:")
    assert_unchanged(before, host)
    assert call(host, "rollback").get("error_id") == "no_target"


def test_boot_that_is_not_mounted(host: Host) -> None:
    host.sh("umount /boot")
    assert_refused(call(host, "upgrade"), "layout_unsupported", "mount /boot, which /etc/fstab knows")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/boot/board.dtb", True),
        ("/boot/zImage-board.dtb", True),  # as Yocto calls them: not a kernel of another version
        ("/boot/overlays/spi.dtbo", True),
        ("/boot/boot.scr", False),
        ("/boot/config-2.0", None),
        ("/boot/grub/themes/x", None),
    ],
)
def test_files_beside_the_kernel_never_reach_the_boot_partition(
    host: Host, tmp_path: Path, path: str, *, refused: bool | None
) -> None:
    """A device tree that stays old is refused, other files are told, and what nothing boots with is no news."""
    versions = [Package("own-boot", version, (), {path: version.encode()}) for version in ("1.0", "2.0")]
    made = build(tmp_path, *versions)
    install(host, made["own-boot-1.0"])
    offer(host, made["own-boot-2.0"])
    if refused:
        before = snapshot_of_disk(host)
        assert_refused(call(host, "upgrade"), "hidden_by_mount", f"{path} (own-boot)")
        assert_unchanged(before, host, history=False)
    answer = succeed(host, "upgrade", {"hidden_policy": "report"} if refused else {})
    assert (path in str(answer.get("warnings"))) is (refused is not None)
    assert host.sh(f"cat {path}") == "1.0"
