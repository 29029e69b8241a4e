# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a lab host a Python of this machine, at the same place (interpreters know where their libraries are)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import interpreters

from tests.lab import Host

_NOT_NEEDED = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "config-*", "*.a",
    "site-packages", "dist-packages",
)  # fmt: skip


def prefix_of(interpreter: str) -> Path:
    ask = "import sys; print(sys.base_prefix)"
    done = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def install(host: Host, version: str, interpreter: str) -> str:
    """Copy the interpreter and its library to a host that is switched off; returns its path there."""
    prefix, name = prefix_of(interpreter), f"python{version}"
    if prefix == Path("/usr"):
        raise ValueError(f"{interpreter} is the distribution's own, and would replace the host's")
    with host.top() as top:
        if prefix.is_relative_to(interpreters.NEXT):  # with a C library of its own
            shutil.copytree(interpreters.NEXT, top / "rootfs" / interpreters.NEXT.relative_to("/"), symlinks=True)
            return str(prefix / "bin" / name)
        place = top / "rootfs" / prefix.relative_to("/")
        for part in ("bin", "lib"):
            (place / part).mkdir(parents=True, exist_ok=True)
        shutil.copy2(prefix / "bin" / name, place / "bin" / name, follow_symlinks=True)
        shutil.copytree(prefix / "lib" / name, place / "lib" / name, ignore=_NOT_NEEDED, symlinks=True)
        for library in prefix.glob("lib/libpython3*.so*"):
            shutil.copy2(library, place / "lib" / library.name, follow_symlinks=False)
    return str(prefix / "bin" / name)
