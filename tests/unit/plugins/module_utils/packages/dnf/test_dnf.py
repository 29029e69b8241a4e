# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF driver against recorded outputs of DNF 4.14 (tests/unit/transcripts/dnf4)."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import rpm_lists, rpmdb, transaction_table
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import configuration, driver, errors
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.dnf_recordings import (
    EFFECTIVE_4,
    RECORDS,
    Replay,
    Saying,
    before_and_after,
)

LONG = "lab-a-package-with-a-remarkably-long-name-for-tables"


def pending(scenario: str, *, packages: tuple[str, ...] = ()) -> PackagePlan:
    return driver.Dnf(Replay(scenario), sleep=lambda _seconds: None).pending(PackageRequest(packages))


@pytest.mark.parametrize("scenario", ["nothing", "nothing-refresh"])
def test_nothing_pending_costs_one_start_of_dnf(scenario: str) -> None:
    runner = Replay(scenario)
    assert driver.Dnf(runner).pending(PackageRequest()) == PackagePlan()
    assert [call[0] for call in runner.calls].count("dnf") == 1


def test_pending_tells_every_kind_of_change() -> None:
    plan = pending("pending")
    by_name = {change.name: change for change in plan.changes}
    assert len(by_name) == len(plan.changes) == 17
    assert by_name["lab-app"] == PackageChange("lab-app", "noarch", "1.0-1", "2.0-1", "lab", 6239)
    assert by_name["lab-arch"] == PackageChange("lab-arch", "x86_64", "1.0-1", "2.0-1", "lab", 6198)
    assert by_name["lab-epoch"].available == "1:0.9-1"
    assert by_name["lab-dep"].installed is None
    assert by_name["lab-kernel"].installed is None, "an install-only package comes beside the old one"
    assert (by_name["lab-old"].installed, by_name["lab-old"].available) == ("1.0-1", None), "obsoleted"
    assert by_name["lab-renamed"].installed is None
    assert by_name[LONG].available == "2.0-1.20260101gitdeadbeef.lab"
    assert [sentence.split()[0] for sentence in plan.held_back] == ["lab-conf", "lab-nodep"]
    assert "nothing provides lab-nowhere >= 3" in plan.held_back[1]


def test_wrapped_rows_are_put_together() -> None:
    rows = transaction_table.parse_transaction(RECORDS["pending-wrapped"]["stdout"]).upgrading
    name = "lab-another-package-with-a-remarkably-long-name-here"
    assert [(r.name, r.version, r.repository) for r in rows] == [
        (name, "2.0-12.ab", "lab"),
        ("lab-app", "2.0-1", "lab"),
        ("lab-lib", "2.0-1", "lab"),
    ]


@pytest.mark.parametrize(
    ("scenario", "held"),
    [
        ("held-back-exclude", "lab-newdep"),
        ("held-back-missing-dependency", "lab-nodep"),
        ("held-back-conflict", "lab-conf"),
    ],
)
def test_nothing_to_do_never_hides_what_is_held_back(scenario: str, held: str) -> None:
    plan = pending(scenario)
    assert plan.changes == ()
    assert [sentence.split()[0] for sentence in plan.held_back] == [held]


@pytest.mark.parametrize(
    ("scenario", "error_id"),
    [
        ("no-repositories", "repository_failed"),
        ("unreachable", "repository_failed"),
        ("unreachable-skipped", "repository_failed"),
        ("not-found", "repository_failed"),
        ("corrupt-repomd", "repository_failed"),
        ("corrupt-repomd-skipped", "repository_failed"),
        ("corrupt-primary", "repository_failed"),
        ("best-missing-dependency", "package_manager_failed"),
        ("best-conflict", "package_manager_failed"),
        ("unknown-package", "package_unknown"),
        ("unknown-package-and-known", "package_unknown"),
        ("not-installed-package", "package_unknown"),
        ("excluded-and-named", "package_unknown"),
        ("locked", "locked"),
    ],
)
def test_pending_refuses_what_it_cannot_know(scenario: str, error_id: str) -> None:
    with pytest.raises(OvercError) as caught:
        pending(scenario)
    assert caught.value.error_id == error_id
    assert caught.value.facts["rc"] == RECORDS[scenario]["rc"]


def test_a_lock_is_waited_for_only_so_long() -> None:
    runner = Replay("locked")
    pauses: list[float] = []
    with pytest.raises(OvercError):
        driver.Dnf(runner, sleep=pauses.append).pending(PackageRequest())
    assert len([call for call in runner.calls if call[0] == "dnf"]) == len(pauses) + 1 == 12


@pytest.mark.parametrize("scenario", ["apply", "apply-obsoletes", "apply-arch-change", "apply-nothing"])
def test_a_performed_upgrade_is_proved(scenario: str) -> None:
    before, after = before_and_after(scenario)
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS[scenario]["stdout"]), before)
    )
    applied = driver.Dnf(Replay(scenario, before, after)).apply(PackageRequest(), plan, "/run/packages")
    assert {(c.name, c.available) for c in applied.changes} == {(c.name, c.available) for c in plan.changes}


