# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning up after labs whose process was killed.

Only directories with a lab's own record file are touched, and only if the process that owned the lab is gone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab.lab import LAB_FILE, Lab
from tests.lab.process import LabError, alive, say

# Where the tests keep theirs, one per worker.
TEST_LABS = "tests"


def abandoned(directory: Path) -> list[Lab]:
    """This lab and the test labs below it, as far as they belonged to a process which is no more."""
    found = []
    for record in (directory / LAB_FILE, *sorted(directory.glob(f"{TEST_LABS}/*/{LAB_FILE}"))):
        lab = Lab(record.parent)
        owner = lab.record.get("owner")
        if owner and not alive(*owner):
            found.append(lab)
    return found


def collect(directory: Path) -> int:
    labs = abandoned(directory)
    for lab in labs:
        say(f"removing the abandoned lab {lab.directory}")
        try:
            lab.down()
        except LabError as error:
            # Somebody else's rubbish is no reason to fail whoever comes next; the one after tries again.
            say(f"could not remove it: {error}")
            continue
        if lab.directory.parent.name == TEST_LABS:
            shutil.rmtree(lab.directory, ignore_errors=True)
    return len(labs)
