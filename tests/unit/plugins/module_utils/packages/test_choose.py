# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the driver, and the proof that a transaction was performed."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import known, rpmdb
from ansible_collections.overc.system.plugins.module_utils.packages.choose import DRIVERS, detect
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.known import PROGRAMS
from ansible_collections.overc.system.plugins.module_utils.packages.proof import complaints, differences
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

# What does a host's observation import, by name of the collection's own modules?
_LOADED = "import sys, {module}; print(*sys.modules)"


def test_every_known_package_manager_has_a_driver() -> None:
    assert list(DRIVERS) == list(PROGRAMS)


@pytest.mark.parametrize("room", ["host.observe.facts", "host.commands.upgrade"])
def test_nobody_loads_a_driver_before_it_is_used(room: str) -> None:
    prefix = "ansible_collections.overc.system.plugins.module_utils"
    program = _LOADED.format(module=f"{prefix}.{room}")
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    shown = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    loaded = [name for name in shown.stdout.split() if name.startswith(prefix)]
    assert f"{prefix}.{room}" in loaded
    assert [name for name in loaded if name.startswith(tuple(f"{prefix}.packages.{name}" for name in DRIVERS))] == []


class Programs:
    def __init__(self, *programs: str) -> None:
        self.programs = programs

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        raise AssertionError(f"detection starts no program, not {argv}")


@pytest.mark.parametrize(
    ("programs", "wanted", "name"),
    [
        (("dnf",), "auto", "dnf"),
        (("smart",), "auto", "smartpm"),
        (("dnf", "smart"), "dnf", "dnf"),
        (("dnf", "smart"), "smartpm", "smartpm"),
        (("apt-get",), "auto", "apt"),
        (("dnf", "apt-get"), "apt", "apt"),
        (("dnf", "apt-get"), "dnf", "dnf"),
        (("zypper",), "auto", "zypper"),
        (("dnf", "zypper"), "zypper", "zypper"),
        # Smart uses dpkg's database, too
        (("smart", "apt-get"), "auto", "smartpm"),
    ],
)
def test_detect(programs: tuple[str, ...], wanted: str, name: str) -> None:
    assert detect(Programs(*programs), wanted).name == name


@pytest.mark.parametrize(
    ("dnf", "others", "wanted", "name"),
    [
        ("dnf5", (), "auto", "dnf5"),
        ("dnf5", (), "dnf", "dnf5"),
        ("dnf5", (), "dnf5", "dnf5"),
        ("dnf-3", ("dnf5",), "auto", "dnf"),
        ("dnf-3", ("dnf5",), "dnf5", "dnf5"),
        ("dnf-3", ("dnf5",), "dnf", "dnf"),
        (None, ("dnf5",), "auto", "dnf5"),
        (None, ("dnf5",), "dnf", None),
        ("dnf-3", (), "dnf5", None),
    ],
)
def test_which_dnf(
    dnf: str | None, others: tuple[str, ...], wanted: str, name: str | None, tmp_path: pathlib.Path
) -> None:
    """The one that `dnf` is on this host."""
    for program in {*others, *([dnf] if dnf else [])}:
        (tmp_path / program).touch()
    if dnf:
        (tmp_path / "dnf").symlink_to(dnf)

    class There(Programs):
        def find(self, program: str) -> str | None:
            return str(tmp_path / program) if (tmp_path / program).exists() else None

    if name is None:
        # An answer would be another one than what was asked for
        with pytest.raises(OvercError) as caught:
            detect(There(), wanted)
        assert caught.value.error_id == "package_manager_missing"
    else:
        assert detect(There(), wanted).name == name


def test_what_a_driver_knows_of_a_root_is_asked_once_and_not_of_another_root() -> None:
    here, inside = Programs("dnf"), Programs("dnf")
    assert detect(here) is detect(here, "dnf")
    assert detect(here) is not detect(inside)


