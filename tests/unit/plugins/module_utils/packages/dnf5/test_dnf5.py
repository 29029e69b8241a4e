# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF 5 driver against recorded outputs of DNF 5.4 (tests/unit/transcripts/dnf5)."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import rpmdb, transaction_table
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import (
    configuration,
    driver,
    errors,
    offers,
    stored,
    tool,
    verdict,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.dnf5_recordings import RECORDS, REPOSITORIES, Saying, recorded

# After libdnf5-cli/output/transaction_table.cpp; not a recording.
DNF5 = """\
Updating and loading repositories:
Repositories loaded.
Package            Arch   Version                Repository      Size
Upgrading:
 app               x86_64 0:2.0-1                updates      6.1 KiB
   replacing app   x86_64 0:1.0-1                <unknown>    6.0 KiB
Installing:
 renamed           noarch 1:2.0-1                updates    100.0   B
   replacing old   noarch 0:1.0-1                             5.0 KiB
Installing dependencies:
 dep               noarch 0:1.0-1                updates      1.0 MiB
Removing unused dependencies:
 lone              noarch 0:1.0-1                             1.0 MiB
Skipping packages with broken dependencies:
 stuck             noarch 2.0-1                  updates      1.0 KiB

Transaction Summary:
 Installing:         2 packages
 Upgrading:          1 package
 Replacing:          2 packages
 Removing:           1 package
 Skipping:           1 package

"""


def test_the_table() -> None:
    installed = [Package(n, a, "1.0-1") for n, a in (("app", "x86_64"), ("old", "noarch"), ("lone", "noarch"))]
    transaction = transaction_table.parse_transaction(DNF5)
    assert transaction_table.changes(transaction, installed) == (
        PackageChange("app", "x86_64", "1.0-1", "2.0-1", "updates"),
        PackageChange("dep", "noarch", None, "1.0-1", "updates"),
        PackageChange("lone", "noarch", "1.0-1", None),
        PackageChange("old", "noarch", "1.0-1", None),
        PackageChange("renamed", "noarch", None, "1:2.0-1", "updates"),
    )
    assert len(transaction_table.held_back_sentences(transaction, ())) == 1


# -- what is pending ---------------------------------------------------------------------------------------------------
def packages(**installed: str) -> list[Package]:
    return [Package(name.replace("_", "-"), "noarch", version) for name, version in installed.items()]


def announced(scenario: str, **installed: str) -> dict[str, tuple[str | None, str | None]]:
    plan = driver.Dnf5(recorded(scenario, packages(**installed))).pending(PackageRequest())
    return {change.name: (change.installed, change.available) for change in plan.changes}


def test_what_is_announced() -> None:
    three = {"lab-app": ("1-1", "2-1"), "lab-lib": ("1-1", "2-1")}
    installed = {"lab_app": "1-1", "lab_lib": "1-1", "lab_more": "1-1", "lab_broken": "1-1", "lab_old": "1-1"}
    assert announced("broken", **installed) == three
    assert announced("assumeno", **installed) == {
        **three, "lab-more": ("1-1", "2-1"), "lab-extra": (None, "1-1"),
    }  # fmt: skip
    assert announced("obsoletes", **installed) == {
        "lab-app": ("1-1", "2-1"), "lab-new": (None, "3-1"), "lab-old": ("1-1", None),
    }  # fmt: skip
    assert announced("nothing") == {}


OFFERS = json.dumps(
    {"upgrades": [{"name": name, "arch": "noarch", "evr": "2-1", "repository": "lab"} for name in ("lab-app", "lab-x")]}
)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (PackageRequest(), ["lab-app", "lab-x"]),
        (PackageRequest(packages=("lab-a*",)), ["lab-app"]),
        (PackageRequest(exclude=("lab-x",)), ["lab-app"]),
    ],
)
def test_nothing_to_do_never_hides_an_offer(request_: PackageRequest, told: list[str]) -> None:
    runner = recorded("nothing")
    runner.offers = OFFERS
    plan = driver.Dnf5(runner).pending(request_)
    assert (plan.changes, [sentence.split()[0] for sentence in plan.held_back]) == ((), told)


