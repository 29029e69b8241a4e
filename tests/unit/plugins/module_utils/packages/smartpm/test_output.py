# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart prints, read from recordings of the real smart 1.5 (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Package
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import channels as smartpm_channels
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import errors, output
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import plan as smartpm_plan
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_recordings import BACKENDS, RECORDS, all_scenarios, each, recorded


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each(
        "newer-available", "newer-available-quiet", "newer-after-update", "cache-damaged-newer", "config-damaged-newer"
    ),
)
def test_newer(backend: str, scenario: str) -> None:
    offers = output.parse_newer(RECORDS[backend, scenario]["stdout"])
    assert [(o.name, o.installed, o.available, o.channel) for o in offers] == [
        ("overc-demo", "1.0-1", "1.1-1", "main"),
        ("overc-lib", "1.0-1", "1.1-1", "main"),
    ]
    assert all(o.size and o.size > 500 for o in offers)


@pytest.mark.parametrize(("backend", "scenario"), each("newer-pulls-in-new-package"))
def test_newer_with_a_new_package(backend: str, scenario: str) -> None:
    offers = output.parse_newer(RECORDS[backend, scenario]["stdout"])
    assert [(o.name, o.installed) for o in offers] == [("overc-needsnew", "1.0-1"), ("overc-new", None)]


@pytest.mark.parametrize(("backend", "scenario"), each("newer-none", "newer-none-quiet", "newer-missing-dependency"))
def test_newer_without_a_table(backend: str, scenario: str) -> None:
    assert output.parse_newer(RECORDS[backend, scenario]["stdout"]) == ()


@pytest.mark.parametrize(("backend", "scenario"), each("newer-epoch"))
def test_newer_epoch(backend: str, scenario: str) -> None:
    assert [o.available for o in output.parse_newer(RECORDS[backend, scenario]["stdout"])] == ["1:0.9-1"]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-option", "upgrade-yes"))
def test_plan(backend: str, scenario: str) -> None:
    plan = output.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert [(p.name, p.version) for p in plan.upgrading] == [("overc-demo", "1.1-1"), ("overc-lib", "1.1-1")]
    assert [p.arch for p in plan.upgrading] == (["", ""] if backend == "deb" else ["noarch", "x86_64"])


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-conflict"))
def test_plan_shows_removals(backend: str, scenario: str) -> None:
    plan = output.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert [p.name for p in plan.upgrading] == ["overc-conf"]
    assert [(p.name, p.version) for p in plan.removing] == [("overc-demo", "1.0-1")]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-many-with-versions"))
def test_plan_of_many_packages(backend: str, scenario: str) -> None:
    plan = output.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert sorted(p.name for p in plan.upgrading) == [f"overc-many{n:02}" for n in range(1, 46)]


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-dry-run-many"))
def test_plan_without_versions_is_not_guessed(backend: str, scenario: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_plan(RECORDS[backend, scenario]["stdout"])


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-none", "upgrade-yes-none", "upgrade-pkg-up-to-date"))
def test_plan_of_nothing(backend: str, scenario: str) -> None:
    assert output.parse_plan(RECORDS[backend, scenario]["stdout"]) == smartpm_plan.Plan()


def test_silence_is_no_plan() -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_plan("Loading cache...\n")


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each("query-installed-format-name-version", "query-installed-format-name-version-quiet"),
)
def test_query(backend: str, scenario: str) -> None:
    packages = output.parse_query(RECORDS[backend, scenario]["stdout"])
    assert {("overc-demo", "1.0-1"), ("overc-lib", "1.0-1")} <= {(p.name, p.version) for p in packages}
    assert all(bool(p.arch) == (backend != "deb") for p in packages)


@pytest.mark.parametrize(("backend", "scenario"), each("upgrade-yes-explain"))
def test_an_explained_plan_tells_what_is_replaced(backend: str, scenario: str) -> None:
    plan = output.parse_plan(RECORDS[backend, scenario]["stdout"])
    assert [package.name for package in plan.upgrading] == ["overc-demo", "overc-lib"]
    assert [[(old.name, old.version) for old in plan.replaces[new]] for new in plan.upgrading] == [
        [("overc-demo", "1.0-1")],
        [("overc-lib", "1.0-1")],
    ]


