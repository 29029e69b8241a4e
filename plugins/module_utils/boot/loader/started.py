# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has started this host, as the variables of the firmware say it."""

from __future__ import annotations

import os
import typing as t

from ...system.presence import status
from . import variables

_NAME: t.Final = "systemd-boot "


def is_loader() -> bool:
    """Whether systemd-boot has started this host."""
    return (variables.read(variables.INFO) or "").startswith(_NAME)


def not_this_loader(mount_point: str) -> str | None:
    """Whether the loader that was started is systemd-boot, from this partition, and starts what is not signed."""
    try:
        name, wanted, secure = (
            variables.read(variables.INFO),
            variables.read(variables.PARTITION),
            variables.secure_boot(),
        )
    except OSError as error:
        return f"the firmware's variables cannot be read: {error.strerror}"
    if not (name or "").startswith(_NAME):
        return f"this host was started by {name or 'something that does not say what it is'}, and not by systemd-boot"
    if not wanted:
        return "systemd-boot does not say from which partition it was started"
    known = status(f"/dev/disk/by-partuuid/{wanted.lower()}", follow=True)
    here = os.stat(mount_point).st_dev
    if known is None or known.st_rdev != here:
        return (
            f"systemd-boot was started from partition {wanted.lower()}, which is not what is mounted on {mount_point}"
        )
    return "Secure Boot is on, with which this was never tried" if secure else None


__all__ = ("is_loader", "not_this_loader")
