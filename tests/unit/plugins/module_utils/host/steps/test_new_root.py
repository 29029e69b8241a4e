# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a new root is mounted where a policy of SELinux is loaded. That nothing leaves our domain then, a machine shows."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.steps.new_root import flags_of_the_root
from ansible_collections.overc.system.plugins.module_utils.system import syscalls
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import parse_mountinfo

_ROOT = "29 1 0:25 /rootfs / rw,relatime shared:1 - btrfs /dev/vda3 rw,subvolid=256,subvol=/rootfs"
_SELINUX = "33 24 0:21 / /sys/fs/selinux rw,nosuid,noexec,relatime shared:11 - selinuxfs selinuxfs rw"


@pytest.mark.parametrize(("table", "expected"), [(_ROOT, 0), (f"{_ROOT}\n{_SELINUX}", syscalls.MS_NOSUID)])
def test_no_other_domain(table: str, expected: int) -> None:
    assert flags_of_the_root(parse_mountinfo(table)) == expected
