# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python interpreters this machine has, in versions that this collection supports."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

OLDEST, NEWEST = 9, 14
# What scripts/python-next made
NEXT = Path(__file__).resolve().parents[1] / ".cache" / "python3.14"
SUPPORTED = tuple(f"3.{minor}" for minor in range(OLDEST, NEWEST + 1))
_CHECK = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def _candidates(version: str) -> list[str]:
    made = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    fetched = Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python{version}")
    return [
        *sorted(map(str, made), reverse=True),
        *sorted(map(str, fetched), reverse=True),
        f"/usr/local/bin/python{version}",
        f"/usr/bin/python{version}",
        shutil.which(f"python{version}") or "",
        f"{NEXT}/usr/bin/python{version}",
    ]


def _works(path: str, version: str) -> bool:
    if not os.access(path, os.X_OK):
        return False
    done = subprocess.run([path, "-c", _CHECK], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def found() -> dict[str, str]:
    """Version: path of an interpreter that can make virtual environments; oldest version first."""
    usable = ((v, next((path for path in _candidates(v) if _works(path, v)), None)) for v in SUPPORTED)
    return {version: path for version, path in usable if path}


if __name__ == "__main__":
    for _version, _path in found().items():
        print(f"{_version} {_path}")
