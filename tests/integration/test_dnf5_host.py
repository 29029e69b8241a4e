# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with DNF 5 and rpm 6, from end to end: upgrade and way back, what is refused, scripts that misbehave, and kills."""

from __future__ import annotations

import time
import typing as t

import pytest

from tests.integration.commands import (
    assert_refused,
    assert_unchanged,
    call,
    kill_at,
    steps,
    succeed,
    upgrade_to,
)
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.lab.layouts import DNF5

if t.TYPE_CHECKING:
    from tests.integration.conftest import MakeHost

# A minute is what a person is given
_IMPATIENT: t.Final = """\
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import tool
tool.PATIENCE = 1.0
"""


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host(flavour=DNF5)


def installed(host: Host, name: str = "lab-app") -> str:
    return host.sh(f"rpm -q --qf '%{{VERSION}}' {name}").strip()


def test_there_and_back(host: Host) -> None:
    assert succeed(host, "info")["package_manager"] == "dnf5"
    assert succeed(host, "upgrade")["changed"] is False
    host.release("v2")
    host.sh("echo mine >> /etc/lab-app.conf")
    log = host.sh("stat -c '%s %Y' /var/log/dnf5.log")
    shown = succeed(host, "upgrade", check=True)
    assert host.sh("stat -c '%s %Y' /var/log/dnf5.log") == log
    assert (shown["changed"], "run_packages" in steps(shown)) == (True, True)
    result = succeed(host, "upgrade")
    assert {c["name"]: c["available"] for c in result["upgrades"]}["lab-app"] == "2.0-1"
    assert result["kept_files"] == ["/etc/lab-app.conf"]
    assert installed(host) == "1.0", "the running root is left alone"
    host.reboot()
    assert (installed(host), host.sh("uname -r; rpm -V lab-lib lab-tool").split()[1:]) == ("2.0", [])
    assert succeed(host, "upgrade")["changed"] is False
    assert succeed(host, "rollback")["changed"] is True
    host.reboot()
    assert installed(host) == "1.0"


@pytest.mark.parametrize(
    ("repository", "error_id", "word"),
    [
        ("post-fails", "package_manager_failed", "lab-postfail"),
        ("pre-fails", "package_manager_failed", "lab-prefail"),
        ("unsigned", "package_untrusted", "lab-unsigned"),
        ("corrupt", "repository_failed", "repo"),
        ("missing", "repository_failed", "missing"),
    ],
)
def test_what_goes_wrong_is_said_and_changes_nothing(host: Host, repository: str, error_id: str, word: str) -> None:
    host.enable_repo(repository)
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(result, error_id, word)
    assert len(result.get("stderr", "")) < 20_000
    assert_unchanged(before, host, history=False)
    assert succeed(host, "info")["state"] == "clean"


def test_what_a_script_leaves_holds_up_nothing(host: Host) -> None:
    """DNF 5 reads what scripts print until nobody holds that any more."""
    host.enable_repo("hostile")
    begun = time.monotonic()
    succeed(host, "upgrade")
    assert time.monotonic() - begun < 60
    assert host.run(["pgrep", "-x", "sleep"], check=False).stdout == ""


def test_an_upgrade_that_was_killed(host: Host) -> None:
    host.release("v2")
    for when, step in (("after", "download_packages"), ("after", "run_packages")):
        kill_at(host, "upgrade", when, step)
        assert installed(host) == "1.0"
    result = upgrade_to(host, "v2")
    assert "lab-app" in {change["name"] for change in result["upgrades"]}
    host.powercut()
    host.start()
    host.reboot()
    assert installed(host) == "2.0"


def test_who_asks_a_person_for_consent_is_not_waited_for(host: Host) -> None:
    host.release("v2")
    host.sh(
        "(sleep 1000 | dnf5 upgrade >/run/said 2>&1) </dev/null >/dev/null 2>&1 &"
        " while ! grep -q ok /run/said; do sleep 0.1; done"
    )
    try:
        result = call(host, "upgrade", prelude=_IMPATIENT)
        assert_refused(result, "locked", "dnf5")
    finally:
        host.sh("pkill -x sleep; true")
