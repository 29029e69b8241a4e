# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that enforces Debian's SELinux policy: what is asked of it at each stop of a story, and what must be so."""

from __future__ import annotations

import re
import typing as t

from tests.lab.process import LabError
from tests.vm.debian import DebianGuest
from tests.vm.selinux import CONTEXTS

# Emulated, every start with a policy takes longer; nothing here is about how long
_TIMES: t.Final = "panic_timeout=3 boot_timeout=1200 confirm_deadline=1800"
# Of Debian's policy with its own programs, on a machine that nobody touched yet
_OF_DEBIAN: t.Final = frozenset(("systemd-udevd", "systemd-tmpfile"))
_COMMAND: t.Final = re.compile('comm="([^"]*)"')
# Whom Debian's policy confines in scripts of packages (useradd) may not write to a pipe of an administrator's: nothing is lost
# but what it says
_PIPE: t.Final = re.compile("tcontext=unconfined_u:unconfined_r:unconfined_t:[^ ]* tclass=fifo_file")
# Programs in a new root stay in our domain, and that is told as a denial of the domain that they would have
_KEPT: t.Final = "{ nosuid_transition }"
_LOOK: t.Final = """\
echo "enforce=$(cat /sys/fs/selinux/enforce)"
echo "domain=$(tr -d '\\000' </proc/self/attr/current | cut -d: -f3)"
"""
# The fourth number counts how often a policy was loaded (Linux, security/selinux/include/security.h)
_LOADED: t.Final = "dd if=/sys/fs/selinux/status bs=20 count=1 2>/dev/null | od -An -tu4 | tr -s ' ' | cut -d' ' -f5"
_SHOW: t.Final = "stat -c '%C %n' {}"
_DIFFER: t.Final = f"setfiles -n -v -e /proc -e /sys -e /dev -e /run {CONTEXTS} / /boot 2>&1 | cut -d' ' -f3 | sort"


def adopt(guest: DebianGuest) -> None:
    said = guest.controller("overc_bootloader", "-a", _TIMES)
    assert said["protection"] == "automatic", said


def assert_enforcing(guest: DebianGuest) -> None:
    """And nothing of ours was denied anything."""
    said = dict(line.split("=", 1) for line in guest.machine.ssh(_LOOK).splitlines())
    assert said == {"enforce": "1", "domain": "unconfined_t"}
    denied = guest.machine.ssh("dmesg | grep 'avc:  denied' || true").splitlines()
    meant = [line for line in denied if _PIPE.search(line) or _KEPT in line]
    strange = [line for line in denied if line not in meant and set(_COMMAND.findall(line)) - _OF_DEBIAN]
    assert strange == [], strange


def loaded(guest: DebianGuest) -> int:
    """How often a policy was loaded since this boot."""
    return int(guest.machine.ssh(_LOADED))


def assert_labelled(guest: DebianGuest) -> None:
    """What the packages brought, and what their scripts and we wrote, is labelled as the policy wants it."""
    shown = guest.machine.ssh(_SHOW.format(" ".join(guest.labels))).splitlines()
    found = {path: label.split(":")[2] for label, path in (line.split(" ", 1) for line in shown)}
    assert found == guest.labels, set(found.items()) ^ set(guest.labels.items())


def differing(guest: DebianGuest) -> frozenset[str]:
    """Paths whose label is another one than the policy wants, on all of the machine: minutes."""
    found = guest.machine.ssh(_DIFFER, timeout=3600).splitlines()
    if any("setfiles" in line for line in found):
        raise LabError(f"setfiles failed: {found[:5]}")
    return frozenset(found)


__all__ = ("adopt", "assert_enforcing", "assert_labelled", "differing", "loaded")
