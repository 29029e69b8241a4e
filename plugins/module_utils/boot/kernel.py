# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read from a kernel file: its release, and a digest to tell two apart."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import stat
import struct
import typing as t
import zlib

from ..errors import OvercError
from ..system.presence import files_below, is_directory, is_link, is_plain_directory, is_there, status
from ..system.rooted_path import resolve_in_root

_UIMAGE_MAGIC: t.Final = 0x27051956
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.+_~-]*")
_CHUNK: t.Final = 1 << 20
# What a boot loader loads has its size in 32 bits: Documentation/arch/x86/boot.rst, syssize and ramdisk_size; so has FAT
_LARGEST: t.Final = (1 << 32) - 1
_VERMAGIC = re.compile(rb"\0vermagic=([!-~]{1,128}) ")
_IS_MODULE = re.compile(r"\.ko(?P<packed>(?:\.(?:bz2|gz|xz|zst))?)$")
_UNPACKERS: t.Final = {"": "io", ".gz": "gzip", ".xz": "lzma"}
_MODULE: t.Final = 16 << 20  # the largest of a distribution have a few MiB
_SAMPLE: t.Final = 16  # modules; unpacking all of a distribution's takes minutes


def release_of(head: bytes) -> str | None:
    """The release (``uname -r``) of a kernel, from the first 64 KiB of its file; None where the format tells none.

    x86: Documentation/arch/x86/boot.rst, "HdrS" at 0x202 and the offset (less 0x200) of the version string at 0x20E.
    uImage: the 32 bytes of ih_name at offset 32, by convention "Linux-<release>".
    """
    text = ""
    if head[0x202:0x206] == b"HdrS" and len(head) > 0x210:
        offset = struct.unpack_from("<H", head, 0x20E)[0]
        if offset:
            text = head[offset + 0x200 : offset + 0x200 + 128].split(b"\0")[0].decode("ascii", "replace")
    elif len(head) > 64 and struct.unpack_from(">I", head)[0] == _UIMAGE_MAGIC:
        text = head[32:64].split(b"\0")[0].decode("ascii", "replace").replace("Linux-", "", 1)
    match = _RELEASE.match(text)
    return match.group(0) if match else None


