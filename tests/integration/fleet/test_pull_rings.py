# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts in two rings, with a store that both reach: a plain HTTP server, and git."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.fleet.pull_tools import equip, publish
from tests.integration.fleet.runs import NEW, OLD, ONLY_OLD, Controller, assert_runs, assert_untouched
from tests.integration.fleet.test_pull import LOCAL, RESULT, VARIABLES, Role
from tests.lab import Host, Lab, LabError
from tests.lab.process import wait_for
from tests.lab.settings import GATEWAY
from tests.unit.plugins.module_utils.pull import object_store

pytestmark = pytest.mark.slow
RINGS = [{"name": "canary", "hosts": ["h1"]}, {"name": "rest", "hosts": ["h2"]}]
HTTP_PORT = 8098
KEY = "/etc/ssh/verdicts"


@contextlib.contextmanager
def in_the_lab(lab: Lab, argv: list[str], answers: str) -> t.Iterator[None]:
    """A program in the network of the hosts, once it answers there; ended at the end."""
    enter = ["ip", "netns", "exec", lab.names.netns]
    with subprocess.Popen([*enter, *argv], stdin=subprocess.DEVNULL) as process:

        def up() -> bool:
            return subprocess.run([*enter, "sh", "-c", answers], capture_output=True, check=False).returncode == 0

        try:
            wait_for(up, argv[0], timeout=60)
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def http(lab: Lab, directory: Path) -> t.Iterator[None]:
    argv = [sys.executable, object_store.__file__, str(directory), str(HTTP_PORT), GATEWAY]
    with in_the_lab(lab, argv, f"curl -s -o /dev/null http://{GATEWAY}:{HTTP_PORT}/"):
        yield


@contextlib.contextmanager
def git(lab: Lab, directory: Path) -> t.Iterator[None]:
    origin = directory / "verdicts.git"
    subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
    argv = [f"{subprocess.check_output(['git', '--exec-path'], text=True).strip()}/git-daemon", "--export-all",
            "--enable=receive-pack", f"--listen={GATEWAY}", f"--base-path={directory}", str(directory)]  # fmt: skip
    with in_the_lab(lab, argv, f"git ls-remote git://{GATEWAY}/verdicts.git"):
        yield


class Rings:
    """h1 is the canary, h2 is the rest."""

    def __init__(self, lab: Lab, hosts: list[Host], directory: Path) -> None:
        self.hosts, self.role = hosts, Role(lab, directory)
        signers = [
            f"{ring}/{host.name} {host.sh(f'ssh-keygen -q -t ed25519 -N {chr(39) * 2} -f {KEY} && cat {KEY}.pub')}"
            for ring, host in zip(("canary", "rest"), hosts, strict=True)
        ]
        self.signers = signers

    def install(self, store: str, health: dict[str, t.Any]) -> None:
        for host in self.hosts:
            publish(host, {"local.yml": f"{LOCAL}  vars: {json.dumps({'host_upgrade_health': health})}\n"})
        said = self.role.apply(
            pull_report_url="",
            pull_verdicts=store,
            pull_rings=RINGS,
            pull_ring="{{ 'canary' if inventory_hostname == 'h1' else 'rest' }}",
            pull_verdict_signers=self.signers,
            pull_verdict_key=KEY,
            **{key: value for key, value in VARIABLES.items() if key != "pull_report_url"},
        )
        assert "failed=0" in said


def result(host: Host) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(host.sh(f"cat {RESULT}")))


def run(host: Host, phase: str, status: str) -> dict[str, t.Any]:
    """Start a run as the timer does, and wait for what it comes to, over reboots."""
    host.sh(f"rm -f {RESULT}")
    host.run(["systemctl", "start", "--no-block", "overc-pull.service"])

    def there() -> bool:
        try:
            found = result(host)
        except (LabError, ValueError):  # none yet, or it reboots
            return False
        return (found["phase"], found["status"]) == (phase, status)

    try:
        wait_for(there, f"{phase} {status} of {host.name}", timeout=240, interval=0.5)
    except LabError:
        print(host.run(f"cat {RESULT}; journalctl --no-pager -u 'overc-pull*' | tail -n 200", check=False).stdout)
        raise
    return result(host)


@pytest.fixture
def rings(make_host: Callable[..., Host], lab: Lab, tmp_path: Path) -> Rings:
    hosts = [make_host(name) for name in ("h1", "h2")]
    for host in hosts:
        equip(host)
        host.release("v2")
    return Rings(lab, hosts, tmp_path)


def test_a_good_upgrade_goes_from_ring_to_ring(rings: Rings, lab: Lab, tmp_path: Path, controller: Controller) -> None:
    canary, rest = rings.hosts
    store = tmp_path / "store"
    store.mkdir()
    with http(lab, store):
        rings.install(f"http://{GATEWAY}:{HTTP_PORT}/", {"ports": [22]})
        early = run(rest, "upgrade", "waiting")
        assert early["reason"] == "0 hosts of ring canary did this upgrade, 1 must have."
        assert_untouched(rest)
        assert run(canary, "verify", "upgraded")["verdict"] == "good"
        assert_runs(canary, NEW, "2.0")
    lost = run(rest, "upgrade", "waiting")
    assert "cannot be read, so this host waits" in lost["reason"]
    assert_untouched(rest)
    with http(lab, store):
        assert run(rest, "verify", "upgraded")["verdict"] == "good"
        assert_runs(rest, NEW, "2.0")
    signers = "\n".join(rings.signers)
    record = controller.run("report", fleet_verdicts=str(store), fleet_verdict_signers=signers).record
    (upgrade,) = record["verdicts"]["upgrades"]
    assert upgrade["rings"] == {
        "canary": {"bad": 0, "failed": 0, "good": 1},
        "rest": {"bad": 0, "failed": 0, "good": 1},
    }


def test_a_bad_upgrade_stops_at_the_canary(rings: Rings, lab: Lab, tmp_path: Path, controller: Controller) -> None:
    canary, rest = rings.hosts
    with git(lab, tmp_path):
        rings.install(f"git+git://{GATEWAY}/verdicts.git", {"commands": [ONLY_OLD], "retries": 2, "delay": 1})
        assert run(canary, "verify", "rolled_back")["verdict"] == "bad"
        assert_runs(canary, OLD, "1.0")
        withheld = run(rest, "upgrade", "withheld")
        assert "h1 of ring canary" in withheld["reason"]
        assert "Declared commands" in withheld["reason"]
        time.sleep(1)
        assert_untouched(rest)
    origin = f"git+{tmp_path / 'verdicts.git'}"
    done = controller.run("report", fleet_verdicts=origin, fleet_verdict_signers="\n".join(rings.signers))
    (upgrade,) = done.record["verdicts"]["upgrades"]
    assert upgrade["rings"]["canary"]["bad"] == 1
    assert upgrade["failures"][0]["host"] == "h1"
    page = (controller.directory / "report.html").read_text()
    assert "Declared commands" in page
