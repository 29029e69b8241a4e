# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: everything in one go, from one commit, into one file, which docs/benchmarks.md is made from.

    python -m bench.run [--smoke] [--only floors,host,overlay,fleet]

With fewer parts than all, no documentation is written. It says whether the machine was quiet: before anything is measured, and
what was taken of it during each part. A part that fails is told, and the others go on; of hours, nothing that was measured is
lost. ``--smoke`` shows with few repeats that all of it works, and writes no documentation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from bench import circumstances, page
from tests.lab.settings import REPOSITORY

Result = dict[str, t.Any]
BUILD = REPOSITORY / "build"
RESULT = BUILD / "bench.json"
_PARTS: t.Final[dict[str, tuple[list[str], list[str]]]] = {
    # What each is run with, and what for a smoke run
    "floors": (["-m", "bench.floors"], ["--repeats", "1"]),
    "host": (["-m", "bench"], ["--repeats", "1", "--hosts", "1", "--only", "nothing"]),
    "overlay": (["bench/overlay.py"], ["--trees", "linear", "--counts", "1000,2000", "--rounds", "1", "--cold", "0"]),
    "fleet": (["-m", "bench.fleet"], ["--hosts", "1", "--repeats", "1"]),
}


def part(name: str, *, smoke: bool) -> Result:
    """One part, and what else the machine did during it. A part that failed has ``failed`` and what it left."""
    target = BUILD / f"bench-{name}.json"
    target.unlink(missing_ok=True)
    argv, few = _PARTS[name]
    before, own = circumstances.processors(), circumstances.own_seconds()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *argv, *(few if smoke else []), "--json", str(target)], cwd=REPOSITORY, check=False
    )
    after = circumstances.processors()
    ours = circumstances.own_seconds() - own
    meanwhile = circumstances.between(before, after)
    found: Result = json.loads(target.read_text()) if target.exists() else {}
    target.unlink(missing_ok=True)
    return {
        **found,
        "meanwhile": {**meanwhile, "load": _load(), "waited for": round(ours, 1)},
        "seconds": round(time.monotonic() - began, 1),
        "failed": done.returncode != 0,
    }


def _load() -> float:
    return float(Path("/proc/loadavg").read_text().split()[0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few repeats, small trees, no documentation")
    parser.add_argument("--only", default=",".join(_PARTS), help="parts, with commas between them")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if set(wanted) - set(_PARTS):
        parser.error(f"--only: known are {', '.join(_PARTS)}")
    BUILD.mkdir(exist_ok=True)
    before = circumstances.before_it(1.0 if options.smoke else 10.0)
    if not before["quiet"]:
        print(
            f"bench: the machine is NOT quiet ({before}): of what follows, believe only ratios",
            file=sys.stderr,
            flush=True,
        )
    result: Result = {
        **circumstances.commit(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": circumstances.machine(),
        "before": before,
        "smoke": options.smoke,
        "parts": {},
    }
    for name in wanted:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        result["parts"][name] = part(name, smoke=options.smoke)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    failed = [name for name in wanted if result["parts"][name]["failed"]]
    print(f"bench: written to {RESULT.relative_to(REPOSITORY)}" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    if page.write():
        print(f"bench: {page.DOCUMENT.relative_to(REPOSITORY)} was made from it")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