@pytest.mark.parametrize(
    "said", ["", "[]", "{", '{"upgrades": 1}', '{"upgrades": [1]}', '{"upgrades": [{"name": "a"}]}']
)
def test_a_list_of_offers_that_is_not_understood_is_no_empty_one(said: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        offers.parse_offers(said)
    runner = recorded("nothing")
    runner.offers = said
    with pytest.raises(OvercError) as caught:
        driver.Dnf5(runner).pending(PackageRequest())
    assert caught.value.error_id == "package_manager_failed"


@pytest.mark.parametrize(
    ("rc", "stdout", "stderr"),
    [
        (0, "", ""),
        (1, "", "Operation aborted by the user.\n"),
        (0, DNF5, ""),
        (0, "Nothing to install.\n", ""),
        (2, "", "Unknown argument\n"),
        (-9, "Nothing to do.\n", ""),
    ],
)
def test_whatever_is_no_answer_is_refused(rc: int, stdout: str, stderr: str) -> None:
    installed = packages(app="1.0-1", old="1.0-1", lone="1.0-1")
    with pytest.raises(OvercError) as caught:
        driver.Dnf5(Saying(rc, stdout, stderr, installed)).pending(PackageRequest())
    assert caught.value.error_id == "package_manager_failed"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "repo",
            'Unknown argument "--json" for command "list". Add "--help" for more information about the arguments.\n',
        ),
        (
            "check-upgrade",
            'Unknown argument "--json" for command "check-upgrade". Add "--help" for more information.\n',
        ),
    ],
)
def test_an_older_dnf5_is_refused_in_words(word: str, said: str) -> None:
    """The words are those of 5.4.6 about an option that it does not know."""
    runner = recorded("nothing")
    runner.unknown = {word: said}
    with pytest.raises(OvercError) as caught:
        driver.Dnf5(runner).pending(PackageRequest())
    assert caught.value.error_id == "packages_unsupported"
    assert "5.4" in caught.value.message
    assert "--json" in caught.value.message


@pytest.mark.parametrize("word", ["upgrade", "replay"])
def test_what_cannot_be_stored_or_replayed_is_refused_in_words(word: str) -> None:
    said = 'Unknown argument "{}" for command "{}". Add "--help" for more information about the arguments.\n'
    runner = recorded("nothing", packages(lab_app="1-1"))
    runner.unknown = {"upgrade": said.format("--store=/x", "upgrade"), "replay": said.format("replay", "dnf5")}
    dnf, plan = driver.Dnf5(runner), PackagePlan(PLANNED)
    perform = dnf.download if word == "upgrade" else dnf.apply
    with pytest.raises(OvercError) as caught:
        perform(PackageRequest(), plan, "/packages")
    assert caught.value.error_id == "packages_unsupported"


# -- how it is configured ----------------------------------------------------------------------------------------------
def test_repositories_and_places() -> None:
    assert driver.Dnf5(recorded("nothing")).unchecked() == ("newer-off", "off", "silent")
    known = configuration.parse_effective(REPOSITORIES)
    assert (known.cache, known.check_options) == ("/var/cache/libdnf5", ("gpgcheck", "pkg_gpgcheck"))
    assert known.paths == ("/etc/dnf", "/etc/yum.repos.d", "/etc/distro.repos.d")


@pytest.mark.parametrize(
    "said",
    [
        "", "x", "[\n]\n", "system_cachedir = /c\n", "system_cachedir = /c\n[\n1\n]\n",
        'system_cachedir = /c\n[\n{"id": "lab", "is_enabled": true}\n]\n',
        'system_cachedir = /c\n======== "lab" repository configuration: ========\n[\n{"id": "lab"}\n]\n',
    ],
)  # fmt: skip
def test_what_is_checked_is_not_guessed(said: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        configuration.parse_effective(said)


def test_a_host_without_repositories_has_no_answer() -> None:
    runner = recorded("nothing")
    known = configuration.parse_effective("system_cachedir = /c\n[]\n")
    asked = driver.Dnf5(runner)
    asked._dnf._known = known
    for question in (lambda: asked.pending(PackageRequest()), asked.refresh):
        with pytest.raises(OvercError) as caught:
            question()
        assert caught.value.error_id == "repository_failed"


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ("", {}), ("nodocs", {}), ("noscripts", {"tsflags": ","}), ("nodocs, test", {"tsflags": ",nodocs"}),
    ],
)  # fmt: skip
def test_rpm_is_not_told_to_do_less_than_it_registers(flags: str, settings: dict[str, str]) -> None:
    known = configuration.parse_effective(f"system_cachedir = /c\ntsflags = {flags}\n[]\n")
    assert {key: value.rstrip(",") or "," for key, value in known.whole_transaction.items()} == settings


