# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/kernel/cmdline: the words that kernel-install gives to kernels that come later, a root subvolume among them. Pure.

Where there is none it takes those of the running kernel, ours among them: ``overc.trial=1`` in an entry of the distribution's.
"""

from __future__ import annotations

import re
import typing as t

_WORD: t.Final = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_OURS: t.Final = "overc."


def set_subvolume(text: str, subvolume: str) -> str:
    """The text with each ``rootflags=`` naming this subvolume, or with one at its end; without words of ours.

    Everything else stays as it was written: comments, lines, the order of words.
    """
    wanted = f"subvol={subvolume}"
    found = False

    def changed(match: re.Match[str]) -> str:
        nonlocal found
        word = match.group()
        if word.startswith(_OURS):
            return ""
        if not word.startswith("rootflags="):
            return word
        found = True
        flags = [flag for flag in word[len("rootflags=") :].strip('"').split(",") if flag]
        kept = [flag for flag in flags if not flag.startswith(("subvol=", "subvolid="))]
        return f"rootflags={','.join((*kept, wanted))}"

    lines = text.split("\n")
    said = [number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    for number in said:
        after = _WORD.sub(changed, lines[number])
        if after != lines[number]:
            lines[number] = re.sub(r"  +", " ", after).rstrip() if _OURS in lines[number] else after
    if not found and said:
        lines[said[-1]] = f"{lines[said[-1]].rstrip()} rootflags={wanted}"
    return "\n".join(lines)


def text_of_words(words: t.Iterable[str]) -> str:
    """A whole file that says these words, as a kernel takes them: a space belongs to a word between quotes."""
    return " ".join(_quoted(word) for word in words) + "\n"


def _quoted(word: str) -> str:
    name, equals, value = word.partition("=")
    return f'{name}{equals}"{value}"' if any(char.isspace() for char in word) else word


__all__ = ("set_subvolume", "text_of_words")
