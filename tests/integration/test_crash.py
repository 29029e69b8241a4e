# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed leaves a host that boots the old or the new deployment, and the next command finishes the work.

Each point goes on in one of four ways, in turn: an orderly reboot, a power cut that loses what was not written, the next
command at once, or the next command at once and then the power cut. A run takes some points of every command, and a part of
the repairs; the next day's run takes others. ``OVERC_SAMPLE=all`` takes every point, ``OVERC_CRASH_ALL=1`` every point in all
four ways.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

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
)
from tests.integration.crash_points import (
    CARRIED,
    IN_PACKAGES,
    TRANSACTIONS,
    Interrupted,
    Point,
    Transaction,
    kill_at,
    kill_in_packages,
    repairs,
    steps_and_calls,
)
from tests.integration.crash_report import PROPERTY
from tests.lab import Host, Lab
from tests.lab.kernel import kernel_release
from tests.sampling import one_of_each, rotating

pytestmark = pytest.mark.crash

# No multiples of the ways to go on, so that each day has all of them; no more than the points of the shortest command
STEPS_ONE_IN: t.Final = 18
REPAIRS_ONE_IN: t.Final = 10
CONFIRM: t.Final = "overc_host_confirm"


_Numbered = t.TypeVar("_Numbered")


def _ways(number: int) -> tuple[str, ...]:
    return WAYS if EVERYTHING else (WAYS[number % len(WAYS)],)


def _sample(cases: t.Sequence[_Numbered], one_in: int) -> list[tuple[int, _Numbered]]:
    """Numbered before they are chosen: a point goes on in the same way whichever day it is taken."""
    numbered = list(enumerate(cases))
    return numbered if EVERYTHING else rotating(numbered, one_in)


def _cases() -> list[t.Any]:
    return [
        pytest.param(transaction, point, way, number, id=f"{transaction.name}-{point}-{way}")
        for number, (transaction, point) in _sample(steps_and_calls(), STEPS_ONE_IN)
        for way in _ways(number)
    ]


def _repairs() -> list[t.Any]:
    return [
        pytest.param(interrupted, point, way, number, id=f"{interrupted.name}-{point}-{way}")
        for number, (interrupted, point) in _sample(repairs(everything=EVERYTHING), REPAIRS_ONE_IN)
        for way in _ways(number)
    ]


def _in_packages() -> list[tuple[str, str]]:
    if EVERYTHING:
        return [(moment, way) for moment in IN_PACKAGES for way in WAYS]
    return one_of_each(IN_PACKAGES, WAYS)


# -- the machine and its disks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bench(lab: Lab) -> t.Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.host.destroy()


# -- what must be true -----------------------------------------------------------------------------------------------


def check_boots(host: Host, seen: frozenset[str], *, settled: bool = False) -> str:
    """The running system is one release as a whole, and so is its pair of kernel and modules; returns the release."""
    assert host.boot_failed is None
    found = host.sh(f"rpm -q --qf '%{{NAME}} %{{VERSION}}\n' {' '.join(PACKAGES)}; rpmdb --verifydb >&2; uname -r >&2")
    versions = {line.split(" ")[1] for line in found.splitlines()}
    assert len(versions) == 1, found
    (version,) = versions
    assert version in seen
    damaged = host.run(["rpm", "-V", "--nomtime", *PACKAGES], check=False).stdout.splitlines()
    damaged = [line for line in damaged if " c " not in line]
    with host.boot_partition() as boot:
        release = kernel_release((boot / "bzImage").read_bytes())
    modules = host.sh("ls /usr/lib/modules /lib/modules 2>/dev/null").split()
    assert release in modules
    if settled:
        assert release == f"{version}-lab"
    else:  # in the middle of the switch the old kernel may run with the new root
        damaged = [line for line in damaged if not (line.endswith(" /boot/bzImage") and release != f"{version}-lab")]
    assert damaged == []
    return version