# -- what is stored, and replayed --------------------------------------------------------------------------------------
def entry(nevra: str, action: str, **more: t.Any) -> dict[str, t.Any]:
    return {"nevra": nevra, "action": action, "reason": "User", "repo_id": "@stored_transaction(lab)", **more}


STORED = {
    "rpms": [
        entry("lab-app-1:2-1.noarch", "Upgrade", package_path="./packages/lab-app.rpm"),
        entry("lab-app-1-1.noarch", "Replaced", repo_id="@System"),
        entry("lab-mark-1-1.noarch", "Reason Change", repo_id="@System"),
    ],
    "version": "1.0",
}
PLANNED = (PackageChange("lab-app", "noarch", "1-1", "1:2-1", "lab"),)


def test_what_is_replayed_names_the_repository_whose_rules_count() -> None:
    found = stored.parse_stored(json.dumps(STORED))
    assert found.differs_from(PLANNED) == ()
    assert found.files == {"lab": ("./packages/lab-app.rpm",)}
    first, second, _third = json.loads(found.replay)["rpms"]
    assert (first["repo_id"], "package_path" in first, second["repo_id"]) == ("lab", False, "")


@pytest.mark.parametrize(
    "other",
    [
        (),
        (PackageChange("lab-app", "noarch", "1-1", "1:3-1"),),
        (*PLANNED, PackageChange("lab-new", "noarch", None, "1-1")),
        (*PLANNED, PackageChange("lab-old", "noarch", "1-1", None)),
    ],
)
def test_another_transaction_than_the_announced_is_not_taken(other: tuple[PackageChange, ...]) -> None:
    assert stored.parse_stored(json.dumps(STORED)).differs_from(other)
    runner = Saying(0, "", "")
    runner.stored = json.dumps(STORED)
    if other:
        with pytest.raises(OvercError) as caught:
            driver.Dnf5(runner).download(PackageRequest(), PackagePlan(other), "/packages")
        assert caught.value.error_id == "package_manager_failed"
        assert not [call for call in runner.calls if call[0] == "dd"]


@pytest.mark.parametrize(
    "bad",
    [
        entry("lab-app", "Upgrade"),
        entry("lab-app-2-1.noarch", "Explode"),
        entry("lab-app-2-1.noarch", "Upgrade", package_path="../../etc/x"),
        entry("lab-app-2-1.noarch", "Upgrade", package_path="/etc/x"),
        entry("lab-app-2-1.noarch", "Upgrade", repo_id=None),
        "lab-app",
    ],
)
def test_a_stored_transaction_that_is_not_understood(bad: t.Any) -> None:
    with pytest.raises(stored.UnreadableTransaction):
        stored.parse_stored(json.dumps({"rpms": [bad]}))


# -- what went wrong ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("scenario", "error_id", "word"),
    [
        ("repo-gone-strict", "repository_failed", "gone"),
        ("named-unknown", "package_unknown", "no-such"),
        ("broken-best", "package_manager_failed", "nothing provides nowhere"),
        ("scriptlet-fails-no-plugins", "package_manager_failed", "%post scriptlet: lab-bad"),
        ("no-space", "no_space", "lab-big"),
        ("package-missing", "repository_failed", "lab-app"),
        ("key-missing", "package_manager_failed", "/srv/lab.asc"),
    ],
)
def test_it_says_why(scenario: str, error_id: str, word: str) -> None:
    dnf, request = driver.Dnf5(recorded(scenario, packages(lab_app="1-1"))), PackageRequest()
    performed = "-y" in RECORDS[scenario]["cmd"][-1].split()
    with pytest.raises(OvercError) as caught:
        dnf.apply(request, PackagePlan(PLANNED), "/packages") if performed else dnf.pending(request)
    assert caught.value.error_id == error_id
    assert word in caught.value.message
    assert "   " not in caught.value.facts["stderr"].replace("\n", "").lstrip()


