# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast sharing is, against the tools one would otherwise use, on the same trees in the same run.

    bench/overlay.py [--trees a,snap,copy,large,tiny] [--rounds 5] [--cold 3] [--roots DIR DIR] [--json FILE]

Needs root, btrfs, and for the peers: jdupes, rmlint, hardlink, duperemove, rsync, diff. Everything happens on a loop
device in a mount namespace of its own, which goes with the process. Medians of interleaved repeats; read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from floors import per_file
from overlay_trees import large, mutate, roots, run, subvolume, tiny

CHECKOUT = Path(__file__).resolve().parent.parent
ROOMS = "ansible_collections.overc.system.plugins.module_utils"
COMPARE = f"""
import os, sys
from {ROOMS}.compare import merge
from {ROOMS}.compare.model import Source
from {ROOMS}.system import safe_path
container, source = sys.argv[1:3]
kin = None
if len(sys.argv) > 3:
    from {ROOMS}.compare.kin import KinFinder
    finder = KinFinder(container)
    kin = finder.of(os.open(source, safe_path.OPEN_DIR))
a, b = (os.open(top + "/usr", safe_path.OPEN_DIR) for top in (container, source))
compared = merge.compare(a, [Source(b, layer=True, one_filesystem=True, kin=kin)])
print(compared.totals.shared_entries)
"""
START = "until the container may start"
_COMMANDS = {
    True: (("create", "present"), ("nothing to do", "present"), ("stop", "absent")),
    False: ((START, "present"), ("", "absent")),
}
END_TO_END = ("compare", *(what for wait in (True, False) for what, _state in _COMMANDS[wait] if what))
LAZY = f"from {ROOMS}.compare import kin\n"


@dataclass
class Tree:
    """A pair to compare: both have ``usr``. ``related``: snapshots of each other."""

    name: str
    source: Path
    container: Path
    related: bool = False
    goals: dict[str, float] = field(default_factory=dict)


