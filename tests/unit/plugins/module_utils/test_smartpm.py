# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Smart driver against recordings of the real smart 1.5 (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils import rpmdb, smartpm
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.package_manager import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

Record = dict[str, t.Any]
DIRECTORY = pathlib.Path(__file__).parents[2] / "transcripts" / "smart-1.5"
BACKENDS = ("deb", "rpm", "rpm-oe")
RECORDS: dict[tuple[str, str], Record] = {
    (backend, record["scenario"]): record
    for backend in BACKENDS
    for record in map(json.loads, (DIRECTORY / f"{backend}.jsonl").read_text("utf-8").splitlines())
}


def recorded(backend: str, scenario: str) -> Completed:
    record = RECORDS[backend, scenario]
    return Completed(tuple(record["cmd"].split()), record["rc"], record["stdout"], record["stderr"])


def each(*scenarios: str) -> list[t.Any]:
    """(backend, scenario) for all backends in which it was recorded."""
    return [pytest.param(b, s, id=f"{b}-{s}") for s in scenarios for b in BACKENDS if (b, s) in RECORDS]


def all_scenarios(beginning: str, *but: str) -> list[t.Any]:
    names = sorted({s for _b, s in RECORDS if s.startswith(beginning) and s not in but})
    assert names
    return each(*names)


# ------------------------------------------------------------------------------------------------------ the parsers


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each(
        "newer-available", "newer-available-quiet", "newer-after-update", "cache-damaged-newer", "config-damaged-newer"
    ),
)
def test_newer(backend: str, scenario: str) -> None:
    offers = smartpm.parse_newer(RECORDS[backend, scenario]["stdout"])
    assert [(o.name, o.installed, o.available, o.channel) for o in offers] == [
        ("overc-demo", "1.0-1", "1.1-1", "main"),
        ("overc-lib", "1.0-1", "1.1-1", "main"),
    ]
    assert all(o.size and o.size > 500 for o in offers)


@pytest.mark.parametrize(("backend", "scenario"), each("newer-pulls-in-new-package"))
def test_newer_with_a_new_package(backend: str, scenario: str) -> None:
    offers = smartpm.parse_newer(RECORDS[backend, scenario]["stdout"])
    assert [(o.name, o.installed) for o in offers] == [("overc-needsnew", "1.0-1"), ("overc-new", None)]


@pytest.mark.parametrize(("backend", "scenario"), each("newer-none", "newer-none-quiet", "newer-missing-dependency"))
def test_newer_without_a_table(backend: str, scenario: str) -> None:
    assert smartpm.parse_newer(RECORDS[backend, scenario]["stdout"]) == ()


@pytest.mark.parametrize(("backend", "scenario"), each("newer-epoch"))
def test_newer_epoch(backend: str, scenario: str) -> None:
    assert [o.available for o in smartpm.parse_newer(RECORDS[backend, scenario]["stdout"])] == ["1:0.9-1"]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-option", "upgrade-yes"))
def test_plan(backend: str, scenario: str) -> None:
    plan = smartpm.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert [(p.name, p.version) for p in plan.upgrading] == [("overc-demo", "1.1-1"), ("overc-lib", "1.1-1")]
    assert [p.arch for p in plan.upgrading] == (["", ""] if backend == "deb" else ["noarch", "x86_64"])


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-conflict"))
def test_plan_shows_removals(backend: str, scenario: str) -> None:
    plan = smartpm.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert [p.name for p in plan.upgrading] == ["overc-conf"]
    assert [(p.name, p.version) for p in plan.removing] == [("overc-demo", "1.0-1")]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-many-with-versions"))
def test_plan_of_many_packages(backend: str, scenario: str) -> None:
    plan = smartpm.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert sorted(p.name for p in plan.upgrading) == [f"overc-many{n:02}" for n in range(1, 46)]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-many"))
def test_plan_without_versions_is_not_guessed(backend: str, scenario: str) -> None:
    with pytest.raises(smartpm.UnreadableOutput):
        smartpm.parse_plan(RECORDS[backend, scenario]["stdout"])


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-none", "upgrade-yes-none", "upgrade-pkg-up-to-date"))
def test_plan_of_nothing(backend: str, scenario: str) -> None:
    assert smartpm.parse_plan(RECORDS[backend, scenario]["stdout"]) == smartpm.Plan()


