# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes docs/benchmarks.md from the one file that ``make bench`` left: every figure in it is of one run and one commit."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from tests.marked import replace, table

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs/benchmarks.md"
RESULT = REPOSITORY / "build" / "bench.json"
# What a whole run of `make bench-host` has measured, by its name in the file
_HOST_PARTS = {
    "upgrade bulk": "an upgrade of one package",
    "upgrade many": "an upgrade of 100 packages",
    "switch": "snapshot and switch on roots of different size",
    "nothing": "an upgrade with nothing to do",
}
_TREES = {
    "a": "Two roots that were installed independently",
    "snap": "A root and a snapshot of it that went on by itself",
    "copy": "A root and a full copy of it that went on by itself",
    "large": "Few large files",
    "tiny": "200,000 small files",
}
_NOT_MEASURED = "not measured"
Result = dict[str, t.Any]


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    return f"{value:.2f}{unit}" if value >= 0.1 or value == 0 else f"{value:.2g}{unit}"


def circumstances(result: Result) -> str:
    """Of what it was measured, when and where, and whether the machine had nothing else to do."""
    before, machine = result["before"], result["machine"]
    modified = ", with changes that are in no commit" if result["modified"] else ""
    quiet = "quiet" if before["quiet"] else "**not quiet**, so only ratios mean something"
    where = f"{machine['processors']} processors, Linux {machine['kernel'].split('-')[0]}, Python {machine['python']}"
    busy = f"load {before['load'][0]:g}, processors busy {100 * before['busy']:.0f} %, stolen {100 * before['steal']:.1f} %"
    lines = [f"Commit `{result['commit'] or 'unknown'}`{modified}, {result['time']}, {where}.", ""]
    lines += [f"The machine was {quiet}: before the run, {busy}.", ""]
    rows = [
        [
            name,
            f"{part['seconds'] / 60:.0f}",
            f"{100 * part['meanwhile']['steal']:.1f} %",
            "failed" if part["failed"] else "",
        ]
        for name, part in result["parts"].items()
    ]
    return "\n".join([*lines, *table(["part", "minutes", "stolen meanwhile", ""], rows)])


def floors(measured: Result) -> str:
    rows = [
        [name, *(f"{1000 * value[key]:.3g}" for key in ("median", "least", "most"))]
        for name, value in measured["floors"].items()
    ]
    head = ["what", "milliseconds", "least", "most"]
    return "\n".join([*table(head, rows), "", f"Files on {measured['file system']}; {measured['repeats']} repeats."])


def _goals(goals: t.Sequence[Result]) -> list[str]:
    def cells(goal: Result) -> list[str]:
        if goal["measured"] is None:
            return [goal["goal"], _NOT_MEASURED, f"{goal['limit']:g}", ""]
        return [goal["goal"], _number(goal["measured"]), f"{goal['limit']:g}", "met" if goal["met"] else "MISSED"]

    counted = [goal["met"] for goal in goals if goal["measured"] is not None]
    met, missed, unknown = counted.count(True), counted.count(False), len(goals) - len(counted)
    summary = f"Goals: {met} met, {missed} missed, {unknown} {_NOT_MEASURED}."
    return [summary, "", *table(["goal", "measured", "at most", ""], map(cells, goals)), ""]


def host(measured: Result) -> str:
    lines: list[str] = []
    rows: list[list[str]] = []
    head = ["what", "seconds", "least", "most", "compared to", "ratio", "goal", ""]

    def close() -> None:
        if rows:
            lines.extend([*table(head, rows), ""])
            rows.clear()

    for row in measured["table"]:
        if row["seconds"] is None and row["ratio"] is None:
            close()
            lines.extend([f"### {row['what'].strip().rstrip(':')}", ""])
            continue
        rows.append([
            row["what"].strip(), *(_number(row[key]) for key in ("seconds", "least", "most")), row["compared_to"],
            _number(row["ratio"], "x"),
            _number(row["goal"], "x"), row["verdict"],
        ])  # fmt: skip
    close()
    missing = [text for name, text in _HOST_PARTS.items() if name not in measured["raw"]]
    return "\n".join([*lines, f"In this run {_NOT_MEASURED}: {', '.join(missing)}." if missing else ""])


