# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may not do on its root (write, open devices, gain privileges, run programs) it may not do on an overlay.

A mount of its own has flags of its own, so it is given those of the root, and those that the configuration asks for.
"""

from __future__ import annotations

import os
import typing as t

from .site import Site
from .table import Mounted

# Name in a table of mounts -> (of statvfs(3), of mount(2)); the numbers are the same on Linux, but only here by chance
_FLAGS: t.Final = {
    "ro": (os.ST_RDONLY, 1),
    "nosuid": (os.ST_NOSUID, 2),
    "nodev": (os.ST_NODEV, 4),
    "noexec": (os.ST_NOEXEC, 8),
}


def wanted(site: Site) -> tuple[str, ...]:
    """The flags that an overlay of the container is to have, in a fixed order."""
    found = os.fstatvfs(site.root_fd).f_flag
    asked = site.config.options if site.config is not None else ()
    return tuple(name for name, (bit, _number) in _FLAGS.items() if found & bit or name in asked)


def with_flags(options: str, flags: t.Iterable[str]) -> str:
    """Mount options for a table of mounts."""
    return ",".join([options, *flags])


def number(flags: t.Iterable[str]) -> int:
    """The same for mount(2)."""
    return sum(_FLAGS[name][1] for name in flags)


def differ(site: Site, found: Mounted) -> bool:
    """Whether the line of an overlay has other ones than it is to have."""
    return {name for name in found.options if name in _FLAGS} != set(wanted(site))


__all__ = ("differ", "number", "wanted", "with_flags")
