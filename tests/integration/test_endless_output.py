# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and commands that print much, or for ever, take neither the memory of the host nor that of the controller."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.integration.commands import Result, assert_refused, succeed
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.packages import Package

PLACE = "/etc/own-noise"
# In megabytes
MOST_MEMORY, MOST_RESULT = 300, 4
PEAK = """\
import atexit, resource
def note():
    with open("/run/own-peak", "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10))
atexit.register(note)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    def own(version: str) -> Package:
        return Package(
            "own-noise", version, (), {"/usr/share/own/noise": version.encode()}, scriptlets={"post": f". {PLACE}"}
        )

    return build(tmp_path_factory.mktemp("own"), own("1.0"), own("2.0"))


@pytest.fixture
def noisy(host: Host, packages: dict[str, Path]) -> Host:
    host.write(PLACE, "\n")
    install(host, packages["own-noise-1.0"])
    offer(host, packages["own-noise-2.0"])
    return host


def upgrade(host: Host, **args: object) -> tuple[Result, int]:
    """The result, and what its module took of the memory, in megabytes."""
    result = host.module("overc_host_upgrade", dict(args), prelude=PEAK)
    assert len(json.dumps(result)) < MOST_RESULT << 20
    return result, int(host.sh("cat /run/own-peak"))


def test_a_script_with_a_warning_without_end(noisy: Host) -> None:
    noisy.write(PLACE, "seq -f 'warning: y %.0f' 1 5000; seq -f 'warning: y %.0f' 1 5000 >&2\n")
    result, _memory = upgrade(noisy)
    assert result["state"] == "staged", result["msg"][:1000]
    assert len(result.get("warnings", ())) < 110


def test_a_command_that_prints_for_ever_has_its_time(noisy: Host) -> None:
    begun = time.monotonic()
    result, memory = upgrade(noisy, run=["yes"], run_timeout=3)
    assert_refused(result, "run_failed", "did not end within 3 seconds")
    assert memory < MOST_MEMORY
    assert time.monotonic() - begun < 120
    assert succeed(noisy, "info")["state"] == "clean"
