# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.host.observe.covered import (
    covered_paths,
    is_below,
    planned_targets,
    wanted_mounts,
)
from ansible_collections.overc.system.plugins.module_utils.host.observe.hidden import Hidden
from ansible_collections.overc.system.plugins.module_utils.host.steps.hidden import sentence
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount


def mount(target: str) -> Mount:
    return Mount(target, "/", "btrfs", "/dev/x", frozenset({"rw"}))


def test_is_below() -> None:
    assert is_below("/opt", ["/opt"])
    assert is_below("/opt/a", ["/opt"])
    assert not is_below("/opt2", ["/opt"])
    assert not is_below("/", ["/opt"])


def test_targets_of_an_fstab() -> None:
    text = """\
# /dev/a /comment ext4 defaults 0 0
/dev/a / btrfs defaults 0 0
/dev/b\t/srv/with\\040space/  ext4 defaults 0 0
/dev/c /media/usb vfat noauto,user 0 0
/dev/d /lazy ext4 noauto,x-systemd.automount 0 0
/dev/e none swap sw 0 0
/dev/f /ignored ignore defaults 0 0
/srv/data /var/lib/app none bind,nofail 0 0
"""
    assert planned_targets(text) == ("/", "/srv/with space", "/lazy", "/var/lib/app")


def test_covered(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "srv/really").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/srv/really")
    (tmp_path / "etc/fstab").write_text("/dev/x /link ext4 defaults 0 0\n/dev/y /boot/efi vfat defaults 0 0\n")
    mounted = [
        mount(p) for p in ("/", "/boot", "/proc", "/run/user/0", "/tmp", "/var/lib/x", "/var", "/variable", "/dev/shm")
    ]
    assert covered_paths(mounted, str(tmp_path), "/boot") == ("/srv/really", "/var", "/variable")


def test_no_fstab(tmp_path: Path) -> None:
    assert covered_paths([mount("/"), mount("/opt")], str(tmp_path), "/boot") == ("/opt",)


def test_sentence() -> None:
    many = [Hidden(f"/opt/{n}", "/opt", "added") for n in range(7)]
    text = sentence([*many, Hidden("/srv/x", "/srv", "removed")], {"/opt/1": "pkg"})
    assert "/opt hides /opt/0, /opt/1 (pkg), /opt/2, /opt/3, /opt/4 and 2 more; /srv hides /srv/x (removed)" in text


def test_units_of_systemd(tmp_path: Path) -> None:
    """A mount point need not be in fstab, nor mounted at the moment."""
    etc, lib = tmp_path / "etc/systemd/system", tmp_path / "usr/lib/systemd/system"
    (etc / "local-fs.target.wants").mkdir(parents=True)
    (etc / "local-fs.target.requires").mkdir()
    (lib / "remote-fs.target.wants").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for path in (
        etc / "local-fs.target.wants/opt.mount",
        etc / "local-fs.target.requires/srv-data\\x2dbase-one.mount",
        etc / "local-fs.target.wants/opt.service",
        etc / "idle.mount",
        lib / "remote-fs.target.wants/var-lib-late.automount",
        lib / "remote-fs.target.wants/masked.mount",
        lib / "remote-fs.target.wants/-.mount",
    ):
        path.write_text("")
    (etc / "masked.mount").symlink_to("/dev/null")
    assert wanted_mounts(str(tmp_path)) == ("/opt", "/srv/data-base/one", "/var/lib/late")
    assert covered_paths([mount("/")], str(tmp_path), "/boot") == ("/opt", "/srv/data-base/one", "/var/lib/late")
    assert wanted_mounts(str(tmp_path / "nowhere")) == ()
