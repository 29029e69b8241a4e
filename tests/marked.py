# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of docs/ that people write, with parts that runs write: from ``<!-- begin: NAME (...) -->`` to its end."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def replace(document: Path, name: str, text: str) -> None:
    """Put ``text`` between the markers of this name, and leave every other byte alone."""
    whole = document.read_text(encoding="utf-8")
    place = re.compile(
        rf"(<!-- begin: {re.escape(name)} \([^\n]*\) -->\n).*?(<!-- end: {re.escape(name)} -->\n)", re.DOTALL
    )
    parts = place.split(whole)
    if len(parts) != 4:
        raise SystemExit(f"{document} has no place, or more than one, for: {name}")
    before, begin, end, after = parts
    document.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
