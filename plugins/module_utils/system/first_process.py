# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a process namespace: it runs one tool, and nothing that the tool leaves behind outlives it.

With the tool as first process, whatever a package's script starts in the background becomes the tool's child. A tool that
reads its scripts' output through a pipe (DNF 5) then waits for as long as somebody holds the other end: for a daemon, for
ever. Here an orphan that holds a pipe of the tool is ended after ``PATIENCE``, and everything else when the tool has ended.

The host's file tree is not in its mount namespace, and the root of the first process is an empty directory: a script that goes
to ``/proc/1/root``, enters the namespaces of process 1, or breaks out of a chroot(2) is nowhere. It still sees that it does not
have the root of process 1, by which scripts tell that no system runs there (ischroot(1), systemctl(1)).

The tool and its scripts may also not change the file system as a whole, nor the machine's swap: what boots is not theirs to
decide.

The file is run as a program of its own (``program``), so it imports only the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import sys
import time
import typing as t

PATIENCE: t.Final = 5.0  # seconds, for what a script merely did not wait for
_LOOK_EVERY: t.Final = 0.5  # seconds
_GONE: t.Final = (FileNotFoundError, ProcessLookupError)  # it ended meanwhile
SIGNALLED: t.Final = 128  # as shells do: the tool was ended by signal N, and the exit code is 128 + N
NOT_ENTERED: t.Final = 125  # as env(1) does: it is not the tool that failed
NO_ENTRY: t.Final = "overc: the new root cannot be entered: "  # begins the line that says why

# What /proc has of the whole kernel and not of one process namespace: read-only, as in every container
_OF_THE_KERNEL: t.Final = ("sys", "sysrq-trigger", "irq", "bus")
_BIND_AGAIN_READ_ONLY: t.Final = (
    0x1000 | 0x20 | 0x1 | 0x2 | 0x4 | 0x8
)  # MS_BIND, REMOUNT, RDONLY, NOSUID, NODEV, NOEXEC
_BIND: t.Final = 0x1000
_MOVE: t.Final = 0x2000
_REMOUNT: t.Final = 0x20
_EMPTY: t.Final = 0x2 | 0x4 | 0x8  # MS_NOSUID, NODEV, NOEXEC
_READ_ONLY: t.Final = 0x1
_DETACH: t.Final = 2
_INSIDE: t.Final = "root"  # where the tool's root is in the empty directory

# What acts on the file system as a whole, and so beyond the new root: number and type of the request, its low two bytes
# (linux/btrfs.h, linux/fs.h). Resizing; adding, removing, replacing a device; balancing, twice; the default subvolume; quotas
# and their groups; deleting a subvolume by its id; freezing; shutting down.
_BEYOND_THE_ROOT: t.Final = (
    *(0x9400 | number for number in (3, 10, 11, 58, 53, 12, 32, 19, 40, 41, 42, 43, 63)),
    *(0x5800 | number for number in (119, 125)),
)
# linux/audit.h -> the numbers of ioctl(2), swapon(2), swapoff(2): 64-bit x86 with its two other kinds of calls, ARM, RISC-V,
# POWER, s390. Swap is the whole machine's, whoever turned it on, and a root with a file of it cannot be removed any more.
_CALLS: t.Final = (
    (0xC000003E, 16, 167, 168), (0xC000003E, 0x40000202, 0x400000A7, 0x400000A8), (0x40000003, 54, 87, 115),
    (0xC00000B7, 29, 224, 225), (0x40000028, 54, 87, 115), (0xC00000F3, 29, 224, 225), (0x400000F3, 29, 224, 225),
    (0xC0000015, 54, 87, 115), (0x80000015, 54, 87, 115), (0x00000014, 54, 87, 115), (0x80000016, 54, 87, 115),
    (0x00000016, 54, 87, 115),
)  # fmt: skip
_PR_SET_SECCOMP: t.Final = 22
_SECCOMP_MODE_FILTER: t.Final = 2
_SIOCGIFFLAGS: t.Final = 0x8913  # linux/sockios.h, linux/if.h
_SIOCSIFFLAGS: t.Final = 0x8914
_IFF_UP: t.Final = 1
_ALLOW: t.Final = 0x7FFF0000
_FAIL: t.Final = 0x00050000  # with the number of the error


