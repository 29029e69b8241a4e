# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation agrees with the source, as far as a machine can tell."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands
from ansible_collections.overc.system.plugins.module_utils.host.plan.entries import commands as entry_commands
from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import with_trial

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_error_page_is_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "scripts/generate_docs.py"))
    page = (ROOT / "docs/errors.md").read_text()
    assert page == generator["errors_page"](), "run scripts/generate_docs.py"
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {"error_id", *ERROR_IDS}
    assert "See the message" not in page


def test_the_plan_of_the_house_is_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "scripts/generate_docs.py"))
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert page == generator["contributing"](), "run scripts/generate_docs.py"
    sentences = re.findall(r"^ {6,}([a-z_]+(?:\.py|/) .*)$", page.split("# I want to")[0], re.MULTILINE)
    assert len(sentences) > 50
    assert [line for line in sentences if len(line.split()) < 3] == [], "each file says in a sentence what it holds"


def test_what_contributors_are_led_to_is_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = ("", "plugins", "plugins/module_utils")
    words = re.findall(r"`([a-z_/.]+/[a-z_/.]*|[a-z_]+\.py)`", page)
    named = {name.rstrip("/") for name in words if not name.startswith("build/")}
    files = {path.name for place in ("tests", "plugins") for path in ROOT.glob(f"{place}/**/*.py")}
    missing = [name for name in named if name not in files and not any((ROOT / room / name).exists() for room in rooms)]
    assert sorted(missing) == []


def test_dependencies_page_is_complete_and_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "scripts/generate_docs.py"))
    lists = generator["dependency_lists"]()
    assert set(lists) == set(generator["_KINDS"]), "each list has its heading"
    for name in lists:
        for what, why in generator["dependencies"](name):
            assert why, f"{name}: why {what}?"
    assert (ROOT / "docs/dependencies.md").read_text() == generator["dependencies_page"](), (
        "run scripts/generate_docs.py"
    )


def test_what_modules_share_is_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "scripts/generate_docs.py"))
    modules = generator["modules"]()
    for path, text in modules.items():
        assert path.read_text() == text, f"run scripts/generate_docs.py: {path.name}"
    marks = re.findall(r"^# >>> (\w+)", "".join(modules.values()), re.MULTILINE)
    groups = runpy.run_path(str(ROOT / "scripts/return_texts.py"))["GROUPS"]
    assert {name for name in groups if marks.count(name) < 2} == set(), "shared by one is not shared"
    for path, text in modules.items():
        outside = re.sub(r"(?ms)^# >>> .*?^# <<<$", "", text)
        assert [name for name, said in groups.items() if said in outside] == [], path.name


def test_the_site_has_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text()
    assert all(f"\n{path.stem}\n" in index for path in (ROOT / "docs").glob("*.md") if path.stem != "index")


def _table(heading: str) -> list[list[str]]:
    section = (ROOT / "docs/reliability.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def test_steps_of_an_upgrade_are_documented_in_order() -> None:
    assert [row[0] for row in _table("Upgrade")] == list(commands.UPGRADE_STEPS)


def test_steps_with_a_boot_entry_for_each_deployment_are_documented_in_order() -> None:
    assert [row[0] for row in _table("A boot entry for each deployment")] == list(entry_commands.UPGRADE_STEPS)


def test_steps_of_a_rollback_are_documented_in_order() -> None:
    rows = _table("Rollback, cancel, restore")
    for column, steps in enumerate((commands.ROLLBACK_STEPS, commands.CANCEL_STEPS, commands.RESTORE_STEPS), 1):
        assert [row[0] for row in rows if row[column] == "yes"] == list(steps)


def test_steps_of_automatic_protection_are_documented() -> None:
    rows = {row[0]: row[1:5] for row in _table("Automatic protection") if len(row) == 6}
    plans = (commands.UPGRADE_STEPS, commands.ROLLBACK_STEPS, commands.CANCEL_STEPS, commands.RESTORE_STEPS)
    for column, steps in enumerate(plans):
        added = set(with_trial(steps, arm=True, cancel=steps == commands.CANCEL_STEPS)) - set(steps)
        assert {step for step, cells in rows.items() if cells[column] == "yes"} == added


def test_state_table_has_every_state() -> None:
    from ansible_collections.overc.system.plugins.module_utils.host.observe.state import State

    page = (ROOT / "docs/state-table.md").read_text()
    assert all(f"`{state}`" in page for state in t.get_args(State))
    named = set(re.findall(r"`(\w+)`", page)) & set(ERROR_IDS)
    assert {"no_target", "not_booted", "rollback_staged", "backup_boot", "locked"} <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_readme_names_what_there_is() -> None:
    text = (ROOT / "README.md").read_text()
    modules = {path.stem for path in (ROOT / "plugins/modules").glob("overc_*.py")}
    assert set(re.findall(r"^\| `(overc_\w+)` \|", text, re.MULTILINE)) == modules
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
    assert "    make test\n" in text


def test_every_claim_of_the_threat_model_has_its_tests() -> None:
    page = (ROOT / "docs/threat-model.md").read_text()
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r"`(test_\w+)`", page)) - there == set()
    claims = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| claim")]
    assert claims
    assert all("`test_" in line.rpartition("|")[0].rpartition("|")[2] for line in claims)


def test_changelog_fragments_are_valid() -> None:
    program = Path(sys.executable).with_name("antsibull-changelog")
    if not program.exists():
        pytest.skip("antsibull-changelog is not installed here")
    done = subprocess.run([program, "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
