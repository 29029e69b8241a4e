# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that labels a new root for SELinux, by the policy that the root itself has.

In a new root nobody sees the running policy (``NewRoot``): programs label nothing there, and none can load another policy into
the running kernel. So what was written has the labels that the kernel gave it, and gets those that the new root's own policy
wants. What nobody wrote keeps what it has, an administrator's chcon(1) included, unless the policy says something else now.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import typing as t

from ...btrfs import ioctl
from ...btrfs.paths import LONGEST, Paths
from ...errors import OvercError, certain
from ...system import selinux
from ...system.mount_table import mounts
from ...system.presence import is_plain_directory, status
from ...system.rooted_path import resolve_in_root
from ..observe.labelling import PROGRAM
from ..observe.requirements import shortened

if t.TYPE_CHECKING:
    from ...runner import Completed
    from .context import Apply

_LIMIT: t.Final = 300_000  # inodes; beyond that all of the root is as quick
_BYTES: t.Final = 256 << 10  # of paths for one call: half of what the smallest limit of the kernel leaves
_MAGIC: t.Final = re.compile(r"([\\*?\[\]{}])")  # setfiles takes what it is given for patterns (glob(7), with braces)


def label(at: Apply) -> bool:
    """Raises selinux_enforcing where a root would not be labelled as its policy wants, and that policy is enforced."""
    return _tolerantly(at, _label)


def _tolerantly(at: Apply, work: t.Callable[[Apply], bool]) -> bool:
    """Where no policy is enforced, a warning instead."""
    found = certain(at.facts.surroundings.labelling, "SELinux on this host")
    try:
        return work(at)
    except OvercError as error:
        if found.is_needed or error.error_id != "selinux_enforcing":
            raise
        at.warnings.append(
            f"{error.message} SELinux is permissive now: label that root before a policy is enforced in it."
        )
        return False


def _label(at: Apply) -> bool:
    root, base = at.path(at.made_root().path), at.base().path
    contexts, before = selinux.file_contexts(root), selinux.file_contexts(base)
    policy = selinux.binary_policy(root)
    if contexts is None or policy is None:
        raise OvercError(
            "selinux_enforcing",
            f"The new root has no {'file_contexts' if contexts is None else 'policy/policy.*'} of the policy that its "
            "/etc/selinux/config names, so its files cannot be labelled.",
        )
    # Another policy may say something else of a file that nobody wrote
    alike = before is not None and selinux.same_contexts(contexts, before)
    paths = written(root, base) if alike else None
    said = [_setfiles(at, root, contexts, policy, some) for some in _calls(paths if paths is not None else [root])]
    return any(said)


def _setfiles(at: Apply, root: str, contexts: str, policy: str, paths: t.Sequence[str]) -> bool:
    """Whether something got another label. Raises selinux_enforcing.

    Whether its file_contexts make sense is asked of the root's own policy, not of the running one.
    """
    done = at.runner.run((PROGRAM, "-v", "-c", policy, "-r", root, contexts, *map(_literally, paths)))
    if done.rc != 0:
        raise _refused(root, done)
    return bool(done.stdout.strip())


def label_mount_points(at: Apply) -> None:
    """Directories of a new root that nobody ever labelled, because something is mounted on them here, as its policy wants them.

    Packages write into them; and what has no label, few programs may use. Raises selinux_enforcing, as ``label`` does.
    """
    _tolerantly(at, _label_mount_points)


def _label_mount_points(at: Apply) -> bool:
    root = at.path(at.made_root().path)
    places = (resolve_in_root(root, mount.target) for mount in mounts())
    bare = [
        place
        for place in dict.fromkeys(places)
        if place is not None and place != root and is_plain_directory(place) and selinux.label_of(place) is None
    ]
    contexts, policy = selinux.file_contexts(root), selinux.binary_policy(root)
    # (``label`` tells what is missing.)
    return bool(bare) and contexts is not None and policy is not None and _setfiles(at, root, contexts, policy, bare)


def _literally(path: str) -> str:
    return _MAGIC.sub(r"\\\1", path)


def written(root: str, base: str) -> list[str] | None:
    """What was written in ``root`` since it was made of ``base``, as setfiles is to be given it: it goes into directories.

    None where that is too much, or too deep. Raises OSError.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ioctl.sync(fd)
        inodes = ioctl.few_changed_inodes(fd, ioctl.subvolume_info(fd).origin_generation + 1, _LIMIT)
        if inodes is None:
            return None
        named = Paths(fd)
        found = {path for inode in sorted(inodes) for path in named.all_of(inode)}
    finally:
        os.close(fd)
    if any(len(root) + len(path) >= LONGEST - 1 for path in found):
        return None
    paths = (os.fsdecode(path) for path in found if path)
    return [os.path.join(root, path) for path in sorted(paths) if _is_wanted(root, base, path)]


def _is_wanted(root: str, base: str, path: str) -> bool:
    """Any file; of directories those that are new, or have another label: in others only names came and went."""
    here = status(os.path.join(root, path))
    if here is None or not stat.S_ISDIR(here.st_mode):
        return here is not None
    there = status(os.path.join(base, path))
    if there is None or there.st_ino != here.st_ino:
        return True
    return selinux.label_of(os.path.join(root, path)) != selinux.label_of(os.path.join(base, path))


def _calls(paths: t.Iterable[str]) -> t.Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for path in paths:
        length = len(os.fsencode(path)) + 9  # its end, and a pointer to it
        if some and size + length > _BYTES:
            yield some
            some, size = [], 0
        some.append(path)
        size += length
    if some:
        yield some


def _refused(root: str, done: Completed) -> OvercError:
    """What it was called with is left out: that are thousands of paths."""
    facts = {key: value for key, value in done.facts().items() if key != "cmd"}
    said = [line.replace(root, "") for line in (done.stderr.strip() or done.stdout.strip()).splitlines()]
    unknown = any(os.strerror(errno.EINVAL) in line for line in said)
    why = (
        "The policy that came with the packages has labels that the running one does not know. Upgrade the packages of the "
        "policy in the running system first, then run the same command again."
        if unknown
        else "Nothing was changed."
    )
    return OvercError(
        "selinux_enforcing", f"Files of the new root cannot be labelled: {shortened(said) or done.rc}. {why}", **facts
    )


__all__ = ("label", "label_mount_points", "written")
