# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian 12 becomes Debian 13 in a machine: Debian's own packages, two hundred of them, from a second disk."""

from __future__ import annotations

import shutil
import tempfile
import typing as t
from pathlib import Path

from tests.lab.debs import publish
from tests.lab.next_release import next_release
from tests.lab.process import run
from tests.lab.signing import sign_release
from tests.vm.cuts import ROLLBACK, UPGRADE
from tests.vm.debian import DebianGuest
from tests.vm.debian_image import PACKAGES, app

_SOURCES: t.Final = """\
Types: deb
URIs: file:/srv/debian
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/vm.asc
"""
# Emulated, on a busy machine, every start of 13 takes longer than one of 12; nothing here is about how long
_TIMES: t.Final = "panic_timeout=3 boot_timeout=1200 confirm_deadline=1800"
_PATIENCE: t.Final = 5400.0


def _archive(directory: Path) -> Path:
    """A disk with what Debian's archive has of both releases, as far as the machine needs it."""
    fetched = next_release("bookworm", "trixie", PACKAGES)
    disk = directory / "archive.img"
    with tempfile.TemporaryDirectory(prefix="overc-archive-", dir="/var/tmp") as name:
        place = Path(name) / "debian"
        pool = Path(name) / "pool"
        # Of a list without packages apt tells nothing
        some = [app("0.9")]
        publish(place, some, pool, sign=sign_release, suite="bookworm", origin="Debian")
        listed = (fetched / "Packages").read_text()
        publish(place, some, pool, sign=sign_release, suite="trixie", origin="Debian", beside=True, more=listed)
        for file in fetched.glob("*.deb"):
            shutil.copy(file, place / "pool")
        place.chmod(0o755)
        run(["mke2fs", "-q", "-t", "ext4", "-d", place, disk, "400M"])
    return disk


def switch_on(guest: DebianGuest, directory: Path) -> None:
    """Boot the machine with the archive in it, and adopt it."""
    disk = _archive(directory)
    guest.machine.start(
        "-blockdev", f"driver=raw,node-name=archive,read-only=on,file.driver=file,file.filename={disk}",
        "-device", "virtio-blk-pci,drive=archive,addr=0a",  # behind the disk that the firmware starts from
    )  # fmt: skip
    guest.machine.wait_ssh()
    guest.machine.ssh(
        "mkdir /srv/debian && echo '/dev/vdb /srv/debian ext4 ro,nofail 0 0' >>/etc/fstab && mount /srv/debian && "
        f"printf '%s' '{_SOURCES}' >/etc/apt/sources.list.d/debian.sources"
    )
    said = guest.controller("overc_bootloader", "-a", _TIMES)
    assert said["protection"] == "automatic", said
    guest.controller("overc_host_update")  # whose a source is, its lists tell


def _called(guest: DebianGuest, module: str, options: str) -> dict[str, t.Any]:
    said = guest.controller.run(
        "ansible", "vm", "-m", f"overc.system.{module}", "-a", options, timeout=_PATIENCE
    ).result
    assert not said.get("failed"), (said.get("error_id"), said.get("msg"), said.get("stderr"), said.get("stdout"))
    return said


def there(guest: DebianGuest) -> None:
    guest.offer("v2")
    options = f"release=trixie third_party_sources=keep full=true reboot=true reboot_timeout={_PATIENCE:.0f}"
    said = _called(guest, UPGRADE, options)
    assert said["state"] == "clean", said
    assert len(said["upgrades"]) > 100
    assert guest.machine.ssh("cut -d. -f1 /etc/debian_version") == "13"
    assert guest.machine.ssh("dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u").strip() == "ii"


def back(guest: DebianGuest) -> None:
    said = _called(guest, ROLLBACK, f"reboot=true reboot_timeout={_PATIENCE:.0f}")
    assert said["state"] == "clean", said
    assert guest.machine.ssh("cut -d. -f1 /etc/debian_version") == "12"


__all__ = ("back", "switch_on", "there")
