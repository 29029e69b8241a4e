# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as Ansible hands them over: nothing is made of them on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .world import World

PROJECT = Path(__file__).resolve().parents[3]


def test_directories_are_taken_as_they_are_written(world: World) -> None:
    """What the host's shell would make of them is not what the container has."""
    for root in (world.host, world.container(plain=True)):
        for directory in ("usr", "$USR"):
            (root / directory).mkdir()
    environment = {**os.environ, "USR": "usr", "ANSIBLE_NOCOLOR": "1"}

    def told(directory: str) -> str:
        arguments = {
            "container": "c1",
            "containers_dir": str(world.containers),
            "directories": [directory],
            "sources": ["essential"],
            "essential_root": str(world.host),
        }
        argv = [str(Path(sys.executable).parent / "ansible"), "localhost", "-c", "local", "--check", "-o"]
        argv += ["-m", "overc.system.overc_overlay", "-a", json.dumps(arguments)]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, cwd=PROJECT).stdout

    found = told("/$USR")
    assert '"directory": "/$USR"' in found, found
    found = told("~root/x")
    assert "'~root/x' is not an absolute path" in found, found
