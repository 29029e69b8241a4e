# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package manager does this root use? The one place that knows all drivers."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from .dnf.driver import Dnf
from .smartpm.driver import SmartPm

if t.TYPE_CHECKING:
    from ..runner import Runner
    from .contract import PackageManager

# option value -> the program that must be installed, and its driver
DRIVERS: t.Final[dict[str, tuple[str, t.Callable[[Runner], PackageManager]]]] = {
    "dnf": ("dnf", Dnf),
    "smartpm": ("smart", SmartPm),
}


def detect(runner: Runner, wanted: str = "auto") -> PackageManager:
    """The driver for ``wanted``: ``dnf``, ``smartpm``, or ``auto`` for the one that is installed.

    Two package managers on one host may disagree about which repositories count, so ``auto`` never chooses between
    them: it looks only at the programs, which costs no process, and refuses with bad_argument when it finds both.
    Raises package_manager_missing if there is none, or not the wanted one, and bad_argument for another word.
    """
    if wanted != "auto" and wanted not in DRIVERS:
        raise OvercError("bad_argument", f"{wanted!r} is none of the package managers auto, {', '.join(DRIVERS)}.")
    present = [name for name, (program, _driver) in DRIVERS.items() if runner.find(program) is not None]
    if wanted != "auto" and wanted not in present:
        raise OvercError(
            "package_manager_missing", f"The program {DRIVERS[wanted][0]!r} ({wanted}) is not installed on this host."
        )
    if not present:
        programs = ", ".join(program for program, _driver in DRIVERS.values())
        raise OvercError(
            "package_manager_missing",
            f"None of the supported package managers is installed on this host: {programs}.",
        )
    if wanted == "auto" and len(present) > 1:
        raise OvercError(
            "bad_argument",
            f"This host has more than one package manager ({', '.join(present)}); say which one with the option "
            "package_manager.",
        )
    _program, driver = DRIVERS[present[0] if wanted == "auto" else wanted]
    return driver(runner)


__all__ = ("DRIVERS", "detect")
