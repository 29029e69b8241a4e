# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty subvolumes inside the root, as systemd makes them: no snapshot holds them, and what is there instead can be used."""

from __future__ import annotations

from tests.integration.commands import succeed, upgrade_to
from tests.integration.disk_facts import assert_runs, in_top
from tests.lab import Host

_MAKE = "btrfs subvolume create {path} && chown 7:8 {path} && chmod 2750 {path}"
_LOOK = "stat -c '%a %u %g' {path} && touch {path}/written && rm {path}/written"


def test_directories_in_their_place(host: Host) -> None:
    paths = ("/var/lib/machines", "/srv/with space")
    for path in paths:
        host.sh(_MAKE.format(path=f"'{path}'"))
    assert not succeed(host, "info").get("warnings")
    upgrade_to(host, "v2")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    for path in paths:
        assert host.sh(_LOOK.format(path=f"'{path}'")) == "2750 7 8"
        in_top(host, _LOOK.format(path=f"'rootfs_bakup{path}'"))
    assert succeed(host, "info")["left_behind"]["paths"] == []
    succeed(host, "rollback")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert host.sh("btrfs subvolume show /var/lib/machines | grep -c Flags") == "1"
