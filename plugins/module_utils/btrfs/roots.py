# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which subvolumes a btrfs file system has, and which is its default one, read from its tree of roots.

The kernel gives the items of that tree as they are (BTRFS_IOC_TREE_SEARCH_V2), so a name may hold any byte: nothing is
parsed that a program printed for people, and no program is started. Structures: include/uapi/linux/btrfs_tree.h.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import typing as t
import uuid
from dataclasses import dataclass

from ..errors import OvercError
from .paths import Paths
from .search import items
from .subvolumes import TOP_LEVEL_ID, Subvolume

_ROOT_TREE: t.Final = 1
_ROOT_TREE_DIRECTORY: t.Final = 6  # the object that holds what the file system remembers by name
_FIRST_SUBVOLUME, _LAST_SUBVOLUME = 256, 2**64 - 257  # BTRFS_FIRST_FREE_OBJECTID, BTRFS_LAST_FREE_OBJECTID
_DIR_ITEM, _ROOT_ITEM, _ROOT_BACKREF = 84, 132, 144
_GENERATION_AT: t.Final = 160  # in struct btrfs_root_item, behind its inode
_UUID_AT: t.Final = 247  # and behind that parent_uuid; a root made before Linux 3.7 is shorter and has none
_ORIGIN: t.Final = struct.Struct(
    "<16s16s16s8xQ16x12xQ"
)  # from there: uuid, parent_uuid, received, otransid, otime's seconds
_BACKREF: t.Final = struct.Struct("<QQH")  # directory, sequence, length of the name that follows
_DIRECTORY_ENTRY: t.Final = struct.Struct(
    "<QBQQHHB"
)  # key of what is meant (3), transid, lengths of data and name, type
_NO_UUID: t.Final = bytes(16)


@dataclass(frozen=True)
class Place:
    """Where a subvolume is: a name in a directory (an inode) of the subvolume ``parent``."""

    parent: int
    directory: int
    name: bytes


@dataclass(frozen=True)
class Root:
    """What the root item of a subvolume says."""

    generation: int
    uuid: bytes
    parent_uuid: bytes


def parse_root(content: bytes) -> Root:
    """A ROOT_ITEM. Raises ValueError for one that is too short to be one."""
    if len(content) < _GENERATION_AT + 8:
        raise ValueError("a root item without a generation")
    generation = int.from_bytes(content[_GENERATION_AT : _GENERATION_AT + 8], "little")
    own, parent = content[_UUID_AT : _UUID_AT + 16], content[_UUID_AT + 16 : _UUID_AT + 32]
    return Root(generation, own.ljust(16, b"\0"), parent.ljust(16, b"\0"))


class Origin(t.NamedTuple):
    """Of what a snapshot was taken, in which generation, and when (seconds)."""

    parent_uuid: bytes
    generation: int
    time: int


def origins(fd: int) -> dict[bytes, Origin]:
    """The origin of every subvolume of a descriptor's file system, by its uuid. Raises OSError."""
    found: dict[bytes, Origin] = {}
    wanted = (_FIRST_SUBVOLUME, _LAST_SUBVOLUME)
    for key, content in items(fd, _ROOT_TREE, objects=wanted, kinds=(_ROOT_ITEM, _ROOT_ITEM)):
        if key.kind == _ROOT_ITEM and len(content) >= _UUID_AT + _ORIGIN.size:
            own, parent, _received, generation, time = _ORIGIN.unpack_from(content, _UUID_AT)
            found[own] = Origin(parent, generation, time)
    return found


def parse_place(parent: int, content: bytes) -> Place:
    """A ROOT_BACKREF, whose key's offset is ``parent``. Raises ValueError."""
    if len(content) < _BACKREF.size:
        raise ValueError("a reference to a root without a name")
    directory, _sequence, length = _BACKREF.unpack_from(content)
    name = content[_BACKREF.size : _BACKREF.size + length]
    if not name or len(name) < length or b"/" in name:
        raise ValueError("a reference to a root with a name that is none")
    return Place(parent, directory, name)


