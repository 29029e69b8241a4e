# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers as they are set up: what is for ordinary tasks must not end an upgrade, and no half of a run is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.fleet.runs import NEW, QUICK, Controller, assert_runs, assert_untouched
from tests.lab import Host

Fleet = Callable[..., list[Host]]
pytestmark = pytest.mark.slow


def test_limit_for_tasks_and_parts_of_a_run(
    make_fleet: Fleet, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ANSIBLE_TASK_TIMEOUT is shorter than a reboot takes; --tags and --limit that leave nothing are no success."""
    hosts = make_fleet(2)
    for more in (("--tags", "upgrade"), ("--skip-tags", "untagged"), ("--start-at-task", "Plan the run")):
        run = controller.run("upgrade", *more)
        assert run.rc != 0, more
        assert "Nothing was changed." in run.output
    nothing = controller.run("upgrade", "--limit", "h2", target="h1")
    assert nothing.rc != 0
    assert "leaves none of the hosts of target=h1" in nothing.output
    for host in hosts:
        assert_untouched(host)
    # Slow enough, on a machine of any speed
    slow = "mv /usr/bin/dnf /usr/bin/dnf.real && printf '#!/bin/sh\\nsleep 9\\nexec /usr/bin/dnf.real \"$@\"\\n' > /usr/bin/dnf"
    hosts[0].sh(f"{slow} && chmod 755 /usr/bin/dnf")
    monkeypatch.setenv("ANSIBLE_TASK_TIMEOUT", "8")
    run = controller.run("upgrade", "--limit", "h1", host_upgrade_health=QUICK)
    assert (run.rc, run.statuses()) == (0, {"h1": "upgraded"}), run.reason(hosts[0])
    assert_runs(hosts[0], NEW, "2.0")
    assert_untouched(hosts[1])
