# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed on a host with automatic protection: what boots is the old or the new system, never a mixture.

Each point goes on as in test_crash.py: an orderly reboot, a power cut, the next command at once, or that and then a power
cut. A run takes a part of them, the next day's run another; ``OVERC_SAMPLE=all`` or ``OVERC_CRASH_ALL=1`` takes them all.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.grub.environment import (
    EMPTY,
    change_environment,
    parse_environment,
)

from tests.integration.crash_bench import (
    EVERYTHING,
    PACKAGES,
    RELEASES,
    WAYS,
    Bench,
    check_disk,
    check_tidy,
    check_untouched,
    go_on,
    killed,
    upgrade,
)
from tests.integration.crash_points import UPGRADE, Point, Transaction, automatic, kill_at
from tests.integration.crash_report import PROPERTY
from tests.integration.disk_facts import booted
from tests.lab import Host, Lab
from tests.lab.kernel import kernel_release
from tests.sampling import rotating

pytestmark = pytest.mark.crash

ONE_IN: t.Final = 42
ARMED: t.Final = {"saved_entry": "1", "next_entry": "0"}


def _cases() -> list[t.Any]:
    every = list(enumerate(automatic()))
    chosen = every if EVERYTHING else rotating(every, ONE_IN)
    return [
        pytest.param(transaction, point, WAYS[number % len(WAYS)], number, id=f"{transaction.name}-{point}")
        for number, (transaction, point) in chosen
    ]


class AutomaticBench(Bench):
    """Disks of a host with automatic protection; what is staged or on trial is so only once it runs."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, "autocrash", automatic=True)

    def set_environment(self, values: dict[str, str]) -> None:
        with self.host.boot_partition() as boot, (boot / "grub/grubenv").open("r+b") as block:
            block.write(change_environment(EMPTY, values))

    def _make_staged(self) -> None:
        super()._make_staged()
        self.set_environment({})

    def _make_trial(self) -> None:
        upgrade(self.start("clean"))

    def _make_upgraded(self) -> None:
        host = self.start("clean")
        upgrade(host)
        host.reboot()
        assert host.module("overc_host_confirm")["state"] == "clean"

    def _make_fallback(self) -> None:
        host = self.start("clean")
        upgrade(host)
        host.reboot()
        host.reboot()

    def begin(self, transaction: Transaction) -> Host:
        host = self.start(transaction.start)
        if transaction.start == "staged":
            self.switch("rootfs_upgrade")
            self.set_environment(ARMED)
            host.sh("sync -f / && sync -f /boot")
        assert host.module("overc_host_info")["state"] == transaction.start.replace("upgraded", "clean")
        return host


@pytest.fixture(scope="session")
def bench(lab: Lab) -> t.Iterator[AutomaticBench]:
    made = AutomaticBench(lab)
    yield made
    made.host.destroy()


def check_whole(host: Host, seen: frozenset[str]) -> str:
    """Root, packages, kernel and modules are of one release, one of those that may boot; returns it."""
    assert host.boot_failed is None
    found = host.sh(f"rpm -q --qf '%{{VERSION}}\n' {' '.join(PACKAGES)}; rpmdb --verifydb >&2").split()
    assert len(set(found)) == 1, found
    version = found[0]
    assert version in seen
    name = host.sh("tr ' ' '\\n' </proc/cmdline | sed -n 's,^BOOT_IMAGE=/,,p'")
    with host.boot_partition() as boot:
        assert kernel_release((boot / name).read_bytes()) == f"{version}-lab", f"{name} with root {booted(host)}"
    assert f"{version}-lab" in host.sh("ls /usr/lib/modules").split()
    return version


def settle(host: Host) -> None:
    """What its user does to a host until it is clean: look at the state, and give the one command that it asks for."""
    for _try in range(6):
        state = host.module("overc_host_info")["state"]
        if state == "clean":
            return
        if state in ("interrupted", "trial"):
            # Of the repair of a killed confirmation of a trial that is over, only that nothing is left to confirm
            result = host.module("overc_host_confirm")
            assert not result.get("failed") or result["error_id"] in ("backup_boot", "not_booted"), result
        elif state == "staged":
            host.reboot()
        else:
            result = host.module("overc_host_rollback")
            assert not result.get("failed"), result
            host.reboot()
    raise AssertionError(host.module("overc_host_info"))


def converge(host: Host, transaction: Transaction) -> None:
    settle(host)
    version = check_whole(host, transaction.seen)
    if version != transaction.wanted:
        if transaction.wanted == "1.0":
            result = host.module("overc_host_rollback")
        else:
            host.release(RELEASES[transaction.wanted])
            result = host.module(UPGRADE)
            if result.get("error_id") == "known_bad":  # it was on trial, and the cut was its verdict
                result = host.module(UPGRADE, {"force": True})
        assert not result.get("failed"), result
        host.reboot()
        settle(host)
        check_whole(host, frozenset({transaction.wanted}))
    check_untouched(host)
    check_tidy(host)
    with host.boot_partition() as boot:
        assert parse_environment((boot / "grub/grubenv").read_bytes()) == {}


@pytest.mark.parametrize(("transaction", "point", "way", "number"), _cases())
def test_killed(
    bench: AutomaticBench,
    record_property: Callable[[str, object], None],
    transaction: Transaction,
    point: Point,
    way: str,
    number: int,
) -> None:
    record_property(PROPERTY, f"automatic-{transaction.name} {point} {way}")
    host = bench.begin(transaction)
    killed(host, transaction.module, transaction.args, kill_at(point))
    go_on(host, way)
    if way != "at_once":
        check_whole(host, transaction.seen)
        check_untouched(host)
        if number % 5 == 0:
            check_disk(host)
            check_whole(host, transaction.seen)
    converge(host, transaction)
