# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a container's directory with ordered sources: a merge of trees at the same relative paths.

Nothing is dropped unless everything a program can see is proven equal: type, bytes or link target, mode, owner, group,
modification time, every extended attribute (ACLs and capabilities are among them), inode flags, and a link count of one
on both sides. Hard-linked files stay the container's (a write through one name must reach the others, which overlayfs
does not give once they are copied up), fifos, sockets and device nodes too (a fifo of a layer and one seen through the
overlay are two pipes), and immutable files (a layer's cannot be changed).

Two ways to the same verdicts: between snapshots of one another by their trees (``relatives``), else by a walk. Here the tree is
cut into tasks for several processes; the walk is what each of them does.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..errors import OvercError
from ..system.safe_path import printable
from ..system.workers import processors, spread, translate
from .model import Comparison, Raw, Source, join, merge
from .relatives.compare import compare as by_trees
from .sides import Job, Part, open_sides
from .walk import Walk

_TASKS: t.Final = 256
_PART: t.Final = 64  # entries of a large directory that are worth a task of their own


def _list_below(walk: Walk, root: int, job: Job) -> tuple[list[Job], int]:
    """For sharing out the work: the directories below as jobs; how many other entries."""
    sides = open_sides(root, walk.sources, job.path, job.numbers)
    try:
        theirs = [] if job.path and walk.shows_nothing(sides) else sides.theirs
        names, count = [], 0
        with os.scandir(sides.mine) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
                else:
                    count += 1
        return [Job(join(job.path, name), [n for n, fd in theirs if _is_dir(name, fd)]) for name in names], count
    finally:
        sides.close()


def _is_dir(name: str, dir_fd: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _share_out(walk: Walk, root: int, jobs: int) -> list[list[Job]]:
    """Cut the tree into enough tasks: whole subtrees, and single directories (large ones in parts) above them."""
    tasks: list[list[Job]] = []
    queue = [Job("", list(range(len(walk.sources))))]
    while queue and len(queue) < _TASKS and len(tasks) < _TASKS:
        job = queue.pop(0)
        try:
            below, count = _list_below(walk, root, job)
        except OSError:
            # not to be opened on some side: the deep walk says so properly
            tasks.append([job])
            continue
        parts = max(1, min(jobs * 8, count // _PART))
        tasks += [[job._replace(part=Part(number, parts), deep=False)] for number in range(parts)]
        queue += below
    size = 1 + len(queue) // (16 * _TASKS)
    return tasks + [queue[index : index + size] for index in range(0, len(queue), size)]


def compare(root: int, sources: t.Sequence[Source], *, jobs: int | None = None) -> Comparison:
    """Compare the directory ``root`` with the same directory of each source, in order of preference.

    ``jobs``: processes; None decides by the machine and by how the work goes. Raises OvercError where the comparison
    itself fails; what merely cannot be shown by an overlay is in ``refused``.
    """
    if any(source.layer for source in sources[1:]):
        raise ValueError("only the first source can be a layer")
    return by_trees(root, sources, jobs=jobs) or walked(root, sources, jobs=jobs)


def walked(root: int, sources: t.Sequence[Source], *, jobs: int | None = None) -> Comparison:
    """The same, directory by directory: on any file systems, with any number of files."""
    walk = Walk(sources, os.fstat(root).st_dev)
    doing = "comparing the trees"
    for source in sources:
        if source.kin is not None:
            _once_for_all = source.kin.written  # and not again in each process
    tasks: list[list[Job]] = [[Job("", list(range(len(sources))))]]
    if jobs != 1:
        try:
            tasks = _share_out(walk, root, jobs or processors())
        except OSError as error:
            raise translate(error, doing) from error

    def work(index: int) -> list[Raw]:
        walk.out = []
        for job in tasks[index]:
            walk.job(root, job)
        return walk.out

    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        return merge(raw for result in spread(len(tasks), work, doing=doing, jobs=jobs) for raw in result)
    finally:
        os.fchdir(here)
        os.close(here)


def refuse(comparison: Comparison, directory: str) -> None:
    """Raise the refusal when an overlay could not show the directory exactly as it is."""
    if not comparison.refused:
        return
    paths = [{"path": printable(f"{directory}/{path}"), "reason": reason} for path, reason in comparison.refused[:100]]
    first = paths[0]
    raise OvercError(
        "overlay_unrepresentable",
        f"{first['path']} {first['reason']}; {len(comparison.refused)} such place(s). Nothing was changed. Remove them,"
        " or share smaller directories that leave them out.",
        paths=paths,
    )


__all__ = ("compare", "refuse", "walked")