def test_silence_is_no_plan() -> None:
    with pytest.raises(smartpm.UnreadableOutput):
        smartpm.parse_plan("Loading cache...\n")


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each("query-installed-format-name-version", "query-installed-format-name-version-quiet"),
)
def test_query(backend: str, scenario: str) -> None:
    packages = smartpm.parse_query(RECORDS[backend, scenario]["stdout"])
    assert {("overc-demo", "1.0-1"), ("overc-lib", "1.0-1")} <= {(p.name, p.version) for p in packages}
    assert all(bool(p.arch) == (backend != "deb") for p in packages)


@pytest.mark.parametrize(("backend", "scenario"), each("query-show-upgrades"))
def test_query_upgrades(backend: str, scenario: str) -> None:
    replaced = smartpm.parse_upgrades(RECORDS[backend, scenario]["stdout"])
    assert [(new.version, [old.version for old in gone]) for new, gone in replaced.items()] == [("1.1-1", ["1.0-1"])]


@pytest.mark.parametrize(("backend", "scenario"), each("channel-show", "channel-show-disabled", "channel-show-empty"))
def test_channels(backend: str, scenario: str) -> None:
    channels = smartpm.parse_channels(RECORDS[backend, scenario]["stdout"])
    assert smartpm.sources(channels) == (("fromfile", "main") if scenario == "channel-show" else ())
    if scenario == "channel-show":
        assert smartpm.backend(channels) == backend[:3]
        assert channels["main"]["baseurl"].startswith("http://127.0.0.1:8099/")


@pytest.mark.parametrize(("backend", "scenario"), each("cli-help"))
def test_data_directory(backend: str, scenario: str) -> None:
    assert smartpm.parse_data_directory(RECORDS[backend, scenario]["stdout"]) == "/var/lib/smart"


def test_data_directory_of_overc() -> None:
    text = "  --data-dir=DIR        Data directory (default is /usr/lib/smart/data-dir/)\n"
    assert smartpm.parse_data_directory(text) == "/usr/lib/smart/data-dir"


@pytest.mark.parametrize("text", ["", "name", "name@noarch", "-1-1@noarch", "name-1@noarch", "_1"])
def test_no_package(text: str) -> None:
    with pytest.raises(smartpm.UnreadableOutput):
        smartpm.parse_package(text)


def test_dpkg_list() -> None:
    text = "ii |a|1-1\niF |b|1:1-1\nrc |gone|1\nun |never|\nhi |held|2\n"
    assert [p.name for p in smartpm.parse_dpkg(text)] == ["a", "b", "held"]


# ---------------------------------------------------------------------------------------------- reading the failures

_READ_ONLY_LOOKS = ("lock-channel-show-while-update",)


@pytest.mark.parametrize(
    ("backend", "scenario"),
    all_scenarios("lock-", "lock-upgrade-while-package-db-locked", *_READ_ONLY_LOOKS) + each("nonroot-update"),
)
def test_locks_are_recognised_whatever_the_exit_code(backend: str, scenario: str) -> None:
    completed = recorded(backend, scenario)
    assert smartpm.is_locked(completed)
    error = smartpm.failure(completed)
    assert error is not None
    assert error.error_id == "locked"


@pytest.mark.parametrize(
    ("backend", "scenario"),
    [p for p in all_scenarios("update-") + all_scenarios("upgrade-") if "nonroot" not in str(p.id)],
)
def test_nothing_else_looks_like_a_lock(backend: str, scenario: str) -> None:
    assert not smartpm.is_locked(recorded(backend, scenario))


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each("update-first", "update-new-packages", "update-nothing-new", "upgrade-yes", "newer-available", "newer-none")
    + each("upgrade-yes-noisy-scripts", "upgrade-yes-pulls-in-new-package", "upgrade-yes-renamed-package", "cli-help"),
)
def test_success_is_no_failure(backend: str, scenario: str) -> None:
    assert smartpm.failure(recorded(backend, scenario)) is None


