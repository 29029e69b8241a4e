# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package lists are refreshed when they are asked for and too old, and check mode says the same."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import assert_unchanged, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.lab.layouts import ZYPPER

MakeHost = Callable[..., Host]


def dnf(make_host: MakeHost) -> tuple[Host, Callable[[], None]]:
    host = make_host()
    return host, lambda: host.release("v2")


def smart(make_host: MakeHost) -> tuple[Host, Callable[[], None]]:
    host = make_host(managers=("smart",))
    host.run("smart channel --add system type=rpm-sys -y", check=False)  # there already in some builds
    host.run(["smart", "channel", "--add", "lab", "type=rpm-md", "baseurl=http://10.77.0.1:8080/v1/", "-y"])

    def release() -> None:
        host.run(["smart", "channel", "--set", "lab", "baseurl=http://10.77.0.1:8080/v2/", "-y"])

    return host, release


def zypper(make_host: MakeHost) -> tuple[Host, Callable[[], None]]:
    host = make_host(flavour=ZYPPER)
    return host, lambda: host.release("v2")


@pytest.mark.parametrize("kind", [dnf, smart, zypper])
def test_young_lists_are_left_alone(make_host: MakeHost, kind: t.Any) -> None:
    host, release = kind(make_host)
    assert succeed(host, "update", {"cache_valid_time": 3600})["skipped"] is False, "there are none yet"
    for check in (True, False):
        result = succeed(host, "update", {"cache_valid_time": 3600}, check=check)
        assert (result["changed"], result["skipped"], result["upgrades"]) == (False, True, [])
        assert 0 <= result["cache_age_seconds"] < 3600
    release()
    before = snapshot_of_disk(host)
    for check, changed in ((True, True), (False, True), (False, False), (True, False)):
        result = succeed(host, "update", check=check)
        assert (result["changed"], result["skipped"]) == (changed, False)
        assert "lab-app" in [entry["name"] for entry in result["upgrades"]]
    assert_unchanged(before, host)
