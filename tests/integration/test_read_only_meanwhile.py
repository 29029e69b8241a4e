# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else sets a root read-only while a run is at work, after it was looked at: what boots next can be written to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import Result, succeed, upgrade_to
from tests.lab import Host
from tests.lab.apt import new_kernel, offer

MakeHost = Callable[..., Host]
# As tools do that look after snapshots; before a step of the run
_SET = """\
import os, subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
from ansible_collections.overc.system.plugins.module_utils.host.steps import context
seen = []
begin = context.Apply.__init__
def remember(self, *args, **more):
    begin(self, *args, **more)
    seen.append(self)
context.Apply.__init__ = remember
def read_only(when, step):
    if (when, step) == ("before", {step!r}):
        for name in ({name!r} + ".overc-new", {name!r}):
            path = os.path.join(seen[-1].top, name)
            if os.path.isdir(path):
                subprocess.run(["btrfs", "property", "set", "-ts", path, "ro", "true"], check=True)
                break
transaction.step_hook = read_only
"""


def _assert_comes_up(host: Host, result: Result, name: str) -> None:
    assert f"ro=true on subvolume {name}" in str(result["warnings"]), result
    info = succeed(host, "info")
    assert info["staged"]["defects"] == [], info
    host.reboot()
    host.sh("touch /written")
    assert succeed(host, "info")["state"] in ("clean", "trial")


@pytest.mark.parametrize("step", ["place_root", "set_default", "swap_kernel"])
def test_a_new_root(host: Host, step: str) -> None:
    host.release("v2")
    result = succeed(host, "upgrade", prelude=_SET.format(step=step, name="rootfs_upgrade"))
    _assert_comes_up(host, result, "rootfs_upgrade")


def test_the_backup(host: Host) -> None:
    """It is what somebody boots when all else fails."""
    host.release("v2")
    result = succeed(host, "upgrade", prelude=_SET.format(step="place_backup", name="rootfs_bakup"))
    assert "ro=true on subvolume rootfs_bakup" in str(result["warnings"]), result
    assert succeed(host, "info")["backup"]["defects"] == []


@pytest.mark.parametrize("step", ["set_default", "record"])
def test_the_previous_root(host: Host, step: str) -> None:
    upgrade_to(host, "v2")
    host.reboot()
    result = succeed(host, "rollback", prelude=_SET.format(step=step, name="rootfs"))
    _assert_comes_up(host, result, "rootfs")


@pytest.mark.parametrize(
    ("flavour", "step"), [("debian12", "name_root"), ("debian12", "arm_trial"), ("debian12-inside", "choose")]
)
def test_with_boot_entries(make_host: MakeHost, flavour: str, step: str) -> None:
    host = make_host(flavour=flavour)
    offer(host)
    assert not host.module("overc_bootloader").get("failed")
    offer(host, *new_kernel())
    result = succeed(host, "upgrade", prelude=_SET.format(step=step, name="@rootfs.overc-1"))
    _assert_comes_up(host, result, "@rootfs.overc-1")
