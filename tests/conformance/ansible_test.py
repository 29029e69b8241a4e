# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test as a function."""

from __future__ import annotations

import subprocess
import sys

from tests.lab.process import locked
from tests.lab.settings import REPOSITORY

NEWEST = f"{sys.version_info[0]}.{sys.version_info[1]}"
# What depends on the Python of the host; everything else looks the same on all of them
PER_PYTHON = ("compile", "import")


def ansible_test(*arguments: str) -> None:
    """It must succeed. Only one at a time: they share the copy of the checkout."""
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with locked(REPOSITORY / "build" / "ansible-test.lock"):
        done = subprocess.run(
            [sys.executable, "scripts/run_ansible_test.py", *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:]
