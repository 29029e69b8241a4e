# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that cannot be meant: the declared id, a helpful sentence, an untouched disk."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.unit.test_collection import MODULES, specified_options

# All words are tried by the unit tests; these few take the whole way
_HOSTILE = ("a b", "a'b", "a\nb", "-a", "/abs", "../a", "$(reboot)")
BAD_NAMES = (*_HOSTILE, "", "..", "a" * 201, "rootfs.overc-new")
BAD_PATHS = ("", "/", "boot", "-boot", "/boot/..", "//boot", "/boot/", "/bo\not")
# Globs are allowed in names of packages
BAD_PACKAGES = (*_HOSTILE, "", "--nogpgcheck", "http://x/y.rpm")


def bad(option: str, values: t.Iterable[str], *, as_list: bool = False) -> t.Iterator[dict[str, t.Any]]:
    for value in values:
        yield {option: [value] if as_list else value}


BAD_OPTIONS = {
    **{
        option: list(bad(option, BAD_NAMES))
        for option in ("root_subvolume", "upgrade_subvolume", "backup_subvolume", "kernel")
    },
    "boot_dir": list(bad("boot_dir", BAD_PATHS)),
    "packages": list(bad("packages", BAD_PACKAGES, as_list=True)),
    "exclude": list(bad("exclude", BAD_PACKAGES, as_list=True)),
    "carry_over": list(bad("carry_over", (*BAD_PATHS, "/no/such/thing", "/etc/mtab"), as_list=True)),
    "release": list(bad("release", (*_HOSTILE, "", "13", "Trixie", "trixie\n", "trixie/updates"))),
    "the same name twice": [{"root_subvolume": "rootfs_bakup"}, {"upgrade_subvolume": "rootfs"}],
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_bad_option(host: Host, option: str) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    for args in BAD_OPTIONS[option]:
        result = call(host, "upgrade", args)
        assert_refused(result, "bad_argument", option if option in args else "rootfs")
    assert_unchanged(before, host)


def test_another_release_is_for_apt(host: Host) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    for check in (True, False):
        refused = call(host, "upgrade", {"release": "trixie"}, check=check)
        assert_refused(refused, "release_unsupported", "dnf", "apt")
    both = call(host, "upgrade", {"release": "trixie", "packages": ["lab-app"]})
    assert_refused(both, "bad_argument", "cannot go together")
    assert_unchanged(before, host)


@pytest.mark.parametrize("name", ["info", "update", "rollback", "confirm"])
def test_every_command_checks_its_options(host: Host, name: str) -> None:
    before = snapshot_of_disk(host)
    assert_refused(call(host, name, {"backup_subvolume": "../b"}), "bad_argument", "backup_subvolume='../b'")
    assert call(host, name, {"package_manager": "yum"})["failed"]
    assert_unchanged(before, host)


NUMBERS = (float("inf"), float("-inf"), float("nan"), 10**30, 1e300, -1, 0.5, True, "inf", "1e999999999", "soon", [1])
NUMERIC = {
    "overc_bootloader": ("keep", "panic_timeout", "boot_timeout", "confirm_deadline"),
    "overc_host_confirm": ("keep",),
    "overc_host_info": ("keep",),
    "overc_host_rollback": ("keep", "reboot_timeout"),
    "overc_host_service": ("keep",),
    "overc_host_update": ("keep", "cache_valid_time"),
    "overc_host_upgrade": ("keep", "run_timeout", "reboot_timeout"),
}
REQUIRED = {"overc_host_service": {"state": "in"}}


def test_every_numeric_option_is_known() -> None:
    found = {
        module: tuple(
            name for name, option in specified_options(module).items() if option.get("type") in ("int", "float")
        )
        for module in MODULES
        if module != "overc_wait"  # it works on the controller, for playbooks of ours
    }
    assert {module: names for module, names in found.items() if names} == NUMERIC


@pytest.mark.parametrize("module", NUMERIC)
def test_numbers_that_nobody_can_count_to(host: Host, module: str) -> None:
    before = snapshot_of_disk(host)
    for option in NUMERIC[module]:
        for value in NUMBERS:
            result = host.module(module, {**REQUIRED.get(module, {}), option: value})
            assert_refused(result, "bad_argument", f"{option}: ")
            assert "Traceback" not in str(result)
    assert_unchanged(before, host)


def test_names_that_are_unusual_but_usable(host: Host) -> None:
    """No word of a name is taken for anything else; the subvolume is then simply not there."""
    result = call(
        host, "upgrade", {"root_subvolume": "@root+1", "upgrade_subvolume": "_u.x", "backup_subvolume": "b@k"}
    )
    assert_refused(result, "layout_unsupported", "@root+1 or _u.x")
