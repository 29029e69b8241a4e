# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers an overlay gets, and the options that mount them: the same before it is made as while it is."""

from __future__ import annotations

import typing as t

from ..compare.model import Comparison
from ..system import overlayfs
from .site import Site

# As many characters as an id has
UNKNOWN_ID: t.Final = "0" * 12


def picked(comparison: Comparison) -> list[int]:
    """The numbers of the sources of which single files are taken."""
    return sorted({number for plan in comparison.directories.values() for number in plan.pick.values()})


def layer_names(comparison: Comparison, *, whole: bool) -> list[str]:
    """The names of the lower layers, topmost first. ``whole``: the first source is a layer as it is."""
    names = [f"pick{number}" for number in picked(comparison)]
    return [*names, "lower"] if whole or not names else names


def mount_options(site: Site, id_: str, names: t.Sequence[str]) -> str:
    """The options for the layers ``names`` of an overlay. Raises bad_argument when they are too long to be mounted."""
    base = site.layer_paths(id_)
    layers = overlayfs.Layers(tuple(f"{base}/{name}" for name in names), f"{base}/upper", f"{base}/work")
    return overlayfs.options(layers, overlayfs.supported_safety())


__all__ = ("UNKNOWN_ID", "layer_names", "mount_options", "picked")
