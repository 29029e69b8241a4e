# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contract for the real smart and for the lab's stand-in: what the driver relies on, and the driver itself."""

from __future__ import annotations

import fcntl
import os
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import channels as smartpm_channels
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import driver as smartpm
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import errors, output
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import plan as smartpm_plan

from tests.contract.harness import OLD

if t.TYPE_CHECKING:
    import pathlib

    from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan
    from ansible_collections.overc.system.plugins.module_utils.runner import Completed

DRY = ("-o", "dry-run=true", "-o", "text-hide-version=false")
EXPLAINED = (*DRY, "-o", "explain-changesets=true")


class Host(t.Protocol):
    """What conftest.py provides; see there."""

    repository: pathlib.Path
    data: str
    url: str
    environment: dict[str, str]
    calls: list[tuple[str, ...]]

    def find(self, program: str) -> str | None: ...

    def run(
        self, argv: t.Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: t.Sequence[int] = ()
    ) -> Completed: ...

    def smart(self, *arguments: str) -> Completed: ...
    def offer(self, *files: str) -> None: ...
    def installed(self) -> set[str]: ...


def new(*names: str) -> tuple[str, ...]:
    return tuple(f"contract-{name}-2.0-1.noarch" for name in names)


def driver(host: Host) -> smartpm.SmartPm:
    return smartpm.SmartPm(host, data_directory=host.data, sleep=lambda _seconds: None)


def apply(host: Host, *names: str) -> PackagePlan:
    request = PackageRequest(tuple(f"contract-{name}" for name in names))
    plan = driver(host).pending(request, refresh=True)
    driver(host).apply(request, plan, "")
    return plan


# ------------------------------------------------------------------------------------------------------ the commands


def test_nothing_to_upgrade(host: Host) -> None:
    assert host.smart("update").rc == 0
    newer = host.smart("--quiet", "newer")
    assert (newer.rc, output.parse_newer(newer.stdout)) == (2, ())
    dry = host.smart("upgrade", "-y", *DRY)
    assert (dry.rc, output.parse_plan(dry.stdout)) == (0, smartpm_plan.Plan())


def test_plan_and_table_agree(host: Host) -> None:
    host.offer(*new("app", "newdep", "dep"))
    assert host.smart("update").rc == 0
    newer, dry = host.smart("--quiet", "newer"), host.smart("upgrade", "-y", *DRY)
    assert (newer.rc, dry.rc) == (0, 0)
    offers, plan = output.parse_newer(newer.stdout), output.parse_plan(dry.stdout)
    assert [(o.name, o.installed, o.available) for o in offers] == [
        ("contract-app", "1.0-1", "2.0-1"),
        ("contract-dep", None, "2.0-1"),
        ("contract-newdep", "1.0-1", "2.0-1"),
    ]
    assert {o.channel for o in offers} == {"main"}
    assert {o.size for o in offers} == {p.stat().st_size for p in host.repository.glob("*.rpm")} or all(
        o.size for o in offers
    )
    assert [p.name for p in plan.upgrading] == ["contract-app", "contract-newdep"]
    assert [p.name for p in plan.installing] == ["contract-dep"]
    assert "contract-app-1.0" in host.installed(), "a dry run does nothing"


def test_removals_show_only_in_the_plan(host: Host) -> None:
    host.offer(*new("conf"))
    host.smart("update")
    assert [o.name for o in output.parse_newer(host.smart("--quiet", "newer").stdout)] == ["contract-conf"]
    plan = output.parse_plan(host.smart("upgrade", "-y", *DRY).stdout)
    assert [p.name for p in plan.removing] == ["contract-victim"]


def test_an_explained_plan_tells_what_is_replaced(host: Host) -> None:
    host.offer(*new("app", "abs", "merged", "renamed"))
    host.smart("update")
    plan = output.parse_plan(host.smart("upgrade", "-y", *EXPLAINED).stdout)
    replaced = {new.name[9:]: sorted(old.name[9:] for old in olds) for new, olds in plan.replaces.items()}
    assert replaced == {"app": ["app"], "abs": ["abs", "abs-data"], "merged": ["m1", "m2"], "renamed": ["old"]}
    assert [p.name for p in output.parse_plan(host.smart("upgrade", "-y", *DRY).stdout).upgrading] == [
        p.name for p in plan.upgrading
    ]


