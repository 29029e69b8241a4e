# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of the house for CONTRIBUTING.md: every folder and file below ``plugins/``, with the sentence it begins with."""

from __future__ import annotations

import ast
import textwrap
import typing as t
from pathlib import Path

ROOT: t.Final = Path(__file__).resolve().parents[1]
BEGIN: t.Final = "<!-- the house: made by scripts/generate_docs.py -->"
END: t.Final = "<!-- end of the house -->"
_PLACES: t.Final = ("plugins/module_utils", "plugins/plugin_utils")
_WIDTH: t.Final = 126


def _sentence(path: Path) -> str:
    """The first sentence of a file's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    first, stop, _rest = paragraph.partition(". ")
    return first.rstrip(".") if stop else paragraph.rstrip(".")


def _line(indent: int, name: str, says: str) -> str:
    head = f"{'  ' * indent}{name}"
    return textwrap.fill(says, _WIDTH, initial_indent=f"{head:<27} ", subsequent_indent=" " * 28) or head


def _room(directory: Path, indent: int) -> t.Iterator[str]:
    init = directory / "__init__.py"
    says = _sentence(init) if init.is_file() else ""
    yield _line(indent, f"{directory.name if indent else directory.relative_to(ROOT)}/", says)
    files = sorted(path for path in directory.glob("*.py") if path.name != "__init__.py")
    for path in files:
        yield _line(indent + 1, path.name, _sentence(path))
    for below in sorted(path for path in directory.iterdir() if path.is_dir() and path.name != "__pycache__"):
        yield from _room(below, indent + 1)


def plan() -> str:
    """The tree, as a block of text."""
    lines = [line for place in _PLACES for line in _room(ROOT / place, 0)]
    return textwrap.indent("\n".join(lines), "    ") + "\n"


def filled(page: str) -> str:
    """CONTRIBUTING.md with the tree between its two marks."""
    head, _begin, rest = page.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{plan()}\n{END}{tail}"
