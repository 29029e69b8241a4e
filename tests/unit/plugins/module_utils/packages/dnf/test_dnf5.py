# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF driver against recorded outputs of DNF 5.4 (tests/unit/transcripts/dnf5)."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import driver, errors, tool
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import transaction as dnf_transaction
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.dnf_recordings import (
    DNF5_RECORDS,
    Saying,
)

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


def test_the_table_of_dnf_5() -> None:
    installed = [Package(n, a, "1.0-1") for n, a in (("app", "x86_64"), ("old", "noarch"), ("lone", "noarch"))]
    transaction = dnf_transaction.parse_transaction(DNF5)
    assert dnf_transaction.changes(transaction, installed) == (
        PackageChange("app", "x86_64", "1.0-1", "2.0-1", "updates"),
        PackageChange("dep", "noarch", None, "1.0-1", "updates"),
        PackageChange("lone", "noarch", "1.0-1", None),
        PackageChange("old", "noarch", "1.0-1", None),
        PackageChange("renamed", "noarch", None, "1:2.0-1", "updates"),
    )
    assert len(dnf_transaction.held_back_sentences(transaction, ())) == 1


# -- DNF 5, recorded ---------------------------------------------------------------------------------------------------
def dnf5(scenario: str) -> Saying:
    record = DNF5_RECORDS[scenario]
    return Saying(record["rc"], record["stdout"], record["stderr"], program="dnf5")


def changes_of_dnf5(scenario: str, **installed: str) -> dict[str, tuple[str | None, str | None]]:
    runner = dnf5(scenario)
    runner.lists = [[Package(name.replace("_", "-"), "noarch", version) for name, version in installed.items()]]
    plan = driver.Dnf(runner).pending(PackageRequest())
    return {change.name: (change.installed, change.available) for change in plan.changes}


def test_dnf_5_announces() -> None:
    three = {"lab-app": ("1-1", "2-1"), "lab-lib": ("1-1", "2-1")}
    installed = {"lab_app": "1-1", "lab_lib": "1-1", "lab_more": "1-1", "lab_broken": "1-1", "lab_old": "1-1"}
    assert changes_of_dnf5("broken", **installed) == three
    assert changes_of_dnf5("assumeno", **installed) == {
        **three, "lab-more": ("1-1", "2-1"), "lab-extra": (None, "1-1"),
    }  # fmt: skip
    assert changes_of_dnf5("obsoletes", **installed) == {
        "lab-app": ("1-1", "2-1"), "lab-new": (None, "3-1"), "lab-old": ("1-1", None),
    }  # fmt: skip
    assert changes_of_dnf5("nothing") == {}


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
def test_dnf_5_says_why(scenario: str, error_id: str, word: str) -> None:
    dnf, request = driver.Dnf(dnf5(scenario)), PackageRequest()
    performed = "-y" in DNF5_RECORDS[scenario]["cmd"][-1].split()
    with pytest.raises(OvercError) as caught:
        dnf.apply(request, PackagePlan(), "/packages") if performed else dnf.pending(request)
    assert caught.value.error_id == error_id
    assert word in caught.value.message


# As they were seen in the lab (DNF 5.4.6, rpm 6.1; DNF 4.14 the last), shortened
@pytest.mark.parametrize(
    ("stdout", "stderr", "word"),
    [
        (
            "",
            "Transaction failed: Rpm transaction failed.\n  - file /usr/x from install of lab-app-2 conflicts with lab-lib-1\n",
            "file /usr/x from install of lab-app-2 conflicts",
        ),
        (
            "",
            ">>> Error in %pre scriptlet: lab-bad-0:2-1.noarch\n>>> [RPM] x\nTransaction failed: y.\n",
            "%pre scriptlet",
        ),
        (
            "Error unpacking rpm package lab-app-2.0-1.noarch\n",
            "error: unpacking of archive failed on file /usr/bin/x;1: cpio: rename failed\nError: Transaction failed\n",
            "Error unpacking rpm package lab-app-2.0-1.noarch",
        ),
        ("", "something unheard of\n", "something unheard of"),
    ],
)
def test_a_reason_is_found_wherever_it_was_printed(stdout: str, stderr: str, word: str) -> None:
    assert word in errors.unsuccessful(Completed(("dnf",), 1, stdout, stderr), "upgrading").message


def test_what_only_an_exclusion_hides_is_unknown() -> None:
    said = "Failed to resolve the transaction:\nArgument 'lab-app' matches only excluded packages.\n"
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Saying(1, "", said, program="dnf5")).pending(PackageRequest(("lab-app",)))
    assert (caught.value.error_id, caught.value.facts["packages"]) == ("package_unknown", ["lab-app"])


def test_files_put_aside_are_told_by_both_generations() -> None:
    four = "  Upgrading        : lab-app\nwarning: /etc/lab-app.conf created as /etc/lab-app.conf.rpmnew\n"
    five = ">>> Running\n>>> [RPM] /etc/lab-app.conf created as /etc/lab-app.conf.rpmnew\n>>> [RPM] %post(x) scriptlet failed\n"
    assert errors.warnings(four) == ("warning: /etc/lab-app.conf created as /etc/lab-app.conf.rpmnew",)
    assert errors.warnings(five) == ("/etc/lab-app.conf created as /etc/lab-app.conf.rpmnew",)


def test_another_dnf_5_is_not_waited_for_without_end(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not say that it waits; in the new root there is nobody to wait for."""
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setattr(tool, "LOCK_5", str(lock))
    monkeypatch.setattr(tool, "PATIENCE_5", 0.1)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    runner = Saying(0, "", program="dnf5")
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        asked = tool.DnfTool(runner, lambda _seconds: None)
        with pytest.raises(OvercError) as caught:
            asked.run({}, "makecache")
        assert caught.value.error_id == "locked"
        assert caught.value.facts["holder"]["pid"] == other.pid
        assert not [call for call in runner.calls if call[0] == "dnf"]
        assert asked.run({}, "upgrade", in_new_root=True).rc == 0
        other.stdin.write("\n")
    assert asked.run({}, "makecache").rc == 0
