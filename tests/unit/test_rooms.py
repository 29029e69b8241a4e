# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of the house: imports below ``plugins/`` go down, never up, round, or from one driver into another."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.overc.system.plugins"

# From the ground up: a file may use its own room and what stands on a lower floor. Rooms of one floor know nothing of one
# another.
FLOORS: t.Final = (
    ("module_utils",),
    ("module_utils.system", "module_utils.pull"),
    ("module_utils.btrfs",),
    ("module_utils.compare", "module_utils.packages", "module_utils.boot", "module_utils.health"),
    ("module_utils.host", "module_utils.overlay"),
    ("doc_fragments",),
    ("plugin_utils",),
    ("modules", "action", "filter"),
)
# The same inside the two large rooms.
INNER: t.Final = (
    ("module_utils.host.late", "module_utils.overlay.layers"),
    ("module_utils.host.store",),
    ("module_utils.host.observe", "module_utils.overlay.at_boot"),
    ("module_utils.host.plan",),
    ("module_utils.host.steps",),
    ("module_utils.host", "module_utils.overlay"),
)
# Each folder below these is one driver of several: what two of them need stands beside the folders.
DRIVERS: t.Final = ("module_utils.packages", "module_utils.boot.methods")
# The one file that knows every driver.
CHOOSERS: t.Final = ("module_utils.packages.choose", "module_utils.boot.methods.choose")

Imports = dict[str, set[str]]


def _module(path: Path) -> str:
    parts = path.relative_to(PLUGINS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(name: str, source: str, is_package: bool, known: t.Container[str]) -> set[str]:
    """The modules of ours that a source imports, those for type checkers included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == 0:
            if not (node.module or "").startswith(f"{OURS}."):
                continue
            above, node.module = [], (node.module or "")[len(OURS) + 1 :]
        else:
            here = name.split(".") if is_package else name.split(".")[:-1]
            above = here[: len(here) - node.level + 1]
        origin = ".".join([*above, *(node.module or "").split(".")]).rstrip(".")
        names = {f"{origin}.{alias.name}" for alias in node.names}
        inner = {entry for entry in names if entry in known}
        found |= inner or {origin}
    return found


def house() -> Imports:
    paths = {_module(path): path for path in PLUGINS.rglob("*.py") if "__pycache__" not in path.parts}
    return {name: imports_of(name, path.read_text(), path.name == "__init__.py", paths) for name, path in paths.items()}


def room_of(name: str, floors: t.Sequence[t.Sequence[str]] = FLOORS) -> tuple[int, str]:
    """The floor and the room with the longest name that fits."""
    fits = [
        (len(room), floor, room)
        for floor, rooms in enumerate(floors)
        for room in rooms
        if name == room or name.startswith(room + ".")
    ]
    assert fits, f"{name} has no room"
    _length, floor, room = max(fits)
    return floor, room


def driver_of(name: str) -> str | None:
    for room in DRIVERS:
        if name.startswith(room + ".") and name.count(".") > room.count(".") + 1:
            return ".".join(name.split(".")[: room.count(".") + 2])
    return None


def _leaves_the_order(name: str, target: str) -> bool:
    (floor, room), (below, other) = room_of(name), room_of(target)
    if room == other and room in INNER[-1]:
        (floor, room), (below, other) = room_of(name, INNER), room_of(target, INNER)
    return other != room and below >= floor


def upward(imports: Imports) -> list[str]:
    """Imports that leave the order of the floors."""
    return sorted(
        f"{name} -> {target}"
        for name, targets in imports.items()
        for target in targets
        if _leaves_the_order(name, target)
    )


def sideways(imports: Imports) -> list[str]:
    """Imports from one driver into another, or of a driver by somebody who should ask the chooser."""
    wrong = []
    for name, targets in imports.items():
        for target in targets:
            other = driver_of(target)
            if other and driver_of(name) != other and name not in CHOOSERS:
                wrong.append(f"{name} -> {target}")
    return sorted(wrong)


def rounds(imports: Imports) -> list[str]:
    """Files that lead back to themselves."""
    done: set[str] = set()
    wrong: list[str] = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            wrong.append(" -> ".join((*way[way.index(name) :], name)))
        elif name not in done:
            for target in sorted(imports.get(name, ())):
                visit(target, (*way, name))
            done.add(name)

    for name in sorted(imports):
        visit(name, ())
    return wrong


def test_imports_go_down() -> None:
    assert upward(house()) == []


def test_no_driver_knows_another() -> None:
    assert sideways(house()) == []


def test_no_import_goes_round() -> None:
    assert rounds(house()) == []


def _absolute(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _imports_of_ours(path: Path) -> t.Iterator[tuple[str, bool]]:
    """(where, whether it is relative)"""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{path.relative_to(PLUGINS)}:{node.lineno}", True
        elif any(name.startswith(OURS) for name in _absolute(node)):
            yield f"{path.relative_to(PLUGINS)}:{getattr(node, 'lineno', 0)}", False


def test_imports_of_ours_are_relative_but_for_the_entries() -> None:
    """The short form is the one that tools can draw.

    A module and an action plugin may be loaded by their path, for their short names (``ansible -m overc_host_upgrade``):
    then they are in no package, and nothing is relative to them.
    """
    for path in PLUGINS.rglob("*.py"):
        entry = path.relative_to(PLUGINS).parts[0] in ("modules", "action")
        assert [where for where, relative in _imports_of_ours(path) if relative is entry] == []


def test_every_room_says_in_a_sentence_what_it_holds() -> None:
    rooms = {path.parent for path in (PLUGINS / "module_utils").rglob("*.py") if "__pycache__" not in path.parts}
    for room in rooms:
        sentence = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
        assert sentence, room
        assert sentence.endswith("."), room
        assert ast.parse((room / "__init__.py").read_text()).body[1:] == [], "a room's sentence and nothing else"


def test_everything_is_used() -> None:
    """Only what Ansible itself calls, or a host, is imported by nobody."""
    imports = house()
    used = set().union(*imports.values())
    entries = ("modules.", "action.", "filter.", "doc_fragments.", "module_utils.pull.program")
    packages = {name for name in imports if any(other.startswith(name + ".") for other in imports)}
    assert {name for name in imports if not name.startswith(entries)} - used - packages == set()


@pytest.mark.parametrize(
    ("name", "source", "check"),
    [
        ("module_utils.system.lock", "from ..host.store.record import Record", upward),
        ("module_utils.boot.kernel", "from ..packages.contract import PackagePlan", upward),
        ("module_utils.errors", "from .system import syscalls", upward),
        ("module_utils.host.plan.model", "from ..steps.context import Apply", upward),
        ("module_utils.overlay.plan", "from ..host.plan.model import Plan", upward),
        ("module_utils.packages.dnf.errors", "from ..smartpm.output import x", sideways),
        ("module_utils.host.transaction", "from ..packages.dnf.driver import Dnf", sideways),
        ("module_utils.boot.kernel", "from . import partition", rounds),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str, check: t.Callable[[Imports], list[str]]) -> None:
    """Each check can fail: one planted import is enough."""
    imports = house()
    before = check(imports)
    planted = imports_of(name, source, False, imports)
    assert planted <= set(imports) | {"module_utils.packages.smartpm.output"}, planted
    imports[name] = imports[name] | planted
    assert len(check(imports)) > len(before)
