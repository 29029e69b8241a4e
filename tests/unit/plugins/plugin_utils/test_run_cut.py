# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut off says what its hosts are doing and what to type next; one that ended says nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import run_cut

ROOT = Path(__file__).resolve().parents[4]
# Where ansible_collections lies: another place in a checkout than below ansible-test
COLLECTIONS = str(Path(run_cut.__file__).parents[5])
SCRIPT = """
import sys
sys.path.insert(0, "tests/unit")
import ansible_collections.overc.system.plugins.filter.fleet as fleet
{body}
"""


def ended(body: str) -> str:
    """What a process says when it ends after this."""
    typed = (
        f"import sys; sys.path.insert(0, {COLLECTIONS!r}); sys.argv[1:] = ['overc.system.upgrade', '-e', 'target=a b']"
    )
    code = f"{typed}\n{SCRIPT.format(body=body)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" not in done.stderr
    return done.stderr


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
    told = ended(body)
    assert ("was cut off" in told) is said, told
    if said:
        assert "ansible-playbook overc.system.upgrade -e 'target=a b'" in " ".join(told.split())


PLAN = {
    "command": "upgrade",
    "started": "",
    "check_mode": False,
    "refused": None,
    "unready": [],
    "waves": [["h1"], ["h2"]],
    "options": {"report_dir": "/reports"},
    "hosts": {"h1": {"verdict": "go"}, "h2": {"verdict": "go"}},
}


def test_what_became_of_the_hosts_is_said_where_a_wave_was_lost() -> None:
    body = f"v = {{'localhost': {{'__fleet_plan': {PLAN!r}, '__fleet_went': ['h1']}}, 'h1': {{}}, 'h2': {{}}}}; "
    body += "fleet.fleet_hosts(['h1', 'h2'], 'upgrade', False, v)"
    said = ended(body).splitlines()
    assert said[0] == "upgrade of 2 hosts: 1 interrupted, 1 postponed"
    assert said[1].startswith("h1: interrupted: ")
    assert "report: /reports/upgrade.html" in said
    assert "was cut off" in " ".join(said)


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ({"__fleet_went": []}, "The run was cut off while no host was at work. To go on, run again: ansible-playbook"),
        ({"__fleet_went": ["h1"]}, "At work was h1. What has begun"),
        ({"__fleet_went": ["h1", "h2"]}, "At work were h1, h2. What"),
        ({"__fleet_went": ["h3"], "__fleet_revert": ["h3"]}, "At work was h3. What"),
    ],
)
def test_who_was_at_work(local: dict[str, list[str]], said: str) -> None:
    """Not who might have been: a canary of one among thousands is one host."""
    hosts = {name: {"verdict": "go"} for name in ("h1", "h2", "h3")}
    variables = {
        "localhost": {"__fleet_plan": {**PLAN, "hosts": hosts, "waves": [["h3"], ["h1"], ["h2"]]}, **local},
        "h1": {}, "h2": {}, "h3": {"host_upgrade_result": {"status": "upgraded"}},
    }  # fmt: skip
    told = ended(f"fleet.fleet_hosts(['h1', 'h2', 'h3'], 'upgrade', False, {variables!r})")
    assert said in " ".join(told.split())


def test_whatever_cannot_be_told_at_the_end_takes_no_sentence_away() -> None:
    said = ended("fleet.fleet_hosts(['h1'], 'upgrade', False, {})")
    assert "cannot be told" in said
    assert "was cut off" in said
