# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package managers there are, and which one this root uses: names and programs, no driver."""

from __future__ import annotations

import os
import typing as t

from ..errors import OvercError
from ..system.presence import is_there

if t.TYPE_CHECKING:
    from ..runner import Runner

# option value -> the program that must be installed
PROGRAMS: t.Final[dict[str, str]] = {
    "dnf": "dnf",
    "dnf5": "dnf5",
    "smartpm": "smart",
    "apt": "apt-get",
    "zypper": "zypper",
}

# Only to be named: what manages the packages of hosts that cannot be helped
OTHERS: t.Final = ("rpm-ostree", "pacman", "apk", "opkg", "xbps-install", "emerge")


# Where rpm registers packages, by all the names there are
_RPM_DATABASES: t.Final = tuple(
    f"{directory}/{name}"
    for directory in ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm")
    for name in ("rpmdb.sqlite", "Packages", "Packages.db")
)


def present(runner: Runner) -> list[str]:
    """The names of the package managers that are installed: `dnf` is DNF 5 where it leads to `dnf5`, and then nothing else."""
    found = [name for name, program in PROGRAMS.items() if runner.find(program) is not None]
    if "dnf" in found and os.path.basename(os.path.realpath(runner.find("dnf") or "")) == "dnf5":
        found.remove("dnf")
    return found


def _that_count(found: list[str]) -> list[str]:
    """Without what is there but does not manage this root.

    Of both generations of DNF the one counts that `dnf` is: the other one was installed beside it. A root with dpkg may have
    DNF or zypper to make other roots with: then it has no database of rpm's. Where it has one, or where there is Smart, which
    uses dpkg's database as well, apt is the one that does not count.
    """
    others = [name for name in found if name != "apt"]
    if "dnf" in others and "dnf5" in others:
        others.remove("dnf5")
    if set(others) <= {"dnf", "dnf5", "zypper"} and "apt" in found and not any(map(is_there, _RPM_DATABASES)):
        return ["apt"]
    return others or found


def which(runner: Runner, wanted: str = "auto") -> str:
    """The name of the package manager for ``wanted``: one of PROGRAMS, or ``auto`` for the one that is installed.

    Two package managers on one host may disagree about which repositories count, so ``auto`` never chooses between
    them: it looks only at programs and files, which costs no process, and refuses with bad_argument when it finds both. apt
    counts where no other one manages the root: it is no choice between two that know different packages. ``dnf`` is whatever
    generation of it the host's `dnf` is, so it may come out as ``dnf5``.
    Raises package_manager_missing if there is none, or not the wanted one, and bad_argument for another word.
    """
    if wanted != "auto" and wanted not in PROGRAMS:
        raise OvercError("bad_argument", f"{wanted!r} is none of the package managers auto, {', '.join(PROGRAMS)}.")
    found = present(runner)
    if wanted == "dnf" and "dnf" not in found and runner.find("dnf") is not None:
        wanted = "dnf5"  # what `dnf` is on this host
    if wanted != "auto" and wanted not in found:
        raise OvercError(
            "package_manager_missing", f"The program {PROGRAMS[wanted]!r} ({wanted}) is not installed on this host."
        )
    others = [program for program in OTHERS if runner.find(program) is not None]
    if not found and others:
        raise OvercError(
            "package_manager_missing",
            f"{others[0]} manages this host's packages, which is not supported. Supported are: "
            f"{', '.join(PROGRAMS.values())}.",
        )
    if not found:
        raise OvercError(
            "package_manager_missing",
            f"None of the supported package managers is installed on this host: {', '.join(PROGRAMS.values())}.",
        )
    found = _that_count(found) if wanted == "auto" else found
    if len(found) > 1 and wanted == "auto":
        raise OvercError(
            "bad_argument",
            f"This host has more than one package manager ({', '.join(found)}); say which one with the option "
            "package_manager.",
        )
    return found[0] if wanted == "auto" else wanted


__all__ = ("OTHERS", "PROGRAMS", "present", "which")
