# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that was copied while it was shared: its table names the layers of the one it was copied from.

Two containers would write into one upper layer. The copy is given files of its own from those layers, which stay.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import OvercError
from ..system.overlayfs import Layers
from ..system.presence import status
from ..system.safe_path import OPEN_DIR, components, open_beneath, printable
from . import lxc


def owner_runs(owner: str) -> bool:
    """Whether the container that the layers belong to runs: then nobody may read them as if they stood still."""
    if lxc.monitor_listens(owner):
        return True
    root = status(f"{owner}/rootfs", follow=True)
    return root is not None and lxc.root_in_use(root) is not None


def open_layers(owner: str, layers: Layers) -> list[int]:
    """The layers in another container's directory, topmost first."""
    opened: list[int] = []
    path = owner
    try:
        base = os.open(owner, OPEN_DIR)
        try:
            for path in (layers.upper, *layers.lower):
                opened.append(open_beneath(base, components(path[len(owner) :])))
        finally:
            os.close(base)
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise OvercError(
            "inconsistent",
            f"Layer {printable(path)} cannot be opened ({error.strerror}), so what this container had is not known; nothing was"
            " changed.",
        ) from error
    return opened


def problem(owner: str) -> str:
    return (
        f"its upper layer belongs to {printable(owner)}, of which this is a copy: both write into it; overc_overlay with"
        " state=absent gives this container files of its own"
    )


def problems_of_owner(users: t.Sequence[t.Mapping[str, str]]) -> list[str]:
    return [
        f"{user['who']} uses its layers ({user['where']}); overc_overlay with state=absent there first"
        for user in users
    ]


__all__ = ("open_layers", "owner_runs", "problem", "problems_of_owner")
