# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the package manager that a root uses. The one place that knows all drivers, and loads only one."""

from __future__ import annotations

import contextlib
import os
import typing as t

from .known import present, which

if t.TYPE_CHECKING:
    from ..runner import Runner
    from .contract import PackageManager
    from .locks import Lock


def _dnf(runner: Runner) -> PackageManager:
    from .dnf.driver import Dnf  # noqa: PLC0415

    return Dnf(runner)


def _dnf5(runner: Runner) -> PackageManager:
    from .dnf5.driver import Dnf5  # noqa: PLC0415

    return Dnf5(runner)


def _smartpm(runner: Runner) -> PackageManager:
    from .smartpm.driver import SmartPm  # noqa: PLC0415

    return SmartPm(runner)


def _apt(runner: Runner) -> PackageManager:
    from .apt.driver import Apt  # noqa: PLC0415

    return Apt(runner)


def _zypper(runner: Runner) -> PackageManager:
    from .zypper.driver import Zypper  # noqa: PLC0415

    return Zypper(runner)


# A name in known.PROGRAMS -> its driver. Imported where it is used: each costs a module milliseconds.
DRIVERS: t.Final[dict[str, t.Callable[[Runner], PackageManager]]] = {
    "dnf": _dnf,
    "dnf5": _dnf5,
    "smartpm": _smartpm,
    "apt": _apt,
    "zypper": _zypper,
}
# Those that know how to bring a root to another release of its distribution
RELEASE_UPGRADES: t.Final = ("apt",)
# Those that have more than one way to upgrade, and tell vendors apart
MODES: t.Final = ("zypper",)
# Those whose drivers follow ``PackageRequest.install``, ``remove`` and ``upgrade``, and those that know ``advisories``
INSTALLS: t.Final = ("apt", "dnf", "dnf5", "zypper")
ADVISORIES: t.Final = ("apt", "dnf", "dnf5", "zypper")

# Each with its runner, which keeps that one's id from being another's
_MADE: t.Final[dict[tuple[int, str], tuple[Runner, PackageManager]]] = {}


def _driver(runner: Runner, name: str) -> PackageManager:
    """One driver for each root: a command asks several times, and what a driver knows of its tool costs a process to learn."""
    key = (id(runner), name)
    if key not in _MADE:
        _MADE[key] = (runner, DRIVERS[name](runner))
    return _MADE[key][1]


def detect(runner: Runner, wanted: str = "auto") -> PackageManager:
    """The driver for ``wanted``, chosen and refused as ``known.which`` does; the same one each time for the same runner."""
    return _driver(runner, which(runner, wanted))


def locks(runner: Runner, wanted: str | None) -> tuple[Lock, ...]:
    """The locks of the package manager ``wanted``; None: nobody can say which one counts, so those of all there are."""
    names = [wanted] if wanted else present(runner)
    found = (_driver(runner, name).database().locks for name in names)
    return tuple(dict.fromkeys(lock for some in found for lock in some))


def database_elsewhere(runner: Runner, name: str) -> tuple[str, ...]:
    """The directories of this package manager's database that are not on the file system, or subvolume, of ``/``.

    Raises OvercError where it cannot be asked, OSError.
    """
    device = os.stat("/").st_dev
    found = []
    for path in _driver(runner, name).directories():
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_dev != device:
                found.append(path)
    return tuple(found)


__all__ = ("ADVISORIES", "DRIVERS", "INSTALLS", "MODES", "RELEASE_UPGRADES", "database_elsewhere", "detect", "locks")
