# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests go to one worker: those that begin with the same disks or machines, each of which takes long to make.

The mark of pytest-xdist for this (3.8.0) does nothing with pytest 9.2: it is written into an attribute that nobody reads.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

from tests.sampling import ALL

# A day's part of the real boots has one file system, so all of it begins with the same states; the whole is for several
_MACHINES = re.compile(r"^tests/vm/test_\w+\.py::.*\b(ext4|vfat)\b" if ALL else r"^tests/(vm)/")
_DISKS = re.compile(
    r"^tests/integration/(test_crash|test_crash_automatic|test_crash_package_managers|test_host_states)\.py::"
)


def group(nodeid: str) -> str:
    """The name of the test's group; a test that needs nothing of others is one of its own."""
    found = _MACHINES.match(nodeid) or _DISKS.match(nodeid)
    return found.group(1) if found else nodeid


class Grouped(LoadScopeScheduling):
    """Like ``--dist loadscope``, by these groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