def _spread(found: Result, cache: str, name: str) -> str:
    least, most, _repeats = found.get("spread", {}).get(cache, {}).get(name, (None, None, 0))
    return "" if least is None else f"{_number(least)} - {_number(most)}"


def _comparisons(found: Result) -> list[str]:
    """Seconds, and how many times those of diff, with warm and with empty caches; the fastest first."""
    caches = [cache for cache in ("warm", "cold") if cache in found]
    names = sorted(found[caches[0]], key=lambda name: found[caches[0]][name])

    def cells(name: str) -> t.Iterator[str]:
        yield name
        for cache in caches:
            value, base = found[cache].get(name), found[cache].get("diff -rq")
            yield _NOT_MEASURED if value is None else _number(value)
            yield _spread(found, cache, name)
            yield _number(value / base, "x") if value is not None and base else ""

    head = ["what", *(text for cache in caches for text in (f"{cache}, seconds", "least to most", "of `diff -rq`"))]
    return [*table(head, [list(cells(name)) for name in names]), ""]


def overlay(measured: Result) -> str:
    lines = _goals(measured["goals"])
    for name, title in _TREES.items():
        found = measured.get(name)
        lines += [f"### {title}", ""]
        if found is None:
            lines += [f"{_NOT_MEASURED.capitalize()} in this run.", ""]
            continue
        lines += _comparisons(found)
        ends = found.get("end to end")
        if ends:
            rows = [
                [what, _number(value), _spread(found, "end to end", what), _number(value / ends["compare"], "x")]
                for what, value in ends.items()
            ]
            lines += [*table(["end to end", "seconds", "least to most", "of one comparison"], rows), ""]
        if "memory MB" in found:
            lines += [f"At most {found['memory MB']:.0f} MB of memory.", ""]
    if measured.get("floors"):
        told = ", ".join(f"{name} {1e6 * value:.1f} microseconds" for name, value in measured["floors"].items())
        lines += [f"Floors on the file system of these trees: {told}.", ""]
    per_file = measured.get("microseconds per file")
    lines += ["### How it grows", ""]
    if per_file:
        lines += table(["files", "microseconds per file"], [[f"{int(n):,}", _number(v)] for n, v in per_file.items()])
    else:
        lines += [f"{_NOT_MEASURED.capitalize()} in this run."]
    return "\n".join(lines)


def fleet(measured: Result) -> str:
    lines = _goals(measured["goals"])
    rows = []
    for count, costs in measured["hosts"].items():
        for name, cost in costs.items():
            every = [one["cpu"] / int(count) for one in measured.get("raw", {}).get(count, {}).get(name, [])]
            each = [_number(cost[key] / int(count)) for key in ("cpu", "memory", "tasks")]
            spread = f"{_number(min(every))} - {_number(max(every))}" if every else ""
            rows.append([count, name, _number(cost["wall"]), each[0], spread, *each[1:]])
    head = [
        "hosts", "what", "seconds", "controller's processor, seconds per host", "least to most", "MiB per host",
        "tasks per host",
    ]  # fmt: skip
    return "\n".join([*lines, *table(head, rows)])


_SECTIONS: t.Final[dict[str, t.Callable[[Result], str]]] = {
    "floors": floors,
    "host": host,
    "overlay": overlay,
    "fleet": fleet,
}


def is_whole(result: Result) -> bool:
    """Whether it was a real run over all parts; one that failed on the way is, and says so."""
    return not result.get("smoke") and set(_SECTIONS) <= set(result.get("parts") or {})


def write(document: Path = DOCUMENT, source: Path = RESULT) -> bool:
    """Make the page, all parts of it or nothing; whether it was made."""
    if not source.exists():
        return False
    result = json.loads(source.read_text(encoding="utf-8"))
    if not is_whole(result):
        return False
    replace(document, "run", circumstances(result))
    for name, render in _SECTIONS.items():
        measured = {
            key: value for key, value in result["parts"][name].items() if key not in ("meanwhile", "seconds", "failed")
        }
        replace(document, name, render(measured) if measured else f"{_NOT_MEASURED.capitalize()} in this run.")
    return True


if __name__ == "__main__":
    write()
