# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenarios, as `make molecule` runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.settings import REPOSITORY

pytestmark = pytest.mark.slow
SCENARIOS = {path.parent.name for path in (REPOSITORY / "extensions/molecule").glob("*/molecule.yml")}


def test_all_scenarios() -> None:
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        [f"{programs}/molecule", "test", "--all", "--no-command-borders"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    output = done.stdout + done.stderr
    print(output)
    assert done.returncode == 0, output[-3000:]
    recap = re.findall(r"^(\w+) +: actions=(\d+) +successful=(\d+) .*failed=0", output, re.MULTILINE)
    assert {name for name, _all, _good in recap} == SCENARIOS
    assert all(every == good for _name, every, good in recap), recap