def test_channels(host: Host) -> None:
    channels = smartpm_channels.parse_channels(host.smart("channel", "--show").stdout)
    assert smartpm_channels.backends(channels) == ("rpm",)
    assert smartpm_channels.sources(channels) == ("main",)


def test_installed_list(host: Host) -> None:
    found = output.parse_query(host.smart("--quiet", "query", "--installed", r"--show-format=$name|$version\n").stdout)
    ours = {p.name: (p.version, p.arch) for p in found if p.name.startswith("contract-")}
    assert len(ours) == len(OLD)
    assert set(ours.values()) == {("1.0-1", "noarch")}


@pytest.mark.parametrize(("name", "code"), [("contract-nosuch", 1), ("contract-dep", 0)])
def test_unknown_and_not_installed(host: Host, name: str, code: int) -> None:
    host.offer(*new("dep"))
    host.smart("update")
    completed = host.smart("upgrade", "-y", *DRY, name)
    assert completed.rc == code
    assert errors.unknown_packages(completed.stderr) == (name,)


def test_help_tells_the_data_directory(host: Host) -> None:
    assert output.parse_data_directory(host.smart("--help").stdout).startswith("/")


def test_a_failed_update_leaves_newer_saying_nothing(host: Host) -> None:
    (host.repository / "repodata" / "repomd.xml").unlink()
    update = host.smart("update")
    assert update.rc == 1
    assert errors.failure(update) is not None
    assert host.smart("--quiet", "newer").rc == 2


def test_locks_are_not_waited_for(host: Host, request: pytest.FixtureRequest) -> None:
    descriptor = os.open((request.config.getoption("--smart-root") or "") + host.data, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        update, newer = host.smart("update"), host.smart("newer")
    finally:
        os.close(descriptor)
    assert update.rc == 1
    assert errors.is_locked(update)
    assert errors.is_locked(newer)


def test_a_failing_post_script_does_not_show_in_the_exit_code(host: Host) -> None:
    host.offer(*new("badpost"))
    host.smart("update")
    assert host.smart("upgrade", "-y").rc == 0
    assert "contract-badpost-2.0" in host.installed()


def test_two_registered_versions_are_found_by_check_only(host: Host) -> None:
    host.offer(*new("badpreun"))
    host.smart("update")
    host.smart("upgrade", "-y")
    assert {"contract-badpreun-1.0", "contract-badpreun-2.0"} <= host.installed()
    assert host.smart("--quiet", "newer").rc == 2
    check = host.smart("check")
    assert check.rc == 1
    assert "can't coexist" in check.stderr


# -------------------------------------------------------------------------------------------------------- the driver


def test_refresh(host: Host) -> None:
    assert driver(host).refresh()
    assert not driver(host).refresh()
    host.offer(*new("app"))
    assert driver(host).refresh()


def test_nothing_pending(host: Host) -> None:
    plan = driver(host).pending(PackageRequest(), refresh=True)
    assert plan.changes == ()
    assert plan.held_back == ()


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        (("app", "lib"), {("app", "1.0-1", "2.0-1"), ("lib", "1.0-1", "2.0-1")}),
        (("newdep",), {("newdep", "1.0-1", "2.0-1"), ("dep", None, "2.0-1")}),
        (("conf",), {("conf", "1.0-1", "2.0-1"), ("victim", "1.0-1", None)}),
        (("old",), {("renamed", None, "2.0-1"), ("old", "1.0-1", None)}),
        (("abs",), {("abs", "1.0-1", "2.0-1"), ("abs-data", "1.0-1", None)}),
        (("m1", "m2"), {("merged", None, "2.0-1"), ("m1", "1.0-1", None), ("m2", "1.0-1", None)}),
    ],
)
def test_upgrades(host: Host, names: tuple[str, ...], changes: set[tuple[str, str | None, str | None]]) -> None:
    host.offer(*new("app", "lib", "newdep", "dep", "conf", "renamed", "abs", "merged"))
    plan = apply(host, *names)
    assert {(c.name[len("contract-") :], c.installed, c.available) for c in plan.changes} == changes


