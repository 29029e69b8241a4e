# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF driver against recorded outputs of DNF 4.14 and 5.4 (tests/unit/transcripts/dnf4 and dnf5)."""

from __future__ import annotations

import json
import pathlib
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
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import configuration, driver, errors, output
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import transaction as dnf_transaction
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

Record = dict[str, t.Any]
FILE = pathlib.Path(__file__).parents[4] / "transcripts" / "dnf4" / "dnf.jsonl"
DNF5_FILE = FILE.parents[1] / "dnf5" / "dnf.jsonl"
DNF5_RECORDS: dict[str, Record] = {r["scenario"]: r for r in map(json.loads, DNF5_FILE.read_text("utf-8").splitlines())}
RECORDS: dict[str, Record] = {r["scenario"]: r for r in map(json.loads, FILE.read_text("utf-8").splitlines())}
LONG = "lab-a-package-with-a-remarkably-long-name-for-tables"

INSTALLED = rpmdb.parse_query("\n".join(RECORDS["apply"]["installed_before"]))


def recorded(scenario: str) -> Completed:
    record = RECORDS[scenario]
    return Completed(tuple(record["cmd"]), record["rc"], record["stdout"], record["stderr"])


EFFECTIVE_4 = json.dumps({
    "cache": "/var/cache/dnf", "state": "/var/lib/dnf", "read": ["/etc/yum.repos.d"], "plugins": True, "excludes": False, "tsflags": [],
    "repositories": {
        "lab": {"checked": True, "signed_lists": False, "optional": False, "packages": ["http://lab/"], "keys": []},
    },
})  # fmt: skip


class Replay:
    """Answers `dnf` calls with one transcript and `rpm -qa` with the package lists given, the last one for ever."""

    program = "dnf-3"

    def __init__(self, scenario: str, *installed: t.Iterable[Package]) -> None:
        self.answer = recorded(scenario)
        self.lists = [list(packages) for packages in installed] or [list(INSTALLED)]
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if tuple(argv) == rpmdb.QUERY:
            packages = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            text = "".join(f"{p.name}\t{p.version}\t{p.arch}\n" for p in packages)
            return Completed(tuple(argv), 0, text, "")
        if argv[0] == "readlink":
            return Completed(tuple(argv), 0, f"/usr/bin/{self.program}\n", "")
        if argv[0] == "python3":
            return Completed(tuple(argv), 0, EFFECTIVE_4, "")
        if argv[0] != "dnf":
            return Completed(tuple(argv), 0, "", "")
        if any(word.startswith("--dump-") for word in argv):
            return Completed(tuple(argv), 0, DNF5_REPOSITORIES, "")
        if "repoquery" in argv:
            return recorded("repoquery-sizes")
        return self.answer


def before_and_after(scenario: str) -> tuple[tuple[Package, ...], tuple[Package, ...]]:
    record = RECORDS[scenario]
    before = set(record["installed_before"])
    after = (before - set(record["removed"])) | set(record["added"])
    return rpmdb.parse_query("\n".join(before)), rpmdb.parse_query("\n".join(after))


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
    rows = dnf_transaction.parse_transaction(RECORDS["pending-wrapped"]["stdout"]).upgrading
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
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS[scenario]["stdout"]), before))
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
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS[scenario]["stdout"]), before))
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Replay(scenario, before, after)).apply(PackageRequest(), plan, "/run/packages")
    assert caught.value.error_id == error_id
    assert word in caught.value.message
    assert {"cmd", "rc", "stdout", "stderr"} <= caught.value.facts.keys()


def test_exit_code_zero_without_the_announced_packages_is_a_failure() -> None:
    before, _after = before_and_after("apply")
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before))
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
    with pytest.raises(dnf_transaction.UnreadableTable):
        dnf_transaction.parse_transaction(text)


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


def test_all_registered_versions_of_an_upgraded_package_go() -> None:
    transaction = dnf_transaction.parse_transaction(RECORDS["apply-post-fails"]["stdout"])
    installed = [Package("lab-badpost", "noarch", "1.0-1"), Package("lab-badpost", "noarch", "0.9-1")]
    assert [(c.installed, c.available) for c in dnf_transaction.changes(transaction, installed)] == [
        ("0.9-1", None),
        ("1.0-1", "2.0-1"),
    ]


def test_age_is_that_of_the_oldest_enabled_repository() -> None:
    stamps = "\n".join(
        f"{stamp} /var/cache/dnf/{repository}-0123456789abcdef/repodata/{stamp}-primary.xml.gz"
        for repository, stamp in (("lab", 100), ("lab", 300), ("extra-2", 200), ("gone", 1))
    )
    assert output.refreshed_at(stamps, ("lab",)) == 300
    assert output.refreshed_at(stamps, ("lab", "extra-2")) == 200
    assert output.refreshed_at(stamps, ("lab", "new")) is None
    assert output.refreshed_at("", ()) is None