@pytest.mark.parametrize("program", ["dnf", "zypper"])
@pytest.mark.parametrize("database", ["rpmdb.sqlite", "Packages", ""])
def test_dnf_beside_apt_counts_where_rpm_has_a_database(
    program: str, database: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian has packages of dnf and zypper, to make other roots with; apt manages its own."""
    monkeypatch.setattr(known, "_RPM_DATABASES", tuple(f"{tmp_path}/{name}" for name in ("rpmdb.sqlite", "Packages")))
    if database:
        (tmp_path / database).touch()
    assert detect(Programs(program, "apt-get")).name == (program if database else "apt")


@pytest.mark.parametrize(
    ("programs", "wanted", "error_id"),
    [
        ((), "auto", "package_manager_missing"),
        (("dnf",), "smartpm", "package_manager_missing"),
        (("dnf", "smart"), "auto", "bad_argument"),
        (("dnf", "smart", "apt-get"), "auto", "bad_argument"),
        (("dnf",), "apt", "package_manager_missing"),
        (("dnf",), "yum", "bad_argument"),
        (("dnf", "zypper"), "auto", "bad_argument"),
        (("smart", "zypper"), "auto", "bad_argument"),
        (("apt-get",), "zypper", "package_manager_missing"),
        (("pacman",), "auto", "package_manager_missing"),
    ],
)
def test_detect_never_guesses(programs: tuple[str, ...], wanted: str, error_id: str) -> None:
    with pytest.raises(OvercError) as caught:
        detect(Programs(*programs), wanted)
    assert caught.value.error_id == error_id


A1, A2, B1 = Package("a", "noarch", "1-1"), Package("a", "noarch", "2-1"), Package("b", "noarch", "1-1")
UPGRADE = PackageChange("a", "noarch", "1-1", "2-1", "main", 7)


@pytest.mark.parametrize(
    ("changes", "before", "after", "words"),
    [
        ([UPGRADE], [A1, B1], [A2, B1], []),
        ([], [A1, B1], [A1, B1], []),
        ([UPGRADE], [A1], [A1], ["instead of 2-1", "still registered"]),
        ([UPGRADE], [A1], [A1, A2], ["still registered"]),
        ([UPGRADE], [A1, B1], [A2], ["b 1-1 vanished"]),
        ([UPGRADE], [A1], [A2, B1], ["b 1-1 was installed"]),
        ([UPGRADE], [A1], [Package("a", "noarch", "3-1")], ["is 3-1 instead of 2-1", "3-1 was installed"]),
        ([PackageChange("a", "noarch", None, "2-1")], [A1], [A1, A2], []),
        ([PackageChange("b", "noarch", "1-1", None)], [A1, B1], [A1], []),
        ([PackageChange("b", "noarch", "1-1", None)], [A1, B1], [A1, B1], ["still registered"]),
        ([PackageChange("a", "x86_64", "1-1", "2-1")], [A1], [Package("a", "x86_64", "2-1")], []),
        # architecture and version swap places: nothing may be counted as left over
        ([PackageChange("a", "x86_64", "1-1", "1-1")], [A1], [Package("a", "x86_64", "1-1")], []),
    ],
)
def test_complaints(
    changes: list[PackageChange], before: list[Package], after: list[Package], words: list[str]
) -> None:
    said = complaints(changes, before, after)
    assert len(said) == len(words)
    assert all(any(word in sentence for sentence in said) for word in words)


def test_differences_pair_versions_of_one_name() -> None:
    assert differences([A1, B1], [A2]) == (
        PackageChange("a", "noarch", "1-1", "2-1"),
        PackageChange("b", "noarch", "1-1", None),
    )
    assert differences([A1], [A1]) == ()


def test_of_two_registered_versions_the_later_one_is_followed() -> None:
    """As the plan announces it: an upgrade from the later one, and the older one goes."""
    registered = [Package("a", "noarch", "1.0-1"), Package("a", "noarch", "1.5-1")]
    assert differences(registered, [A2]) == (
        PackageChange("a", "noarch", "1.0-1", None),
        PackageChange("a", "noarch", "1.5-1", "2-1"),
    )


def test_request_and_fingerprint() -> None:
    assert PackageRequest(("a", "b", "a"), ("b",)).named == ("a",)
    assert PackageRequest(("a",), ("a",)).is_void
    assert not PackageRequest((), ("a",)).is_void
    bare = PackageChange("a", "noarch", "1-1", "2-1")
    assert PackagePlan((UPGRADE,)).fingerprint == PackagePlan((bare,)).fingerprint != PackagePlan().fingerprint


def test_rpm_database() -> None:
    text = "a\t1-1\tnoarch\ngpg-pubkey\t1-1\t\na\t0:2-1\tx86_64\nb\t1:1-1\tnoarch\n"
    assert rpmdb.parse_query(text) == (
        Package("a", "noarch", "1-1"),
        Package("a", "x86_64", "2-1"),
        Package("b", "noarch", "1:1-1"),
    )
