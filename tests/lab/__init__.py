# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts on one machine: btrfs root, separate /boot, systemd, sshd, rpm and dnf. See docs and ``Lab``."""

from __future__ import annotations

from tests.lab.host import Host, repository_url
from tests.lab.lab import Lab
from tests.lab.process import LabError
from tests.lab.python_in_host import ModuleRun
from tests.lab.settings import DiskSize

__all__ = ("DiskSize", "Host", "Lab", "LabError", "ModuleRun", "repository_url")