@pytest.mark.parametrize("scenario", ["makecache-unreachable", "locked"])
def test_refresh_fails_with_the_repository(scenario: str) -> None:
    with pytest.raises(OvercError):
        driver.Dnf(Replay(scenario), sleep=lambda _seconds: None).refresh()


def test_refresh_without_a_change() -> None:
    assert driver.Dnf(Replay("makecache")).refresh() is False


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


# After dnf5/main.cpp, dump_repository_configuration; not a recording.
DNF5_REPOSITORIES = """\
======== Main configuration: ========
gpgcheck = 1
pkg_gpgcheck = 1
reposdir = /etc/yum.repos.d,/etc/distro.repos.d
system_cachedir = /var/cache/libdnf5
======== "both" repository configuration: ========
enabled = 1
gpgcheck = 0
pkg_gpgcheck = 1
gpgkey
======== "off" repository configuration: ========
enabled = 1
gpgcheck = 0
repo_gpgcheck = 1
======== "newer-off" repository configuration: ========
pkg_gpgcheck = 0
gpgcheck = 1
======== "disabled" repository configuration: ========
enabled = 0
gpgcheck = 0
======== "silent" repository configuration: ========
enabled = 1
"""


def test_dnf_5_shows_its_repositories() -> None:
    runner = Answering("/usr/bin/dnf5", DNF5_REPOSITORIES)
    assert driver.Dnf(runner).unchecked() == ("newer-off", "off", "silent")


@pytest.mark.parametrize("program", ["/usr/bin/dnf-3", "/usr/bin/dnf5"])
@pytest.mark.parametrize(("answer", "rc"), [("", 0), ("{}", 0), ("[1]", 0), ("{", 0), ('{"a": 1}', 0), ("x", 1)])
def test_what_is_checked_is_not_guessed(program: str, answer: str, rc: int) -> None:
    with pytest.raises(OvercError) as caught:
        driver.Dnf(Answering(program, answer, rc)).unchecked()
    assert caught.value.error_id == "gpg_policy"


@pytest.mark.parametrize("signed", [True, False])
def test_signatures_are_forced_where_they_are_required(signed: bool) -> None:
    before, after = before_and_after("apply")
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before))
    runner = Replay("apply", before, after)
    driver.Dnf(runner).apply(PackageRequest(signed=signed), plan, "/run/packages")
    called = next(call for call in runner.calls if "upgrade" in call)
    assert ("--setopt=gpgcheck=True" in called, "--setopt=*.gpgcheck=True" in called) == (signed, signed)
    assert not {"--nogpgcheck", "--no-gpgchecks"} & set(called)


# -- a host's own settings ---------------------------------------------------------------------------------------------


class Saying(Replay):
    """As Replay, with one answer for every call of `dnf`."""

    def __init__(self, rc: int, stdout: str, stderr: str = "", program: str = "dnf-3") -> None:
        super().__init__("nothing")
        self.program = program
        self.answer = Completed(("dnf",), rc, stdout, stderr)


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
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before))
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
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before))
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
    plan = PackagePlan(dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before))
    runner = Full("apply")
    with pytest.raises(OvercError, match="4096000 bytes free") as caught:
        driver.Dnf(runner).download(PackageRequest(), plan, "/packages")
    assert caught.value.error_id == "no_space"
    assert not any("--downloadonly" in call for call in runner.calls)


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
        4, "/c", "/s", (), repositories={"a": configuration.Repository(True, packages=(url,))}
    )
    assert known.paths == ((path,) if path else ())
    assert known.is_local("a") is bool(path)


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


def test_dnf_5_has_its_own_words_for_the_cache() -> None:
    runner = Answering("/usr/bin/dnf5", DNF5_REPOSITORIES)
    known = configuration.ask(runner, ())
    assert (known.cache, known.check_options) == ("/var/cache/libdnf5", ("gpgcheck", "pkg_gpgcheck"))
    assert known.paths == ("/etc/dnf", "/etc/yum.repos.d", "/etc/distro.repos.d")
    assert known.cache_only == "all"


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
        rows = dnf_transaction.changes(dnf_transaction.parse_transaction(RECORDS["apply"]["stdout"]), before)
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
    assert configuration.parse_effective_4(text).whole_transaction == settings
    main = f"cachedir = /c\nsystem_cachedir = /c\ntsflags = {' '.join(flags)}\n"
    assert configuration.parse_effective_5(main, "").whole_transaction == settings
