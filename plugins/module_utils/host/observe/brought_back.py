# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a return to another root brings back of who the host is, and who may log in to it, where that is not as it is now.

Others may have learnt the new ones meanwhile: ssh clients the host's key, a domain the machine's password.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ...system.rooted_path import regular_file_in_root

_KINDS: t.Final[dict[str, tuple[str, ...]]] = {
    "accounts": tuple(f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")),
    "machine id": ("/etc/machine-id",),
    "machine keytab": ("/etc/krb5.keytab",),
}
_SSH: t.Final = "/etc/ssh"
_LONGEST: t.Final = 4 << 20  # bytes of such a file; no honest one comes near


def brought_back(now: str, then: str) -> list[dict[str, str]]:
    """The files of the root at ``then`` that are not as in the one at ``now``, each with its kind; ``path`` is theirs.

    A file that there is in only one of the two counts; one that cannot be read does, too: that it is equal was not seen.
    """
    names = {path: kind for kind, paths in _KINDS.items() for path in paths}
    names.update(dict.fromkeys(sorted(_host_keys(now) | _host_keys(then)), "ssh host keys"))
    return [{"path": path, "kind": kind} for path, kind in names.items() if path == _SSH or not _equal(now, then, path)]


def _host_keys(root: str) -> set[str]:
    try:
        names = os.listdir(root + _SSH)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError:
        return {_SSH}  # a way back is not refused for that; it is told
    return {f"{_SSH}/{name}" for name in names if name.startswith("ssh_host_") and name.endswith("_key")}


def _equal(now: str, then: str, path: str) -> bool:
    try:
        return _content(now, path) == _content(then, path)
    except OSError:
        return False


def _content(root: str, path: str) -> bytes | None:
    found = regular_file_in_root(root, path)
    if found is None:
        return None
    descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(_LONGEST)


__all__ = ("brought_back",)