@pytest.mark.parametrize(
    ("scenario", "error_id"),
    [
        ("update-sigint", "repository_failed"),
        ("update-unreachable", "repository_failed"),
        ("update-one-ok-one-unreachable", "repository_failed"),
        ("update-one-ok-one-http-404", "repository_failed"),
        ("update-one-ok-one-unknown-host", "repository_failed"),
        ("newer-known-channel-repaired", "repository_failed"),
        ("upgrade-yes-package-file-gone", "repository_failed"),
        ("upgrade-yes-repository-gone", "repository_failed"),
        ("upgrade-yes-checksum-mismatch", "repository_failed"),
        ("upgrade-yes-truncated-download", "repository_failed"),
        ("upgrade-yes-datadir-full", "no_space"),
        ("upgrade-yes-disk-full", "no_space"),
        ("upgrade-yes-unsigned-default", "package_untrusted"),
        ("upgrade-yes-unsigned-check-signatures", "package_untrusted"),
        ("lock-upgrade-while-package-db-locked", "locked"),
        ("upgrade-yes-file-conflict", "package_manager_failed"),
        ("locale-de-newer", "package_manager_failed"),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_failures_have_ids(backend: str, scenario: str, error_id: str) -> None:
    if (backend, scenario) not in RECORDS or (scenario == "newer-known-channel-repaired" and backend != "deb"):
        return  # no such thing there
    error = smartpm.failure(recorded(backend, scenario))
    assert error is not None
    assert error.error_id == error_id


# --------------------------------------------------------------------------------------------------------- the driver


def packages_of(backend: str, *names_and_versions: str) -> list[Package]:
    found = []
    for each_one in names_and_versions:
        name, version = each_one.split("=")
        found.append(Package(name, "" if backend == "deb" else "x86_64" if name == "overc-lib" else "noarch", version))
    return found


class Replay:
    """A host as the recordings found it: answers by the beginning of the arguments; lists of packages in turn."""

    def __init__(self, backend: str, lists: t.Sequence[t.Sequence[Package]] = (), **answers: Completed) -> None:
        self.backend = backend
        self.lists = [list(each_list) for each_list in lists] or [packages_of(backend, "overc-demo=1.0-1")]
        self.answers = answers
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if tuple(argv) == rpmdb.QUERY or argv[0] == "dpkg-query":
            packages = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            rpm = "".join(f"{p.name}\t{p.version}\t{p.arch}\n" for p in packages)
            deb = "".join(f"ii |{p.name}|{p.version}\n" for p in packages)
            return Completed(tuple(argv), 0, rpm if argv[0] == "rpm" else deb, "")
        word = self.key(argv)
        if word in self.answers:
            return self.answers[word]
        if word == "channel":
            return recorded(self.backend, "channel-show")
        if word in ("update", "dry"):
            return recorded(self.backend, {"update": "update-nothing-new", "dry": "upgrade-none"}[word])
        return Completed(tuple(argv), 0, "", "")

    @staticmethod
    def key(argv: t.Sequence[str]) -> str:
        if argv[0] != "smart":
            return argv[0]
        words = [word for word in argv[1:] if not word.startswith("-")]
        return "dry" if "dry-run=true" in argv else words[0] if words else "help"


def driver(runner: Replay) -> smartpm.SmartPm:
    return smartpm.SmartPm(runner, sleep=lambda _seconds: None)


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


class Excluding(Replay):
    """The plan follows the packages named, as Smart's does; overc-demo drags overc-lib along."""

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        if self.key(argv) != "dry":
            return super().run(argv)
        self.calls.append(tuple(argv))
        names = {word for word in argv if word.startswith("overc-")} or {"overc-demo", "overc-lib"}
        names |= {"overc-lib"} if "overc-demo" in names else set()
        text = "".join(f"  {name}-1.1-1@{'x86_64' if name == 'overc-lib' else 'noarch'}\n" for name in sorted(names))
        return Completed(tuple(argv), 0, f"\nUpgrading packages ({len(names)}):\n{text}\n", "")


def test_exclusion_names_the_others() -> None:
    runner = Excluding("rpm-oe", [packages_of("rpm-oe", "overc-demo=1.0-1", "overc-lib=1.0-1")])
    plan = driver(runner).pending(PackageRequest((), ("*-demo",)))
    assert [change.name for change in plan.changes] == ["overc-lib"]
    dry = [call for call in runner.calls if Replay.key(call) == "dry"]
    assert dry[-1][-1] == "overc-lib"
    assert dry[-1].index("-y") < dry[-1].index("overc-lib")


def test_exclusion_that_cannot_be_kept_is_refused() -> None:
    runner = Excluding("rpm-oe", [packages_of("rpm-oe", "overc-demo=1.0-1", "overc-lib=1.0-1")])
    with pytest.raises(OvercError, match="overc-lib cannot be excluded") as caught:
        driver(runner).pending(PackageRequest((), ("overc-lib",)))
    assert caught.value.error_id == "bad_argument"


@pytest.mark.parametrize("name", ["-y", "+overc-new", "./x.rpm", ""])
def test_operators_are_no_names(name: str) -> None:
    with pytest.raises(OvercError) as caught:
        driver(Replay("rpm-oe")).pending(PackageRequest((name,)))
    assert caught.value.error_id == "bad_argument"


def world(backend: str, scenario: str) -> tuple[list[Package], list[Package], PackagePlan]:
    """Installed before and after, as the recording says, and the plan its own output announces."""
    plan = smartpm.parse_plan(RECORDS[backend, scenario]["stdout"])
    moved = re.findall(
        r"^ +([-+]) (\S+) (\S+)(?: (\S+))?(?: \[install .*\])?$", RECORDS[backend, scenario]["installed"], re.MULTILINE
    )
    arch = {p.name: p.arch for p in plan.incoming}
    listed = [(sign, Package(n, "" if backend == "deb" else a or arch.get(n, "noarch"), v)) for sign, n, v, a in moved]
    gone, come = {p for sign, p in listed if sign == "-"}, {p for sign, p in listed if sign == "+"}
    old_names = {p.name for p in gone}
    before = gone | {
        Package(p.name, p.arch, "1.0-1")
        for p in plan.upgrading
        if p.name not in old_names and scenario != "upgrade-yes-renamed-package"
    }
    before |= {Package("bystander", "" if backend == "deb" else "noarch", "1-1")}
    renames = {p: sorted(gone) for p in plan.upgrading} if scenario == "upgrade-yes-renamed-package" else {}
    after = (before - gone) | come
    return sorted(before), sorted(after), PackagePlan(smartpm.changes(plan, before, (), renames))


def apply(backend: str, scenario: str, after: list[Package] | None = None, check: Completed | None = None) -> t.Any:
    before, recorded_after, plan = world(backend, scenario)
    dry = Completed((), 0, RECORDS[backend, scenario]["stdout"], "")
    answers = {"dry": dry, "upgrade": recorded(backend, scenario)}
    if check is not None:
        answers["check"] = check
    if scenario == "upgrade-yes-renamed-package":
        text = "overc-newname-1.1-1@noarch\n  Upgrades:\n    overc-oldname < 1.1\n      Provided By:\n"
        answers["query"] = Completed((), 0, f"{text}        overc-oldname-1.0-1@noarch (overc-oldname = 1.0-1)\n", "")
    runner = Replay(backend, [before, recorded_after if after is None else after], **answers)
    applied = driver(runner).apply(PackageRequest(), plan)
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
        driver(runner).apply(PackageRequest(), other)
    assert not any("upgrade" in call and "dry-run=true" not in call for call in runner.calls)


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
        driver(Later("rpm-oe", [before, after], **answers)).apply(PackageRequest(), plan)


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

    assert driver(Replay("rpm-oe")).refresh().changed is False
    assert driver(Changing("rpm-oe")).refresh().changed is True


RPM_CHANNELS = {
    "main": {"type": "rpm-md"},
    "rpm-sys": {"type": "rpm-sys"},
    "old": {"type": "rpm-md", "disabled": "yes"},
}


@pytest.mark.parametrize(
    ("shown", "unsigned"),
    [("False\n", ("main",)), ("0\n", ("main",)), ("True\n", ()), ("1\n", ()), ("", ())],
    ids=["off", "zero", "on", "one", "not set"],
)
def test_rpm_channels_without_signature_check(shown: str, unsigned: tuple[str, ...]) -> None:
    assert smartpm.unsigned_channels(RPM_CHANNELS, shown) == unsigned


def test_debian_channels_are_trusted_by_their_lists() -> None:
    channels = {
        "deb-sys": {"type": "deb-sys"},
        "key": {"type": "apt-deb", "fingerprint": "AB CD"},
        "ring": {"type": "apt-deb", "keyring": "/etc/ring.gpg"},
        "plain": {"type": "apt-deb", "fingerprint": ""},
        "dir": {"type": "deb-dir"},
    }
    assert smartpm.unsigned_channels(channels, "") == ("dir", "plain")


@pytest.mark.parametrize("name", ["-o", "--remove", "+evil"])
def test_a_repository_cannot_hand_options_to_smart(name: str) -> None:
    with pytest.raises(smartpm.UnreadableOutput):
        smartpm.parse_plan(f"Upgrading packages (1):\n  {name}-1.0-1@noarch\n")