MERGED = """
Upgrading packages (2):
  s-abs-2.0-1@noarch [main]
    Upgrades:
      s-abs-1.0-1@noarch (upgraded)
      s-abs-data-1.0-1@noarch (upgraded)
  s-merged-2.0-1@noarch [main, other]
    Upgrades:
      s-m1-1.0-1@noarch (upgraded)
      s-m2-1.0-1@noarch (upgraded)
      s-stays-1.0-1@noarch
    Requires:
      s-dep-1.0-1@noarch (installed)

Installing packages (1):
  s-dep-1.0-1@noarch [main]
    Required By:
      s-merged-2.0-1@noarch (installed)

Removing packages (1):
  s-victim-1.0-1@noarch [rpm-sys]
    Conflicts:
      s-merged-2.0-1@noarch (installed)

12.2kB of package files are needed.
"""


def test_all_that_one_package_replaces_goes_whatever_its_name() -> None:
    """rpm's Obsoletes, one or several, beside the package's own older version or without one."""
    plan = output.parse_plan(MERGED)
    names = ("s-abs", "s-abs-data", "s-m1", "s-m2", "s-stays", "s-victim")
    installed = [Package(name, "noarch", "1.0-1") for name in names]
    assert [(c.name, c.installed, c.available) for c in smartpm_plan.changes(plan, installed)] == [
        ("s-abs", "1.0-1", "2.0-1"),
        ("s-abs-data", "1.0-1", None),
        ("s-dep", None, "1.0-1"),
        ("s-m1", "1.0-1", None),
        ("s-m2", "1.0-1", None),
        ("s-merged", None, "2.0-1"),
        ("s-victim", "1.0-1", None),
    ]


def test_an_old_broken_dependency_is_no_new_one() -> None:
    before = (
        "Unsatisfied dependency: s-needy-1.0-1@noarch requires s-nowhere\n"
        "Unsatisfied dependency: s-needy2-1.0-1@noarch requires s-nowhere2\n"
    )
    fewer = "Unsatisfied dependency: s-needy2-1.1-1@noarch requires s-nowhere2\n"
    more = f"{fewer}Unsatisfied dependency: s-needy2-1.1-1@noarch requires s-else\n"
    assert smartpm_plan.broken_since(before, fewer) == ()
    assert [line.rpartition(" ")[2] for line in smartpm_plan.broken_since(before, more)] == ["s-else"]


@pytest.mark.parametrize(("backend", "scenario"), each("channel-show", "channel-show-disabled", "channel-show-empty"))
def test_channels(backend: str, scenario: str) -> None:
    channels = smartpm_channels.parse_channels(RECORDS[backend, scenario]["stdout"])
    assert smartpm_channels.sources(channels) == (("fromfile", "main") if scenario == "channel-show" else ())
    if scenario == "channel-show":
        assert smartpm_channels.backends(channels) == (backend[:3],)
        assert channels["main"]["baseurl"].startswith("http://127.0.0.1:8099/")


@pytest.mark.parametrize(("backend", "scenario"), each("cli-help"))
def test_data_directory(backend: str, scenario: str) -> None:
    assert output.parse_data_directory(RECORDS[backend, scenario]["stdout"]) == "/var/lib/smart"


def test_data_directory_of_overc() -> None:
    text = "  --data-dir=DIR        Data directory (default is /usr/lib/smart/data-dir/)\n"
    assert output.parse_data_directory(text) == "/usr/lib/smart/data-dir"


