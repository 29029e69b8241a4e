# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of the host's own, and text that may be shown."""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

# Whatever stands before the host's name in an address: user, password, token
_CREDENTIALS: t.Final = re.compile(r"(?<=://)[^/\s'\"]*@")
_SHORTEST: t.Final = 4  # a secret shorter than this would take ordinary words with it


def read(path: str, default: t.Any) -> t.Any:
    """A JSON file; the default when there is none, or half of one. Raises OSError."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError, RecursionError):
        return default


def write(path: str, data: t.Any) -> None:
    """Readers, and whoever comes after a power cut, see the old file or the new one, whole. Raises OSError."""
    beside = f"{path}.new"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    sync_directory(os.path.dirname(path))


def remove(path: str) -> None:
    """Remove a file for good; it may be gone already. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(os.path.dirname(path))


def status(path: str, *, follow: bool = False) -> os.stat_result | None:
    """What is at a path, a link itself unless ``follow``; None only where nothing is. Raises OSError."""
    try:
        return os.stat(path, follow_symlinks=follow)
    except (FileNotFoundError, NotADirectoryError):
        return None


def sync_directory(path: str) -> None:
    """Make what was renamed or removed in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def redacted(text: str, secrets: t.Iterable[str] = ()) -> str:
    """Text without the credentials of addresses and without these secrets."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, "***")
    return _CREDENTIALS.sub("***@", text)


__all__ = ("read", "redacted", "remove", "status", "sync_directory", "write")
