# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in every state there is, made by the collection's own commands; what survives a reboot is made only once."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.integration.commands import kill_at, succeed, upgrade_to
from tests.lab import Host, Lab
from tests.lab.kernel import make_kernel

Prepare = Callable[[Host], object]


def _upgraded(host: Host) -> None:
    upgrade_to(host, "v2")
    host.reboot()


def _rolled_back(host: Host) -> None:
    succeed(host, "rollback")
    host.reboot()


def _restored(host: Host) -> None:
    host.boot_entry(1)
    host.reboot()
    succeed(host, "rollback")
    host.reboot()


# name -> the image it starts from, and what is done to it. They are kept switched off.
_IMAGES: dict[str, tuple[str | None, Prepare]] = {
    "upgraded": (None, _upgraded),
    "rolled back": ("upgraded", _rolled_back),
    "restored": ("upgraded", _restored),
}


class Images:
    """Saved disks of this process's lab; each is made when the first test asks for it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._made: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        if name not in self._made:
            parent, prepare = _IMAGES[name]
            host = self._lab.create(
                "template_" + name.replace(" ", "_")[:10], from_image=self[parent] if parent else None
            )
            try:
                host.start()
                prepare(host)
                host.poweroff()
                self._made[name] = host.save(self._lab.pool / f"template-{name.replace(' ', '-')}.img")
            finally:
                host.destroy()
        return self._made[name]


@dataclass(frozen=True)
class StateUnderTest:
    """``image``: None is a host as installed. ``live``: what cannot survive a reboot is done to the running host."""

    image: str | None = None
    live: Prepare | None = None
    boot_entry: int | None = None


def _foreign_kernel(host: Host) -> None:
    """Somebody wrote a kernel by hand that no root has modules for."""
    with host.boot_partition() as boot:
        (boot / "bzImage").write_bytes(make_kernel("9.9-lab"))


def _then_release(first: str, second: str) -> Prepare:
    def prepare(host: Host) -> None:
        upgrade_to(host, first)
        host.release(second)

    return prepare


def _killed(release: str, when: str, step: str) -> Prepare:
    def prepare(host: Host) -> None:
        host.release(release)
        kill_at(host, "upgrade", when, step)

    return prepare


def _killed_rollback(host: Host) -> None:
    kill_at(host, "rollback", "after", "swap_kernel")


def _pinned(host: Host) -> None:
    host.sh("sed -i '/ btrfs /s/defaults/defaults,subvol=rootfs/' /etc/fstab")


STATES: dict[str, StateUnderTest] = {
    "clean, current": StateUnderTest(),
    "clean": StateUnderTest(live=lambda host: host.release("v2")),
    "upgraded, current": StateUnderTest("upgraded"),
    "upgraded": StateUnderTest("upgraded", lambda host: host.release("v3")),
    "rolled back": StateUnderTest("rolled back"),
    "restored": StateUnderTest("restored", lambda host: host.release("v2")),
    "staged, same plan": StateUnderTest(live=lambda host: upgrade_to(host, "v2")),
    "staged, more to do": StateUnderTest(live=_then_release("v2", "v3")),
    "staged, nothing pending": StateUnderTest(live=_then_release("v2", "v1")),
    "rollback staged": StateUnderTest("upgraded", lambda host: succeed(host, "rollback")),
    "backup boot": StateUnderTest("upgraded", boot_entry=1),
    "restore staged": StateUnderTest("upgraded", lambda host: succeed(host, "rollback"), boot_entry=1),
    "interrupted early": StateUnderTest(live=_killed("v2", "after", "create_root")),
    "interrupted before the switch": StateUnderTest(live=_killed("v2", "before", "set_default")),
    "interrupted after the switch": StateUnderTest(live=_killed("v2", "after", "set_default")),
    "interrupted rollback": StateUnderTest("upgraded", _killed_rollback),
    "inconsistent": StateUnderTest("upgraded", _foreign_kernel),
    "unsupported": StateUnderTest(live=_pinned),
}


@functools.cache
def images_of(lab: Lab) -> Images:
    return Images(lab)


def host_in_state(lab: Lab, make_host: Callable[..., Host], name: str, **options: t.Any) -> Host:
    """A running host in one of STATES."""
    wanted = STATES[name]
    image = images_of(lab)[wanted.image] if wanted.image else None
    host = make_host(start=False, from_image=image, **options)
    host.boot_entry(wanted.boot_entry)
    host.start()
    if wanted.live:
        wanted.live(host)
    return host