def program() -> str:
    """The source of this file, which ends in running it: `python -c`, the arguments of ``main``, a tool with its own."""
    loader: t.Any = getattr(__spec__, "loader", None)
    source = loader.get_source(__name__)
    text = source.decode("utf-8") if isinstance(source, bytes) else source  # bytes, where Ansible's own loader has it
    return f"{text}\nsys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))\n"


def main(root: str, place: str, argv: list[str]) -> int:
    """Run ``argv`` in ``root`` to its end; its exit code.

    ``root`` is a mount point whose ``proc`` shows this namespace, ``place`` an empty directory outside of it. This process has a
    mount namespace of its own, and leaves what else is in it.
    """
    try:
        root = _leave_the_host(root, place)
        proc = f"{root}/proc"
        _protect_kernel(proc)
    except OSError as error:
        return _not_entered(error)
    _loopback()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    tool = os.fork()
    if tool == 0:
        _become(root, argv)
    since: dict[int, float] = {}
    while True:
        code = _reap(tool)
        if code is not None:
            return code  # with its first process the namespace ends, and with it all that is in it
        signal.sigtimedwait((signal.SIGCHLD,), _LOOK_EVERY)
        _end_those_who_hold_up(proc, tool, since)


def _become(root: str, argv: list[str]) -> t.NoReturn:
    """This process becomes the tool, or ends: it never goes on as a second one that watches over the tool."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
        os.setsid()  # it has no terminal: that of who runs us is not for packages to read, to write on, or to wait for
        try:
            os.chroot(root)
            os.chdir("/")
        except OSError as error:
            code = _not_entered(error)
        else:
            keep_to_the_root()
            code = 127
            os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _not_entered(error: OSError) -> int:
    where = f" ({error.filename})" if error.filename else ""
    sys.stderr.write(f"{NO_ENTRY}{error.strerror}{where}\n")
    return NOT_ENTERED


def _leave_the_host(root: str, place: str) -> str:
    """Make an empty directory the root of this namespace, with ``root`` in it, and let go of all else; where it is now.

    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def must(answer: int, what: str) -> None:
        if answer != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)

    def mount(source: str, target: str, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
        must(libc.mount(os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), data), target)

    mount("none", place, b"tmpfs", _EMPTY, b"mode=0755,size=4k")
    inside = f"{place}/{_INSIDE}"
    os.mkdir(inside)
    mount(root, inside, None, _MOVE)
    os.chdir(place)
    must(libc.pivot_root(b".", b"."), place)  # pivot_root(2): the old root lies upon the new one then
    must(libc.umount2(b".", _DETACH), place)
    os.chdir("/")
    mount("none", "/", None, _REMOUNT | _EMPTY | _READ_ONLY)
    return f"/{_INSIDE}"


def _protect_kernel(proc: str) -> None:
    """A script's `sysctl -w` or its writing to sysrq-trigger would change the running system, or end it. Raises OSError."""
    mount = ctypes.CDLL(None, use_errno=True).mount
    for name in _OF_THE_KERNEL:
        path = os.fsencode(f"{proc}/{name}")
        for source, flags in ((path, _BIND), (b"none", _BIND_AGAIN_READ_ONLY)):
            if mount(source, path, None, ctypes.c_ulong(flags), None) != 0:
                code = ctypes.get_errno()
                if code == errno.ENOENT:  # this kernel was built without it
                    break
                raise OSError(code, os.strerror(code), f"{proc}/{name}")


