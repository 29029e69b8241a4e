# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of `make test` takes on which day, by pytest itself: each test and each case comes round, and no run is empty."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests import sampling
from tests.lab.settings import REPOSITORY

FIRST: t.Final = 20_784
SAMPLED: t.Final = sorted(
    str(path.relative_to(REPOSITORY))
    for place in ("integration", "contract")
    for path in (REPOSITORY / "tests" / place).rglob("test_*.py")
    if re.search(r"^from tests\.sampling import .*\b(rotating|one_of_each)\b", path.read_text(), re.MULTILINE)
)
LONG: t.Final = ("tests/integration/test_debian_12_to_13.py", "tests/integration/test_release_upgrade.py")
OTHER: t.Final = "tests/unit/test_sampling.py"


def _collected(day: int, *args: str) -> set[str]:
    """What `make test` would carry out of these files; it fails where there is nothing."""
    environment = {**os.environ, "OVERC_SAMPLE": str(day), "OVERC_VARIANTS": "some"}
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *args]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (day, args, done.stdout[-1000:], done.stderr[-1000:])
    return {line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("day", [FIRST, FIRST + 1])
def test_the_fleet_of_thirty_is_there_every_day(day: int) -> None:
    assert _collected(day, "tests/integration/fleet/test_thirty.py", "-m", "not slow") == {"test_thirty_hosts"}


def test_a_test_with_a_day_of_its_own_has_it() -> None:
    long, others = (
        {"test_another_release_and_back"},
        {"test_what_is_refused_before_anything_is_built", "test_the_page_comes_true"},
    )
    multiple = FIRST // 12 * 12
    for after, wanted in ((0, set()), (3, others), (6, long)):  # not all of them on the same day
        assert _collected(multiple + after, *LONG, OTHER) & (long | others) == wanted
    assert _collected(multiple + 1, LONG[0]) == long, "who asks for the file gets it"


def _cases(path: str) -> dict[str, set[str]]:
    """The cases of each test of a file that has any."""
    found: dict[str, set[str]] = {}
    package = ".".join(Path(path).parent.parts)
    for name, value in runpy.run_path(str(REPOSITORY / path), run_name=f"{package}.of_a_day").items():
        for mark in getattr(value, "pytestmark", []) if name.startswith("test_") else []:
            if mark.name == "parametrize":
                found.setdefault(name, set()).update(str(getattr(case, "id", None) or case) for case in mark.args[1])
                assert len(mark.args[1]) > 0, f"{path}: {name} would be skipped"
    return found


@pytest.mark.parametrize("path", SAMPLED, ids=lambda path: Path(path).stem)
def test_each_case_comes_round(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ALL", True)
    whole = _cases(path)
    monkeypatch.setattr(sampling, "ALL", False)
    taken: dict[str, set[str]] = {name: set() for name in whole}
    for day in range(FIRST, FIRST + 84):
        monkeypatch.setenv("OVERC_SAMPLE", str(day))
        for name, cases in _cases(path).items():
            taken[name] |= cases
    assert taken == whole
