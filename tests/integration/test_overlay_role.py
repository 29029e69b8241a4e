# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role that shares files of declared containers, taken back where one of them is gone. Other hosts of the lab are not its."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from pathlib import Path

from tests.integration.fleet.runs import Controller
from tests.lab import Host, Lab

_CONTAINERS: t.Final = """\
for name in c1 c2; do
    mkdir -p /opt/container/$name/rootfs/usr/bin
    cp -a /usr/bin/env /usr/bin/find /opt/container/$name/rootfs/usr/bin
    echo "lxc.rootfs.path = dir:/opt/container/$name/rootfs" > /opt/container/$name/config
done
"""
_DECLARED: t.Final = [{"container": name, "directories": ["/usr"], "sources": ["essential"]} for name in ("c1", "c2")]
_UNIT: t.Final = "/etc/systemd/system/overc-overlay-boot.service"


def test_a_container_that_is_gone_keeps_nothing_from_going(
    make_host: Callable[..., Host], lab: Lab, tmp_path: Path
) -> None:
    host, controller = make_host(), Controller(lab, tmp_path)
    host.sh(_CONTAINERS)
    report = {"overlay_containers": _DECLARED, "overlay_state_policy": "report"}
    shared = controller.run("overlay", "--limit", host.name, **report)
    assert shared.rc == 0
    assert host.sh(f"test -e {_UNIT} && echo there") == "there"
    host.sh("rm -rf /opt/container/c2")
    # Nothing is mounted there, or its root is not: that is not gone, and the unit stays
    for hide, back in (
        ("mount -t tmpfs none /opt/container", "umount /opt/container"),
        ("mkdir /opt/container/c2", "rmdir /opt/container/c2"),
    ):
        host.sh(hide)
        kept = controller.run("overlay", "--limit", host.name, overlay_state="absent", **report)
        assert (kept.rc, "nothing to give back" in kept.output) == (2, False)
        assert host.sh(f"test -e {_UNIT} && echo there") == "there"
        host.sh(back)
    # What is wanted to share is another matter: there a name that is no container may be a wrong one
    refused = controller.run("overlay", "--limit", host.name, **report)
    assert (refused.rc, "There is no container 'c2'" in refused.output) == (2, True)
    for _time in range(2):
        taken_back = controller.run("overlay", "--limit", host.name, overlay_state="absent", **report)
        assert taken_back.rc == 0
        assert "c2: no such container, so nothing to give back" in taken_back.output
        assert host.sh(f"test -e {_UNIT} || echo gone") == "gone"
        assert host.sh("ls /opt/container/c1/rootfs/usr/bin").split() == ["env", "find"]
    assert "changed=0" in taken_back.output
