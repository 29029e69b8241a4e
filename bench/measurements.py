# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, each side by side with what it is compared to, interleaved, on clones of one saved disk.

A machine that is busy with something else is slow for both sides, so what counts is the ratio of the medians.
"""

from __future__ import annotations

import json
import statistics
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from bench import large_repository
from tests.lab import DiskSize, Host, Lab, LabError, controller
from tests.lab.packages import Package
from tests.lab.rpms import add_repositories

Samples = dict[str, list[float]]

# Run in the module's own process right before it begins: writes down how long each step took.
_STEP_CLOCK = """\
import json, time
from ansible_collections.overc.system.plugins.module_utils.host import transaction
from ansible_collections.overc.system.plugins.module_utils.host.commands import upgrade
def _clock(when, step, begun={}):
    if when == "before":
        begun[step] = time.monotonic()
    else:
        with open("/run/overc-steps", "a") as log:
            log.write(json.dumps([step, time.monotonic() - begun[step]]) + "\\n")
transaction.step_hook = _clock
def _pending(*args, _original=upgrade._pending):
    _clock("before", "pending")
    try:
        return _original(*args)
    finally:
        _clock("after", "pending")
upgrade._pending = _pending
"""
# The package manager's own work; the rest is what atomicity adds
PACKAGE_STEPS = ("pending", "download_packages", "run_packages")
_FILL = """\
import os, sys
mib, block = int(sys.argv[1]), os.urandom(65536)
for directory in range(mib // 16):
    path = f"/usr/share/bench/{directory}"
    os.makedirs(path)
    for name in range(256):
        with open(f"{path}/{name}", "wb") as file:
            file.write(block)
os.sync()
"""


def timed(action: Callable[[], t.Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def module(host: Host, name: str, args: dict[str, t.Any] | None = None, **more: t.Any) -> dict[str, t.Any]:
    result = host.module(name, args, **more)
    if result.get("failed"):
        raise LabError(f"{name}: {result.get('msg')}")
    return result


def median(samples: Samples) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in samples.items()}


def switching(steps: dict[str, float]) -> float:
    return sum(seconds for step, seconds in steps.items() if step not in PACKAGE_STEPS)


def interleaved(repeats: int, sides: dict[str, Callable[[int], float]]) -> Samples:
    """Every side once in each round, in turns the other way round, so that none always comes first."""
    samples: Samples = {name: [] for name in sides}
    for number in range(repeats):
        for name in list(sides) if number % 2 == 0 else reversed(list(sides)):
            samples[name].append(sides[name](number))
    return samples


# --- upgrade and rollback ---------------------------------------------------------------------------------------------


# What is upgraded: the repository, and a package of it
ONE_PACKAGE: t.Final = ("bulk", "lab-bulk")
HUNDRED_PACKAGES: t.Final = ("many", "lab-many-99")


def hundred_packages() -> list[Package]:
    """As an ordinary upgrade of a distribution is: 100 packages of 256 files of 16 KiB each, 400 MB in all."""

    def package(name: str, version: str) -> Package:
        files = {
            f"/usr/share/{name}/{n // 16:02}/{n:03}": (f"{version} {n:06} ".encode() * 2048)[: 16 << 10]
            for n in range(256)
        }
        return Package(name, version, (f"many-{version[0]}",), files, preinstalled=False)

    return [package(f"lab-many-{number:02}", version) for number in range(100) for version in ("1.0", "2.0")]


def bulk_image(lab: Lab, repository: str) -> Path:
    """A host with everything of this repository in version 1.0, for which 2.0 is waiting."""
    if repository == HUNDRED_PACKAGES[0]:
        add_repositories(hundred_packages(), room_mib=800)
    host = lab.create("bulk", size=DiskSize(disk_mib=6144))
    host.start()
    host.enable_repo(f"{repository}-1")
    host.sh(f"dnf -y install 'lab-{repository}*' && dnf -y clean packages")
    host.disable_repo(f"{repository}-1")
    host.enable_repo(f"{repository}-2")
    distribution(host)
    return _saved(host)


def distribution(host: Host) -> None:
    """The host knows as many packages as that of a distribution does, and has them in its cache."""
    host.enable_repo(large_repository.add())
    host.sh("dnf -q makecache")


def _saved(host: Host) -> Path:
    host.poweroff()
    image = host.save()
    host.destroy()
    return image


class Clone:
    """One host for one measurement, warm in the same way for whatever is measured."""

    def __init__(self, lab: Lab, image: Path) -> None:
        self._lab, self._image = lab, image

    def __enter__(self) -> Host:
        self._host = self._lab.create("clone", from_image=self._image)
        self._host.start()
        module(self._host, "overc_host_info")
        self._host.sh("rpm -qa >/dev/null; systemctl is-system-running --wait >/dev/null; sync")
        return self._host

    def __exit__(self, *_: object) -> None:
        self._host.destroy()


class Upgrades:
    """Our upgrade beside a bare one in place; the steps of ours and the rollbacks on the way."""

    def __init__(self, lab: Lab, work: tuple[str, str]) -> None:
        repository, self._package = work
        self._lab = lab
        self._image = bulk_image(lab, repository)
        self.steps: list[dict[str, float]] = []
        self.rollbacks: Samples = {"cancel": [], "rollback": []}

    def bare(self, _round: int) -> float:
        with Clone(self._lab, self._image) as host:
            took = timed(lambda: host.sh("dnf -y upgrade"))
            self._check(host)
        return took

    def bare_durable(self, _round: int) -> float:
        with Clone(self._lab, self._image) as host:
            took = timed(lambda: host.sh("dnf -y upgrade && sync -f /"))
            self._check(host)
        return took

    def ours(self, number: int) -> float:
        with Clone(self._lab, self._image) as host:
            took = timed(lambda: module(host, "overc_host_upgrade", prelude=_STEP_CLOCK))
            self.steps.append(read_steps(host))
            if number % 2:
                self.rollbacks["cancel"].append(timed(lambda: module(host, "overc_host_rollback")))
            else:
                host.reboot()
                self._check(host)
                module(host, "overc_host_info")
                self.rollbacks["rollback"].append(timed(lambda: module(host, "overc_host_rollback")))
        return took

    def _check(self, host: Host) -> None:
        if host.rpm_version(self._package) != "2.0":
            raise LabError(f"{self._package} was not upgraded")


def read_steps(host: Host) -> dict[str, float]:
    return dict(json.loads(line) for line in host.sh("cat /run/overc-steps; rm /run/overc-steps").splitlines())


# --- how it grows with the root ---------------------------------------------------------------------------------------


def grown_image(lab: Lab, mib: int) -> Path:
    """A host with so much more on its root subvolume, in files of 64 KiB."""
    host = lab.create("grown", size=DiskSize(disk_mib=12288))
    host.start()
    if mib:
        host.run(["python3", "-c", _FILL, str(mib)])
    host.release("v2")
    return _saved(host)


def switch(lab: Lab, image: Path) -> dict[str, float]:
    """All steps of a small upgrade (five packages, one of them a kernel) on a clone of that image."""
    with Clone(lab, image) as host:
        module(host, "overc_host_upgrade", prelude=_STEP_CLOCK)
        return read_steps(host)


# --- doing nothing ----------------------------------------------------------------------------------------------------


class Nothing:
    """Ansible's ping beside our upgrade with nothing to do, through ansible and without it."""

    def __init__(self, lab: Lab, hosts: int) -> None:
        self._hosts = lab.create_many([f"n{number}" for number in range(hosts)])
        self._environment = controller.environment(lab)
        for host in self._hosts:
            distribution(host)
            module(host, "overc_host_upgrade")
            module(host, "ansible.modules.ping")
        self.ansible("ansible.builtin.ping")

    def ansible(self, name: str, *arguments: str) -> float:
        forks = str(len(self._hosts))
        began = time.perf_counter()
        done = controller.run("ansible", "all", "--forks", forks, "-m", name, *arguments, env=self._environment)
        took = time.perf_counter() - began
        if done.returncode or done.stdout.count("SUCCESS") != len(self._hosts):
            raise LabError(f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return took

    def sides(self) -> dict[str, Callable[[int], float]]:
        first = self._hosts[0]
        return {
            "ansible ping": lambda _: self.ansible("ansible.builtin.ping"),
            "ansible no-op": lambda _: self.ansible("overc_host_upgrade"),
            "ansible no-op, lists not refreshed": lambda _: self.ansible(
                "overc_host_upgrade", "-a", "update_cache=false"
            ),
            "floor: python": lambda _: timed(lambda: first.run(["python3", "-I", "-S", "-c", ""])),
            "floor: dnf": lambda _: timed(lambda: first.run(["python3", "-c", "import dnf; dnf.Base().fill_sack()"])),
            "module ping": lambda _: timed(lambda: module(first, "ansible.modules.ping")),
            "module no-op": lambda _: timed(lambda: module(first, "overc_host_upgrade")),
            "module no-op, lists not refreshed": lambda _: timed(
                lambda: module(first, "overc_host_upgrade", {"update_cache": False})
            ),
        }
