# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apt driver with the real apt and dpkg: roots of Debian 12 (apt 2.6) and Debian 13 (apt 3.0).

What is downloaded in the one root is installed in a copy of it whose sources are out of reach, as in an upgrade.
"""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from tests.sampling import rotating

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


# The one release today, the other tomorrow; both in `make test-release`
@pytest.fixture(scope="session", params=rotating(["bookworm", "trixie"], 2))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.contract import apt_root

    return apt_root.unpack(request.param, tmp_path_factory.mktemp("debian"))


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debs")


@pytest.fixture
def root(base: Path, debs: Path, tmp_path: Path) -> t.Iterator[Root]:
    from tests.contract.apt_root import Root

    yield Root(base, tmp_path / "running", debs)
    shutil.rmtree(tmp_path / "running", ignore_errors=True)
    shutil.rmtree(tmp_path / "new", ignore_errors=True)
