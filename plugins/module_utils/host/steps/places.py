# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which subvolume has which name, and which is the default: exchanged durably, deleted only if provably ours."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ...btrfs import roots, subvolumes
from ...btrfs.ioctl import PLACEHOLDER_INODE, subvolume_info
from ...btrfs.paths import LONGEST, shown_deep
from ...errors import OvercError
from ...system import flags, syscalls
from ...system.mount_table import Mount, mounts_of_the_host
from ...system.presence import holds_something, is_there, status
from ...system.unfinished import NEW_SUFFIX
from ..observe.layout import KEPT_SUFFIX
from ..observe.obstacles import written_through
from .context import Apply
from .record import keep_record


def snapshot_base(at: Apply, name: str) -> None:
    """Snapshot the base under this name. Where it has empty subvolumes, the snapshot gets directories like them.

    A snapshot shows a subvolume as a directory that nobody can write to, for good.
    """
    subvolumes.snapshot(at.runner, at.base().path, at.path(name))
    base = at.base().subvolume
    for entry in at.facts.nested_in(base):
        inside = os.path.join(at.path(name), os.path.relpath(entry.path, base.path))
        like, found = status(at.path(entry.path)), status(inside)
        if like is None or found is None or found.st_ino != PLACEHOLDER_INODE or os.listdir(at.path(entry.path)):
            continue
        os.rmdir(inside)
        os.mkdir(inside, 0o700)
        os.chown(inside, like.st_uid, like.st_gid)
        os.chmod(inside, stat.S_IMODE(like.st_mode))


def place(at: Apply, name: str, prior: str | None) -> bool:
    current = at.facts.by_path(name)
    if current is not None and current.uuid != prior:
        return False
    subvolumes.sync(at.top)
    keep_writable(at, name + NEW_SUFFIX)
    exchange(at, name, current is not None)
    return True


def keep_writable(at: Apply, name: str) -> None:
    """What is going to boot was looked at before, and a root that nobody can write to does not come up as a whole.

    Tools that look after snapshots set that, and people who protect one. Adds a warning where it had to be taken back.
    """
    if subvolumes.make_writable(at.path(name)):
        at.warnings.append(
            f"Somebody set the btrfs property ro=true on subvolume {name} meanwhile, with which it would not come up; it is "
            "writable again."
        )


def exchange(at: Apply, name: str, both: bool, *, back: bool = False) -> None:
    new, old = at.path(name + NEW_SUFFIX), at.path(name)
    try:
        if both:
            syscalls.rename(new, old, syscalls.RENAME_EXCHANGE)
        elif back:
            syscalls.rename(old, new, syscalls.RENAME_NOREPLACE)
        else:
            syscalls.rename(new, old, syscalls.RENAME_NOREPLACE)
    except OSError as error:
        raise OvercError("btrfs_failed", f"Cannot put subvolume {name} in place: {error.strerror}.") from error
    subvolumes.sync(at.top)
    at.refresh()


def make_default(at: Apply, subvolume: subvolumes.Subvolume) -> bool:
    keep_writable(at, subvolume.path)
    if at.facts.default_id == subvolume.id:
        return False
    subvolumes.sync(at.top)
    subvolumes.set_default(at.runner, subvolume.id, at.top)
    at.refresh()
    if at.facts.default_id != subvolume.id:
        raise OvercError("btrfs_failed", f"The default subvolume is not {subvolume.path} after it was set.")
    return True


@contextlib.contextmanager
def default_kept(at: Apply) -> t.Iterator[None]:
    """However the block ends, the default subvolume is what it was. Adds a warning where it had to be put back.

    Scripts of packages cannot set another one (``first_process``), but where the kernel has no seccomp filters; and a tool on the
    host can. What it chose would boot, finished or not.
    """
    before = roots.get_default(at.top)
    try:
        yield
    finally:
        now = roots.get_default(at.top)
        if now != before:
            subvolumes.set_default(at.runner, before, at.top)
            at.warnings.append(
                f"While packages were installed, a tool on the host or a script of theirs made subvolume {now} the default one "
                "(btrfs subvolume set-default). It was put back: what boots is decided here."
            )


def restore_default(at: Apply) -> bool:
    """Repair: what was the default before, where the run was cut off while scripts of packages were at work."""
    before = at.facts.by_uuid(at.context.default_before or "")
    return before is not None and make_default(at, before)