def parse_default(contents: t.Iterable[bytes]) -> int:
    """The id that the entry "default" among these DIR_ITEMs names; the top level where there is none. Raises ValueError."""
    for content in contents:
        position = 0
        while position < len(content):
            if len(content) - position < _DIRECTORY_ENTRY.size:
                raise ValueError("a directory entry that ends too early")
            meant, _kind, _offset, _transid, data, length, _type = _DIRECTORY_ENTRY.unpack_from(content, position)
            start = position + _DIRECTORY_ENTRY.size
            if content[start : start + length] == b"default":
                return int(meant)
            position = start + length + data  # names with the same hash share an item
    return TOP_LEVEL_ID


def paths(places: t.Mapping[int, Place], directory_path: t.Callable[[int, int], bytes | None]) -> dict[int, bytes]:
    """The path of each subvolume. ``directory_path``: of a directory (an inode) in a subvolume, "" or ending in "/".

    Left out is what is in a directory or subvolume that is nowhere (deleted meanwhile), or in itself.
    """
    found: dict[int, bytes] = {TOP_LEVEL_ID: b""}
    for wanted in places:
        chain: list[int] = []
        current = wanted
        while current not in found and current in places and current not in chain:
            chain.append(current)
            current = places[current].parent
        for each in reversed(chain if current in found else []):
            place = places[each]
            if place.parent not in found:
                break
            above = directory_path(place.parent, place.directory)
            if above is None:
                break
            base = found[place.parent]
            found[each] = (base + b"/" if base else b"") + above + place.name
    del found[TOP_LEVEL_ID]
    return found


def _directories(fd: int) -> t.Callable[[int, int], bytes | None]:
    """Subvolume and inode of a directory -> its path there, "" or with "/" at its end; None for what is not there (any more).

    Of what lies too deep for a path it is the beginning (``Paths``): whoever may make a directory can do that.
    """
    of_tree: dict[int, Paths] = {}

    def path_of(tree: int, inode: int) -> bytes | None:
        try:
            path = of_tree.setdefault(tree, Paths(fd, tree)).of(inode)
        except FileNotFoundError:
            return None  # the subvolume went meanwhile
        return path + b"/" if path else path

    return path_of


def _text(number: bytes) -> str:
    return str(uuid.UUID(bytes=number))


def list_subvolumes(top: str) -> tuple[Subvolume, ...]:
    """All subvolumes of the file system that is mounted at ``top``, sorted by id. Raises btrfs_failed, OSError."""
    with _opened(top) as fd:
        roots: dict[int, Root] = {}
        places: dict[int, Place] = {}
        first, last = _FIRST_SUBVOLUME, _LAST_SUBVOLUME
        for key, content in items(fd, _ROOT_TREE, objects=(first, last), kinds=(_ROOT_ITEM, _ROOT_BACKREF)):
            if key.kind == _ROOT_ITEM:
                roots[key.object] = parse_root(content)
            elif key.kind == _ROOT_BACKREF:
                places[key.object] = parse_place(key.offset, content)
        named = paths(places, _directories(fd))
        return tuple(
            Subvolume(
                id=number,
                path=os.fsdecode(named[number]),
                uuid=_text(root.uuid),
                parent_uuid=None if root.parent_uuid == _NO_UUID else _text(root.parent_uuid),
                parent=places[number].parent,
                generation=root.generation,
            )
            for number, root in sorted(roots.items())
            if number in named
        )


def get_default(top: str) -> int:
    """The id of the default subvolume of the file system that is mounted at ``top``. Raises btrfs_failed, OSError."""
    with _opened(top) as fd:
        wanted = (_ROOT_TREE_DIRECTORY, _ROOT_TREE_DIRECTORY)
        return parse_default(content for _key, content in items(fd, _ROOT_TREE, objects=wanted, kinds=(_DIR_ITEM,) * 2))


@contextlib.contextmanager
def _opened(top: str) -> t.Iterator[int]:
    """A descriptor of a directory for questions about its file system. Raises btrfs_failed where it is none of btrfs."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            raise
        why = error.strerror if isinstance(error, OSError) else error
        raise OvercError(
            "btrfs_failed", f"The subvolumes of the file system at {top} cannot be read: {why}."
        ) from error
    finally:
        os.close(fd)


__all__ = ("Origin", "get_default", "list_subvolumes", "origins")
