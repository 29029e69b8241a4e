# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host with nothing to do has to load: most hosts are such a host most of the time, and compile anew each time."""

from __future__ import annotations

import subprocess
import sys

import pytest

_OURS = "ansible_collections.overc.system.plugins.module_utils."
_ASK = f"""\
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("{_OURS}" + name)
print(*(name[len("{_OURS}"):] for name in sys.modules if name.startswith("{_OURS}")))
"""


@pytest.mark.parametrize("command", ["upgrade", "info"])
def test_nothing_that_changes_a_host_is_loaded(command: str) -> None:
    asked = [sys.executable, "-c", _ASK, f"host.commands.{command}", "host.module", "host.session"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    loaded = done.stdout.split()
    assert "host.session" in loaded
    changing = (
        "host.transaction",
        "host.steps",
        "host.plan.commands",
        "host.plan.repair",
        "packages.smartpm",
        "packages.apt",
    )
    assert [name for name in loaded if name.startswith(changing)] == []