def test_what_nobody_can_satisfy_is_held_back(host: Host) -> None:
    host.offer(*new("nodep"))
    plan = driver(host).pending(PackageRequest(), refresh=True)
    assert plan.changes == ()
    assert [sentence.split()[0] for sentence in plan.held_back] == ["contract-nodep"]


@pytest.mark.parametrize("check", [True, False])
def test_a_channel_of_higher_priority_hides_a_newer_version(host: Host, check: bool, tmp_path: pathlib.Path) -> None:
    """Smart says nothing of it, not even in its list of the newest packages."""
    host.offer(*new("app", "lib"))
    host.repository.rename(host.repository.with_name("second"))
    host.offer("contract-app-1.0-1.noarch")
    host.smart("channel", "--set", "main", "priority=10", "-y")
    host.smart("channel", "--add", "second", "type=rpm-md", f"baseurl={host.url.rpartition('/')[0]}/second", "-y")
    assert host.smart("update").rc == 0
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    plan = driver(host).pending(PackageRequest(), scratch=str(scratch) if check else None)
    assert [change.name for change in plan.changes] == ["contract-lib"]
    assert plan.held_back == (
        "contract-app 2.0-1 is known but left out: a channel of higher priority offers this package too.",
    )
    assert "priority = 10" in host.smart("channel", "--show", "main").stdout
    driver(host).apply(PackageRequest(), plan, "")
    assert {"contract-app-1.0", "contract-lib-2.0"} <= host.installed()
    host.smart("channel", "--set", "main", "priority=0", "-y")
    assert [change.name for change in driver(host).pending(PackageRequest()).changes] == ["contract-app"]


def test_exclusion(host: Host) -> None:
    host.offer(*new("app", "lib"))
    plan = driver(host).pending(PackageRequest((), ("contract-lib",)), refresh=True)
    assert [change.name for change in plan.changes] == ["contract-app"]


@pytest.mark.parametrize(
    ("exclude", "untouched"), [("contract-abs-data", "abs"), ("contract-old", "renamed"), ("contract-m2", "merged")]
)
def test_what_would_be_replaced_can_be_excluded(host: Host, exclude: str, untouched: str) -> None:
    host.offer(*new("app", "abs", "merged", "renamed"))
    request = PackageRequest((), (exclude,))
    plan = driver(host).pending(request, refresh=True)
    assert {"contract-app"} <= {change.name for change in plan.changes}
    assert not {exclude, f"contract-{untouched}"} & {change.name for change in plan.changes}
    assert any(untouched in sentence for sentence in plan.held_back)
    driver(host).apply(request, plan, "")
    assert f"{exclude}-1.0" in host.installed()


def test_names_are_taken_as_they_are_written(host: Host) -> None:
    """Smart itself upgrades contract-App as well when contract-app is named."""
    host.offer(*new("app", "App", "lib"))
    driver(host).refresh()
    for names in (("contract-app",), ("contract-a*",)):
        with pytest.raises(OvercError) as caught:
            driver(host).pending(PackageRequest(names))
        assert (caught.value.error_id, caught.value.facts["packages"]) == ("bad_argument", ["contract-App"])
    plan = driver(host).pending(PackageRequest(("contract-l*",)))
    assert [change.name for change in plan.changes] == ["contract-lib"]


def test_words_of_a_script_are_no_failure(host: Host) -> None:
    host.offer(*new("words"))
    plan = apply(host, "words")
    assert [change.available for change in plan.changes] == ["2.0-1"]


