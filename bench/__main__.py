# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What atomicity costs one host: measured, printed, and written where it is told. A missed goal is shown, and is no error."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import typing as t
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.measurements import (
    HUNDRED_PACKAGES,
    ONE_PACKAGE,
    PACKAGE_STEPS,
    Nothing,
    Samples,
    Upgrades,
    grown_image,
    interleaved,
    median,
    switch,
    switching,
)
from tests.lab import Lab, LabError
from tests.lab.gc import TEST_LABS, collect
from tests.lab.process import locked
from tests.lab.settings import DEFAULT_DIRECTORY, REPOSITORY

SIZES_MIB = (102, 1024, 4096)
RESULT = REPOSITORY / "build" / "bench-host.json"


@dataclass
class Row:
    """``ratio`` to what it is compared to, both medians of the same run."""

    what: str
    seconds: float | None = None
    compared_to: str = ""
    ratio: float | None = None
    goal: float | None = None
    # The same ratio between the best of each side: what a quiet machine would show
    best: float | None = None
    # The least and the most seconds, and in how many repeats
    least: float | None = None
    most: float | None = None
    repeats: int | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None or self.ratio is None:
            return ""
        return "met" if self.ratio <= self.goal else "MISSED"


def compare(what: str, samples: Samples, name: str, base: str, goal: float | None = None) -> Row:
    medians = median(samples)
    best = min(samples[name]) / min(samples[base])
    return Row(what, medians[name], base, medians[name] / medians[base], goal, best, *spread(samples[name]))


def alone(what: str, values: list[float], **more: t.Any) -> Row:
    return Row(what, statistics.median(values), "", None, None, None, *spread(values), **more)


def spread(values: list[float]) -> tuple[float, float, int]:
    return min(values), max(values), len(values)


def progress(text: str) -> None:
    print(f"bench: {text} ...", file=sys.stderr, flush=True)


def measure_upgrades(
    lab: Lab, repeats: int, work: tuple[str, str], goal: float | None, raw: dict[str, t.Any]
) -> list[Row]:
    upgrades = Upgrades(lab, work)
    sides = {"dnf in place": upgrades.bare, "dnf in place, sync": upgrades.bare_durable, "overc": upgrades.ours}
    samples = interleaved(repeats, sides)
    raw[f"upgrade {work[0]}"] = {"seconds": samples, "steps": upgrades.steps, "rollback": upgrades.rollbacks}
    rollbacks = {name: values for name, values in upgrades.rollbacks.items() if values}
    return [
        alone("dnf -y upgrade in place", samples["dnf in place"]),
        compare("dnf -y upgrade in place, and sync", samples, "dnf in place, sync", "dnf in place"),
        compare("overc_host_upgrade", samples, "overc", "dnf in place", goal),
        compare("overc_host_upgrade", samples, "overc", "dnf in place, sync"),
        *_parts(samples["overc"], upgrades.steps),
        *(alone(f"overc_host_rollback ({name})", values) for name, values in rollbacks.items()),
    ]


def _parts(totals: list[float], steps: list[dict[str, float]]) -> list[Row]:
    """What an upgrade spends its time on."""
    parts = {
        "asking what is pending": [entry["pending"] for entry in steps],
        "downloading the packages": [entry["download_packages"] for entry in steps],
        "package manager in the new root": [entry["run_packages"] for entry in steps],
        "snapshots, checks and switch": [switching(entry) for entry in steps],
        "starting Python, observing": [
            total - sum(entry[step] for step in PACKAGE_STEPS) - switching(entry)
            for total, entry in zip(totals, steps, strict=True)
        ],
    }
    return [alone(f"    {name}", values) for name, values in parts.items()]


def measure_switch(lab: Lab, repeats: int, raw: dict[str, t.Any]) -> list[Row]:
    images = {mib: grown_image(lab, mib) for mib in SIZES_MIB}
    steps: dict[int, list[dict[str, float]]] = {mib: [] for mib in SIZES_MIB}

    def side(mib: int) -> float:
        found = switch(lab, images[mib])
        steps[mib].append(found)
        return switching(found)

    def side_of(mib: int) -> Callable[[int], float]:
        return lambda _round: side(mib)

    samples: Samples = interleaved(2 * repeats, {str(mib): side_of(mib) for mib in SIZES_MIB})
    raw["switch"] = {"seconds": samples, "steps": steps, "added_mib": SIZES_MIB}
    smallest = str(SIZES_MIB[0])
    return [
        alone(f"snapshot + switch, root + {mib / 1024:.1f} GB", samples[str(mib)])
        if str(mib) == smallest
        else compare(
            f"snapshot + switch, root + {mib / 1024:.1f} GB",
            {f"+ {SIZES_MIB[0] / 1024:.1f} GB": samples[smallest], "it": samples[str(mib)]},
            "it",
            f"+ {SIZES_MIB[0] / 1024:.1f} GB",
            1.5,
        )
        for mib in SIZES_MIB
    ]


