# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every ansible-core that is supported, each in a virtual environment of its own below build/controllers."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import locked
from tests.lab.settings import REPOSITORY

PLACE = REPOSITORY / "build" / "controllers"
# The oldest Python that each of them runs on comes first, so that the matrix has more than one.
CORES = {
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.13", "3.12", "3.14"),
}


class CannotInstall(Exception):
    """This ansible-core is not to be had on this machine; the text says why."""


@dataclass(frozen=True)
class Controller:
    core: str
    python: str
    programs: Path
    """Directory of ``ansible``, ``ansible-playbook`` and so on."""


def controller(core: str, interpreters: dict[str, str]) -> Controller:
    """The newest release of ``core`` (2.19 ...), installed when it is first asked for."""
    python = next((version for version in CORES[core] if version in interpreters), None)
    if python is None:
        raise CannotInstall(f"ansible-core {core} needs one of Python {', '.join(CORES[core])}")
    place = PLACE / f"{core}-python{python}"
    PLACE.mkdir(parents=True, exist_ok=True)
    with locked(PLACE / f"{core}.lock"):
        if not (place / "bin" / "ansible").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([interpreters[python], "-m", "venv", place], check=True)
            pip = [place / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            done = subprocess.run(
                [*pip, f"ansible-core=={core}.*"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )
            if done.returncode != 0:
                shutil.rmtree(place)
                raise CannotInstall(f"ansible-core {core}: {done.stderr.strip()[-500:]}")
    return Controller(core, python, place / "bin")
