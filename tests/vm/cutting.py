# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a machine to the point where its power is cut."""

from __future__ import annotations

from collections.abc import Callable

from tests.vm.cuts import Cut
from tests.vm.guest import Guest


def run_to(guest: Guest, cut: Cut, offer: Callable[[str], None]) -> None:
    """From the state that the cut starts from to its point; ``offer`` gives the machine a release to upgrade to."""
    if cut.at_once:
        return
    if cut.console:
        mark = guest.machine.mark()
        guest.begin(cut.module, "-a", "reboot=true")
        guest.machine.wait_console(cut.console, mark)
    elif cut.start == "packaged":
        mark = guest.machine.mark()
        guest.stop_at(cut.point)
        guest.wait_point(cut.point, mark)
    elif cut.point == "in-run_packages":
        offer("v2")
        guest.begin(cut.module)
        guest.wait_file("rootfs_upgrade.overc-new/usr/share/vm-app/data/50", "2.0")
    else:
        offer("v2")
        guest.run_to(cut.point, cut.module)
