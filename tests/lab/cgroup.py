# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group per host: to freeze and kill all of it at once, and to keep it away from the machine's own disks.

Only version 2 is used. A machine that mounts version 1 as well has it somewhere too, and nothing else is needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from pathlib import Path

from tests.lab.linux import bpf
from tests.lab.process import LabError, wait_for


def hierarchy() -> Path:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _divider, right = line.partition(" - ")
        if right.split()[0] == "cgroup2":
            return Path(left.split()[4])
    raise LabError("no cgroup2 hierarchy is mounted on this machine: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")


def create(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)


def join(path: Path) -> None:
    """Move the calling process."""
    (path / "cgroup.procs").write_text("0")


def _populated(path: Path) -> bool:
    try:
        return "populated 1" in (path / "cgroup.events").read_text()
    except (FileNotFoundError, OSError):
        return False


def _frozen(path: Path) -> bool:
    return "frozen 1" in (path / "cgroup.events").read_text()


def freeze(path: Path) -> None:
    (path / "cgroup.freeze").write_text("1")
    wait_for(lambda: _frozen(path), f"{path} to freeze", timeout=10, interval=0.002)


def kill(path: Path) -> None:
    """Everything inside, frozen or not, and wait until it is gone."""
    if not path.exists():
        return
    (path / "cgroup.kill").write_text("1")
    with contextlib.suppress(OSError):
        (path / "cgroup.freeze").write_text("0")
    wait_for(lambda: not _populated(path), f"the processes in {path} to end", timeout=30, interval=0.005)


def empty(path: Path) -> None:
    """Kill everything inside, and remove the groups below.

    A kernel that counts kills would else end each process that is started right into a group that was there before, from
    one that was not: so does systemd since version 256.
    """
    if not path.exists():
        return
    kill(path)
    # Kernel files in it need no deleting
    for directory, _directories, _files in os.walk(path, topdown=False):
        if Path(directory) != path:
            with contextlib.suppress(OSError):
                Path(directory).rmdir()


def remove(path: Path) -> None:
    """The whole tree of groups, with all that runs in it."""
    empty(path)
    with contextlib.suppress(OSError):
        path.rmdir()


# --- which devices a group may use: version 2 knows no file for that, it takes a program ---------------------------

_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI = 15, 6, 2
_BLOCK, _CHARACTER = 1, 2


class _Load(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32), ("insn_cnt", ctypes.c_uint32), ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64), ("log_level", ctypes.c_uint32), ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64), ("kern_version", ctypes.c_uint32), ("prog_flags", ctypes.c_uint32),
    )  # fmt: skip


class _Attach(ctypes.Structure):
    _fields_ = (
        ("target_fd", ctypes.c_uint32), ("attach_bpf_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32), ("attach_flags", ctypes.c_uint32),
    )  # fmt: skip


def _instruction(code: int, dst: int = 0, src: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, dst | src << 4, offset, value)


def device_program(allowed: list[tuple[int, int, int | None]]) -> bytes:
    """BPF code: (kind, major, minor or any) pass, mknod of anything passes, the rest is refused."""
    code = [
        _instruction(0x61, 2, 1, 0),  # r2 = access << 16 | kind
        _instruction(0xBC, 5, 2),  # r5 = r2
        _instruction(0x54, 2, value=0xFFFF),  # r2 = kind
        _instruction(0x74, 5, value=16),  # r5 = access: 1 mknod, 2 read, 4 write
        _instruction(0x61, 3, 1, 4),  # r3 = major
        _instruction(0x61, 4, 1, 8),  # r4 = minor
        # a node alone does no harm, and packages may ship some
        _instruction(0x55, 5, offset=2, value=1),
        _instruction(0xB7, 0, value=1),
        _instruction(0x95),
    ]
    for kind, major, minor in allowed:
        tests = [(2, kind), (3, major)] + ([] if minor is None else [(4, minor)])
        for position, (register, value) in enumerate(tests):
            skip = len(tests) - position - 1 + 2
            code.append(_instruction(0x55, register, offset=skip, value=value))
        code += [_instruction(0xB7, 0, value=1), _instruction(0x95)]
    code += [_instruction(0xB7, 0, value=0), _instruction(0x95)]
    return b"".join(code)


def allow_only(path: Path, disk: list[tuple[int, int]]) -> None:
    """The host's own disk, memory devices, terminals and btrfs-control."""
    allowed: list[tuple[int, int, int | None]] = [(_BLOCK, major, minor) for major, minor in disk]
    allowed += [(_CHARACTER, 1, m) for m in (3, 5, 7, 8, 9)]
    allowed += [(_CHARACTER, 5, None), (_CHARACTER, 136, None), (_CHARACTER, 10, 234)]
    program = ctypes.create_string_buffer(device_program(allowed))
    count = len(program.raw) // 8
    license_text = ctypes.create_string_buffer(b"GPL")
    load = _Load(_PROG_TYPE_CGROUP_DEVICE, count, ctypes.addressof(program), ctypes.addressof(license_text))
    loaded = bpf(_BPF_PROG_LOAD, load)
    group = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        bpf(_BPF_PROG_ATTACH, _Attach(group, loaded, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI))
    finally:
        os.close(group)
        os.close(loaded)
