# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation can be built, and what it tells to type works on real hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.conformance.test_documentation import fenced
from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY
from tests.release.test_matrix import without_ansible

MakeHost = Callable[..., Host]
# Done by the fixtures: the lab, and the programs of .venv
_BY_HAND = ("make lab HOSTS=1", "source .venv/bin/activate", "make lab-down")


def say(line: str, lab: Lab) -> str:
    """Type a line of the documentation in this checkout, with the lab's inventory."""
    environment = without_ansible()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=REPOSITORY,
        env={**environment, "ANSIBLE_INVENTORY": str(lab.inventory()), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}"
    return done.stdout


def test_the_demonstration_comes_true() -> None:
    """`make demo` fails where something that it promises is not so."""
    argv = [sys.executable, "-m", "tests.demo"]
    done = subprocess.run(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_site_builds_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/build_docs.py"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    for page in ("index", "tutorial", "errors", "collections/overc_host_upgrade_module"):
        assert (REPOSITORY / "build/docs" / f"{page}.html").exists()


def test_the_tutorial_comes_true(lab: Lab, make_host: MakeHost) -> None:
    make_host("h1")
    lines = [line for block in fenced(REPOSITORY / "docs/tutorial.md", "sh") for line in block.splitlines() if line]
    said = [say(line, lab) for line in lines if line not in _BY_HAND]
    versions = [text.splitlines()[-1] for line, text in zip((n for n in lines if n not in _BY_HAND), said, strict=True)
                if "rpm -q" in line]  # fmt: skip
    assert versions == ["lab-app-1.0-1.noarch", "lab-app-2.0-1.noarch", "lab-app-1.0-1.noarch"]