@pytest.mark.parametrize(
    ("scenario", "error_id", "word"),
    [
        ("apply-pre-fails", "package_manager_failed", "%prein(lab-badpre"),
        ("apply-post-fails", "package_manager_failed", "%post(lab-badpost"),
        ("apply-preun-fails", "package_manager_failed", "%preun(lab-badpreun"),
        ("apply-postun-fails", "package_manager_failed", "%postun(lab-badpostun"),
        ("apply-posttrans-fails", "package_manager_failed", "%posttrans(lab-badtrans"),
        ("apply-file-conflict", "package_manager_failed", "conflicts with file from package lab-lib"),
        ("apply-disk-full", "no_space", "/usr/share/lab-big"),
        ("apply-cache-full", "no_space", "lab-big"),
        ("apply-unsigned", "package_untrusted", "GPG keys"),
        ("apply-unsigned-with-key", "package_untrusted", "is not signed"),
        ("apply-package-gone", "repository_failed", "lab-app"),
        ("apply-package-damaged", "repository_failed", "lab-app"),
    ],
)
def test_a_failed_upgrade_says_why(scenario: str, error_id: str, word: str) -> None:
    before, after = before_and_after(scenario)
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS[scenario]["stdout"]), before)
    )
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Replay(scenario, before, after)).apply(PackageRequest(), plan, "/run/packages")
    assert caught.value.error_id == error_id
    assert word in caught.value.message
    assert {"cmd", "rc", "stdout", "stderr"} <= caught.value.facts.keys()


def test_exit_code_zero_without_the_announced_packages_is_a_failure() -> None:
    before, _after = before_and_after("apply")
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
    )
    with pytest.raises(OvercError, match="did not do what was announced"):
        driver.Dnf(Replay("apply", before, before)).apply(PackageRequest(), plan, "/run/packages")


def test_names_cannot_be_taken_for_options() -> None:
    runner = Replay("nothing")
    driver.Dnf(runner).pending(PackageRequest(("a", "b"), ("b", "c*")))
    called = next(call for call in runner.calls if call[0] == "dnf")
    assert called[-4:] == ("--exclude=b", "--exclude=c*", "--", "a")


def test_everything_named_is_excluded() -> None:
    runner = Replay("pending")
    assert driver.Dnf(runner).pending(PackageRequest(("a",), ("a",))) == PackagePlan()
    assert runner.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "Transaction Summary\n====\nUpgrade  1 Package\n",
        " Package Arch\n=====\nUpgrading:\n a noarch 1-1 lab 1 k\n\nTransaction Summary\n====\nUpgrade  2 Packages\n",
        " Package Arch\n=====\nBewitching:\n a noarch 1-1 lab 1 k\n\nTransaction Summary\n====\n",
        " Package Arch\n=====\nUpgrading:\n a noarch\n\nTransaction Summary\n====\nUpgrade  1 Package\n",
    ],
)
def test_a_table_that_is_not_understood_is_no_answer(text: str) -> None:
    with pytest.raises(transaction_table.UnreadableTable):
        transaction_table.parse_transaction(text)


def test_all_registered_versions_of_an_upgraded_package_go() -> None:
    transaction = transaction_table.parse_transaction(RECORDS["apply-post-fails"]["stdout"])
    installed = [Package("lab-badpost", "noarch", "1.0-1"), Package("lab-badpost", "noarch", "0.9-1")]
    assert [(c.installed, c.available) for c in transaction_table.changes(transaction, installed)] == [
        ("0.9-1", None),
        ("1.0-1", "2.0-1"),
    ]


def test_age_is_that_of_the_oldest_enabled_repository() -> None:
    stamps = "\n".join(
        f"{stamp} /var/cache/dnf/{repository}-0123456789abcdef/repodata/{stamp}-primary.xml.gz"
        for repository, stamp in (("lab", 100), ("lab", 300), ("extra-2", 200), ("gone", 1))
    )
    assert rpm_lists.refreshed_at(stamps, ("lab",)) == 300
    assert rpm_lists.refreshed_at(stamps, ("lab", "extra-2")) == 200
    assert rpm_lists.refreshed_at(stamps, ("lab", "new")) is None
    assert rpm_lists.refreshed_at("", ()) is None


@pytest.mark.parametrize("scenario", ["makecache-unreachable", "locked"])
def test_refresh_fails_with_the_repository(scenario: str) -> None:
    with pytest.raises(OvercError):
        driver.Dnf(Replay(scenario), sleep=lambda _seconds: None).refresh()


def test_refresh_without_a_change() -> None:
    assert driver.Dnf(Replay("makecache")).refresh() is False


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr"),
    [
        (1, "", "Operation aborted.\n"),
        (1, "Nothing to do.\n", "Operation aborted.\n"),
        (1, "Operation aborted by the user.\n", ""),
        (0, "", ""),
        (0, "Dependencies resolved.\nComplete!\n", ""),
        (0, "A plugin says: Nothing to do\n", ""),
        (0, RECORDS["pending"]["stdout"], ""),
        (1, "Transaction Summary\n", "Operation aborted.\n"),
    ],
)
def test_nothing_is_pending_only_where_dnf_says_so(rc: int, stdout: str, stderr: str) -> None:
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Saying(rc, stdout, stderr)).pending(PackageRequest())
    assert caught.value.error_id == "package_manager_failed"


