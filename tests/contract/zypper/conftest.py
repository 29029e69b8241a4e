# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zypper driver with the real zypper 1.14 and rpm 4.20 of Debian 13: the roots.

What is downloaded in the one root is installed in a copy of it whose repository is out of reach, as in an upgrade.
"""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.contract import kept_root, zypper_root
    from tests.contract.zypper.shared import NEW, OLD

    kept_root.needed(*zypper_root.TOOLS)
    return zypper_root.pool(tmp_path_factory.mktemp("rpms"), (*OLD, *NEW))


@pytest.fixture(scope="session")
def base(rpms: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    from tests.contract import zypper_root
    from tests.contract.zypper.shared import OLD

    directory = tmp_path_factory.mktemp("zypper")
    yield zypper_root.unpack(directory, rpms, [f"{each.name}-{each.version}" for each in OLD])
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def root(base: Path, rpms: Path, tmp_path: Path) -> t.Iterator[Root]:
    from tests.contract.zypper_root import Root

    yield Root(base, tmp_path / "running", rpms)
    shutil.rmtree(tmp_path / "running", ignore_errors=True)
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