# As they were seen in the lab (DNF 5.4.6, rpm 6.1), shortened
@pytest.mark.parametrize(
    ("stderr", "word"),
    [
        (
            "Transaction failed: Rpm transaction failed.\n  - file /usr/x from install of lab-app-2 conflicts with lab-lib-1\n",
            "file /usr/x from install of lab-app-2 conflicts",
        ),
        (">>> Error in %pre scriptlet: lab-bad-0:2-1.noarch\n>>> [RPM] x\nTransaction failed: y.\n", "%pre scriptlet"),
        ("something unheard of\n", "something unheard of"),
    ],
)
def test_a_reason_is_found(stderr: str, word: str) -> None:
    assert word in errors.unsuccessful(Completed(("dnf5",), 1, "", stderr), "upgrading").message


def test_what_only_an_exclusion_hides_is_unknown() -> None:
    said = "Failed to resolve the transaction:\nArgument 'lab-app' matches only excluded packages.\n"
    with pytest.raises(OvercError) as caught:
        driver.Dnf5(Saying(1, "", said)).pending(PackageRequest(("lab-app",)))
    assert (caught.value.error_id, caught.value.facts["packages"]) == ("package_unknown", ["lab-app"])


def test_files_put_aside_are_told() -> None:
    said = ">>> Running\n>>> [RPM] /etc/lab-app.conf created as /etc/lab-app.conf.rpmnew\n>>> [RPM] %post(x) scriptlet failed\n"
    told = errors.warnings(said)
    assert told == ("/etc/lab-app.conf created as /etc/lab-app.conf.rpmnew",)
    assert rpmdb.kept_files(told) == ("/etc/lab-app.conf",)


@pytest.mark.parametrize(
    ("rc", "stderr", "said", "told"),
    [
        (0, "Complete!\n", (), 0),
        (1, "Createrepo_c process exited with code 255\n", (), 1),
        (1, "Createrepo_c process exited with code 255\n", ("a is 1 instead of 2.",), None),
        (1, "Transaction failed: Rpm transaction failed.\n", (), None),
        (1, "x: No space left on device\n", (), None),
        (0, ">>> Non-critical error in %post scriptlet: lab-bad-0:2-1.noarch\n", (), None),
        (0, "Complete!\n", ("a is 1 instead of 2.",), None),
        (-9, "", (), None),
    ],
)
def test_the_rpm_database_judges(rc: int, stderr: str, said: tuple[str, ...], told: int | None) -> None:
    """A plugin of DNF's that fails after everything was installed is told, and nothing more; everything else is a failure."""
    completed = Completed(("dnf5",), rc, "", stderr)
    if told is not None:
        assert len(verdict.judge(completed, said, ())) == told
        return
    with pytest.raises(OvercError):
        verdict.judge(completed, said, ())


# -- another one at work -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["rpm's", "its own"])
def test_another_one_is_not_waited_for_without_end(
    which: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would not say that it waits; in the new root there is nobody to wait for."""
    lock = tmp_path / (tool.SYSTEM_LOCK if which == "its own" else "lock")
    lock.touch()
    monkeypatch.setattr(tool, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(tool, "PATIENCE", 0.1)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    runner = Saying(0, "")
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        asked = tool.DnfTool(runner, lambda _seconds: None)
        asked._known = configuration.Configuration("/c", str(tmp_path))
        with pytest.raises(OvercError) as caught:
            asked.run({}, "makecache")
        assert caught.value.error_id == "locked"
        assert caught.value.facts["holder"]["pid"] == other.pid
        assert not [call for call in runner.calls if "makecache" in call]
        assert asked.run({}, "upgrade", in_new_root=True).rc == 0
        other.stdin.write("\n")
    assert asked.run({}, "makecache").rc == 0


def test_variables_of_the_environment_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNF_VAR_labrel", "v9")
    runner = Saying(0, "")
    tool.DnfTool(runner, lambda _seconds: None).run({}, "makecache", in_new_root=True)
    assert runner.calls[-1][:4] == ("env", "-u", "DNF_VAR_labrel", "dnf5")