@pytest.mark.parametrize("setting", ["explain-changesets", "rpm-justdb", "rpm-noscripts", "dry-run"])
def test_settings_of_the_host_do_not_change_what_happens(host: Host, setting: str) -> None:
    host.smart("config", "--set", f"{setting}=true")
    host.offer(*new("app", "badpost"))
    apply(host, "app")
    version = host.run(["rpm", "-q", "--qf", "%{VERSION}", "contract-app"]).stdout
    assert version == "2.0"
    assert host.run(["rpm", "-V", "contract-app"]).rc == 0, "the files are there too"
    with pytest.raises(OvercError, match="script failed"):
        apply(host, "badpost")


@pytest.mark.parametrize("lost", ["all", "primary", "never fetched", "one channel of two"])
def test_lists_that_are_lost_are_not_nothing_to_do(host: Host, lost: str) -> None:
    host.offer(*new("app"))
    if lost != "never fetched":
        driver(host).refresh()
    if lost == "one channel of two":
        host.smart("channel", "--add", "other", "type=rpm-md", f"baseurl={host.url}", "-y")
    words = ["find", f"{host.data}/channels", "-type", "f", "-name", "*primary*" if lost == "primary" else "*"]
    if lost in ("all", "primary"):
        host.run([*words, "-delete"])
    with pytest.raises(OvercError, match=r"never fetched on this host, or are lost") as caught:
        driver(host).pending(PackageRequest())
    assert caught.value.error_id == "repository_failed"
    assert driver(host).pending(PackageRequest(), refresh=True).changes


def test_an_unchecked_channel_is_told(host: Host) -> None:
    host.smart("config", "--set", "rpm-check-signatures=true")
    assert driver(host).unchecked() == ()
    host.smart("config", "--set", "rpm-check-signatures=false")
    assert driver(host).unchecked() == driver(host).unchecked(demanded=True) == ("main",)


@pytest.mark.parametrize("name", ["badpost", "badpre", "badpreun"])
def test_failing_scripts_are_seen_where_their_output_is_lost(host: Host, name: str) -> None:
    """The C library of 2018 and later: exit code 0, and not a word on stderr."""
    host.environment["SMART_OUTPUT_LOST"] = "1"
    host.offer(*new(name))
    with pytest.raises(OvercError, match="script failed"):
        apply(host, name)


@pytest.mark.parametrize("name", ["badpost", "badpre", "badpreun"])
def test_failing_scripts_are_failures(host: Host, name: str) -> None:
    host.offer(*new(name))
    with pytest.raises(OvercError) as caught:
        apply(host, name)
    assert caught.value.error_id == "package_manager_failed"


def test_a_package_that_is_gone(host: Host) -> None:
    host.offer(*new("app"))
    plan = driver(host).pending(PackageRequest(), refresh=True)
    for package in host.repository.glob("*.rpm"):
        package.unlink()
    with pytest.raises(OvercError) as caught:
        driver(host).apply(PackageRequest(), plan, "")
    assert caught.value.error_id == "repository_failed"
    assert "contract-app-1.0" in host.installed()


@pytest.mark.parametrize("content", [None, "<repomd><open>"])
def test_a_repository_that_cannot_be_read(host: Host, content: str | None) -> None:
    driver(host).refresh()
    repomd = host.repository / "repodata" / "repomd.xml"
    repomd.unlink()
    if content is not None:
        repomd.write_text(content)
    with pytest.raises(OvercError) as caught:
        driver(host).pending(PackageRequest(), refresh=True)
    assert caught.value.error_id == "repository_failed"


def test_signatures_are_the_policy_of_the_host(host: Host) -> None:
    host.smart("config", "--set", "rpm-check-signatures=true")
    host.offer(*new("app"))
    with pytest.raises(OvercError) as caught:
        apply(host, "app")
    assert caught.value.error_id == "package_untrusted"
    assert "contract-app-1.0" in host.installed()


def test_lost_channels_are_not_nothing_to_do(host: Host) -> None:
    host.smart("channel", "--remove", "main", "-y")
    with pytest.raises(OvercError) as caught:
        driver(host).pending(PackageRequest())
    assert caught.value.error_id == "repository_failed"