def _loopback() -> None:
    """In a network namespace of its own even the loopback is down at first (netdevice(7)); in the host's it is up already."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)
        if not flags & _IFF_UP:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def keep_to_the_root() -> bool:
    """From now on this process, and all that it starts, may not change the file system as a whole, nor swap: EPERM.

    A script of a package that sets btrfs' default subvolume decides what boots, finished or not, from that moment on; to put it
    back afterwards is too late for a power cut. False where the kernel has no seccomp filters (or calls ioctl differently).
    """
    program = _filter()
    code = ctypes.create_string_buffer(program, len(program))
    arguments = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    nothing = ctypes.c_ulong(0)
    answer: int = prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), arguments, nothing, nothing)
    return answer == 0


def _filter() -> bytes:
    """The filter in the kernel's own instructions (linux/filter.h): code, jump if true, jump if false, operand."""
    load, keep_bits, equal, end = 0x20, 0x54, 0x15, 0x06
    number, architecture = 0, 4  # in struct seccomp_data (linux/seccomp.h)
    request = 24 if sys.byteorder == "little" else 28  # the lower half of the second argument
    look = [(load, 0, 0, request), (keep_bits, 0, 0, 0xFFFF)]
    count = len(_BEYOND_THE_ROOT)
    look += [(equal, count - place, 0, value) for place, value in enumerate(_BEYOND_THE_ROOT)]
    look += [(end, 0, 0, _ALLOW), (end, 0, 0, _FAIL | errno.EPERM)]
    whose: list[tuple[int, int, int, int]] = []
    length = 2 + len(_CALLS[0])
    for place, (kind, call, *never) in enumerate(_CALLS):
        to_look = length * (len(_CALLS) - place - 1) + len(never) + 1
        whose += [(load, 0, 0, architecture), (equal, 0, length - 2, kind), (load, 0, 0, number)]
        whose += [(equal, to_look, 0, call)]
        to_fail = to_look + len(look) - 2
        whose += [(equal, to_fail - each, 0, value) for each, value in enumerate(never)]
    return b"".join(struct.pack("=HBBI", *entry) for entry in (*whose, (end, 0, 0, _ALLOW), *look))


def _reap(tool: int) -> int | None:
    """The tool's exit code, once it has ended; all others that have are buried as well."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1
        if pid == 0:
            return None
        if pid == tool:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code


def _end_those_who_hold_up(proc: str, tool: int, since: dict[int, float]) -> None:
    """``since``: when each orphan with a pipe of the tool was first seen."""
    try:
        parents = _parents(proc)
    except _GONE:  # a script has unmounted it
        return
    orphans = {pid for pid, parent in parents.items() if parent == os.getpid() and pid != tool}
    waited_for = _pipes(proc, tool, first=3) if orphans else set()
    holding = {pid for pid in orphans if _pipes(proc, pid) & waited_for}
    for pid in set(since) - holding:
        del since[pid]
    now = time.monotonic()
    for pid in holding:
        if now - since.setdefault(pid, now) >= PATIENCE:
            sys.stderr.write(f"warning: {_name(proc, pid)} was left running by a package script and was ended\n")
            sys.stderr.flush()
            for member in _family(parents, pid):
                _kill(member)


def _parents(proc: str) -> dict[int, int]:
    """Process -> its parent."""
    found: dict[int, int] = {}
    for name in os.listdir(proc):
        if name.isdigit():
            try:
                with open(f"{proc}/{name}/stat", "rb") as stream:
                    found[int(name)] = int(stream.read().rpartition(b")")[2].split()[1])
            except _GONE:
                continue
    return found


def _pipes(proc: str, pid: int, first: int = 0) -> set[str]:
    """The pipes and sockets that a process has open, from the descriptor ``first`` on."""
    found: set[str] = set()
    try:
        descriptors = os.listdir(f"{proc}/{pid}/fd")
    except _GONE:
        return found
    for descriptor in descriptors:
        if int(descriptor) >= first:
            try:
                target = os.readlink(f"{proc}/{pid}/fd/{descriptor}")
            except _GONE:
                continue
            if target.startswith(("pipe:", "socket:")):
                found.add(target)
    return found


def _family(parents: dict[int, int], pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def _name(proc: str, pid: int) -> str:
    try:
        with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except _GONE:
        return "a process"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


__all__ = ("NOT_ENTERED", "NO_ENTRY", "PATIENCE", "SIGNALLED", "keep_to_the_root", "main", "program")
