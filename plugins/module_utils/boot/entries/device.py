# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name by which a boot loader finds a file system."""

from __future__ import annotations

import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...runner import Runner


def uuid_of(runner: Runner, device: str) -> str:
    """The UUID of the file system on a device. Raises layout_unsupported where it has none."""
    done = runner.run(("blkid", "-c", "/dev/null", "-s", "UUID", "-o", "value", device))
    found = done.stdout.strip()
    if done.rc != 0 or not found:
        raise OvercError(
            "layout_unsupported",
            f"The file system on {device} has no UUID by which a boot loader could find it.",
            **done.facts(),
        )
    return found


__all__ = ("uuid_of",)