def defect_of(head: bytes, size: int) -> str | None:
    """What shows that a kernel file cannot boot, from its first 64 KiB and its size; None where nothing does.

    A boot loader may start a kernel that is cut off, and that one stands still before any ``panic=`` counts.
    x86: Documentation/arch/x86/boot.rst, setup_sects at 0x1F1 (0 means 4) and syssize at 0x1F4, in 16 bytes.
    uImage: ih_size at offset 12, without the header of 64 bytes.
    """
    if size == 0:
        return "is empty"
    if size > _LARGEST:
        return f"has {size} bytes, more than any boot loader loads"
    if not any(head):
        return "consists of zeros"
    need = 0
    if head[0x202:0x206] == b"HdrS" and len(head) > 0x210:
        need = ((head[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", head, 0x1F4)[0] * 16
    elif len(head) > 64 and struct.unpack_from(">I", head)[0] == _UIMAGE_MAGIC:
        need = 64 + struct.unpack_from(">I", head, 12)[0]
    return f"is cut off: it has {size} bytes, and by its own header at least {need}" if size < need else None


def read_defect(path: str) -> str | None:
    """``defect_of`` for a file."""
    with open(path, "rb") as stream:
        return defect_of(stream.read(1 << 16), os.fstat(stream.fileno()).st_size)


def is_too_large(path: str) -> bool:
    """Whether no boot loader could load it: a script may make such a file in no time, and reading it takes hours."""
    return os.lstat(path).st_size > _LARGEST


def read_release(path: str) -> str | None:
    """``release_of`` for a file."""
    with open(path, "rb") as stream:
        return release_of(stream.read(1 << 16))


def sha256_of(path: str) -> str:
    """The sha256 of a kernel or initrd, hexadecimal. The file must not be a symbolic link.

    Raises kernel_broken for what is too large for any boot loader.
    """
    if is_too_large(path):
        raise OvercError(
            "kernel_broken", f"{path} has {os.lstat(path).st_size} bytes, more than any boot loader loads."
        )
    digest = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as stream:
        while True:
            chunk = stream.read(_CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


def _module_homes(root: str) -> list[str]:
    """The directories of a root with modules in them, relative to it. Links (/lib is one into /usr) do not leave the root."""
    found = (resolve_in_root(root, directory) for directory in ("usr/lib/modules", "lib/modules"))
    return list(dict.fromkeys(os.path.relpath(path, root) for path in found if path is not None and is_directory(path)))


def module_releases(root: str) -> frozenset[str]:
    """The kernel releases a root has modules for."""
    found: set[str] = set()
    for home in _module_homes(root):
        # Gone meanwhile: who only looks takes no lock
        with contextlib.suppress(FileNotFoundError), os.scandir(os.path.join(root, home)) as entries:
            found.update(entry.name for entry in entries if _holds_files(entry))
    return frozenset(found)


def _holds_files(entry: os.DirEntry[str]) -> bool:
    """A removed kernel package often leaves empty directories behind: they are no modules."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    return any(files for _directory, files in files_below(entry.path))


def indexed_releases(root: str, releases: t.Iterable[str]) -> frozenset[str]:
    """Those of the kernel releases whose modules depmod(8) has listed: without its index none of them is found at boot."""
    homes = {release: modules_directory(root, release) for release in releases}
    return frozenset(
        release for release, home in homes.items() if home and is_there(os.path.join(root, home, "modules.dep"))
    )


def hollow_releases(root: str, releases: t.Iterable[str]) -> frozenset[str]:
    """Those of the kernel releases for which there is no module, but the empty index that depmod(8) made all the same.

    A kernel that has everything built in comes with ``modules.builtin`` and ``modules.order`` (Documentation/kbuild).
    """
    homes = {release: modules_directory(root, release) for release in releases}
    return frozenset(release for release, home in homes.items() if home and _is_hollow(os.path.join(root, home)))


def _is_hollow(home: str) -> bool:
    index = status(os.path.join(home, "modules.dep"))
    if index is None or index.st_size:  # as almost always: each look at a host asks this of each of its roots
        return False
    names = {name for _directory, files in files_below(home) for name in files}
    return not names & {"modules.builtin", "modules.order"} and not any(_IS_MODULE.search(name) for name in names)


def modules_directory(root: str, release: str) -> str | None:
    """Where a root keeps the modules of a release, relative to the root; None if it has none."""
    for home in _module_homes(root):
        path = os.path.join(root, home, release)
        if is_plain_directory(path):
            return os.path.join(home, release)
    return None


def foreign_modules(root: str, release: str) -> str | None:
    """The release that the modules of ``release`` were built for, where it is another one; None where nothing shows that.

    Looks at a sample of those below ``kernel``, where a kernel's package keeps its own. One that was built for ``release``
    is enough: a single package may have put some there that were built for a compatible kernel. And nothing is shown by
    few that can be read among many that cannot. A module says it as ``vermagic=RELEASE FLAGS`` (Linux,
    include/linux/vermagic.h).
    """
    where = modules_directory(root, release)
    if where is None:
        return None
    paths = _modules_below(os.path.join(root, where, "kernel"))
    count = min(_SAMPLE, len(paths))
    said: list[str] = []
    for number in range(count):
        found = _VERMAGIC.search(_module_content(paths[number * len(paths) // count]))
        if found:
            said.append(found.group(1).decode("ascii", "replace"))
            if said[-1] == release:
                return None
    return max(said, key=said.count) if 2 * len(said) > count else None


def _modules_below(top: str) -> list[str]:
    """The paths of all modules, sorted; none where ``top`` is a link, which files_below() would follow out of the new root."""
    found: list[str] = []
    if is_link(top):
        return found
    for directory, files in files_below(top):
        paths = [os.path.join(directory, name) for name in files if _IS_MODULE.search(name)]
        found += [path for path in paths if stat.S_ISREG(os.lstat(path).st_mode)]
    return sorted(found)


def _module_content(path: str) -> bytes:
    """The first part of a module, unpacked; nothing where that cannot be had."""
    name = _IS_MODULE.search(path)
    library = _UNPACKERS.get(name.group("packed")) if name else None
    try:
        unpack = importlib.import_module(library) if library else None  # not every Python has them
    except ImportError:
        unpack = None
    if unpack is None:
        return b""
    broken: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, getattr(unpack, "LZMAError", OSError))
    try:
        with unpack.open(path, "rb") as stream:
            content: bytes = stream.read(_MODULE)
    except broken as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of what is packed
            raise
        return b""
    return content


__all__ = (
    "defect_of",
    "foreign_modules",
    "hollow_releases",
    "indexed_releases",
    "is_too_large",
    "module_releases",
    "modules_directory",
    "read_defect",
    "read_release",
    "release_of",
    "sha256_of",
)
