# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing never keeps a host from its next upgrade without being told: containers on the running root's own subvolume."""

from __future__ import annotations

import typing as t

from tests.integration.disk_facts import place_for_containers
from tests.lab import Host

_SHARE: t.Final = {"container": "c1", "directories": ["/usr"], "sources": ["c2"]}


def make_containers(host: Host) -> None:
    host.sh(
        "for c in c1 c2; do mkdir -p /opt/container/$c/rootfs/usr/share;"
        " head -c 100000 /dev/zero > /opt/container/$c/rootfs/usr/share/same; touch /opt/container/$c/config; done"
    )


def test_on_the_roots_own_subvolume(host: Host) -> None:
    make_containers(host)
    what_is_there = "find /opt/container | sort; btrfs subvolume list / | sed 's/ gen [0-9]*//'"
    before = host.sh(what_is_there)
    for check in (True, False):
        for apply in ("auto", "boot"):
            refused = host.module("overc_overlay", {**_SHARE, "apply": apply}, check=check)
            assert refused["error_id"] == "state_at_risk"
            assert "state_policy=report" in refused["msg"]
    assert host.sh(what_is_there) == before

    shared = host.module("overc_overlay", {**_SHARE, "state_policy": "report"})
    assert shared["changed"]
    assert "no upgrade" in str(shared["warnings"])
    blocked = host.module("overc_host_upgrade", {})
    assert blocked["error_id"] == "state_at_risk"
    assert "overc_overlay, state=absent" in str(blocked)

    assert host.module("overc_overlay", {"container": "c1", "directories": ["/usr"], "state": "absent"})["changed"]
    assert not host.module("overc_host_upgrade", {}).get("failed")


def test_on_a_subvolume_of_its_own(host: Host) -> None:
    place_for_containers(host)
    make_containers(host)
    shared = host.module("overc_overlay", _SHARE)
    assert shared["changed"]
    assert not shared.get("warnings")
    assert not host.module("overc_host_upgrade", {}).get("failed")
