# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the firmware through which systemd-boot and the running system talk.

Facts: efivarfs in Linux, systemd's boot loader interface. One variable is one file: four bytes of attributes, then its value,
which is text in UTF-16 with a NUL at its end. One write(2) is one SetVariable, which the firmware does as a whole or not at
all, and which is on the flash when it returns. The kernel makes files of variables that it does not know immutable.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import typing as t

from ...errors import OvercError

DIRECTORY: t.Final = "/sys/firmware/efi/efivars"
_LOADER: t.Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_GLOBAL: t.Final = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
INFO: t.Final = "LoaderInfo"
PARTITION: t.Final = "LoaderDevicePartUUID"
SELECTED: t.Final = "LoaderEntrySelected"
DEFAULT: t.Final = "LoaderEntryDefault"
ONE_SHOT: t.Final = "LoaderEntryOneShot"

_ATTRIBUTES: t.Final = 7  # non-volatile, at boot, at run time
_GET_FLAGS: t.Final = 0x80086601  # FS_IOC_GETFLAGS
_SET_FLAGS: t.Final = 0x40086602
_IMMUTABLE: t.Final = 0x10
_MOST: t.Final = 1 << 16


def path_of(name: str, owner: str = _LOADER) -> str:
    """The file of a variable."""
    return f"{DIRECTORY}/{name}-{owner}"


def _content(name: str, owner: str = _LOADER) -> bytes | None:
    try:
        fd = os.open(path_of(name, owner), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = os.read(fd, _MOST)
    finally:
        os.close(fd)
    # A file that was made and never written is no variable
    return found[4:] if len(found) > 4 else None


def read(name: str) -> str | None:
    """A variable of the boot loader; None where it is not set. Raises OSError where that cannot be told."""
    content = _content(name)
    return None if content is None else content.decode("utf-16-le", "replace").partition("\0")[0]


def secure_boot() -> bool:
    """Whether the firmware starts only what is signed."""
    return _content("SecureBoot", _GLOBAL) == b"\1"


def write(name: str, value: str | None) -> bool:
    """Set a variable of the boot loader, or remove it (None), and read it back; False if it was so already.

    Raises boot_write_failed.
    """
    path = path_of(name)
    try:
        if read(name) == value:
            return False
        _let_change(path)
        if value is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        else:
            _set(path, struct.pack("<I", _ATTRIBUTES) + f"{value}\0".encode("utf-16-le"))
        found = read(name)
    except OSError as error:
        raise OvercError(
            "boot_write_failed",
            f"Cannot set the firmware's variable {name}: {error.strerror}. Mend that and run the same command again.",
        ) from error
    if found != value:
        raise OvercError(
            "boot_write_failed", f"The firmware's variable {name} is {found!r} after {value!r} was written to it."
        )
    return True


def _set(path: str, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        # In one call, or the firmware would be told a part of it
        written = os.write(fd, content)
        if written != len(content):
            raise OSError(5, f"only {written} of {len(content)} bytes were written", path)
    finally:
        os.close(fd)


def _let_change(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        # What does not know such flags has none; and where they cannot be told, the write fails and says so
        with contextlib.suppress(OSError):
            flags = struct.unpack("i", fcntl.ioctl(fd, _GET_FLAGS, struct.pack("i", 0)))[0]
            if flags & _IMMUTABLE:
                fcntl.ioctl(fd, _SET_FLAGS, struct.pack("i", flags & ~_IMMUTABLE))
    finally:
        os.close(fd)


__all__ = (
    "DEFAULT",
    "DIRECTORY",
    "INFO",
    "ONE_SHOT",
    "PARTITION",
    "SELECTED",
    "path_of",
    "read",
    "secure_boot",
    "write",
)