@pytest.mark.parametrize("text", ["", "name", "name@noarch", "-1-1@noarch", "name-1@noarch", "_1"])
def test_no_package(text: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_package(text)


def test_dpkg_list() -> None:
    text = "ii |a|1-1\niF |b|1:1-1\nrc |gone|1\nun |never|\nhi |held|2\n"
    assert [p.name for p in output.parse_dpkg(text)] == ["a", "b", "held"]


# ---------------------------------------------------------------------------------------------- reading the failures

_READ_ONLY_LOOKS = ("lock-channel-show-while-update",)


@pytest.mark.parametrize(
    ("backend", "scenario"),
    all_scenarios("lock-", "lock-upgrade-while-package-db-locked", *_READ_ONLY_LOOKS) + each("nonroot-update"),
)
def test_locks_are_recognised_whatever_the_exit_code(backend: str, scenario: str) -> None:
    completed = recorded(backend, scenario)
    assert errors.is_locked(completed)
    error = errors.failure(completed)
    assert error is not None
    assert error.error_id == "locked"


@pytest.mark.parametrize(
    ("backend", "scenario"),
    [p for p in all_scenarios("update-") + all_scenarios("upgrade-") if "nonroot" not in str(p.id)],
)
def test_nothing_else_looks_like_a_lock(backend: str, scenario: str) -> None:
    assert not errors.is_locked(recorded(backend, scenario))


@pytest.mark.parametrize(
    ("backend", "scenario"),
    each("update-first", "update-new-packages", "update-nothing-new", "upgrade-yes", "newer-available", "newer-none")
    + each("upgrade-yes-noisy-scripts", "upgrade-yes-pulls-in-new-package", "upgrade-yes-renamed-package", "cli-help"),
)
def test_success_is_no_failure(backend: str, scenario: str) -> None:
    assert errors.failure(recorded(backend, scenario)) is None


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
    error = errors.failure(recorded(backend, scenario))
    assert error is not None
    assert error.error_id == error_id


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("error: Failed to download packages:\nerror:     http://h/a-2.rpm: 404\n", "A package could not be fetched"),
        (
            "error: Invalid XML file:\nerror:   /var/lib/smart/channels/main%%http:__h_repodata_repomd.xml\n",
            "damaged on the host: main%%http:__h_repodata_repomd.xml. Delete that file",
        ),
    ],
)
def test_it_is_told_what_is_wrong(said: str, words: str) -> None:
    """A package that is gone says nothing of its channel; a list that is damaged here is not the repository's to mend."""
    error = errors.failure(Completed((), 1, "", said))
    assert error is not None
    assert error.error_id == "repository_failed"
    assert words in error.message


# ------------------------------------------------------------------------------------------------- signature checks

RPM_CHANNELS = {
    "main": {"type": "rpm-md"},
    "rpm-sys": {"type": "rpm-sys"},
    "old": {"type": "rpm-md", "disabled": "yes"},
}


@pytest.mark.parametrize(
    ("shown", "demanded", "unsigned"),
    [
        ("False\n", False, ("main",)),
        ("0\n", True, ("main",)),
        ("True\n", False, ()),
        ("1\n", False, ()),
        ("", True, ()),
        ("", False, ("main",)),
    ],
    ids=["off", "zero", "on", "one", "not set, but demanded", "not set"],
)
def test_rpm_channels_without_signature_check(shown: str, demanded: bool, unsigned: tuple[str, ...]) -> None:
    assert smartpm_channels.unsigned_channels(RPM_CHANNELS, shown, demanded=demanded) == unsigned


def test_lists_that_are_not_there_are_missed() -> None:
    channels = {
        **RPM_CHANNELS,
        "deb": {"type": "apt-deb"},
        "disk": {"type": "rpm-dir", "path": "/srv/packages"},
        "ma": {"type": "rpm-md"},
    }
    repomd = "http:__x_repodata_repomd.xml"
    assert smartpm_channels.without_lists(channels, ()) == ("deb", "ma", "main")
    files = [f"main%%{repomd}", f"main%%{repomd.replace('repomd', 'primary')}.gz", "deb%%http:__x_Release"]
    assert smartpm_channels.without_lists(channels, files) == ("ma",)
    assert smartpm_channels.without_lists(channels, files[:1] + files[2:]) == ("ma", "main")
    assert smartpm_channels.directories(channels) == {"disk": "/srv/packages"}


def test_two_package_databases_are_both_seen() -> None:
    assert smartpm_channels.backends({**RPM_CHANNELS, "d": {"type": "deb-sys"}}) == ("deb", "rpm")
    assert smartpm_channels.backends({"d": {"type": "deb-sys", "disabled": "yes"}}) == ()


def test_debian_channels_are_trusted_by_their_lists() -> None:
    channels = {
        "deb-sys": {"type": "deb-sys"},
        "key": {"type": "apt-deb", "fingerprint": "AB CD"},
        "ring": {"type": "apt-deb", "keyring": "/etc/ring.gpg"},
        "plain": {"type": "apt-deb", "fingerprint": ""},
        "dir": {"type": "deb-dir"},
    }
    assert smartpm_channels.unsigned_channels(channels, "", demanded=True) == ("dir", "plain")


@pytest.mark.parametrize("name", ["-o", "--remove", "+evil"])
def test_a_repository_cannot_hand_options_to_smart(name: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_plan(f"Upgrading packages (1):\n  {name}-1.0-1@noarch\n")