def drop(
    at: Apply,
    subvolume: subvolumes.Subvolume,
    *,
    ours: bool,
    name: str,
    never_ran: bool = False,
    stays: bool = False,
) -> bool:
    """Delete a subvolume that is provably ours; keep any other, and one with data in it that is not, under a free name. False
    where it is kept.

    ``never_ran``: what was made inside of it since is of the packages' scripts, and goes with it. ``stays``: what is kept keeps
    its own name.
    """
    in_use = {at.facts.default_id, at.facts.booted.id if at.facts.booted else 0}
    if subvolume.id in in_use:
        raise OvercError(
            "inconsistent",
            f"{subvolume.path} is in use and would have been deleted; nothing was. If it runs, reboot the host first.",
        )
    nested = sorted(at.facts.nested_in(subvolume), key=lambda entry: -len(entry.path))
    foreign = [
        entry
        for entry in nested
        if not (never_ran and _has_a_path(at, entry) and _made_since(at.path(subvolume.path), at.path(entry.path)))
    ]
    with_data = [
        entry.path if _has_a_path(at, entry) else shown_deep(entry.path)
        for entry in foreign
        if holds_something(at.path(entry.path)) and not (_has_a_path(at, entry) and _only_subvolumes(at, entry))
    ]
    used = () if never_ran or at.facts.root_mount is None else _used(at.facts.root_mount, subvolume)
    refused = f"it is mounted writable on {', '.join(used)}" if used else None
    if ours:
        flags.unlock(at.path(subvolume.path))  # a script of its packages may have made its / immutable
    if ours and not with_data and not used:
        refused = _delete(at, (*nested, subvolume))
    if ours and not with_data and refused is None:
        known = at.facts.record
        if subvolume.uuid in known.deployments:
            keep_record(at, known.with_deployments(dropped=(subvolume.uuid,)))
        at.refresh()
        return True
    why = (
        f"it contains subvolumes with data ({', '.join(with_data)})"
        if with_data
        else refused or "it was not made by this collection"
    )
    if stays:
        at.warnings.append(
            f"{name} was to go and stays a deployment, because {why}. The next command that may, drops it."
        )
        return False
    kept = _free_name(at, name.replace(NEW_SUFFIX, "") + KEPT_SUFFIX)
    syscalls.rename(at.path(subvolume.path), at.path(kept), syscalls.RENAME_NOREPLACE)
    subvolumes.sync(at.top)
    at.warnings.append(
        f"Subvolume {name} was replaced and is kept as {kept}, because {why}. Delete it when you are sure."
    )
    at.refresh()
    return False


def _used(root: Mount, subvolume: subvolumes.Subvolume) -> tuple[str, ...]:
    """Where somebody can write to a subvolume now: looked at again, for everything else may have been mounted meanwhile."""
    return written_through(mounts_of_the_host(), root, (subvolume.path,)).get(subvolume.path, ())


def _has_a_path(at: Apply, subvolume: subvolumes.Subvolume) -> bool:
    """Whether any system call takes it: whoever may make directories can make a subvolume too deep for that."""
    return len(os.fsencode(at.path(subvolume.path))) < LONGEST


def _made_since(root: str, inside: str) -> bool:
    """Whether a subvolume was made after the root that it lies in, and not moved there."""
    generations = []
    for path in (root, inside):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            generations.append(subvolume_info(fd).origin_generation)
        finally:
            os.close(fd)
    return generations[1] > generations[0]


def _delete(at: Apply, entries: t.Iterable[subvolumes.Subvolume]) -> str | None:
    """None, or why btrfs would not: something in it is in use, for instance an active swap file. Nothing depends on it."""
    for entry in entries:
        try:
            subvolumes.delete(at.runner, at.path(entry.path))
        except OvercError as error:
            if error.error_id != "btrfs_failed" or not is_there(at.path(entry.path)):
                raise
            return f"it cannot be deleted now ({str(error.facts.get('stderr') or error.message).strip()})"
    return None


def _only_subvolumes(at: Apply, subvolume: subvolumes.Subvolume) -> bool:
    children = {entry.path for entry in at.facts.subvolumes if entry.parent == subvolume.id}
    return {os.path.join(subvolume.path, name) for name in os.listdir(at.path(subvolume.path))} <= children


def _free_name(at: Apply, wanted: str) -> str:
    taken = {entry.path for entry in at.facts.subvolumes}
    name, number = wanted, 1
    while name in taken or is_there(at.path(name)):
        number += 1
        name = f"{wanted}-{number}"
    return name


__all__ = (
    "default_kept",
    "drop",
    "exchange",
    "keep_writable",
    "make_default",
    "place",
    "restore_default",
    "snapshot_base",
)
