# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reviewer's tools say: nothing. The slow half is in tests/release."""

from __future__ import annotations

import subprocess

import interpreters

from tests.conformance.ansible_test import PER_PYTHON, ansible_test
from tests.lab.settings import REPOSITORY


def test_make_lint() -> None:
    done = subprocess.run(
        ["make", "lint"],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_oldest_python_of_a_host_compiles_and_imports_everything() -> None:
    """What depends on the Python of a host; all of ansible-test's sanity tests are in tests/release."""
    oldest = next(iter(interpreters.found()))
    ansible_test(
        "sanity", "--venv", "--python", oldest, *(option for name in PER_PYTHON for option in ("--test", name))
    )
