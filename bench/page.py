# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes into docs/benchmarks.md what the benchmarks left in build/. A part without a new result stays as it is."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from tests.marked import replace, table

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = REPOSITORY / "docs/benchmarks.md"
BUILD = REPOSITORY / "build"
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


def _circumstances(measured: Result) -> list[str]:
    """When and where; the runs name the same thing differently."""
    machine = measured["machine"]
    count = machine.get("cpus", machine.get("processors"))
    load = machine.get("load", [machine.get("load before", 0.0)])
    when = measured.get("time", "time not recorded")
    loads = ", ".join(f"{value:.1f}" for value in load)
    return [f"{when}, {count} processors, Linux {machine['kernel'].split('-')[0]}, load {loads}.", ""]


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
    lines = _circumstances(measured)
    rows: list[list[str]] = []
    head = ["what", "seconds", "compared to", "ratio", "goal", ""]

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
            row["what"].strip(), _number(row["seconds"]), row["compared_to"], _number(row["ratio"], "x"),
            _number(row["goal"], "x"), row["verdict"],
        ])  # fmt: skip
    close()
    missing = [text for name, text in _HOST_PARTS.items() if name not in measured["raw"]]
    return "\n".join([*lines, f"In this run {_NOT_MEASURED}: {', '.join(missing)}." if missing else ""])


def _comparisons(found: Result) -> list[str]:
    """Seconds, and how many times those of diff, with warm and with empty caches; the fastest first."""
    caches = [cache for cache in ("warm", "cold") if cache in found]
    names = sorted(found[caches[0]], key=lambda name: found[caches[0]][name])

    def cells(name: str) -> t.Iterator[str]:
        yield name
        for cache in caches:
            value, base = found[cache].get(name), found[cache].get("diff -rq")
            yield _NOT_MEASURED if value is None else _number(value)
            yield _number(value / base, "x") if value is not None and base else ""

    head = ["what", *(text for cache in caches for text in (f"{cache}, seconds", "of `diff -rq`"))]
    return [*table(head, [list(cells(name)) for name in names]), ""]


def overlay(measured: Result) -> str:
    lines = [*_circumstances(measured), *_goals(measured["goals"])]
    for name, title in _TREES.items():
        found = measured.get(name)
        lines += [f"### {title}", ""]
        if found is None:
            lines += [f"{_NOT_MEASURED.capitalize()} in this run.", ""]
            continue
        lines += _comparisons(found)
        ends = found.get("end to end")
        if ends:
            rows = [[what, _number(value), _number(value / ends["compare"], "x")] for what, value in ends.items()]
            lines += [*table(["end to end", "seconds", "of one comparison"], rows), ""]
        if "memory MB" in found:
            lines += [f"At most {found['memory MB']:.0f} MB of memory.", ""]
    per_file = measured.get("microseconds per file")
    lines += ["### How it grows", ""]
    if per_file:
        lines += table(["files", "microseconds per file"], [[f"{int(n):,}", _number(v)] for n, v in per_file.items()])
    else:
        lines += [f"{_NOT_MEASURED.capitalize()} in this run."]
    return "\n".join(lines)


def fleet(measured: Result) -> str:
    lines = [*_circumstances(measured), *_goals(measured["goals"])]
    rows = [
        [
            count, name, _number(cost["wall"]), _number(cost["cpu"] / int(count)), _number(cost["memory"] / int(count)),
            _number(cost["tasks"] / int(count)),
        ]
        for count, costs in measured["hosts"].items()
        for name, cost in costs.items()
    ]  # fmt: skip
    head = ["hosts", "what", "seconds", "controller's processor, seconds per host", "MiB per host", "tasks per host"]
    return "\n".join([*lines, *table(head, rows)])


_SECTIONS: dict[str, tuple[str, t.Callable[[Result], str]]] = {
    "host": ("bench.json", host),
    "overlay": ("bench-overlay.json", overlay),
    "fleet": ("bench-fleet.json", fleet),
}


def write(document: Path = DOCUMENT, build: Path = BUILD) -> None:
    for name, (file, render) in _SECTIONS.items():
        if (build / file).exists():
            replace(document, name, render(json.loads((build / file).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    write()
