# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Smart driver against recordings of the real smart 1.5 (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import driver as smartpm
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_host import Replay, driver, packages_of, said_in_advance, world
from tests.unit.smart_recordings import BACKENDS, RECORDS, all_scenarios, each, recorded


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_pending(backend: str) -> None:
    assert driver(Replay(backend)).pending(PackageRequest()) == PackagePlan()


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-option"))
def test_pending(backend: str, scenario: str) -> None:
    lists = [packages_of(backend, "overc-demo=1.0-1", "overc-lib=1.0-1")]
    runner = Replay(backend, lists, dry=recorded(backend, scenario), newer=recorded(backend, "newer-available-quiet"))
    plan = driver(runner).pending(PackageRequest())
    assert [(c.name, c.installed, c.available, c.channel) for c in plan.changes] == [
        ("overc-demo", "1.0-1", "1.1-1", "main"),
        ("overc-lib", "1.0-1", "1.1-1", "main"),
    ]
    assert all(change.size for change in plan.changes)


@pytest.mark.parametrize(
    ("scenario", "error_id"),
    [
        ("upgrade-pkg-unknown", "package_unknown"),
        ("upgrade-pkg-misspelt", "package_unknown"),
        ("upgrade-pkg-known-and-unknown", "package_unknown"),
        ("upgrade-pkg-not-installed", "package_unknown"),
        ("upgrade-pkg-with-version", "package_unknown"),
        ("lock-upgrade-while-update", "locked"),
        ("lock-upgrade-while-upgrade", "locked"),
        ("newer-known-channel-repaired", "repository_failed"),
        ("newer-after-known-channel-broken", "repository_failed"),
        ("newer-after-update-broken-index", "repository_failed"),
        ("package-db-damaged-query", "package_manager_failed"),
    ],
)
def test_pending_refuses_what_it_cannot_know(scenario: str, error_id: str) -> None:
    for backend in BACKENDS:
        answer = recorded(backend, scenario)
        if scenario in ("newer-known-channel-repaired", "package-db-damaged-query") and answer.rc != 1:
            continue
        with pytest.raises(OvercError) as caught:
            driver(Replay(backend, dry=answer)).pending(PackageRequest(("overc-demo",)))
        assert caught.value.error_id == error_id


@pytest.mark.parametrize(("backend", "scenario"), each("channel-show-empty"))
def test_a_damaged_configuration_does_not_pass_for_nothing_to_do(backend: str, scenario: str) -> None:
    with pytest.raises(OvercError) as caught:
        driver(Replay(backend, channel=recorded(backend, scenario))).pending(PackageRequest())
    assert caught.value.error_id == "repository_failed"


@pytest.mark.parametrize(
    ("backend", "scenario"),
    [
        p
        for p in all_scenarios("update-")
        if RECORDS[p.values[0], p.values[1]]["rc"] != 0 or "Interrupted" in RECORDS[p.values[0], p.values[1]]["stdout"]
    ],
)
def test_a_failed_update_is_a_failure(backend: str, scenario: str) -> None:
    runner = Replay(backend, update=recorded(backend, scenario))
    with pytest.raises(OvercError) as caught:
        driver(runner).pending(PackageRequest(), refresh=True)
    assert caught.value.error_id == "repository_failed"
    assert not any(Replay.key(call) == "dry" for call in runner.calls)


def test_a_lock_is_waited_for_only_so_long() -> None:
    pauses: list[float] = []
    runner = Replay("rpm-oe", update=recorded("rpm-oe", "lock-update-while-update"))
    with pytest.raises(OvercError) as caught:
        smartpm.SmartPm(runner, sleep=pauses.append).refresh()
    assert caught.value.error_id == "locked"
    assert len(pauses) == 11


def test_what_is_left_out_is_told() -> None:
    newest = Completed((), 0, "overc-demo|1.2-1@noarch\novercnew|1-1@noarch\n\n", "")
    plan = driver(Replay("rpm-oe", query=newest)).pending(PackageRequest())
    assert plan.changes == ()
    assert [sentence.split()[:2] for sentence in plan.held_back] == [["overc-demo", "1.2-1"]]


