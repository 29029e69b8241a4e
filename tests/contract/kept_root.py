# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots of Debian that are made once by mmdebstrap, from the mirrors that this machine uses, and kept as tarballs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.process import LabError, locked, run, say
from tests.lab.settings import cache_directory, digest


def tarball(name: str, suite: str, options: Sequence[str]) -> Path:
    """The root of this name, with these options of mmdebstrap. Skips the test where no mirror has that suite."""
    target = cache_directory() / f"{name}-{digest(suite, *options)}.tar"
    with locked(cache_directory() / f"{name}.lock"):
        if not target.exists():
            say(f"building a root of Debian {suite} ({name}) ...")
            unfinished = target.with_suffix(".part")
            with tempfile.TemporaryDirectory(prefix=f"overc-{name}-", dir=cache_directory()) as scratch:
                argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--quiet", *options]
                try:
                    run([*argv, suite, unfinished], env={**os.environ, "TMPDIR": scratch}, timeout=900)
                except (LabError, subprocess.TimeoutExpired) as error:
                    unfinished.unlink(missing_ok=True)
                    pytest.skip(f"no Debian {suite}: {str(error)[-300:]}")
            unfinished.rename(target)
    return target


def needed(*programs: str) -> None:
    """Skip the test where one of them is missing, or where nobody may mount."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing or programs)}")
