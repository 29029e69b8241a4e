# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing the copies under a mount when the container may run already: by a process of its own that outlives its caller.

The overlay is on the record by then, and what lies under its mount is seen by nobody. The process holds the lock of the
snapshot by which it is known what may go, never the one of the container, and drops that snapshot last. So whoever gets the
lock finds either no snapshot, or work that was cut off, which is finished from where it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system.presence import is_directory
from ..system.safe_path import open_dir, printable
from . import own_side
from .kept import being_emptied, delete_if_there, own_snapshot
from .layers.remove import empty
from .mount import empty_under, unmount_on_host
from .record import HOME, Record
from .site import Site

_NICE: t.Final = 10  # the container that starts meanwhile comes first
_GLANCE: t.Final = 0.2  # seconds: whoever only looks whether somebody is at it holds the lock for no longer


def _claim(home: int, id_: str, *, patient: bool) -> int | None:
    """The snapshot, locked for us; None if it is gone, or if another process is at it (and we are not ``patient``)."""
    name = own_snapshot(id_)
    try:
        fd = open_dir(name, home)
    except FileNotFoundError:
        return None
    try:
        _lock(fd, patient)
        os.stat(name, dir_fd=home, follow_symlinks=False)
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, patient: bool) -> None:
    """Raises BlockingIOError where another process keeps it."""
    until = time.monotonic() + _GLANCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(_GLANCE / 10)
        else:
            return


def cut_off(site: Site, record: Record) -> list[str]:
    """The directories whose copies nobody is removing."""
    left = []
    home = site.store.open()
    if home is None:
        return []
    try:
        for directory, id_ in being_emptied(site, record).items():
            claimed = _claim(home, id_, patient=False)
            if claimed is not None:
                os.close(claimed)
                left.append(directory)
    finally:
        os.close(home)
    return left


def _told(directories: t.Iterable[str], what: str) -> str | None:
    said = [f"removing the copies under {printable(d)}, cut off in an earlier run, {what}" for d in directories]
    return "; ".join(said) or None


def would_finish(site: Site) -> str | None:
    """What ``finish`` would do, for people; None for nothing."""
    return _told(cut_off(site, site.record()), "would be finished")


def finish(site: Site, *, patient: bool, unmount: t.Container[str] = ()) -> str | None:
    """Finish what was cut off; says what it did. ``patient``: wait for what another process is doing, too.

    ``unmount``: directories that the host is to mount no more. Others that it mounts are left for later.
    """
    done = []
    home = site.store.open()
    if home is None:
        return None
    try:
        for directory, id_ in being_emptied(site, site.record()).items():
            claimed = _claim(home, id_, patient=patient)
            if claimed is None:
                continue
            try:
                if directory in unmount:
                    unmount_on_host(site, directory)
                if _may_go(site, directory, id_):
                    _finish(site, home, directory, id_)
                    done.append(directory)
            finally:
                os.close(claimed)
    finally:
        os.close(home)
    return _told(done, "was finished")


def _may_go(site: Site, directory: str, id_: str) -> bool:
    """Whether the container has all of it in its overlay, and nothing hides from us what lies under the mount."""
    found = site.mounted().get(directory)
    there = found is not None and found.id == id_ and is_directory(f"{site.path}/{HOME}/{id_}")
    return there and not site.host_mounts(directory)


def _finish(site: Site, home: int, directory: str, id_: str) -> None:
    known = own_side.opened(home, id_, site, directory)
    # Of another root: it was put back since, and what lies there is for people to decide
    if known is not None:
        try:
            empty_under(site, directory, known)
        finally:
            os.close(known)
    delete_if_there(own_snapshot(id_), home)


@dataclass(frozen=True)
class _Task:
    """What is to be emptied, opened: the directory, the same in the snapshot, and the snapshot that is locked."""

    id: str
    directory: int
    known: int
    claimed: int


def begin(site: Site) -> None:
    """Leave to a process of its own what is on the record and nobody is doing.

    The lock goes over to it without a moment in between. Where no process can be had, the next run finishes it.
    """
    with contextlib.ExitStack() as stack:

        def opened(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        home = site.store.open()
        if home is None:
            return
        opened(home)
        tasks = []
        with contextlib.suppress(OSError, OvercError):
            for directory, id_ in being_emptied(site, site.record()).items():
                claimed = _claim(home, id_, patient=False)
                if claimed is None:
                    continue
                opened(claimed)
                known = own_side.opened(home, id_, site, directory) if _may_go(site, directory, id_) else None
                if known is not None:
                    tasks.append(_Task(id_, opened(site.open_directory(directory)), opened(known), claimed))
        if tasks:
            with contextlib.suppress(OSError):
                _apart(tasks, home)


def _apart(tasks: t.Sequence[_Task], home: int) -> None:
    """Twice forked: nobody has to wait for it, and no terminal or session takes it along."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _leave({home, *(fd for task in tasks for fd in (task.directory, task.known, task.claimed))})
            for task in tasks:
                with contextlib.suppress(OSError, OvercError):
                    _remove(task, home)
    finally:
        os._exit(0)


def _leave(kept: t.Collection[int]) -> None:
    """Nothing of the caller stays open: its connection would wait for us, and its lock would last as long as we do."""
    os.chdir("/")
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        if number not in kept:
            os.dup2(nothing, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _remove(task: _Task, home: int) -> None:
    """What stays was written there by somebody else: the next run says so, by the snapshot, which stays too."""
    if not empty(task.directory, known=task.known, jobs=1):
        delete_if_there(own_snapshot(task.id), home)


__all__ = ("begin", "cut_off", "finish", "would_finish")
