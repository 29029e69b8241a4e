# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package manager whose configuration is broken: no package is to be mended for that, and the message names the place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.commands import assert_refused, assert_unchanged
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host
from tests.lab.layouts import DNF5, OVERC, ZYPPER

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
