# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work spread over forked processes.

Processes and not threads: comparing bytes holds Python's interpreter lock, and a module must not start threads. As many
as there are processors while the work keeps them busy; more as soon as it turns out to wait for the disk (measured:
2 are best with a warm cache on 2 processors, 8 to 16 with a cold one).
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import resource
import select
import signal
import struct
import time
import typing as t

from ..errors import OvercError
from .safe_path import libc

_PR_SET_PDEATHSIG: t.Final = 1
_MAX: t.Final = 16
_LOOK_AFTER: t.Final = 0.15  # seconds before deciding whether the work waits for the disk
_INDEX: t.Final = struct.Struct("=I")


def processors() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def translate(error: OSError, doing: str) -> OvercError:
    """The refusal a user sees for a system error while a tree is read or built."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        if error.errno == errno.EDQUOT:
            return OvercError(
                "no_space",
                f"A quota is used up while {doing}. Raise its limit (btrfs qgroup show), or free some of what it counts, then run"
                " the same command again.",
            )
        return OvercError(
            "no_space",
            f"No space left while {doing}. Free some, then run the same command again. Where that does not help, btrfs may"
            " have no room for metadata (btrfs filesystem df): remove many small files or snapshots.",
        )
    name = error.filename.decode("utf-8", "backslashreplace") if isinstance(error.filename, bytes) else error.filename
    shown = "" if name is None else " " + os.fsencode(str(name)).decode("utf-8", "backslashreplace")
    return OvercError("overlay_failed", f"{error.strerror}{shown} while {doing}.")


def _busy_seconds(pid: int) -> float:
    """How long a process has run or waited for a processor: the rest of its life it waited for the disk.

    /proc/<pid>/schedstat (Documentation/scheduler/sched-stats.rst); a machine that is busy otherwise must not look like
    a slow disk. Infinite where the kernel does not tell.
    """
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            ran, waited, _slices = file.read().split()
    except (OSError, ValueError):
        return float("inf")
    return (int(ran) + int(waited)) / 1e9


def allow_many_files() -> None:
    """As many open files as the kernel gives: a walk holds some for every level, and a container can nest thousands."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as file:
        most = int(file.read())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def dies_with(parent: int) -> bool:
    """For a forked child: a killed parent must not leave it behind, or the next run meets it. False: it is gone already."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def _work(queue: int, out: int, parent: int, doing: str, task: t.Callable[[int], t.Any]) -> None:
    """The life of one worker: take numbers from the queue until it ends, then write everything that came of them."""
    if not dies_with(parent):
        return
    gc.disable()
    results: list[t.Any] = []
    try:
        while True:
            raw = os.read(queue, _INDEX.size)
            if len(raw) < _INDEX.size:
                break
            results.append(task(_INDEX.unpack(raw)[0]))
        answer: t.Any = ("done", results)
    except OvercError as error:
        answer = ("refused", (error.error_id, error.message, error.facts))
    except OSError as error:
        refusal = translate(error, doing)
        answer = ("refused", (refusal.error_id, refusal.message, refusal.facts))
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent has to tell it
        answer = ("internal", f"{type(error).__name__}: {error}")
    data = memoryview(marshal.dumps(answer))
    while data:
        data = data[os.write(out, data) :]


class _Worker:
    def __init__(self, pid: int, out: int) -> None:
        self.pid, self.out, self.chunks = pid, out, list[bytes]()


def _start(queue: int, close: t.Sequence[int], doing: str, task: t.Callable[[int], t.Any]) -> _Worker:
    out, theirs = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            for fd in (*close, out):
                os.close(fd)
            _work(queue, theirs, parent, doing, task)
        finally:
            os._exit(0)
    os.close(theirs)
    return _Worker(pid, out)


def _fill(queue: int, count: int) -> None:
    """The numbers 0..count-1 into a pipe, which holds them all (see ``spread``)."""
    os.write(queue, b"".join(_INDEX.pack(index) for index in range(count)))


def spread(count: int, task: t.Callable[[int], t.Any], *, doing: str, jobs: int | None = None) -> list[t.Any]:
    """Call ``task`` with every number below ``count``; the results come in no order. Raises what a task raised.

    Results must be what ``marshal`` can carry. ``doing`` completes the sentence of an error ("comparing ...").
    ``count`` is at most 16,384 (a pipe holds 64 KiB): callers batch.
    """
    if count <= 0:
        return []
    wanted = min(jobs or processors(), count)
    if wanted == 1 and (jobs == 1 or count == 1):
        try:
            return [task(index) for index in range(count)]
        except OSError as error:
            raise translate(error, doing) from error
    queue, feed = os.pipe()
    workers: list[_Worker] = []
    try:
        _fill(feed, count)
        os.close(feed)
        for _index in range(wanted):
            workers.append(_start(queue, [w.out for w in workers], doing, task))
        _collect(workers, queue, count, doing, task, grow=jobs is None)
    finally:
        os.close(queue)
        for worker in workers:
            os.close(worker.out)
            os.waitpid(worker.pid, 0)
    return _answers(workers, doing)


def apart(task: t.Callable[[], t.Any], *, doing: str) -> t.Any:
    """Call ``task`` in one process of its own, whatever it does to itself there; what it returns, or raises, comes back.

    A process that was killed is no answer; and one whose parent was killed never goes on in its place.
    """
    queue, feed = os.pipe()
    _fill(feed, 1)
    os.close(feed)
    try:
        worker = _start(queue, [], doing, lambda _index: task())
    finally:
        os.close(queue)
    try:
        _collect([worker], queue, 1, doing, lambda _index: None, grow=False)
    finally:
        os.close(worker.out)
        os.waitpid(worker.pid, 0)
    return _answers([worker], doing)[0]


def _collect(
    workers: list[_Worker],
    queue: int,
    count: int,
    doing: str,
    task: t.Callable[[int], t.Any],
    *,
    grow: bool,
) -> None:
    """Read the workers' answers to the end; once, start more of them if those at work mostly wait."""
    poll = select.poll()
    open_ones = {worker.out: worker for worker in workers}
    for out in open_ones:
        poll.register(out, select.POLLIN)
    started = time.monotonic()
    while open_ones:
        for out, _event in poll.poll(50 if grow else None):
            chunk = os.read(out, 1 << 20)
            if chunk:
                open_ones[out].chunks.append(chunk)
            else:
                poll.unregister(out)
                del open_ones[out]
        elapsed = time.monotonic() - started
        if grow and open_ones and elapsed > _LOOK_AFTER:
            grow = False
            busy = sum(_busy_seconds(worker.pid) for worker in open_ones.values())
            if busy < 0.6 * elapsed * len(open_ones):
                for _index in range(min(_MAX, count) - len(workers)):
                    worker = _start(queue, [w.out for w in workers], doing, task)
                    workers.append(worker)
                    open_ones[worker.out] = worker
                    poll.register(worker.out, select.POLLIN)


def _answers(workers: t.Sequence[_Worker], doing: str) -> list[t.Any]:
    results: list[t.Any] = []
    for worker in workers:
        data = b"".join(worker.chunks)
        if not data:
            raise OvercError("overlay_failed", f"A worker process was killed while {doing}.")
        kind, answer = marshal.loads(data)  # noqa: S302 - from our own child
        if kind == "refused":
            raise OvercError(answer[0], answer[1], **answer[2])
        if kind == "internal":
            raise OvercError(
                "internal", f"A worker process failed while {doing}: {answer}. Please report this as a defect."
            )
        results += answer
    return results


__all__ = ("allow_many_files", "apart", "dies_with", "processors", "spread", "translate")
