# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut off says what its hosts are doing and what to type next; one that ended says nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = """
import sys
sys.path.insert(0, "tests/unit")
import ansible_collections.overc.system.plugins.filter.fleet as fleet
{body}
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("fleet.fleet_hosts(['h1', 'h2'], 'upgrade')", True),
        ("fleet.fleet_hosts(['h1', 'h2'], 'upgrade'); raise KeyboardInterrupt", True),
        ("fleet.fleet_hosts(['h1'], 'upgrade'); fleet.fleet_hosts([], '', True)", False),
        ("fleet.fleet_hosts([], 'upgrade')", False),
        ("fleet.fleet_hosts(['h1'])", False),
    ],
)
def test_what_is_said_when_ansible_ends(body: str, said: bool) -> None:
    code = f"import sys; sys.path.insert(0, '.collections'); sys.argv[1:] = ['overc.system.upgrade', '-e', 'target=a b']\n{SCRIPT.format(body=body)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ("was cut off" in done.stderr) is said, done.stderr
    if said:
        assert "ansible-playbook overc.system.upgrade -e 'target=a b'" in " ".join(done.stderr.split())