def check_backup_boots(host: Host) -> None:
    """A human takes the second entry, looks around, and goes back."""
    with host.top() as top, host.boot_partition() as boot:
        if not ((top / "rootfs_bakup").is_dir() and (boot / "bzImage_bakup").is_file()):
            return
    host.boot_entry(1)
    host.reboot()
    assert host.sh("findmnt -no FSROOT /") == "/rootfs_bakup"
    found = {host.rpm_version(name) for name in PACKAGES}
    assert len(found) == 1
    host.reboot()


def check_planned(host: Host, transaction: Transaction) -> None:
    """The points of this file are the steps of the plan."""
    planned = host.module(transaction.module, transaction.args, check=True)
    assert tuple(action["step"] for action in planned["actions"]) == transaction.steps, planned


def converge(host: Host, transaction: Transaction) -> None:
    """The same command again, and a reboot: the wanted deployment runs."""
    if transaction.module == "overc_host_upgrade":
        host.release(RELEASES[transaction.wanted])
        if CARRIED in transaction.args.get("carry_over", ()):
            host.write(CARRIED, "carried\n")
    result = host.module(transaction.module, transaction.args)
    assert not result.get("failed"), result
    check_tidy(host)
    host.reboot()
    check_boots(host, frozenset({transaction.wanted}), settled=True)
    info = host.module("overc_host_info")
    assert info["state"] == "clean", info
    assert info["contradictions"] == []
    check_untouched(host)
    check_tidy(host)


def check_after_kill(host: Host, transaction: Transaction, way: str, number: int) -> None:
    go_on(host, way)
    if way != "at_once":
        check_boots(host, transaction.seen)
        check_untouched(host)
        if number % 4 == 0:
            check_backup_boots(host)
        if number % 5 == 0:
            check_disk(host)
    converge(host, transaction)


def begin(bench: Bench, transaction: Transaction) -> Host:
    host = bench.start(transaction.start, entry=1 if transaction.from_backup else None)
    if transaction.start == "staged":
        bench.switch("rootfs_upgrade")
    return host


# -- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", TRANSACTIONS, ids=lambda entry: entry.name)
def test_the_steps_are_those_of_the_plan(bench: Bench, transaction: Transaction) -> None:
    check_planned(begin(bench, transaction), transaction)


@pytest.mark.parametrize(("transaction", "point", "way", "number"), _cases())
def test_killed(
    bench: Bench,
    record_property: Callable[[str, object], None],
    transaction: Transaction,
    point: Point,
    way: str,
    number: int,
) -> None:
    record_property(PROPERTY, f"{transaction.name} {point} {way}")
    host = begin(bench, transaction)
    killed(host, transaction.module, transaction.args, kill_at(point))
    check_after_kill(host, transaction, way, number)


@pytest.mark.parametrize(("moment", "way"), _in_packages())
def test_killed_in_the_package_manager(
    bench: Bench, record_property: Callable[[str, object], None], moment: str, way: str
) -> None:
    transaction = TRANSACTIONS[0]
    record_property(PROPERTY, f"packages {moment} {way}")
    host = begin(bench, transaction)
    killed(host, transaction.module, transaction.args, kill_in_packages(*IN_PACKAGES[moment]))
    check_after_kill(host, transaction, way, 1)


@pytest.mark.parametrize(("interrupted", "point", "way", "number"), _repairs())
def test_repair_killed(
    bench: Bench,
    record_property: Callable[[str, object], None],
    interrupted: Interrupted,
    point: Point,
    way: str,
    number: int,
) -> None:
    record_property(PROPERTY, f"repair-of-{interrupted.transaction.name} {interrupted.at}/{point} {way}")
    transaction = interrupted.transaction

    def make() -> None:
        host = begin(bench, transaction)
        killed(host, transaction.module, transaction.args, kill_at(interrupted.at))

    host = bench.start(interrupted.name, make)
    killed(host, CONFIRM, {}, kill_at(point))
    check_after_kill(host, transaction, way, number)
