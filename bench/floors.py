# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody who does this work in Python through Ansible can be faster than, measured in the same run as the rest.

``python -m bench.floors --json FILE``. Files are made below ``--dir``; what the file system there is, is told.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

_FILES: t.Final = 5000


def started(*argv: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *argv], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def ping() -> float:
    """Ansible's own smallest run, without any connection."""
    program = str(Path(sys.executable).with_name("ansible"))
    began = time.perf_counter()
    subprocess.run(
        [program, "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}",
         "-m", "ansible.builtin.ping"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - began


def per_file(directory: Path, files: int = _FILES) -> dict[str, float]:
    """Seconds a file to make and to remove empty ones, by nothing but the kernel's calls."""
    place = Path(tempfile.mkdtemp(dir=directory))
    try:
        names = [str(place / str(number)) for number in range(files)]
        began = time.perf_counter()
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        made = time.perf_counter()
        for name in names:
            os.unlink(name)
        gone = time.perf_counter()
        return {
            "the kernel's creat, a file": (made - began) / files,
            "the kernel's unlink, a file": (gone - made) / files,
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)


def file_system(directory: Path) -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def measure(directory: Path, repeats: int) -> dict[str, t.Any]:
    """Medians with the least and the most, everything once in each round."""
    found: dict[str, list[float]] = {}
    for _round in range(repeats):
        values = {
            "python's start": started("-I", "-S", "-c", ""),
            "python's start, and what every module imports": started("-c", "import ansible.module_utils.basic"),
            "ansible's start, and a ping here": ping(),
            **per_file(directory),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    floors = {
        name: {"median": statistics.median(values), "least": min(values), "most": max(values)}
        for name, values in found.items()
    }
    return {"floors": floors, "file system": file_system(directory), "repeats": repeats}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.floors", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    found = measure(options.dir, options.repeats)
    for name, value in found["floors"].items():
        print(f"{name:<48}{value['median'] * 1000:>10.3f} ms", flush=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
