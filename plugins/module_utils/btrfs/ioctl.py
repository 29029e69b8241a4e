# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the overlay needs from btrfs, by ioctl on open descriptors.

By descriptor and not by the ``btrfs`` command: a command takes paths, and a path below a container can be aimed
elsewhere between the check and the call. Structures: include/uapi/linux/btrfs.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from .search import HEADER, ITEMS_AT, KEY, LAST, TREE_SEARCH_V2, U32, U64, items

_FS_INFO: t.Final = 0x8400941F
_SYNC: t.Final = 0x9408
_SUBVOL_CREATE_V2: t.Final = 0x50009418
_SNAP_CREATE_V2: t.Final = 0x50009417
_SNAP_DESTROY: t.Final = 0x5000940F
_GET_SUBVOL_INFO: t.Final = 0x81F8943C
_SUBVOL_SETFLAGS: t.Final = 0x4008941A
_SNAP_RDONLY: t.Final = 1 << 1
_ROOT_RDONLY: t.Final = 1 << 0
SUBVOLUME_INODE: t.Final = 256
# In a snapshot, the empty directory in place of a subvolume that lay within its source
PLACEHOLDER_INODE: t.Final = 2
FICLONE: t.Final = 0x40049409


def filesystem_id(fd: int) -> bytes | None:
    """The fsid of the btrfs a descriptor lies on, None elsewhere. st_dev differs between subvolumes of one btrfs."""
    buffer = bytearray(1024)
    try:
        fcntl.ioctl(fd, _FS_INFO, buffer, True)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            return None
        raise
    return bytes(buffer[16:32])


def is_subvolume(fd: int) -> bool:
    return os.fstat(fd).st_ino == SUBVOLUME_INODE and filesystem_id(fd) is not None


def _volume_args(name: str, fd: int = 0, flags: int = 0) -> bytearray:
    raw = os.fsencode(name)
    if len(raw) > 255 or b"/" in raw:
        raise OvercError("bad_argument", "A subvolume name must be one component of at most 255 bytes.")
    # struct btrfs_ioctl_vol_args_v2: fd, transid, flags, 4 unused, name[4040]
    # a bytearray, because fcntl.ioctl() takes no bytes beyond 1024
    return bytearray(struct.pack("=qQQ32x4040s", fd, 0, flags, raw))


def create_subvolume(name: str, dir_fd: int) -> None:
    fcntl.ioctl(dir_fd, _SUBVOL_CREATE_V2, _volume_args(name))


def snapshot(source_fd: int, name: str, dir_fd: int, *, readonly: bool) -> None:
    """Snapshot the subvolume ``source_fd`` (its root) as ``name`` below ``dir_fd``."""
    fcntl.ioctl(dir_fd, _SNAP_CREATE_V2, _volume_args(name, source_fd, _SNAP_RDONLY if readonly else 0))


def delete_subvolume(name: str, dir_fd: int) -> None:
    # struct btrfs_ioctl_vol_args: fd, name[4088]. The kernel itself refuses what is not a subvolume.
    fcntl.ioctl(dir_fd, _SNAP_DESTROY, bytearray(struct.pack("=q4088s", 0, os.fsencode(name))))


def make_writable(fd: int) -> None:
    """Take the read-only property from a subvolume of ours."""
    fcntl.ioctl(fd, _SUBVOL_SETFLAGS, struct.pack("=Q", 0))


def sync(fd: int) -> None:
    """Commit the transaction: only then are the trees that a search reads complete."""
    fcntl.ioctl(fd, _SYNC, 0)


@dataclass(frozen=True)
class Subvolume:
    id: int
    uuid: bytes
    parent_uuid: bytes
    generation: int
    origin_generation: int  # of the parent, when this snapshot was taken (otransid)
    origin_time: int  # when that was, seconds
    readonly: bool


def subvolume_info(fd: int) -> Subvolume:
    """BTRFS_IOC_GET_SUBVOL_INFO (Linux 4.18)."""
    buffer = bytearray(504)
    fcntl.ioctl(fd, _GET_SUBVOL_INFO, buffer, True)
    # treeid u64, name[256], parent_id, dirid, generation, flags, uuid[16], parent_uuid[16], received_uuid[16],
    # ctransid, otransid, ...
    generation, flags = struct.unpack_from("=QQ", buffer, 280)
    # otransid, stransid, rtransid, ctime (16 bytes), otime
    otransid, otime = struct.unpack_from("=Q32xQ", buffer, 352)
    tree = struct.unpack_from("=Q", buffer, 0)[0]
    return Subvolume(
        tree, bytes(buffer[296:312]), bytes(buffer[312:328]), generation, otransid, otime, bool(flags & _ROOT_RDONLY)
    )


