# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages come back with the reboot, told from what three roots have registered."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.host.left_behind import removed
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Registered

_SINCE = 1000


def registered(**at: int) -> dict[str, Registered]:
    """``name__version=time`` -> as a driver tells it."""
    return {label.replace("__", "-"): Registered(label.partition("__")[0], time) for label, time in at.items()}


BASE = registered(app__1=10, lib__1=20, kernel__1=30, kernel__2=40)
STAGED = registered(app__2=1001, lib__1=20, kernel__1=30, kernel__2=40, brought__1=1001)


def test_nothing_was_removed() -> None:
    assert removed(BASE, STAGED, BASE, _SINCE) == ()
    assert removed(BASE, STAGED, {}, _SINCE) == ()


def test_what_was_removed() -> None:
    for name in ("app-1", "lib-1", "kernel-1", "kernel-2"):
        here = {label: package for label, package in BASE.items() if label != name}
        assert removed(here, STAGED, BASE, _SINCE) == (name,)
    assert removed({}, STAGED, BASE, _SINCE) == ("app-1", "kernel-1", "kernel-2", "lib-1")


def test_what_was_upgraded_in_place_was_not_removed() -> None:
    here = {**registered(app__3=1100, lib__2=1100, kernel__3=1100), **registered(kernel__2=40)}
    assert removed(here, STAGED, BASE, _SINCE) == ()


def test_what_the_upgrade_replaces_or_brings_was_not_removed() -> None:
    """A new package, and one that the staged root has no more."""
    staged = registered(merged__2=1001, lib__1=20)
    assert removed(registered(app__1=10, lib__1=20), staged, registered(app__1=10, lib__1=20), _SINCE) == ()
