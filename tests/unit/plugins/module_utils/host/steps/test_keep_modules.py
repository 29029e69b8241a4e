# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules kept for the present kernel go into the new root, wherever its packages let links point."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.steps.keep_modules import copy_modules
from ansible_collections.overc.system.plugins.module_utils.runner import Completed


class Real:
    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def copy(base: Path, new: Path) -> None:
    at: t.Any = SimpleNamespace(runner=Real())
    source, target = (t.cast("t.Any", SimpleNamespace(path=str(path))) for path in (base, new))
    copy_modules(at, source, target, "1.0-lab")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base/usr/lib/modules/1.0-lab").mkdir(parents=True)
    (tmp_path / "base/usr/lib/modules/1.0-lab/lab.ko").write_text("module")
    return tmp_path / "base"


def test_a_link_to_the_outside_is_not_followed(base: Path, tmp_path: Path) -> None:
    outside, new = tmp_path / "outside", tmp_path / "new"
    outside.mkdir()
    (new / "usr/lib").mkdir(parents=True)
    os.symlink(outside, new / "usr/lib/modules")
    with pytest.raises(OvercError) as caught:
        copy(base, new)
    assert caught.value.error_id == "kernel_modules_missing"
    assert os.listdir(outside) == []


def test_a_link_means_what_it_means_in_there(base: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    (new / "data/modules").mkdir(parents=True)
    (new / "usr/lib").mkdir(parents=True)
    os.symlink("/data/modules", new / "usr/lib/modules")
    copy(base, new)
    assert (new / "data/modules/1.0-lab/lab.ko").read_text() == "module"
