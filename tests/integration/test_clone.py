# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README promises of a clone, to somebody who has Ansible and nothing of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.settings import REPOSITORY

PARTS = ("Makefile", "ansible.cfg", "galaxy.yml", "meta", "playbooks", "plugins", "roles")


@pytest.mark.parametrize("name", ["overc.system.overc_host_info", "overc_host_info"])
def test_a_clone_works_after_make_link(name: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, clone)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    subprocess.run(["make", "link"], cwd=clone, env=environment, check=True)
    (tmp_path / "hosts").write_text(f"web1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible"), "-i", tmp_path / "hosts", "web1", "-m", name],
        cwd=clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.partition("=>")[2])["state"]
