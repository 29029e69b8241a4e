# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package manager whose configuration is broken: no package is to be mended for that, and the message names the place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.lab.debs import Deb, built, publish
from tests.lab.layouts import DNF5, OVERC, ZYPPER
from tests.lab.signing import public_key, sign_release

# Flavour, package managers, what breaks it, and what the message names
_BROKEN: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "DNF": (OVERC, ("dnf",), "echo '[main' > /etc/dnf/dnf.conf", "DNF"),
    "DNF 5": (DNF5, ("dnf",), "echo '[main' > /etc/dnf/dnf.conf", "Missing ']' on line 1"),
    "apt": (OVERC, ("apt",), "echo 'garbage \"' > /etc/apt/apt.conf.d/99own", "99own"),
    "zypper": (ZYPPER, ("dnf",), "printf 'garbage garbage\\n[[[\\n' >> /etc/zypp/zypp.conf", "zypp.conf: Section"),
    "a repository of zypper's": (ZYPPER, ("dnf",), "sed -i 's/$/\\r/' /etc/zypp/repos.d/lab.repo", "lab.repo"),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_nobody_is_told_to_mend_a_package(make_host: Callable[..., Host], name: str) -> None:
    flavour, managers, harm, named = _BROKEN[name]
    host = make_host(flavour=flavour, managers=managers)
    host.sh(harm)
    before = snapshot_of_disk(host)
    for check in (True, False):
        result = host.module("overc_host_upgrade", check=check)
        assert_refused(
            result, "package_manager_failed", named, "Mend the host's configuration", "run the same command again"
        )
        assert "Mend the package" not in result["msg"]
        assert "/proc/self/fd" not in result["msg"]
    assert_unchanged(before, host, history=False)


_HOOKS = {
    "after packages": ('DPkg::Post-Invoke {"exit 1";};', "package_manager_failed", "DPkg::Post-Invoke"),
    "before packages": ('DPkg::Pre-Install-Pkgs {"exit 1";};', "package_manager_failed", "exit 1"),
    "after lists": ('APT::Update::Post-Invoke-Success {"exit 3";};', "repository_failed", "APT::Update::Post-Invoke"),
}


@pytest.mark.parametrize("name", _HOOKS)
def test_a_hook_of_apt_that_fails(make_host: Callable[..., Host], tmp_path: Path, name: str) -> None:
    """Neither a package nor a repository is to be mended."""
    setting, error_id, named = _HOOKS[name]
    host = with_apt(make_host, tmp_path)
    host.write("/etc/apt/apt.conf.d/99own", setting)
    result = call(host, "upgrade")
    assert_refused(result, error_id, "hook", named, "Mend that hook")
    assert "Mend the " not in result["msg"]


def test_packages_that_are_only_tried(make_host: Callable[..., Host], tmp_path: Path) -> None:
    host = with_apt(make_host, tmp_path)
    host.write("/etc/dpkg/dpkg.cfg.d/own", "no-act\n")
    result = call(host, "upgrade")
    assert_refused(result, "package_manager_failed", "Nothing at all was changed", "setting of the package manager")
    assert "Mend the package" not in result["msg"]


_BLIND = {
    "another list of what is installed": 'Dir::State::status "/dev/null";',
    "another list for apt-get alone": 'Binary::apt-get::Dir::State::status "/dev/null";',
    "lists of packages are not fetched": 'Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";',
    "nobody knows how lists are fetched": "#clear Acquire::IndexTargets;",
}


@pytest.mark.parametrize("name", _BLIND)
def test_settings_with_which_apt_sees_nothing(make_host: Callable[..., Host], tmp_path: Path, name: str) -> None:
    """apt says that there is nothing to do then, and has no error."""
    host = with_apt(make_host, tmp_path)
    host.write("/etc/apt/apt.conf.d/99own", _BLIND[name])
    for check in (True, False):
        result = call(host, "upgrade", check=check)
        if result.get("failed"):
            assert result["error_id"] in ("repository_failed", "package_manager_failed"), result["msg"]
        else:
            assert [entry["name"] for entry in result["upgrades"]] == ["own-app"], result["msg"]


_NOTHING = {
    "only sources": "sed -i 's/^Types: deb/Types: deb-src/' {}",
    "a component that is misspelt": "sed -i 's/^Components: main/Components: mian/' {}",
    "another architecture": "echo 'Architectures: armhf' >> {}",
    "other lists": "echo 'Targets: Contents-deb' >> {}",
}


@pytest.mark.parametrize("name", _NOTHING)
def test_sources_of_apt_that_offer_nothing(make_host: Callable[..., Host], tmp_path: Path, name: str) -> None:
    host = with_apt(make_host, tmp_path)
    host.sh(_NOTHING[name].format("/etc/apt/sources.list.d/lab.sources"))
    for check in (True, False):
        assert_refused(
            call(host, "upgrade", check=check), "repository_failed", "/srv/repo/dists/lab", "has packages for amd64"
        )
    second = "Types: deb\nURIs: file:/srv/repo\nSuites: lab\nComponents: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
    host.write("/etc/apt/sources.list.d/second.sources", second)
    if name != "other lists":  # which are then other lists of the same source
        assert [entry["name"] for entry in succeed(host, "upgrade")["upgrades"]] == ["own-app"]


def test_a_source_of_apt_that_is_empty(make_host: Callable[..., Host], tmp_path: Path) -> None:
    """It offers nothing, and that is known."""
    host = with_apt(make_host, tmp_path)
    publish(host.root / "srv/repo", [], tmp_path, sign=sign_release)
    assert succeed(host, "upgrade")["changed"] is False


def with_apt(make_host: Callable[..., Host], scratch: Path) -> Host:
    """A host with apt, and a newer version of a package of its own."""
    host = make_host(managers=("apt",))
    (host.root / "etc/apt/sources.list").unlink(missing_ok=True)
    (host.root / "etc/apt/keyrings").mkdir(exist_ok=True)
    shutil.copy(public_key(), host.root / "etc/apt/keyrings/lab.asc")
    source = "Types: deb\nURIs: file:/srv/repo\nSuites: lab\nComponents: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
    host.write("/etc/apt/sources.list.d/lab.sources", source)
    old, new = (
        Deb("own-app", version, files={"/usr/share/own-app/version": version.encode()}) for version in ("1.0", "2.0")
    )
    shutil.copy(built(old, scratch), host.root / "srv/old.deb")
    host.sh("dpkg -i /srv/old.deb")
    publish(host.root / "srv/repo", [new], scratch, sign=sign_release)
    return host
