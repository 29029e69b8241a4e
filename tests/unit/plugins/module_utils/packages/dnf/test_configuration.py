# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How DNF says that it is configured, and what follows: signatures, repositories that may be skipped, exclusions."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import dnf_configuration, transaction_table
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import configuration, driver
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.dnf_recordings import (
    EFFECTIVE_4,
    RECORDS,
    Replay,
    before_and_after,
    recorded,
)


class Answering:
    """A runner that knows three answers: where dnf is, its first line, and its repositories."""

    def __init__(self, program: str, answer: str, rc: int = 0) -> None:
        self.program, self.answer, self.rc = program, answer, rc
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if argv[0] == "readlink":
            return Completed(tuple(argv), 0, f"{self.program}\n", "")
        if argv[0] == "head":
            return Completed(tuple(argv), 0, "#!/usr/libexec/platform-python -s\n", "")
        return Completed(tuple(argv), self.rc, self.answer, "")


def test_dnf_4_is_asked_through_its_own_python() -> None:
    answer = json.loads(EFFECTIVE_4)
    lab = answer["repositories"]["lab"]
    answer["repositories"] = {name: {**lab, "checked": name == "c"} for name in "bac"}
    runner = Answering("/usr/bin/dnf-3", f"noise\n{json.dumps(answer)}\nmore noise\n")
    assert driver.Dnf(runner).unchecked() == ("a", "b")
    assert runner.calls[-1][0] == "/usr/libexec/platform-python"


@pytest.mark.parametrize(("answer", "rc"), [("", 0), ("{}", 0), ("[1]", 0), ("{", 0), ('{"a": 1}', 0), ("x", 1)])
def test_what_is_checked_is_not_guessed(answer: str, rc: int) -> None:
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Answering("/usr/bin/dnf-3", answer, rc)).unchecked()
    assert caught.value.error_id == "gpg_policy"


@pytest.mark.parametrize("signed", [True, False])
def test_signatures_are_forced_where_they_are_required(signed: bool) -> None:
    before, after = before_and_after("apply")
    plan = PackagePlan(
        transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
    )
    runner = Replay("apply", before, after)
    driver.Dnf(runner).apply(PackageRequest(signed=signed), plan, "/run/packages")
    called = next(call for call in runner.calls if "upgrade" in call)
    assert ("--setopt=gpgcheck=True" in called, "--setopt=*.gpgcheck=True" in called) == (signed, signed)
    assert not {"--nogpgcheck", "--no-gpgchecks"} & set(called)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///srv/repo", "/srv/repo"),
        ("file:/srv/my%20repo/", "/srv/my repo/"),
        ("/etc/pki/key", "/etc/pki/key"),
        ("http://h/srv/repo", None),
        ("media://x#1", None),
    ],
)
def test_repositories_and_keys_in_the_hosts_own_tree(url: str, path: str | None) -> None:
    known = configuration.Configuration(
        "/c", "/s", (), repositories={"a": dnf_configuration.Repository(True, packages=(url,))}
    )
    assert known.paths == ((path,) if path else ())
    assert known.is_local("a") is bool(path)


class Optional(Replay):
    """A host with a repository that may be skipped, and cannot be read; and with excluded packages."""

    def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
        if argv[0] == "python3":
            answer = json.loads(EFFECTIVE_4)
            answer["repositories"]["dead"] = {**answer["repositories"]["lab"], "optional": True}
            return Completed(tuple(argv), 0, json.dumps({**answer, "excludes": True}), "")
        if "--repo=dead" in argv:
            self.calls.append(tuple(argv))
            return recorded("makecache-unreachable")
        if "--upgrades" in argv:
            self.calls.append(tuple(argv))
            return Completed(tuple(argv), 0, "lab-app|noarch|0:2.0-1|lab\nlab-locked|noarch|0:9-1|lab\n", "")
        return super().run(argv, **options)


def test_a_repository_is_skipped_only_where_it_and_the_caller_say_so() -> None:
    runner = Optional("pending")
    plan = driver.Dnf(runner).pending(PackageRequest(skip_unavailable=True), refresh=True)
    assert plan.skipped == ("dead",)
    upgrade = next(call for call in runner.calls if "--assumeno" in call)
    assert "--disablerepo=dead" in upgrade
    assert "--setopt=*.skip_if_unavailable=False" in upgrade, "every other one has to answer"
    for command in ("download", "apply"):
        before, after = before_and_after("apply")
        runner = Optional("apply", before, after)
        rows = transaction_table.changes(transaction_table.parse_transaction(RECORDS["apply"]["stdout"]), before)
        plan = PackagePlan(rows, skipped=("dead",))
        getattr(driver.Dnf(runner), command)(PackageRequest(skip_unavailable=True), plan, "/packages")
        assert any("--disablerepo=dead" in call for call in runner.calls if "upgrade" in call)
    runner = Optional("pending")
    assert driver.Dnf(runner).pending(PackageRequest(), refresh=True).skipped == ()
    assert not any("--disablerepo=dead" in call for call in runner.calls)


def test_what_is_excluded_is_told_but_not_to_who_asked_for_it() -> None:
    told = driver.Dnf(Optional("pending")).pending(PackageRequest()).held_back
    assert [sentence.split()[:2] for sentence in told if "excludes" in sentence] == [["lab-locked", "9-1"]]
    for request in (PackageRequest(exclude=("lab-lock*",)), PackageRequest(packages=("lab-app",))):
        told = driver.Dnf(Optional("pending")).pending(request).held_back
        assert not [sentence for sentence in told if "excludes" in sentence]
