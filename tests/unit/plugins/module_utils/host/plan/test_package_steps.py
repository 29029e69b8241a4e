# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.host.plan.package_steps import (
    asked_for,
    command_lines,
    needed,
    not_asked_for_again,
)
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    PackageChange,
    PackagePlan,
    PackageRequest,
)

STEPS = ("download_packages", "create_root", "run_packages", "run_commands", "check_root")
SOMETHING = (PackageChange("a", "noarch", None, "1"),)
COMMANDS = (("echo", "a b"), ("true",))


def test_packages_and_commands_each_bring_their_steps() -> None:
    assert needed(STEPS, PackagePlan(SOMETHING, run=COMMANDS)) == list(STEPS)
    assert "run_commands" not in needed(STEPS, PackagePlan(SOMETHING))
    assert needed(STEPS, PackagePlan(run=COMMANDS)) == ["create_root", "run_commands", "check_root"]
    # A new deployment by force has the package manager look all the same
    assert "run_packages" in needed(STEPS, PackagePlan())


def test_commands_are_shown_as_they_could_be_typed() -> None:
    assert command_lines(PackagePlan(run=COMMANDS)) == ("echo 'a b'", "true")


def test_what_a_replaced_deployment_was_asked_for_is_not_forgotten() -> None:
    before = asked_for(PackageRequest(install=("a",), remove=("b",)), PackagePlan(run=COMMANDS))
    assert before == ("install a", "remove b", "run echo 'a b'", "run true")
    assert asked_for(PackageRequest(packages=("a",)), PackagePlan(SOMETHING)) == ()
    assert not_asked_for_again("rootfs_upgrade", before, (*before, "install c")) is None
    told = not_asked_for_again("rootfs_upgrade", before, before[1:3]) or ""
    assert "rootfs_upgrade" in told
    assert "install a; run true." in told