# What plugins, hooks and other chatter put before and after the table
NOISE = (
    "Package lab-app is watched by a plugin",
    " Package    Size",
    "Installing:",
    " lab-evil    noarch   6.6-6   lab   6 k",
    "================================================",
    "   replacing  lab-lib.noarch 1.0-1",
    "Transaction Summary of yesterday",
    "Upgrade  7 Packages",
    "Nothing to do.",
)


@pytest.mark.parametrize("before", NOISE)
@pytest.mark.parametrize("after", NOISE)
def test_chatter_around_the_table_changes_nothing(before: str, after: str) -> None:
    record = RECORDS["pending"]
    quiet = driver.Dnf(Saying(1, record["stdout"], record["stderr"])).pending(PackageRequest())
    said = f"{before}\n{record['stdout']}\n{after}\n"
    assert driver.Dnf(Saying(1, said, record["stderr"])).pending(PackageRequest()) == quiet


@pytest.mark.parametrize("command", ["pending", "refresh", "sizes", "download", "apply"])
def test_every_call_says_what_the_host_could_say_otherwise(command: str) -> None:
    before, after = before_and_after("apply")
    runner = Replay("pending" if command in ("pending", "sizes") else "apply", before, after)
    dnf = driver.Dnf(runner)
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
    )
    if command == "refresh":
        dnf.refresh()
    elif command == "download":
        dnf.download(PackageRequest(), plan, "/packages")
    elif command == "apply":
        dnf.apply(PackageRequest(), plan, "/packages")
    else:
        dnf.pending(PackageRequest(), sizes=command == "sizes")
    called = [call for call in runner.calls if call[0] == "dnf"]
    assert called
    for call in called:
        said = dict(word[len("--setopt=") :].split("=", 1) for word in call if word.startswith("--setopt="))
        assert (said["debuglevel"], said["errorlevel"], said["color"]) == ("2", "3", "never")
        assert (said["installroot"], said["rpmverbosity"], said["exit_on_lock"]) == ("/", "info", "True")
        assert said["assumeno"] == ("True" if "--assumeno" in call else "False")
        assert said["cacheonly"] == ("True" if command == "apply" else "False")
        assert ("-y" in call) == (said.get("assumeyes") == "True")


def test_packages_are_fetched_outside_and_installed_offline() -> None:
    before, after = before_and_after("apply")
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
    )
    runner = Replay("apply", before, after)
    assert driver.Dnf(runner).download(PackageRequest(signed=True), plan, "/packages") == (
        "/etc/dnf",
        "/etc/yum.repos.d",
    )
    fetched = next(call for call in runner.calls if "--downloadonly" in call)
    assert {"--setopt=cachedir=/packages/cache", "--setopt=metadata_expire=-1", "-y"} <= set(fetched)
    # Keys come into the new root, never into the running system
    assert {"--setopt=gpgcheck=False", "--setopt=*.gpgcheck=False"} <= set(fetched)
    driver.Dnf(runner).apply(PackageRequest(signed=True), plan, "/packages")
    installed = runner.calls[-3]
    assert {"--setopt=cachedir=/packages/cache", "--setopt=cacheonly=True", "--setopt=gpgcheck=True"} <= set(installed)


def test_there_is_room_for_what_is_fetched() -> None:
    class Full(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            if argv[0] == "stat":
                return Completed(tuple(argv), 0, "1000 4096\n", "")
            return super().run(argv, **options)

    before, _after = before_and_after("apply")
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
    )
    runner = Full("apply")
    with pytest.raises(OvercError, match="4096000 bytes free") as caught:
        driver.Dnf(runner).download(PackageRequest(), plan, "/packages")
    assert caught.value.error_id == "no_space"
    assert not any("--downloadonly" in call for call in runner.calls)


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ([], {}),
        (["nodocs", "nocaps"], {}),
        (["justdb"], {"tsflags": ""}),
        (["nodocs", "TEST", "noscripts", "notriggers", "nocrypto"], {"tsflags": ",nodocs"}),
    ],
)
def test_rpm_is_not_told_to_do_less_than_it_registers(flags: list[str], settings: dict[str, str]) -> None:
    text = json.dumps({**json.loads(EFFECTIVE_4), "tsflags": flags})
    assert configuration.parse_effective(text).whole_transaction == settings


def test_of_files_put_aside_only_those_that_stayed_were_kept() -> None:
    said = "warning: /etc/a created as /etc/a.rpmnew\nwarning: /etc/b saved as /etc/b.rpmsave\n"
    assert rpmdb.kept_files(errors.warnings(said)) == ("/etc/a",)
