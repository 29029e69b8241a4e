# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe import needed

from tests.unit.host_factory import clean


def test_all_of_python_is_needed() -> None:
    """The program is in another package than most of its library, and both names of it are registered."""
    found = needed.needed_paths(clean())
    assert {sys.executable, os.path.realpath(sys.executable), json.__file__} <= {*found}
    assert len(found) == len({*found})


def test_how_one_became_root_is_needed_and_nothing_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needed, "is_there", lambda path: path in ("/usr/bin/sudo", "/usr/bin/doas"))
    monkeypatch.delenv("DOAS_USER", raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert needed.needed_paths(clean()) == ()
    monkeypatch.setenv("SUDO_UID", "1000")
    assert [path for path in needed.needed_paths(clean()) if path.endswith("/sudo")] == ["/usr/bin/sudo"]
    assert not [path for path in needed.needed_paths(clean()) if path.endswith("/doas")]
