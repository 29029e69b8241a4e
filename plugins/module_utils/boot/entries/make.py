# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry is called in the menu."""

from __future__ import annotations

import re

from ...system.presence import text_of
from ...system.rooted_path import regular_file_in_root

_PRETTY = re.compile(r"""^PRETTY_NAME=["']?([^"'\n]*)""", re.MULTILINE)
_ODD = re.compile(r"[^A-Za-z0-9 ()/._+:-]")


def name_of(root: str) -> str | None:
    """``Debian GNU/Linux 12 (bookworm)``, in letters that a menu can show; None where the root does not say."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        place = regular_file_in_root(root, path)
        found = _PRETTY.search((text_of(place) if place else None) or "")
        if found:
            return _ODD.sub("", found.group(1)).strip() or "Linux"
    return None


def title_of(root: str, number: int, release: str | None) -> str:
    """``Debian GNU/Linux 12 (bookworm), Linux 6.1.0-50-amd64 (deployment 3)``."""
    name = name_of(root)
    if name is not None:
        return f"{name}, Linux {release or 'of its own'} (deployment {number})"
    return f"Linux {release or ''} (deployment {number})"


__all__ = ("name_of", "title_of")
