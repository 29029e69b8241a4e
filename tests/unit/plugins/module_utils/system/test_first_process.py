# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes a file system as a whole, or the machine's swap, never reaches the kernel; all else does. About no file system."""

from __future__ import annotations

import errno
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.system import first_process

# Without new privileges any user may set a filter (prctl(2), PR_SET_NO_NEW_PRIVS)
_ASK: t.Final = """\
import ctypes, fcntl, os
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
kept = keep_to_the_root()
def answer(request):
    try:
        fcntl.ioctl(os.open("/dev/null", os.O_RDONLY), request, bytearray(8))
    except OSError as error:
        return error.errno
    return 0
pid = os.fork()  # what is started later is kept to it as well
if pid == 0:
    libc, calls = ctypes.CDLL(None, use_errno=True), []
    for ask in (libc.swapon, libc.swapoff, libc.chroot):
        calls.append(ctypes.get_errno() if ask(b"/no/such/place", 0) else 0)
    print(kept, *calls, *[answer(request) for request in {requests!r}], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""
# linux/btrfs.h, linux/fs.h; as x86, ARM and RISC-V write direction and size
_FORBIDDEN: t.Final = {
    "default subvolume": 0x40089413,
    "default subvolume, as POWER and MIPS write it": 0x80089413,
    "subvolume delete by id": 0x5000943F,
    "resize": 0x50009403,
    "remove a device": 0x5000940B,
    "balance": 0xC4009420,
    "quotas": 0xC0109428,
    "freeze": 0xC0045877,
    "shutdown": 0x8004587D,
}
_ALLOWED: t.Final = {
    "snapshot": 0x50009417,
    "create a subvolume": 0x5000940E,
    "delete one by its name": 0x5000940F,
    "clone": 0x40049409,
    "deduplicate": 0xC0189436,
    "tree search": 0xD0009411,
    "flags": 0x80086601,
    "terminal": 0x5413,
    "the same number, of others": 0x40086613,
}


@pytest.mark.skipif(
    "Seccomp:" not in Path("/proc/self/status").read_text(), reason="this kernel has no seccomp filters"
)
def test_only_what_concerns_the_whole_file_system() -> None:
    source = first_process.program().rpartition("\n")[0].rpartition("\n")[0]
    requests = [*_FORBIDDEN.values(), *_ALLOWED.values()]
    program = f"{source}\n{_ASK.format(requests=requests)}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    kept, on, off, other, *answers = done.stdout.split()
    assert (int(on), int(off)) == (errno.EPERM, errno.EPERM)
    assert int(other) == errno.ENOENT, "another call is answered by the kernel"
    assert kept == "True", done.stderr
    found = dict(zip([*_FORBIDDEN, *_ALLOWED], map(int, answers)))
    assert {name for name, answer in found.items() if answer == errno.EPERM} == set(_FORBIDDEN)


def test_the_filter_is_one_that_every_kernel_takes() -> None:
    """No longer than a jump can reach (255), and for each kind of calls once."""
    assert len(first_process._filter()) // 8 < 255
    assert len(set(first_process._CALLS)) == len(first_process._CALLS)
    assert len({len(entry) for entry in first_process._CALLS}) == 1