class Bench:
    def __init__(self, base: Path, scratch: Path, library: Path) -> None:
        self.base, self.scratch, self.library = base, scratch, library
        self.results: dict[str, t.Any] = {}
        self.last: dict[str, list[float]] = {}

    def commands(self, tree: Tree) -> dict[str, str]:
        """Every peer with options under which it does the nearest to the same work. Never writes to either tree."""
        places = (tree.source / "usr", tree.container / "usr", self.scratch)
        a, b, scratch = (shlex.quote(str(place)) for place in places)
        python = shlex.join([sys.executable, "-S", "-c", COMPARE, str(tree.container), str(tree.source)])
        out = {
            "read both (floor)": f"find {a} {b} -type f -print0 | xargs -0 cat >/dev/null",
            "ours": f"{python} >/dev/null",
            "diff -rq": f"diff -rq --no-dereference {a} {b} >/dev/null 2>&1; true",
            "rsync -c": f"rsync -nrlc --delete -i {a}/ {b}/ >/dev/null",
            "jdupes": f"jdupes -r -q -I {a} {b} >/dev/null",
            "hardlink": f"hardlink -n -q -f {shlex.quote(str(self.one(tree)))} >/dev/null 2>&1",
            "duperemove": f"duperemove -rhq --hashfile={scratch}/hashes {a} {b} &>/dev/null; rm -f {scratch}/hashes",
            # never -o ...:/dev/null: as root rmlint replaces what it names
            "rmlint": f"rmlint -T df -o json:{scratch}/rmlint.json -S a -k -m {b} // {a} &>/dev/null",
        }
        if tree.related:
            out["ours, relatives"] = f"{python} kin >/dev/null"
        return {k: command for k, command in out.items() if k.startswith(("ours", "read")) or have(k)}

    def one(self, tree: Tree) -> Path:
        """Both sides in one subvolume, cloned: hardlink compares nothing across subvolumes."""
        place = self.base / f"one-{tree.name}"
        if not place.exists():
            subvolume(place)
            for name, top in (("a", tree.source), ("b", tree.container)):
                run("cp", "-a", "--reflink=always", str(top / "usr"), str(place / name))
        return place

    def load(self, name: str) -> None:
        """The program itself back into memory: it is the trees that are to be cold, for ours and for the peers."""
        loading = COMPARE.partition("container, source")[0] + LAZY
        argv = (
            [sys.executable, "-S", "-c", loading]
            if name.startswith("ours")
            else [name.split(" ", maxsplit=1)[0], "--version"]
        )
        if shutil.which(argv[0]):
            env = {**os.environ, "PYTHONPATH": str(self.library)}
            subprocess.run(argv, check=False, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def timed(self, command: str) -> float:
        env = {**os.environ, "PYTHONPATH": str(self.library)}
        started = time.perf_counter()
        subprocess.run(["/bin/bash", "-c", command], check=True, env=env)
        return time.perf_counter() - started

    def interleaved(self, commands: dict[str, str], rounds: int, *, cold: bool) -> dict[str, float]:
        times: dict[str, list[float]] = {name: [] for name in commands}
        if not cold:
            for _warm in range(2):
                self.timed(commands["read both (floor)"])
                for command in list(commands.values())[1:]:
                    if "one-" in command:
                        self.timed(command)
        for _round in range(rounds):
            for name, command in commands.items():
                if cold:
                    os.sync()
                    Path("/proc/sys/vm/drop_caches").write_text("3")
                    self.load(name)
                times[name].append(self.timed(command))
        self.spread(times)
        return {name: statistics.median(values) for name, values in times.items()}

    def spread(self, times: dict[str, list[float]]) -> None:
        """The least and the most of what was measured last, for ``comparison`` to keep."""
        self.last = {name: [min(values), max(values), len(values)] for name, values in times.items() if values}

    def comparison(self, tree: Tree, rounds: int, cold_rounds: int) -> None:
        commands = self.commands(tree)
        slow = {"rmlint", "duperemove"}
        found: dict[str, t.Any] = {"warm": self.interleaved(commands, rounds, cold=False)}
        spreads = {"warm": self.last}
        if cold_rounds:
            kept = {name: command for name, command in commands.items() if name not in slow or tree.name != "tiny"}
            found["cold"] = self.interleaved(kept, cold_rounds, cold=True)
            spreads["cold"] = self.last
        self.results[tree.name] = {**found, "spread": spreads}
        for cache in found:
            table(f"{tree.name}, {cache} (seconds, and times diff -rq)", found[cache])

    def end_to_end(self, tree: Tree, rounds: int) -> None:
        """Create and stop, through the same entry as the module, against one comparison in the same state."""
        from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot.work import Places
        from ansible_collections.overc.system.plugins.module_utils.overlay.manage import manage
        from ansible_collections.overc.system.plugins.module_utils.overlay.plan import Wanted

        places = Places(str(self.scratch / "var"), str(self.scratch / "units"))
        containers = self.base / "containers"
        times: dict[str, list[float]] = {name: [] for name in END_TO_END}
        name = "ours, relatives" if tree.related else "ours"
        for _round in range(rounds):
            for wait in (True, False):
                root = containers / "c1/rootfs"
                root.parent.mkdir(parents=True, exist_ok=True)
                run("btrfs", "-q", "subvolume", "snapshot", str(tree.container), str(root))
                (root.parent / "config").write_text(f"lxc.mount.fstab = {root.parent}/fstab\n")
                (root.parent / "fstab").write_text("")
                copy = Tree(tree.name, tree.source, root.parent / "rootfs", tree.related)
                self.timed(self.commands(copy)["read both (floor)"])  # a snapshot's pages are its own
                os.sync()
                if wait:
                    times["compare"].append(self.timed(self.commands(copy)[name]))
                for what, state in _COMMANDS[wait]:
                    sources = ("essential",) if state == "present" else ()
                    wanted = Wanted(
                        "c1", str(containers), ("/usr",), sources, state, "auto", str(tree.source), wait=wait
                    )
                    started = time.perf_counter()
                    manage(wanted, places=places)
                    if what:
                        times[what].append(time.perf_counter() - started)
                run("btrfs", "-q", "subvolume", "delete", str(root))
        medians = {what: statistics.median(values) for what, values in times.items()}
        self.spread(times)
        self.results[tree.name]["end to end"] = medians
        self.results[tree.name]["spread"]["end to end"] = self.last
        table(f"{tree.name}, end to end (seconds, and times one comparison)", medians, "compare")

    def memory(self, tree: Tree) -> None:
        """The most that all processes of one comparison held at once (PSS, sampled)."""
        argv = [sys.executable, "-S", "-c", COMPARE, str(tree.container), str(tree.source)]
        env = {**os.environ, "PYTHONPATH": str(self.library)}
        with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as process:
            peak = 0
            while process.poll() is None:
                peak = max(peak, sum(map(pss, family(process.pid))))
                time.sleep(0.02)
        self.results[tree.name]["memory MB"] = round(peak / 1024, 1)
        print(f"\n{tree.name}: {peak / 1024:.0f} MB at most")

    def linearity(self, counts: t.Sequence[int], rounds: int) -> None:
        per_file = {}
        for count in counts:
            source = tiny(self.base / f"t{count}a", count)
            container = tiny(self.base / f"t{count}b", count, differ=0.01)
            tree = Tree(f"linear{count}", source, container)
            commands = {k: v for k, v in self.commands(tree).items() if k in ("read both (floor)", "ours")}
            per_file[str(count)] = self.interleaved(commands, rounds, cold=False)["ours"] / count * 1e6
        self.results["microseconds per file"] = per_file
        table("microseconds per file", per_file, str(counts[0]))


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def have(name: str) -> bool:
    return shutil.which(name.split(" ", maxsplit=1)[0]) is not None


def table(title: str, values: dict[str, float], reference: str = "diff -rq") -> None:
    print(f"\n{title}")
    base = values.get(reference)
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        ratio = f"{value / base:8.2f}x" if base else ""
        print(f"  {name:20} {value:9.3f} {ratio}")
    sys.stdout.flush()


def goals(results: dict[str, t.Any]) -> list[tuple[str, float | None, float, bool]]:
    """(goal, measured, limit, met); measured None where it was not measured. Smaller is better in all of them."""

    def ratio(tree: str, cache: str, ours: str, other: str) -> float | None:
        found = results.get(tree, {}).get(cache, {})
        if ours not in found:
            return None
        base = found.get(other)
        return found[ours] / base if base else None

    wanted = [
        ("independent roots, warm, of diff -rq", ratio("a", "warm", "ours", "diff -rq"), 0.85),
        ("independent roots, cold, of diff -rq", ratio("a", "cold", "ours", "diff -rq"), 0.7),
        ("snapshots, warm, of diff -rq", ratio("snap", "warm", "ours, relatives", "diff -rq"), 0.25),
        ("snapshots, cold, of diff -rq", ratio("snap", "cold", "ours, relatives", "diff -rq"), 0.12),
        ("large files, warm, of diff -rq", ratio("large", "warm", "ours", "diff -rq"), 0.4),
        ("memory at 200,000 files, MB", results.get("tiny", {}).get("memory MB"), 150.0),
    ]
    for tree in ("a", "snap"):
        for what, limit in ((START, 1.6 if tree == "a" else 1.2), ("create", 3.0), ("stop", 2.0)):
            wanted.append((f"{what}, {tree}, of one comparison", ratio(tree, "end to end", what, "compare"), limit))
    per_file = list(results.get("microseconds per file", {}).values())
    wanted.append(("time per file, most files of fewest", per_file[-1] / per_file[0] if per_file else None, 1.25))
    return [(text, value, limit, value is not None and value <= limit) for text, value, limit in wanted]


def in_a_namespace(options: argparse.Namespace) -> int:
    """Itself again, with mounts and processes of its own: however it ends, they end first, then the image can go."""
    if os.geteuid():
        raise SystemExit("the benchmark needs root, for its namespaces and a loop device")
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="overlay-bench-") as name:
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        again = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:], "--inside", name]
        with subprocess.Popen([*apart, *again]) as process:
            signal.signal(signal.SIGTERM, lambda *_: process.kill())
            try:
                return process.wait()
            finally:
                process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--trees", default="a,snap,copy,large,tiny,linear")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", type=int, default=3, help="rounds with empty caches; 0 leaves them out")
    parser.add_argument("--roots", nargs=2, type=Path, help="two bootstrapped roots to copy")
    parser.add_argument("--counts", default="10000,50000,200000", help="files of the trees that show how it grows")
    parser.add_argument("--dir", default="/var/tmp", help="where the image of some GB lies")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        sys.exit(in_a_namespace(options))
    top: Path = options.inside
    for part in ("fs", "scratch", "library/ansible_collections/overc"):
        (top / part).mkdir(parents=True)
    (top / "library/ansible_collections/overc/system").symlink_to(CHECKOUT)
    sys.path.insert(0, str(top / "library"))
    image, base = top / "image", top / "fs"
    with image.open("wb") as file:
        file.truncate(20 << 30)
    run("mkfs.btrfs", "-q", str(image))
    run("mount", "-o", "loop", str(image), str(base))
    bench = Bench(base, top / "scratch", top / "library")
    bench.results["floors"] = per_file(base)
    measure(bench, options.trees.split(","), options)
    print("\ngoals")
    judged = goals(bench.results)
    for text, value, limit, met in judged:
        shown = "not measured" if value is None else f"{value:.2f} (at most {limit:g}): {'met' if met else 'MISSED'}"
        print(f"  {text:48} {shown}")
    bench.results["goals"] = [
        {"goal": text, "measured": value, "limit": limit, "met": met} for text, value, limit, met in judged
    ]
    if options.json:
        options.json.write_text(json.dumps(bench.results, indent=1) + "\n")