def measure_nothing(lab: Lab, repeats: int, hosts: int, raw: dict[str, t.Any]) -> list[Row]:
    samples = interleaved(repeats, Nothing(lab, hosts).sides())
    raw["nothing"] = {"seconds": samples, "hosts": hosts}
    rows = [
        alone("floor: python's start on a host", samples["floor: python"]),
        alone("floor: DNF's own library, loaded", samples["floor: dnf"]),
    ]
    for level, goal in (("ansible", None), ("module", 1.7)):
        label = f"{level}, {hosts if level == 'ansible' else 1} host(s)"
        rows += [
            alone(f"ping ({label})", samples[f"{level} ping"]),
            compare(f"upgrade, nothing to do ({label})", samples, f"{level} no-op", f"{level} ping", goal),
            compare(
                f"same, update_cache=false ({label})",
                samples,
                f"{level} no-op, lists not refreshed",
                f"{level} ping",
            ),
        ]
    return rows


def show(rows: list[Row]) -> None:
    print("\nseconds and ratio: medians; best: the same ratio between the best of each side\n")
    print(f"{'what':<46}{'seconds':>9}{'least':>8}{'most':>8}{'ratio':>8}{'best':>7}{'goal':>7}  {'':<7}compared to")
    for row in rows:
        ratio, best, goal = (f"{n:.2f}" if n is not None else "" for n in (row.ratio, row.best, row.goal))
        seconds = "" if row.seconds is None else f"{row.seconds:.3f}"
        least, most = (f"{n:.3f}" if n is not None else "" for n in (row.least, row.most))
        numbers = f"{seconds:>9}{least:>8}{most:>8}{ratio:>8}{best:>7}{goal:>7}"
        print(f"{row.what:<46}{numbers}  {row.verdict:<7}{row.compared_to}".rstrip(), flush=True)


def _interrupted(*_: object) -> t.NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupted)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--hosts", type=int, default=3, help="how many for the comparison with ping")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--only", choices=("upgrade", "switch", "nothing"), action="append")
    options = parser.parse_args()
    wanted = options.only or ["upgrade", "switch", "nothing"]
    with locked(DEFAULT_DIRECTORY / "gc.lock"):
        collect(DEFAULT_DIRECTORY)
    lab = Lab(DEFAULT_DIRECTORY / TEST_LABS / f"bench-{os.getpid()}")
    rows: list[Row] = []
    raw: dict[str, t.Any] = {}
    try:
        lab.up(owned=True)
        if "upgrade" in wanted:
            sizes: dict[str, tuple[tuple[str, str], float | None]] = {
                "256 files, 100 MB, 1 package": (ONE_PACKAGE, None),
                "25,600 files, 400 MB, 100 packages": (HUNDRED_PACKAGES, 1.07),
            }
            for text, (work, goal) in sizes.items():
                progress(f"an upgrade of {text}, ours and the package manager's own")
                rows += [Row(f"{text}:"), *measure_upgrades(lab, options.repeats, work, goal, raw)]
        if "switch" in wanted:
            progress("snapshot and switch on roots of different size")
            rows += [Row("snapshot and switch on roots of different size:"), *measure_switch(lab, options.repeats, raw)]
        if "nothing" in wanted:
            progress("nothing to do")
            rows += [Row("nothing to do:"), *measure_nothing(lab, 2 * options.repeats, options.hosts, raw)]
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        # Whatever was measured is not lost when something goes wrong later, nor when the clean-up does
        report(rows, raw, options.json)
        remove(lab)
    return 0


def remove(lab: Lab) -> None:
    try:
        lab.down()
    except LabError as error:
        print(f"bench: not everything could be removed, the next run tries again: {error}", file=sys.stderr)
    else:
        shutil.rmtree(lab.directory, ignore_errors=True)


def report(rows: list[Row], raw: dict[str, t.Any], target: Path) -> None:
    show(rows)
    target.parent.mkdir(exist_ok=True)
    table = [{**asdict(row), "verdict": row.verdict} for row in rows]
    target.write_text(json.dumps({"table": table, "raw": raw}, indent=2) + "\n")
    print(f"\nwritten to {target}")


if __name__ == "__main__":
    sys.exit(main())
