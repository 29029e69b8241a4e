# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.host.plan.package_steps import command_lines, needed
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange, PackagePlan

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
