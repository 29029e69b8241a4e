# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet: ours beside a hand-written playbook that does the same work, on clones of the same hosts.

``python -m bench.fleet --hosts 1,10,50``. The hosts live on the same machine as the controller, so only ratios of one run
mean anything; the controller's processor time is counted apart from theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import typing as t
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Host, Lab
from tests.lab.gc import TEST_LABS
from tests.lab.settings import DEFAULT_DIRECTORY, REPOSITORY

# Where community.general comes from: the collection of collections of the release that belongs to our ansible-core
ANSIBLE = "ansible==14.5.0"
BIN = Path(sys.executable).parent
RESULT = REPOSITORY / "build" / "bench-fleet.json"
SIZES = (1, 10, 50)


@dataclass(frozen=True)
class Cost:
    """Of one ansible run: ``cpu`` is the controller's own, with all its workers; ``memory`` their peak, in MiB."""

    wall: float
    cpu: float
    memory: float
    tasks: float


def community_general(directory: Path) -> Path:
    """A directory with ansible_collections/community/general in it; fetched once."""
    root = directory / "by-hand"
    if not (root / "ansible_collections/community/general").is_dir():
        wheels = directory / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), ANSIBLE]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(wheels.glob("ansible-*.whl"))) as wheel:
            wanted = [n for n in wheel.namelist() if n.startswith("ansible_collections/community/general/")]
            wheel.extractall(root, wanted)
    return root


class Peak:
    """The most memory that a process and its descendants took at once."""

    def __init__(self, pid: int) -> None:
        self.kib = 0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.kib = max(self.kib, sum(_proportional(pid) for pid in _tree(self._pid)))

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.kib / 1024


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def run(argv: list[str], log: Path, collections: Path | None = None) -> Cost:
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
    if collections is not None:
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(BIN / argv[0]), *argv[1:]], cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        peak = Peak(process.pid)
        _process, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    memory = peak.stop()
    text = log.read_text()
    if process.returncode != 0:
        raise SystemExit(f"bench: {argv[0]} failed, see {log}\n{text[-3000:]}")
    tasks = sum(int(a) + int(b) for a, b in re.findall(r"ok=(\d+).*?skipped=(\d+)", text))
    return Cost(wall, usage.ru_utime + usage.ru_stime, memory, tasks)


class Fleet:
    """Hosts that are all made anew for every run, so that each run does the same work."""

    def __init__(self, lab: Lab, count: int) -> None:
        self.lab, self.count = lab, count

    def __enter__(self) -> t.Self:
        self.hosts = [self.lab.create(f"h{n}") for n in range(1, self.count + 1)]
        with ThreadPoolExecutor(max_workers=4) as workers:
            list(workers.map(Host.start, self.hosts))
        return self

    def offer(self, release: str) -> None:
        for host in self.hosts:
            host.release(release)

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.destroy()


def measure(lab: Lab, count: int, by_hand: Path, repeats: int) -> tuple[dict[str, Cost], dict[str, list[Cost]]]:
    """Medians, and what they are of: both sides once in each round, in turns the other way round."""
    found: dict[str, list[Cost]] = {}
    for number in range(repeats):
        for side in ("ours", "hand") if number % 2 == 0 else ("hand", "ours"):
            costs = ours(lab, count) if side == "ours" else hand(lab, count, by_hand)
            for name, cost in costs.items():
                found.setdefault(name, []).append(cost)
    return {name: middle(costs) for name, costs in found.items()}, found


def middle(costs: list[Cost]) -> Cost:
    """The median of each of the numbers."""
    return Cost(*(statistics.median(getattr(cost, key) for cost in costs) for key in Cost.__dataclass_fields__))


def _inventory(lab: Lab) -> list[str]:
    return ["-i", str(lab.directory / "inventory.yml")]


def hand(lab: Lab, count: int, by_hand: Path) -> dict[str, Cost]:
    inventory, log = _inventory(lab), lab.directory / "ansible.log"
    with Fleet(lab, count) as fleet:
        fleet.offer("v2")
        run(["ansible", *inventory, "lab", "-m", "ansible.builtin.ping"], log)
        return {"by hand": run(["ansible-playbook", *inventory, "bench/fleet_by_hand.playbook"], log, by_hand)}