_TIME: t.Final = struct.Struct("=QI")
_INODE_ITEM: t.Final = 1


def _time(buffer: bytearray, position: int) -> int:
    """In nanoseconds."""
    seconds, nanoseconds = _TIME.unpack_from(buffer, position)
    return int(seconds) * 10**9 + int(nanoseconds)


def _is_change(buffer: bytearray, position: int, after: int, *, silent: bool) -> bool:
    """Whether the inode item whose header is here was written for more than an access time since ``after``, nanoseconds.

    ``silent``: whether neither time says when, instead. The times are 112 (access) and 124 (change) bytes into the struct
    btrfs_inode_item, which follows a header of 32 bytes.
    """
    changed = _time(buffer, position + 156) >= after
    return not changed and _time(buffer, position + 144) < after if silent else changed


def few_changed_inodes(fd: int, since: int, limit: int) -> set[int] | None:
    """``changed_inodes``, or None when they are more than ``limit``: then asking for each is cheaper than this list."""
    out = few_changes(fd, since, limit)
    return None if out is None else set(out)


def few_changes(fd: int, since: int, limit: int) -> dict[int, int] | None:
    """The same, each with the generation in which it was made."""
    out: dict[int, int] = {}
    for inode, made in _changed(fd, since, None, 1 << 18):
        out[inode] = made
        if len(out) > limit:
            return None
    return out


def changed_inodes(fd: int, since: int, *, changed_after: int | None = None) -> set[int]:
    """Inodes of the subvolume whose inode item was written in or after generation ``since``.

    The kernel skips tree blocks older than ``since``, so the cost follows the changes, not the files. Every change of a
    file (bytes, owner, mode, times, attributes, links, flags) and every change of a directory's entries rewrites its
    inode item. ``sync`` must have been called before. ``changed_after``: leave out those whose change time is older, in
    nanoseconds: reading a file writes its inode item too. (Not for proofs: see ``silent_changes``.)
    """
    return {inode for inode, _made in _changed(fd, since, changed_after, 1 << 20)}


def silent_changes(fd: int, since: int, before: int) -> dict[int, int]:
    """Inodes written in or after generation ``since`` although both their change and access time are ``before``, nanoseconds.

    Either the clock was set back, or their data was only stored elsewhere (deduplication, defragmentation). Each with the
    generation in which it was made.
    """
    return dict(_changed(fd, since, before, 1 << 20, silent=True))


def _changed(
    fd: int, since: int, time: int | None, buffer_size: int, *, silent: bool = False
) -> t.Iterator[tuple[int, int]]:
    # Not by items(), which takes 2.5 times as long: a tree has millions, and here only a few bytes of some count
    buffer = bytearray(ITEMS_AT + buffer_size)
    objectid, kind, offset = SUBVOLUME_INODE, 0, 0
    while True:
        # struct btrfs_ioctl_search_args_v2: key (tree 0 = the descriptor's own), buf_size, buf
        key = (0, objectid, LAST - 255, offset, LAST, since, LAST, kind, 255, 0xFFFFFFFF, 0, 0, 0, 0, 0)
        KEY.pack_into(buffer, 0, *key)
        U64.pack_into(buffer, 104, buffer_size)
        fcntl.ioctl(fd, TREE_SEARCH_V2, buffer, True)
        found = U32.unpack_from(buffer, 64)[0]
        if not found:
            return
        position = ITEMS_AT
        for _index in range(found):
            _transid, objectid, offset, kind, length = HEADER.unpack_from(buffer, position)
            # the item's second field is the generation of its last change; its tree block may be younger
            if kind == _INODE_ITEM and U64.unpack_from(buffer, position + 40)[0] >= since:
                if time is None or _is_change(buffer, position, time, silent=silent):
                    yield objectid, U64.unpack_from(buffer, position + 32)[0]
            position += 32 + length
        if offset < LAST:
            offset += 1
        elif kind < 255:
            kind, offset = kind + 1, 0
        else:
            objectid, kind, offset = objectid + 1, 0, 0


