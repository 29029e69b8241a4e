# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts on one machine: btrfs root, separate /boot, systemd, sshd, rpm and dnf. See docs and ``Lab``."""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from tests.lab.host import Host, repository_url
    from tests.lab.lab import Lab
    from tests.lab.process import LabError
    from tests.lab.python_in_host import ModuleRun
    from tests.lab.settings import DiskSize

__all__ = ("DiskSize", "Host", "Lab", "LabError", "ModuleRun", "repository_url")

_HOMES: t.Final = {
    "DiskSize": "settings",
    "Host": "host",
    "Lab": "lab",
    "LabError": "process",
    "ModuleRun": "python_in_host",
    "repository_url": "host",
}


def __getattr__(name: str) -> t.Any:
    """Imported when asked for: the supervisor is started at each power-on and waited for, and needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tests.lab.{_HOMES[name]}"), name)
