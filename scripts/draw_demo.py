# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the demonstration and draw its terminal: docs/demo.svg. What the picture shows has happened."""

from __future__ import annotations

import html
import os
import pty
import re
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "demo.svg"
FIRST, LAST = "=== 4.", "=== 6."
WIDTH, LINE, CHARACTER, MARGIN = 104, 17, 7.8, 14
# A picture in a page loses several spaces in a row
NO_BREAK = "\N{NO-BREAK SPACE}"
COLOURS = {"1;36": "#56b6c2", "1;33": "#e5c07b", "32": "#98c379", "1": "#ffffff", "1;32": "#98c379", "1;31": "#e06c75"}
_STYLE = re.compile(r"\x1b\[([0-9;]*)m")


def record() -> str:
    """All that the demonstration prints on a terminal; ends this program if it fails."""
    said = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        said.extend(data)
        return data

    os.chdir(ROOT)
    status = pty.spawn([sys.executable, "-m", "tests.demo"], read)
    if status:
        sys.exit(os.waitstatus_to_exitcode(status))
    return said.decode().replace("\r", "")


def part(text: str) -> list[str]:
    """The lines of the stages that tell most in least space."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if FIRST in line]
    ends = [number for number, line in enumerate(lines) if LAST in line]
    return lines[starts[0] : ends[0]]


def _spans(line: str) -> t.Iterator[str]:
    colour = ""
    for number, piece in enumerate(_STYLE.split(line)):
        if number % 2:
            colour = COLOURS.get(piece, "")
        elif piece:
            fill = f' fill="{colour}"' if colour else ""
            yield f"<tspan{fill}>{html.escape(piece[:WIDTH]).replace(' ', NO_BREAK)}</tspan>"


def draw(lines: t.Sequence[str]) -> str:
    width, height = round(WIDTH * CHARACTER + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13" '
        'font-family="ui-monospace, Menlo, Consolas, monospace">\n'
        "<title>A host is upgraded: the new system is built beside the running one, then booted and checked</title>\n"
        f'<rect width="{width}" height="{height}" rx="6" fill="#1e2127"/>\n'
    )
    rows = (
        f'<text x="{MARGIN}" y="{MARGIN + LINE * number + 12}" fill="#c8ccd4">{"".join(_spans(line))}</text>\n'
        for number, line in enumerate(lines)
    )
    return f"{head}{''.join(rows)}</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(part(record())), encoding="utf-8")
