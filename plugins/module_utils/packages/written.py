# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a package as people write it: dpkg has an architecture after a colon, rpm after a dot. Pure."""

from __future__ import annotations

import re
import typing as t

# A dot may be part of a name, so what follows the last one is an architecture only if it is known as one
_RPM: t.Final = (
    *("noarch", "x86_64", "i386", "i486", "i586", "i686", "aarch64", "armv7hl", "ppc64le", "s390x", "riscv64"),
)
_WRITTEN: t.Final = re.compile(rf"(?P<name>.+?)(?::(?P<dpkg>[^:]+)|\.(?P<rpm>{'|'.join(_RPM)}))?")


def split(word: str) -> tuple[str, str]:
    """Name and architecture; "" where none is written."""
    found = _WRITTEN.fullmatch(word)
    return (found["name"], found["dpkg"] or found["rpm"] or "") if found else (word, "")


__all__ = ("split",)
