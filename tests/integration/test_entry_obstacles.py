# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with a boot entry for each deployment: what would stop a run late is found before it begins, and nothing is changed."""

from __future__ import annotations

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import in_top, snapshot_of_disk
from tests.integration.test_deployments import DEBIAN, MakeHost, adopt, app
from tests.lab.apt import install, offer

# The requirement, the error, and what is put in the way and taken away again
OBSTACLES = {
    "a plain directory": (
        "names_free", "inconsistent", "mkdir /run/t/@rootfs.overc-1", "rmdir /run/t/@rootfs.overc-1",
    ),
    "a file": (
        "names_free", "inconsistent", "touch /run/t/@rootfs.overc-1.overc-new", "rm /run/t/@rootfs.overc-1.overc-new",
    ),
    "an immutable root": ("roots_movable", "access_denied", "chattr +i /run/t/@rootfs", "chattr -i /run/t/@rootfs"),
    "an immutable menu": ("new_root", "access_denied", "chattr +i /boot/overc/menu.cfg", "chattr -i /boot/overc/menu.cfg"),
    "an immutable block": ("new_root", "access_denied", "chattr +i /boot/overc/env", "chattr -i /boot/overc/env"),
    "a directory beside the menu": (
        "new_root", "access_denied", "mkdir /boot/overc/menu.cfg.overc-new", "rmdir /boot/overc/menu.cfg.overc-new",
    ),
    "an immutable directory": ("new_root", "access_denied", "chattr +i /boot/overc", "chattr -i /boot/overc"),
}  # fmt: skip


def test_an_obstacle_is_found_first(make_host: MakeHost) -> None:
    host = make_host(flavour=DEBIAN)
    install(host, app("1.0"))
    adopt(host)
    offer(host, app("2.0"))
    for name, (requirement, error_id, put, take) in OBSTACLES.items():
        in_top(host, put)
        before = snapshot_of_disk(host)
        info = succeed(host, "info")
        assert [each["id"] for each in info["requirements"] if not each["ok"]] == [requirement], name
        for check in (True, False):
            assert_refused(call(host, "upgrade", check=check), error_id)
        assert_unchanged(before, host)
        in_top(host, take)
        assert succeed(host, "info")["state"] == "clean", name
    assert succeed(host, "upgrade")["state"] == "staged"


def test_a_set_up_in_a_directory_that_nobody_can_change(make_host: MakeHost) -> None:
    host, path = make_host(flavour=DEBIAN), "/boot/overc"
    host.sh(f"mkdir {path}; chattr +i {path}")
    for check in (True, False):
        assert_refused(host.module("overc_bootloader", {}, check=check), "layout_unsupported", path, "immutable")
    host.sh(f"chattr -i {path}")
    assert adopt(host)["changed"]
