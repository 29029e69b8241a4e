# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Smart driver against recordings of the real smart 1.5 (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import rpmdb
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import driver as smartpm
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import output
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import plan as smartpm_plan
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_recordings import BACKENDS, RECORDS, all_scenarios, each, recorded


def packages_of(backend: str, *names_and_versions: str) -> list[Package]:
    found = []
    for each_one in names_and_versions:
        name, version = each_one.split("=")
        found.append(Package(name, "" if backend == "deb" else "x86_64" if name == "overc-lib" else "noarch", version))
    return found


# The lists of every channel that the recordings know
LISTS = "".join(
    f"/var/lib/smart/channels/{alias}%%http:__x_{name}\n"
    for alias in ("main", "fromfile")
    for name in ("primary", "Release")
)
RPM_SAYS = re.compile(r"(?:warning|error): (?:%\w+\(|\S+: (?:install|erase) )")


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
        if argv[0] == "find":
            return Completed(tuple(argv), 0, LISTS, "")
        if argv[0] == "mktemp":
            return Completed(tuple(argv), 0, "/var/tmp/overc-rpm-log.1\n", "")
        if argv[0] == "cat":  # what rpm itself said: the real one writes nothing else to its log
            said = self.answers["upgrade"].stderr.splitlines() if "upgrade" in self.answers else []
            return Completed(tuple(argv), 0, "".join(f"{line}\n" for line in said if RPM_SAYS.match(line)), "")
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
    plan = output.parse_plan(said_in_advance(backend, scenario))
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
    after = (before - gone) | come
    return sorted(before), sorted(after), PackagePlan(smartpm_plan.changes(plan, before))


def said_in_advance(backend: str, scenario: str) -> str:
    """The plan that the recording's own output announces; explained, where that alone tells what is replaced."""
    text: str = RECORDS[backend, scenario]["stdout"]
    if scenario != "upgrade-yes-renamed-package":
        return text
    package = "overc-newname-1.1-1@noarch"
    return re.sub(
        rf"^  {package}.*$",
        f"  {package} [main]\n    Upgrades:\n      overc-oldname-1.0-1@noarch (upgraded)",
        text,
        flags=re.MULTILINE,
    )


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


# --- what package scripts print is not what Smart says -----------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "error: cannot reach the daemon, never mind",
        "error: No space left on device",
        "error: no valid signature found",
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'x'",
        "error: /channels/ is not a directory",
        "warning: %s is odd",
    ],
)
def test_words_of_a_script_are_no_failure(words: str) -> None:
    before, after, plan = world("rpm-oe", "upgrade-yes")
    done = recorded("rpm-oe", "upgrade-yes")
    noisy = Completed(done.argv, 0, done.stdout, f"Output from overc-demo-1.1-1@noarch:\n{words}\n")
    runner = Replay("rpm-oe", [before, after], dry=Completed((), 0, done.stdout, ""), upgrade=noisy)
    assert driver(runner).apply(PackageRequest(), plan, "/run/packages").changes


def test_a_failure_is_not_explained_by_a_scripts_words() -> None:
    """The morty build says "Unknown error" at the end; rpm's own log names the script."""
    before, _after, plan = world("rpm-oe", "upgrade-yes")
    stderr = (
        "Output from overc-demo-1.1-1@noarch:\nerror: No space left on device\n"
        "error: %prein(overc-demo-1.1-1.noarch) scriptlet failed, exit status 4\nerror: Unknown error\n"
    )
    dry = Completed((), 0, RECORDS["rpm-oe", "upgrade-yes"]["stdout"], "")
    runner = Replay("rpm-oe", [before, before], dry=dry, upgrade=Completed((), 1, "", stderr))
    with pytest.raises(OvercError, match=r"%prein\(overc-demo") as caught:
        driver(runner).apply(PackageRequest(), plan, "/run/packages")
    assert caught.value.error_id == "package_manager_failed"


