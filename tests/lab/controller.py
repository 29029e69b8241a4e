# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible as a user has it, against the hosts of a lab: this checkout's ansible.cfg, the lab's inventory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.lab import Lab
from tests.lab.settings import REPOSITORY


def environment(lab: Lab) -> dict[str, str]:
    """What Ansible's programs are started with; its inventory has the hosts that are there now."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_INVENTORY": str(lab.inventory()),
        "ANSIBLE_NOCOLOR": "1",
    }


def run(program: str, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One of Ansible's programs, from this checkout; what it printed and how it ended."""
    argv = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(
        argv, env=env, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
