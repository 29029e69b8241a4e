# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may have set: configuration, plugins, and an answer that is cut off."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

from tests.contract.proofs import failing, told
from tests.contract.zypper.shared import apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def test_settings_and_environment_of_the_host(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they say, the answer is the right one, and what is announced is done."""
    root.write(
        "/etc/zypp/zypp.conf",
        "[main]\ncommit.downloadMode = DownloadOnly\nrepo.refresh.delay = 999\ncachedir = /var/cache/other\n"
        "locksfile.path = /etc/zypp/mylocks\nsolver.upgradeTestcasesToKeep = 0\n",
    )
    root.write("/etc/zypp/mylocks", "\ntype: package\nmatch_type: exact\ncase_sensitive: on\nsolvable_name: lab-hold\n")
    root.write(
        "/etc/zypp/zypper.conf",
        "[main]\n[color]\nuseColors = always\n[solver]\nforceResolutionCommands = update, dup\n",
    )
    monkeypatch.setenv("ZYPP_CONF", "/nonexistent")
    monkeypatch.setenv("ZYPP_TESTSUITE_FAKE_ARCH", "s390")
    root.environment["ZYPP_TESTSUITE_FAKE_ARCH"] = "s390"
    root.offer("lab-app-2.0", "lab-lib-2.0", "lab-extra-1.0", "lab-hold-2.0")
    assert driver(root).refresh()
    root.offer("lab-app-2.0", "lab-hold-2.0")
    request = PackageRequest(exclude=("lab-lib",))
    plan = pending(root, request)
    assert list(told(plan)) == ["lab-app"]
    assert [said.split()[0] for said in plan.held_back] == ["lab-hold"]
    root.environment.clear()
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-app"] == "2.0"


def test_plugins_are_left_out(root: Root) -> None:
    """None is run in the new root, and each is afterwards what it was."""
    plugin = "/usr/lib/zypp/plugins/commit/snapshots"
    root.offer("lab-app-2.0")
    root.sh(
        f"mkdir -p {plugin.rpartition('/')[0]}; printf '#!/bin/sh\\ntouch /srv/ran\\n' > {plugin}; chmod 0751 {plugin}"
    )
    _applied, new = apply(root)
    assert new.sh(f"stat -c %a {plugin}; ls /srv 2>/dev/null || true") == "751\n"


@pytest.mark.parametrize("ending", ["kill", "cut", "nonsense"])
def test_an_answer_that_is_cut_off(root: Root, ending: str) -> None:
    """It is never taken for "nothing is pending"."""
    root.offer("lab-app-2.0")
    driver(root).refresh()
    how = {
        "kill": 'case "$*" in *dry-run*) echo "<stream>"; kill -9 $$;; esac; exec "$@"',
        "cut": 'case "$*" in *dry-run*) "$@" | head -c 700; exit 0;; esac; exec "$@"',
        "nonsense": 'case "$*" in *dry-run*) echo "Nothing to do."; exit 0;; esac; exec "$@"',
    }
    root.prefixes["zypper"] = ["sh", "-c", how[ending], "sh"]
    failing(lambda: pending(root, refresh=False), "package_manager_failed")
