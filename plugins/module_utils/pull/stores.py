# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where verdicts are kept: a directory, an HTTP store, git. Each has three operations, and none of them needs a lock."""

from __future__ import annotations

import os
import secrets
import stat
import typing as t

from .files import status, sync_directory
from .verdicts import LARGEST


class StoreError(Exception):
    """The store cannot be asked, or does not answer as it should: one sentence without credentials."""


class Store(t.Protocol):
    """Paths are made by ``verdicts.directory`` and ``file_name``: relative, without anything that needs quoting but ``=``."""

    def get(self, path: str) -> bytes | None:
        """A file, cut after LARGEST + 1 bytes; None only where it certainly is not there. Raises StoreError."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file, whole. Raises StoreError."""

    def names(self, directory: str, limit: int) -> list[str]:
        """Names of the files in a directory, at most ``limit``; none where there is no such directory. Raises StoreError."""

    def paths(self, limit: int) -> list[str]:
        """All verdicts there are, at most ``limit``. Raises StoreError."""


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise StoreError(f"{error.filename}: {error.strerror}.")


class DirectoryStore:
    """A directory that hosts share, however that is done. It has a directory ``v1``, which is made once by hand: where that
    is missing, nothing is mounted, and an empty mount point must not be taken for a store without failures.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def _there(self) -> None:
        try:
            found = status(os.path.join(self.root, "v1"), follow=True)
        except OSError as error:
            raise StoreError(f"{self.root}/v1: {error.strerror}.") from None
        if found is None or not stat.S_ISDIR(found.st_mode):
            raise StoreError(f"there is no directory {self.root}/v1 (make it once, where the store is mounted).")

    def get(self, path: str) -> bytes | None:
        self._there()
        try:
            # Neither a link nor a pipe that nobody writes to
            descriptor = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}.") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise StoreError(f"{path} is no file.")
        with os.fdopen(descriptor, "rb") as file:
            try:
                return file.read(LARGEST + 1)
            except OSError as error:
                raise StoreError(f"{path}: {error.strerror}.") from None

    def put(self, path: str, data: bytes) -> None:
        self._there()
        target = os.path.join(self.root, path)
        beside = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}")
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(beside, target)
            sync_directory(os.path.dirname(target))
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}.") from None

    def names(self, directory: str, limit: int) -> list[str]:
        self._there()
        found: list[str] = []
        try:
            with os.scandir(os.path.join(self.root, directory)) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        found.append(entry.name)
                    if len(found) == limit:
                        break
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{directory}: {error.strerror}.") from None
        return sorted(found)

    def paths(self, limit: int) -> list[str]:
        self._there()
        found: list[str] = []
        for place, inner, names in os.walk(os.path.join(self.root, "v1"), onerror=_unless_gone):
            inner.sort()
            below = os.path.relpath(place, self.root)
            found += [f"{below}/{name}" for name in sorted(names) if not name.startswith(".")]
            if len(found) >= limit:
                break
        return found[:limit]


__all__ = ("DirectoryStore", "Store", "StoreError")
