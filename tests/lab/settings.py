# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places, names and sizes: everything two parts of the lab must agree on."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent.parent
DEFAULT_DIRECTORY = REPOSITORY / ".lab"

# Only ever used inside the lab's own network namespace, so two labs may use the same addresses.
NETWORK = "10.77"
GATEWAY = f"{NETWORK}.0.1"
PREFIX = 16
HTTP_PORT = 8080

RUN_DIRECTORY = Path("/run/overc-lab")

MIB = 1 << 20

# Where a host has the Python files of the tests.
PYTHON_IN_HOST = "/run/lab-py"

# What is known about a host, in its directory.
RECORD_FILE, STATE_FILE, MENU_FILE, CONSOLE_FILE = "host.json", "state.json", "menu", "console.log"


def cache_directory() -> Path:
    """Golden images and repositories, shared by all labs of this checkout."""
    return Path(os.environ.get("OVERC_LAB_CACHE", DEFAULT_DIRECTORY / "cache"))


def digest(*parts: str | bytes | Path) -> str:
    """A short key for everything that goes into something cached; a Path stands for its content."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.read_bytes() if isinstance(part, Path) else part
        raw = raw.encode() if isinstance(raw, str) else raw
        total.update(len(raw).to_bytes(8, "big") + raw)
    return total.hexdigest()[:16]


def scratch_directory(need: int) -> Path:
    """Memory where there is enough of it (twice as fast), else the disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and min(shutil.disk_usage(memory).free, available_memory()) > 3 * need:
        return memory
    return Path("/var/tmp")


def available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True)
class DiskSize:
    """Of a host's disk; sparse, so that only what is written costs anything."""

    disk_mib: int = 3072
    boot_mib: int = 128


@dataclass(frozen=True)
class LabNames:
    """Every name that is visible on the whole machine; ``lab_id`` keeps the labs apart."""

    directory: Path

    @property
    def lab_id(self) -> str:
        return hashlib.sha256(os.fsencode(self.directory.resolve())).hexdigest()[:6]

    @property
    def netns(self) -> str:
        return f"overc-{self.lab_id}"

    @property
    def cgroup(self) -> str:
        return f"overc-lab-{self.lab_id}"

    def host_netns(self, host: str) -> str:
        return f"overc-{self.lab_id}-{host}"

    @property
    def run_directory(self) -> Path:
        """A short path: the control sockets of ssh must fit into 108 bytes."""
        return RUN_DIRECTORY / self.lab_id

    @property
    def shared_python(self) -> Path:
        """What python_in_host.py brings, once for all hosts of the lab."""
        return self.run_directory / "python"
