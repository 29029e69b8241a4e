# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thirty hosts: a bad package stops at the canary; then every kind of trouble at once, each ends as documented."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest

from tests.integration.fleet.runs import (
    LOSE_KERNEL,
    NEW,
    OLD,
    ONLY_OLD,
    QUICK,
    Controller,
    assert_runs,
    assert_untouched,
    booted,
    stage,
)
from tests.lab import Host

COUNT = 30


def bad_package(hosts: list[Host], controller: Controller) -> None:
    """Exactly the canary is touched, and it is back on what it had; the run fails and says why."""
    canary, *rest = hosts
    run = controller.run("upgrade", host_upgrade_health={**QUICK, "commands": [ONLY_OLD]})
    assert run.rc != 0
    assert run.status(canary) == "rolled_back"
    assert_runs(canary, OLD, "1.0")
    assert {run.status(host) for host in rest} == {"withheld"}
    for host in rest:
        assert_untouched(host)
    page = (controller.directory / "upgrade.html").read_text()
    assert html.escape("The canary failed on 1 of 1 (h1)") in page
    assert "Declared commands succeed" in page


def every_trouble(hosts: list[Host], controller: Controller) -> None:
    """The last five hosts are in trouble, or in a state of their own; all before them have an upgrade to take."""
    full, current, staged, backup, lost = hosts[-5:]
    full.sh("fallocate -l $(($(stat -f -c '%a*%S' /) * 9 / 10)) /filler; sync")
    current.release("v1")
    stage(staged)
    backup.boot_entry(1)
    backup.reboot()
    drain = controller.directory / "drain.yml"
    drain.write_text(f"{LOSE_KERNEL}  when: inventory_hostname == '{lost.name}'\n")
    run = controller.run(
        "upgrade",
        fleet_unready="skip",
        fleet_serial="5,50%",
        fleet_max_fail_percentage=25,
        host_upgrade_reboot_timeout=45,
        host_upgrade_drain_tasks=str(drain),
    )
    assert run.rc != 0
    statuses = run.statuses()
    expected = {full: "unready", current: "current", staged: "upgraded", backup: "unready", lost: "unreachable"}
    assert {host.name: statuses[host.name] for host in expected} == {host.name: s for host, s in expected.items()}
    assert run.record["hosts"][full.name]["error_id"] == "no_space"
    assert run.record["hosts"][backup.name]["error_id"] == "backup_boot"
    assert (booted(full), full.boots, full.default_subvolume()) == (OLD, 1, OLD)
    assert_untouched(current)
    assert (booted(backup), backup.boots) == ("rootfs_bakup", 2)
    assert not lost.is_on
    for host in (*hosts[:-5], staged):
        assert statuses[host.name] == "upgraded", run.reason(host)
        assert_runs(host, NEW, "2.0")
    page = (controller.directory / "upgrade.html").read_text()
    assert page.index(f"<b>{lost.name}</b>") < page.index("<h2>Hosts</h2>")


def test_thirty_hosts(make_fleet: Callable[..., list[Host]], controller: Controller) -> None:
    """What CI has time for: most hosts have nothing to do in the second run."""
    hosts = make_fleet(COUNT, backup=True)
    bad_package(hosts, controller)
    done = hosts[1:-8]
    for host in done:
        host.release("v1")
    every_trouble([hosts[0], *hosts[-8:]], controller)
    for host in done:
        assert controller.record("upgrade")["hosts"][host.name]["status"] == "current"
        assert_untouched(host)


@pytest.mark.slow
def test_thirty_hosts_and_each_is_upgraded(make_fleet: Callable[..., list[Host]], controller: Controller) -> None:
    every_trouble(make_fleet(COUNT, backup=True), controller)
