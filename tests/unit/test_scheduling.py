# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shares expensive states goes to one worker, everything else to whoever is free."""

from __future__ import annotations

from tests.scheduling import group


def test_groups() -> None:
    states = "tests/integration/test_host_states.py::test_any[{}]"
    assert group(states.format("a")) == group(states.format("b"))
    assert group("tests/integration/test_crash.py::test_killed[a]") != group(
        "tests/integration/test_crash_automatic.py::test_killed[a]"
    )
    story, cut = "tests/vm/test_boots.py::test_story[x-ext4]", "tests/vm/test_power_cuts.py::test_cut[a:b-ext4]"
    assert group(story) == group(cut)
    assert group("tests/unit/test_docs.py::test_a") != group("tests/unit/test_docs.py::test_b")