def measure(bench: Bench, trees: t.Sequence[str], options: argparse.Namespace) -> None:
    base = bench.base
    if {"a", "snap", "copy"} & set(trees):
        first, second = roots(base, tuple(options.roots) if options.roots else None)
        os.sync()
    if "a" in trees:
        tree = Tree("a", first, second)
        bench.comparison(tree, options.rounds, options.cold)
        bench.end_to_end(tree, options.rounds)
    if "snap" in trees:
        time.sleep(2)  # files changed in the second of a snapshot cannot be told by their change time
        run("btrfs", "-q", "subvolume", "snapshot", str(first), str(base / "snap"))
        mutate(base / "snap", seed=5)
        os.sync()
        tree = Tree("snap", first, base / "snap", related=True)
        bench.comparison(tree, options.rounds, options.cold)
        bench.end_to_end(tree, options.rounds)
    if "copy" in trees:
        run("cp", "-a", "--reflink=never", f"{first}/.", str(subvolume(base / "copy")))
        mutate(base / "copy", seed=6)
        os.sync()
        bench.comparison(Tree("copy", first, base / "copy"), options.rounds, options.cold)
    if "large" in trees:
        tree = Tree("large", large(base / "largeA"), large(base / "largeB", tails=(1, 3)))
        os.sync()
        bench.comparison(tree, options.rounds, 0)
    if "tiny" in trees:
        tree = Tree("tiny", tiny(base / "tinyA", 200_000), tiny(base / "tinyB", 200_000, differ=0.01))
        os.sync()
        bench.comparison(tree, max(1, options.rounds // 2), 0)
        bench.memory(tree)
    if "linear" in trees:
        bench.linearity([int(text) for text in options.counts.split(",")], max(1, options.rounds // 2))


if __name__ == "__main__":
    main()
