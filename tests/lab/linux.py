# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls the lab needs and Python 3.11 does not offer, each as one typed function.

Calling the kernel directly instead of ``mount``, ``unshare`` and ``nsenter`` is what makes a boot take milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import typing as t
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24

# New system calls have the same number on every architecture; pivot_root is older.
_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 430, 431, 432
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6

# What a lab host may not do to the machine it runs on: it has root in the machine's own user namespace.
DROPPED_CAPABILITIES: t.Final = {"sys_module": 16, "sys_rawio": 17, "sys_time": 25, "mac_admin": 33, "syslog": 34}


def _check(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def unshare(flags: int) -> None:
    _check(_LIBC.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    _check(_LIBC.setns(fd, kind), "setns")


def sethostname(name: str) -> None:
    raw = name.encode()
    _check(_LIBC.sethostname(raw, len(raw)), "sethostname")


def mount(source: str, target: Path | str, fstype: str = "", flags: int = 0, options: str = "") -> None:
    result = _LIBC.mount(
        source.encode(), os.fsencode(target), fstype.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"mount {source} on {target} ({fstype} {options})")


def bind_readonly(source: Path | str, target: Path | str) -> None:
    """Bind mounts ignore MS_RDONLY at first: it takes a second call."""
    mount(str(source), target, flags=MS_BIND)
    mount("", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def umount(target: Path | str, flags: int = 0) -> None:
    _check(_LIBC.umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new: str, put_old: str) -> None:
    _check(_LIBC.syscall(_SYS_PIVOT_ROOT[os.uname().machine], new.encode(), put_old.encode()), "pivot_root")


def die_with_parent(sig: int) -> None:
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, sig, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def drop_capabilities() -> None:
    for name, number in DROPPED_CAPABILITIES.items():
        _check(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), f"drop capability {name}")


def bpf(command: int, attributes: ctypes.Structure) -> int:
    result = _LIBC.syscall(_SYS_BPF[os.uname().machine], command, ctypes.byref(attributes), ctypes.sizeof(attributes))
    return _check(result, "bpf")


@contextlib.contextmanager
def detached_mount(fstype: str, source: str, **options: str | None) -> t.Iterator[Path]:
    """A mount that is attached to no directory: nobody sees it in a mount table, and it ends with its descriptor.

    The path goes through this process's descriptor table, so programs started meanwhile can use it as well.
    """
    fs = _check(_LIBC.syscall(_SYS_FSOPEN, fstype.encode(), 1), "fsopen")
    try:
        for key, value in {"source": source, **options}.items():
            kind = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
            text = None if value is None else value.encode()
            _check(_LIBC.syscall(_SYS_FSCONFIG, fs, kind, key.encode(), text, 0), f"fsconfig {key}={value}")
        _check(_LIBC.syscall(_SYS_FSCONFIG, fs, _FSCONFIG_CMD_CREATE, None, None, 0), f"mount {fstype} {source}")
        tree = _check(_LIBC.syscall(_SYS_FSMOUNT, fs, 1, 0), f"fsmount {source}")
    finally:
        os.close(fs)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{tree}")
    finally:
        os.close(tree)