def apply(backend: str, scenario: str, after: list[Package] | None = None, check: Completed | None = None) -> t.Any:
    before, recorded_after, plan = world(backend, scenario)
    dry = Completed((), 0, said_in_advance(backend, scenario), "")
    answers = {"dry": dry, "upgrade": recorded(backend, scenario)}
    if check is not None:
        answers["check"] = check
    runner = Replay(backend, [before, recorded_after if after is None else after], **answers)
    applied = driver(runner).apply(PackageRequest(), plan, "/run/packages")
    upgrade = next(call for call in runner.calls if "upgrade" in call and "dry-run=true" not in call)
    assert upgrade[1:3] == ("upgrade", "-y")
    return applied, plan


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each("upgrade-yes", "upgrade-yes-pulls-in-new-package", "upgrade-yes-conflict", "upgrade-yes-noisy-scripts")
    + [p for p in each("upgrade-yes-renamed-package") if p.values[0] != "deb"]
    + each("upgrade-yes-none", "upgrade-yes-missing-dependency", "upgrade-yes-missing-dependency-named"),
)
def test_a_performed_upgrade_is_proved(backend: str, scenario: str) -> None:
    applied, plan = apply(backend, scenario)
    assert {(c.name, c.available) for c in applied.changes} == {(c.name, c.available) for c in plan.changes}


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each(
        "upgrade-yes-badpost",
        "upgrade-yes-badpre",
        "upgrade-yes-badpreun",
        "upgrade-yes-good-and-failing-scripts",
        "upgrade-yes-file-conflict",
        "upgrade-yes-disk-full",
        "upgrade-yes-datadir-full",
        "upgrade-yes-unsigned-default",
        "upgrade-yes-unsigned-check-signatures",
        "upgrade-yes-checksum-mismatch",
        "upgrade-yes-truncated-download",
        "upgrade-yes-package-file-gone",
        "upgrade-yes-repository-gone",
        "lock-upgrade-while-package-db-locked",
        "upgrade-no-y-stdin-null",
        "upgrade-sigkill-during-script",
    )
    + [p for p in each("upgrade-yes-changed-conffile") if p.values[0] == "deb"],
)
def test_a_failed_upgrade_is_a_failure_whatever_the_exit_code(backend: str, scenario: str) -> None:
    with pytest.raises(OvercError) as caught:
        apply(backend, scenario)
    assert {"cmd", "rc", "stdout", "stderr", "complaints"} <= caught.value.facts.keys()
    if scenario == "upgrade-yes-badpost" and backend != "deb":
        assert "%post(overc-badpost" in caught.value.message


def test_success_without_the_packages_is_a_failure() -> None:
    before, _after, _plan = world("rpm-oe", "upgrade-yes")
    with pytest.raises(OvercError, match="did not do what was announced"):
        apply("rpm-oe", "upgrade-yes", after=before)


def test_another_plan_than_announced_is_not_begun() -> None:
    before, after, _plan = world("rpm-oe", "upgrade-yes")
    runner = Replay("rpm-oe", [before, after], dry=recorded("rpm-oe", "upgrade-yes"))
    other = PackagePlan((PackageChange("overc-demo", "noarch", "1.0-1", "1.2-1"),))
    with pytest.raises(OvercError, match="nothing was changed"):
        driver(runner).apply(PackageRequest(), other, "/run/packages")
    assert not any("upgrade" in call and "dry-run=true" not in call for call in runner.calls)


def test_packages_on_a_file_system_of_their_own_are_not_seen_from_the_new_root() -> None:
    """Then Smart would do nothing there, every time; the reason is the directory, and not what was announced."""

    class Disk(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            if "--show" in argv and "channel" in argv:
                return Completed(
                    tuple(argv), 0, "[rpm-sys]\ntype = rpm-sys\n\n[disk]\ntype = rpm-dir\npath = /mnt/packages\n", ""
                )
            return super().run(argv, **options) if argv[0] != "find" else Completed(tuple(argv), 0, "", "")

    before, after, _plan = world("rpm-oe", "upgrade-yes")
    other = PackagePlan((PackageChange("overc-demo", "noarch", "1.0-1", "1.2-1"),))
    with pytest.raises(OvercError, match="/mnt/packages, and no package is seen there from the new root") as caught:
        driver(Disk("rpm-oe", [before, after], dry=recorded("rpm-oe", "upgrade-yes"))).apply(
            PackageRequest(), other, "/run/packages"
        )
    assert caught.value.error_id == "repository_failed"


def test_a_package_registered_twice_is_found_by_check() -> None:
    class Later(Replay):
        def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
            done = any("upgrade" in call and "dry-run=true" not in call for call in self.calls)
            if self.key(argv) == "check" and done:
                return recorded("rpm-oe", "check-after-badpreun")
            return super().run(argv)

    before, after, plan = world("rpm-oe", "upgrade-yes")
    answers = {"dry": recorded("rpm-oe", "upgrade-yes"), "upgrade": recorded("rpm-oe", "upgrade-yes")}
    with pytest.raises(OvercError, match="can't coexist"):
        driver(Later("rpm-oe", [before, after], **answers)).apply(PackageRequest(), plan, "/run/packages")


@pytest.mark.parametrize(("backend", "scenario"), each("check-broken"))
def test_what_was_broken_before_is_not_blamed_on_the_upgrade(backend: str, scenario: str) -> None:
    apply(backend, "upgrade-yes", check=recorded(backend, scenario))


def test_refresh_compares_the_lists() -> None:
    class Changing(Replay):
        content = 0

        def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
            if argv[0] == "find":
                return Completed(tuple(argv), 0, f"{self.content}  /var/lib/smart/channels/x\n", "")
            if self.key(argv) == "update":
                self.content += 1
            return super().run(argv)

    assert driver(Replay("rpm-oe")).refresh() is False
    assert driver(Changing("rpm-oe")).refresh() is True


def test_without_lists_nothing_is_known() -> None:
    class Lost(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            return Completed(tuple(argv), 1, "", "") if argv[0] == "find" else super().run(argv, **options)

    with pytest.raises(OvercError, match="never fetched") as caught:
        driver(Lost("rpm-oe")).pending(PackageRequest())
    assert caught.value.error_id == "repository_failed"
    assert driver(Lost("rpm-oe")).pending(PackageRequest(), refresh=True) == PackagePlan()
