# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this machine run a lab at all? One clear sentence when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.lab import cgroup
from tests.lab.process import LabError

_PROGRAMS = (
    "mmdebstrap", "zstd", "rpmbuild", "createrepo_c", "sfdisk", "partx", "losetup", "mkfs.btrfs", "btrfstune",
    "mkfs.ext4", "tune2fs", "mkfs.xfs", "ip", "nsenter", "unshare", "ssh", "ssh-keygen",
)  # fmt: skip


def _has_filesystem(name: str) -> bool:
    def known() -> bool:
        return any(line.split()[-1] == name for line in Path("/proc/filesystems").read_text().splitlines())

    if not known() and shutil.which("modprobe"):
        subprocess.run(["modprobe", name], capture_output=True, check=False)
    return known()


def missing() -> str | None:
    """The first thing that is missing, as the end of a sentence."""
    if os.geteuid() != 0:
        return "root privileges (it mounts file systems and makes namespaces)"
    for name in ("btrfs", "xfs", "ext4"):
        if not _has_filesystem(name):
            return f"a kernel with the {name} file system"
    if not Path("/dev/loop-control").exists():
        return "loop devices (/dev/loop-control does not exist)"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        return "the right to make mount and pid namespaces (this looks like an unprivileged container)"
    if not Path("/proc/self/timens_offsets").exists():
        return "a kernel with time namespaces (5.6 or newer)"
    try:
        cgroup.hierarchy()
    except LabError as error:
        return str(error)
    for program in _PROGRAMS:
        if shutil.which(program) is None and not Path("/usr/sbin", program).exists():
            return f"the program {program} (make setup installs it)"
    return None


def check_machine() -> None:
    lacking = missing()
    if lacking:
        raise LabError(f"the lab needs {lacking}.")