def ours(lab: Lab, count: int) -> dict[str, Cost]:
    inventory = _inventory(lab)
    log = lab.directory / "ansible.log"
    report = json.dumps({"target": "lab", "fleet_report_dir": str(lab.directory / "report"), "fleet_canary": 0,
                         "fleet_serial": "100%"})  # fmt: skip
    upgrade = ["ansible-playbook", *inventory, "-e", report, "overc.system.upgrade"]
    costs: dict[str, Cost] = {}
    with Fleet(lab, count) as fleet:
        ping = ["ansible", *inventory, "lab", "-m", "ansible.builtin.ping"]
        fleet.offer("v1")
        run(ping, log)  # connections are made, bytecode is compiled
        run(upgrade, log)
        costs["ping"] = run(ping, log)
        costs["ours, nothing to do"] = run(upgrade, log)
        fleet.offer("v2")
        costs["ours"] = run(upgrade, log)
    return costs


def show(count: int, costs: dict[str, Cost]) -> None:
    print(f"\n{count} hosts{'wall s':>20}{'cpu s/host':>12}{'MiB/host':>10}{'tasks/host':>12}")
    for name, cost in costs.items():
        each = f"{cost.cpu / count:>12.2f}{cost.memory / count:>10.1f}{cost.tasks / count:>12.1f}"
        print(f"  {name:<22}{cost.wall:>6.1f}{each}", flush=True)
    print(f"  upgrade, wall, to by hand: {costs['ours'].wall / costs['by hand'].wall:.2f}", flush=True)


def goals(found: dict[int, dict[str, Cost]]) -> list[dict[str, t.Any]]:
    """What was to be reached, with ``measured`` None where it was not measured. Smaller is better in all of them."""

    def ratio(count: int, what: str, ours: str, base: str) -> float | None:
        costs = found.get(count)
        return getattr(costs[ours], what) / getattr(costs[base], what) if costs else None

    wanted: list[tuple[str, float | None, float]] = []
    for count in sorted({*SIZES, *found}):
        hosts = f"{count} host{'s' if count > 1 else ''}"
        wanted += [
            (f"{hosts}: nothing to do, wall, to ping", ratio(count, "wall", "ours, nothing to do", "ping"), 1.9),
            (f"{hosts}: upgrade, controller cpu, to by hand", ratio(count, "cpu", "ours", "by hand"), 0.65),
        ]
    # One host pays for the start, so a small fleet is what a large one is compared to
    several = [count for count in sorted(found) if count > 1]
    for name in ("ours, nothing to do", "ours"):
        growth = None
        if len(several) > 1:
            small, large = several[0], several[-1]
            growth = (found[large][name].cpu / large) / (found[small][name].cpu / small)
        wanted.append((f"{name}: controller cpu per host, largest fleet to smallest of several", growth, 1.1))
    return [
        {"goal": text, "measured": value, "limit": limit, "met": value is not None and value <= limit}
        for text, value, limit in wanted
    ]


def show_goals(judged: t.Iterable[dict[str, t.Any]]) -> None:
    print("\ngoals")
    for goal in judged:
        value, limit = goal["measured"], goal["limit"]
        verdict = "met" if goal["met"] else "MISSED"
        shown = "not measured" if value is None else f"{value:.2f} (at most {limit:g}): {verdict}"
        print(f"  {goal['goal']:70} {shown}", flush=True)


def write(target: Path, found: dict[int, dict[str, Cost]], raw: dict[int, dict[str, list[Cost]]]) -> None:
    target.parent.mkdir(exist_ok=True)
    result = {
        "hosts": {count: {name: vars(cost) for name, cost in costs.items()} for count, costs in found.items()},
        "raw": {
            count: {name: [vars(c) for c in costs] for name, costs in sides.items()} for count, sides in raw.items()
        },
        "goals": goals(found),
    }
    target.write_text(json.dumps(result, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--hosts", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    by_hand = community_general(REPOSITORY / "build")
    found: dict[int, dict[str, Cost]] = {}
    raw: dict[int, dict[str, list[Cost]]] = {}
    with Lab(DEFAULT_DIRECTORY / TEST_LABS / f"bench-fleet-{os.getpid()}") as lab:
        for count in [int(text) for text in options.hosts.split(",")]:
            found[count], raw[count] = measure(lab, count, by_hand, options.repeats)
            show(count, found[count])
            write(options.json, found, raw)  # of an hour, what is measured is not lost when a larger fleet fails
    show_goals(goals(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
