# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Debian 12 becomes a real Debian 13, in a new root, and is taken back: Debian's own packages, two hundred of them.

Of Debian's archive a lab host has what it needs, signed by the lab. It takes minutes, so it is done on one day in twelve, and
whenever all tests are asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import call, succeed
from tests.integration.test_deployments import DEBIAN, adopt, root
from tests.lab import Host
from tests.lab.apt import pool
from tests.lab.debian import packages
from tests.lab.debs import publish
from tests.lab.next_release import next_release
from tests.lab.signing import sign_release

MakeHost = Callable[..., Host]
STANZA = (
    "Types: deb\nURIs: file:/srv/debian\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
)


def archive(host: Host, fetched: Path) -> None:
    place = host.root / "srv/debian"
    publish(place, packages(), pool(), sign=sign_release, suite="bookworm", origin="Debian")
    listed = (fetched / "Packages").read_text()
    publish(place, packages(), pool(), sign=sign_release, suite="trixie", origin="Debian", beside=True, more=listed)
    for file in fetched.glob("*.deb"):
        shutil.copy(file, place / "pool")


@pytest.mark.one_day_in(12)
def test_another_release_and_back(make_host: MakeHost) -> None:
    host = make_host(flavour=DEBIAN)
    host.write("/etc/apt/sources.list.d/debian.sources", STANZA)
    host.sh("mv /etc/apt/sources.list.d/lab.sources /root")
    archive(host, next_release("bookworm", "trixie"))
    host.sh("sed -i 's/^#Port 22$/Port 22/; $ a # mine' /etc/ssh/sshd_config /etc/profile")
    adopt(host)
    assert succeed(host, "update")["upgrades"] == []
    before = host.sh("cat /etc/debian_version; dpkg-query -W -f '${Package} ${Version}\n' | sort | sha256sum")

    staged = call(host, "upgrade", {"release": "trixie", "full": True})
    assert staged.get("state") == "staged", (staged.get("msg"), staged.get("stderr"), staged.get("stdout", "")[-3000:])
    assert len(staged["upgrades"]) > 100
    assert "/etc/profile" in staged["kept_files"] or "/etc/ssh/sshd_config" in staged["kept_files"], staged[
        "kept_files"
    ]
    assert host.sh("cut -d. -f1 /etc/debian_version") == "12"
    host.reboot()
    assert root(host) == "@rootfs.overc-1"
    assert host.sh("cut -d. -f1 /etc/debian_version") == "13"
    assert host.sh("systemctl --failed --plain --no-legend; dpkg --audit") == ""
    assert host.sh("dpkg-query -W -f '${db:Status-Abbrev}\n' | sort -u").strip() == "ii"
    assert host.sh("apt-get check >/dev/null && apt-get --version | head -n1 | cut -c1-5") == "apt 3"
    assert succeed(host, "info")["state"] == "trial"
    assert succeed(host, "confirm")["state"] == "clean"
    assert call(host, "upgrade", {"release": "trixie"})["changed"] is False

    succeed(host, "rollback")
    host.reboot()
    assert root(host) == "@rootfs"
    after = host.sh("cat /etc/debian_version; dpkg-query -W -f '${Package} ${Version}\n' | sort | sha256sum")
    assert after == before
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"
