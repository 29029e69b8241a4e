# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that a new root runs when it first starts, before anything else uses its files.

It needs the root's own uuid and nothing else: what it is to do lies in the top-level tree. It ends with 0 where nothing is to
be done any more, and else says why in the record, to the kernel's log, and in the note of a trial.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import typing as t

from ...boot.grub.protection import TRIAL_ARGUMENT
from ...boot.guard import NOTE
from ...btrfs import ioctl, namespace
from ...btrfs.roots import list_subvolumes
from ...errors import OvercError
from ...system import syscalls
from ...system.mount_table import mount_at, mounts
from ...system.own_dirs import state_dir
from . import pieces
from .bring import bring_all, failed, tidy
from .wish import DONE, FAILED, Late, read_late, write_late


def main() -> int:
    """At boot. Returns the exit code."""
    try:
        return _run()
    except (OvercError, OSError) as error:
        _say(f"nothing could be brought over: {error.message if isinstance(error, OvercError) else error.strerror}")
        return 1


def _run() -> int:
    mounted = mount_at(mounts(), "/")
    if mounted is None:
        _say("what is mounted on / cannot be told")
        return 1
    uuid = _uuid_of_root()
    namespace.enter()
    top = namespace.mount_btrfs(mounted.source, "late")
    try:
        late = read_late(top, uuid)
    except OvercError as error:
        _remember(top, error.message)
        raise
    names = {entry.uuid: entry.path for entry in list_subvolumes(top)}
    own = os.path.join(top, names[uuid])
    if late is None:
        pieces.remove(own)
        return 0
    if late.status == FAILED:
        _say(f"declared data was not brought over: {late.reason}")
        return 1
    if late.status != DONE:
        late = _bring(late, top, names.get(late.source), own)
    _tidy(late, own)
    if late.status == FAILED:
        return 1
    pieces.remove(own)
    syscalls.syncfs(own)
    return 0


def _bring(late: Late, top: str, source: str | None, own: str) -> Late:
    last = [late]

    def note(now: Late) -> None:
        write_late(top, now)
        last[0] = now

    try:
        if source is None:
            raise OvercError("late_carry_failed", "the subvolume of the system that ran before is gone")
        return bring_all(late, os.path.join(top, source), own, note, _now())
    except (OvercError, OSError, shutil.Error) as error:
        reason = _reason(error)
        _say(f"declared data was not brought over: {reason}")
        _tidy(last[0], own)  # there may be no space left
        late = failed(last[0], reason, _now())
        write_late(top, late)
        _remember(top, f"it could not bring over the declared data: {reason}")
        return late


def _tidy(late: Late, own: str) -> None:
    """What cannot be removed stays, and is no reason to give up a system."""
    try:
        tidy(late, own)
    except OSError as error:
        _say(f"{error.filename} stays: {error.strerror}")


def _reason(error: Exception) -> str:
    if isinstance(error, OvercError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{os.path.basename(str(error.filename))}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _remember(top: str, reason: str) -> None:
    """As the guard does, for whoever looks at a trial that did not stay."""
    with open("/proc/cmdline", encoding="utf-8", errors="replace") as stream:
        if TRIAL_ARGUMENT not in stream.read().split():
            return
    syscalls.write_durably(os.path.join(state_dir(top), NOTE), f"{_now()} {reason}\n".encode(), 0o644)


def _uuid_of_root() -> str:
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        raw = ioctl.subvolume_info(fd).uuid.hex()
    finally:
        os.close(fd)
    return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _say(text: str) -> None:
    """Where people look: the journal has what is printed, the console what the kernel logs."""
    sys.stderr.write(f"{text}\n")
    with contextlib.suppress(OSError), open("/dev/kmsg", "wb", buffering=0) as stream:
        stream.write(f"overc: {text}\n".encode("utf-8", "replace")[:900])


__all__: t.Final = ("main",)
