# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of files from a store of git's objects, in which every byte hashes to the id of the commit that was asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import typing as t

_DEPTH: t.Final = 100
_LARGEST: t.Final = 256 << 20  # bytes of one file; a playbook's repository has none like that
_POINTER: t.Final = re.compile(rb"(?:object|tree) ([0-9a-f]{40}|[0-9a-f]{64})\n(?:type (commit|tag)\n)?")
_FILE_MODES: t.Final = {b"100644": 0o644, b"100664": 0o644, b"100755": 0o755}


class SourceError(Exception):
    """Why there is nothing to run: one sentence for people."""


class Untrusted(SourceError):
    """What is there is not to be run: not signed by a key that is trusted now, or not what is to come next."""


class Damaged(SourceError):
    """The store does not have what it should; it can be made anew."""


class _Objects:
    """A running ``git cat-file --batch``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def get(self, name: str, *kinds: str) -> tuple[str, bytes]:
        """The kind and the content of an object, once it is certain to be the one with this id."""
        to, back = t.cast("t.IO[bytes]", self.process.stdin), t.cast("t.IO[bytes]", self.process.stdout)
        try:
            to.write(name.encode("ascii") + b"\n")
            to.flush()
        except BrokenPipeError:
            raise Damaged("The store of the repository cannot be read.") from None
        words = back.readline().split()
        if len(words) != 3 or not words[2].isdigit():
            raise Damaged(f"The object {name[:12]} is missing in the store of the repository.")
        kind, size = words[1].decode("ascii", "replace"), int(words[2])
        if size > _LARGEST:
            raise SourceError(f"The object {name[:12]} of the repository has {size} bytes, which is too much.")
        data = back.read(size)
        back.read(1)
        digest = hashlib.sha1 if len(name) == 40 else hashlib.sha256
        head = b"%s %d\0" % (words[1], size)
        if len(data) != size or digest(head + data).hexdigest() != name:
            raise Damaged(f"The object {name[:12]} in the store of the repository is damaged.")
        if kind not in kinds:
            raise SourceError(f"The object {name[:12]} of the repository is a {kind}, not a {' or a '.join(kinds)}.")
        return kind, data


def lay_out(command: t.Sequence[str], revision: str, directory: str, environment: t.Mapping[str, str]) -> None:
    """Write the files of a commit, or of the commit that a tag names, into a new directory.

    ``command`` is a ``git cat-file --batch`` in the store. Raises Damaged, SourceError, OSError.
    """
    with _opened(command, environment) as objects:
        os.mkdir(directory, 0o700)
        _directory(objects, _tree_of(objects, revision), directory, _DEPTH)


def kind_of(command: t.Sequence[str], revision: str, environment: t.Mapping[str, str]) -> str:
    """``commit`` or ``tag``, of an object that is whole. Raises Damaged, SourceError, OSError."""
    with _opened(command, environment) as objects:
        return objects.get(revision, "commit", "tag")[0]


@contextlib.contextmanager
def _opened(command: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Iterator[_Objects]:
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command,
        env=dict(environment),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield _Objects(process)
        finally:
            process.kill()


def _tree_of(objects: _Objects, revision: str) -> str:
    kind, data = objects.get(revision, "commit", "tag")
    found = _POINTER.match(data)
    if found is None or (kind == "tag" and found[2] != b"commit"):
        raise SourceError(f"{revision[:12]} is a {kind} that names no commit.")
    name = found[1].decode("ascii")
    return name if kind == "commit" else _tree_of(objects, name)


def _entries(data: bytes, digits: int) -> t.Iterator[tuple[bytes, bytes, str]]:
    size, at = digits // 2, 0
    while at < len(data):
        zero = data.find(b"\0", at)
        mode, space, name = data[at:zero].partition(b" ")
        end = zero + 1 + size
        if zero < 0 or not space or end > len(data):
            raise Damaged("A directory in the store of the repository is damaged.")
        yield mode, name, data[zero + 1 : end].hex()
        at = end


def _directory(objects: _Objects, tree: str, directory: str, depth: int) -> None:
    if not depth:
        raise SourceError("The directories of the repository are nested too deep.")
    for mode, name, found in _entries(objects.get(tree, "tree")[1], len(tree)):
        shown = name.decode("utf-8", "backslashreplace")
        if not name or b"/" in name or name in (b".", b"..") or name.lower() == b".git":
            raise SourceError(f"The repository has a file with the name {shown!r}, which nothing honest has.")
        if mode == b"160000":
            raise SourceError(
                f"The repository has a submodule ({shown}). Those are not followed: nobody verified them."
            )
        path = os.path.join(directory, os.fsdecode(name))
        try:
            if mode == b"40000":
                os.mkdir(path, 0o755)
                _directory(objects, found, path, depth - 1)
            elif mode == b"120000":
                os.symlink(objects.get(found, "blob")[1], os.fsencode(path))
            elif mode in _FILE_MODES:
                _file(path, objects.get(found, "blob")[1], _FILE_MODES[mode])
            else:
                raise SourceError(f"{shown} in the repository is neither a file, a directory nor a link.")
        except FileExistsError:
            raise SourceError(f"The repository has {shown!r} twice in one directory.") from None


def _file(path: str, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)


__all__ = ("Damaged", "SourceError", "Untrusted", "kind_of", "lay_out")