def test_a_script_that_fails_unseen_is_found_in_rpms_log() -> None:
    """With a C library of 2018 or later Smart prints nothing of it and ends with 0."""

    class Silent(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            if argv[0] == "cat":
                return Completed(
                    tuple(argv), 0, "warning: %post(overc-demo-1.1-1.noarch) scriptlet failed, exit 3\n", ""
                )
            return super().run(argv, **options)

    before, after, plan = world("rpm-oe", "upgrade-yes")
    dry = Completed((), 0, RECORDS["rpm-oe", "upgrade-yes"]["stdout"], "")
    runner = Silent("rpm-oe", [before, after], dry=dry, upgrade=Completed((), 0, "", ""))
    with pytest.raises(OvercError, match=r"%post\(overc-demo"):
        driver(runner).apply(PackageRequest(), plan, "/run/packages")
    upgrade = next(call for call in runner.calls if "upgrade" in call and "dry-run=true" not in call)
    assert "rpm-log-file=/var/tmp/overc-rpm-log.1" in upgrade
    assert {"rpm-justdb=false", "rpm-noscripts=false", "commit=true"} <= set(upgrade)
    assert ("rm", "-f", "/var/tmp/overc-rpm-log.1") in runner.calls


# --- names, exclusions, lists ------------------------------------------------------------------------------------------


class Obsoleting(Replay):
    """overc-demo takes overc-data in; overc-new takes the place of overc-old."""

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        if self.key(argv) != "dry":
            return super().run(argv)
        self.calls.append(tuple(argv))
        named = {word for word in argv if word.startswith("overc-")} or {"overc-demo", "overc-old"}
        blocks = {
            "overc-demo": ("overc-demo", ("overc-demo", "overc-data")),
            "overc-old": ("overc-new", ("overc-old",)),
        }
        shown = [
            f"  {new}-2-1@noarch [main]\n    Upgrades:\n"
            + "".join(f"      {old}-1-1@noarch (upgraded)\n" for old in gone)
            for name, (new, gone) in blocks.items()
            if name in named
        ]
        text = (
            f"\nUpgrading packages ({len(shown)}):\n{''.join(shown)}\n"
            if shown
            else "No interesting upgrades available.\n"
        )
        return Completed(tuple(argv), 0, text, "")


OBSOLETE = packages_of("rpm-oe", "overc-demo=1-1", "overc-data=1-1", "overc-old=1-1")


@pytest.mark.parametrize(
    ("exclude", "changed", "told"),
    [
        ("overc-data", ["overc-new", "overc-old"], "overc-data is excluded"),
        ("overc-old", ["overc-data", "overc-demo"], "overc-old is excluded"),
        ("overc-new", ["overc-data", "overc-demo"], ""),
        ("overc-*", [], "is excluded"),
    ],
)
def test_what_is_replaced_can_be_excluded(exclude: str, changed: list[str], told: str) -> None:
    plan = driver(Obsoleting("rpm-oe", [OBSOLETE])).pending(PackageRequest((), (exclude,)))
    assert [change.name for change in plan.changes] == changed
    assert told in " ".join(plan.held_back)


def test_names_mean_what_is_written() -> None:
    runner = Obsoleting("rpm-oe", [[*OBSOLETE, Package("OVERC-OLD", "noarch", "1-1")]])
    driver(runner).pending(PackageRequest(("overc-d*",)))
    assert next(call for call in runner.calls if Replay.key(call) == "dry")[-2:] == ("overc-data", "overc-demo")
    with pytest.raises(OvercError) as caught:
        driver(runner).pending(PackageRequest(("overc-O*",)))
    assert caught.value.error_id == "package_unknown"


def test_without_lists_nothing_is_known() -> None:
    class Lost(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            return Completed(tuple(argv), 1, "", "") if argv[0] == "find" else super().run(argv, **options)

    with pytest.raises(OvercError, match="never fetched") as caught:
        driver(Lost("rpm-oe")).pending(PackageRequest())
    assert caught.value.error_id == "repository_failed"
    assert driver(Lost("rpm-oe")).pending(PackageRequest(), refresh=True) == PackagePlan()