_QUOTA_TREE: t.Final = 8
_QGROUP_LIMIT: t.Final = 244
_QGROUP_RELATION: t.Final = 246
_LIMIT: t.Final = struct.Struct("=QQ")  # the beginning of struct btrfs_qgroup_limit_item: flags, bytes referred to


def _quota_items(fd: int, kind: int) -> list[tuple[int, int, bytes]]:
    """(objectid, offset, content) of the quota tree's items of one kind; none where quotas are off."""
    try:
        return [(key.object, key.offset, content) for key, content in items(fd, _QUOTA_TREE, kinds=(kind, kind))]
    except OSError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


def limited_by(fd: int) -> list[str]:
    """The quota groups, as btrfs(8) writes them, that limit the subvolume of a descriptor. ``sync`` must have been called."""
    groups = {subvolume_info(fd).id}
    relations = [(child, parent) for child, parent, _raw in _quota_items(fd, _QGROUP_RELATION) if child < parent]
    while True:
        more = {parent for child, parent in relations if child in groups} - groups
        if not more:
            break
        groups |= more
    return [
        f"{group >> 48}/{group & ((1 << 48) - 1)}"
        for _zero, group, raw in _quota_items(fd, _QGROUP_LIMIT)
        if group in groups and U64.unpack_from(raw)[0] & 3  # a limit on what is referred to, or on what is its own
    ]


def limit_of(fd: int, subvolume: int) -> int | None:
    """How many bytes a subvolume may refer to, by its own quota group; None where nothing limits it or quotas are off."""
    found = (_LIMIT.unpack_from(raw) for _zero, group, raw in _quota_items(fd, _QGROUP_LIMIT) if group == subvolume)
    return next((limit for flags, limit in found if flags & 1 and limit), None)


_INODE_REF: t.Final = 12
_INODE_EXTREF: t.Final = 13
_REF: t.Final = struct.Struct("=QH")  # struct btrfs_inode_ref: index, length of the name that follows
_EXTREF: t.Final = struct.Struct("=QQH")  # struct btrfs_inode_extref: the directory before these


def directory_of(fd: int, inode: int, tree: int = 0) -> tuple[int, bytes] | None:
    """(inode of the directory, name) of one name of an inode of the subvolume, or of the one with the id ``tree``.

    None when it has none (any more).
    """
    buffer = bytearray(ITEMS_AT + (1 << 12))
    KEY.pack_into(buffer, 0, tree, inode, inode, 0, LAST, 0, LAST, _INODE_REF, _INODE_REF, 1, 0, 0, 0, 0, 0)
    U64.pack_into(buffer, 104, 1 << 12)
    fcntl.ioctl(fd, TREE_SEARCH_V2, buffer, True)
    if not U32.unpack_from(buffer, 64)[0]:
        return None
    _transid, _inode, directory, _kind, _length = HEADER.unpack_from(buffer, ITEMS_AT)
    _index, length = _REF.unpack_from(buffer, ITEMS_AT + 32)
    start = ITEMS_AT + 32 + _REF.size
    return directory, bytes(buffer[start : start + length])


def names_of(fd: int, inode: int, tree: int = 0) -> t.Iterator[tuple[int, bytes]]:
    """The same for every name of an inode: hard links may lie in other directories."""
    for key, content in items(fd, tree, objects=(inode, inode), kinds=(_INODE_REF, _INODE_EXTREF), size=1 << 16):
        position = 0
        while position < len(content):
            directory = key.offset
            if key.kind == _INODE_REF:
                _index, length = _REF.unpack_from(content, position)
                position += _REF.size
            else:
                directory, _index, length = _EXTREF.unpack_from(content, position)
                position += _EXTREF.size
            yield directory, content[position : position + length]
            position += length


__all__ = (
    "FICLONE",
    "PLACEHOLDER_INODE",
    "SUBVOLUME_INODE",
    "Subvolume",
    "changed_inodes",
    "create_subvolume",
    "delete_subvolume",
    "directory_of",
    "few_changed_inodes",
    "few_changes",
    "filesystem_id",
    "is_subvolume",
    "limit_of",
    "limited_by",
    "make_writable",
    "names_of",
    "silent_changes",
    "snapshot",
    "subvolume_info",
    "sync",
)
