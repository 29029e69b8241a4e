# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether whoever runs this could come into another root by ssh with the same account. Keys: ``ways_in``."""

from __future__ import annotations

import os
import typing as t

from ...boot.init import find_program
from ...system.presence import text_of
from ...system.rooted_path import regular_file_in_root, resolve_in_root

ROOT: t.Final = "root"
# passwd(5): without a shell it is this one
_SHELL: t.Final = "/bin/sh"
# They say no, and end
_NO_SHELLS: t.Final = frozenset(("false", "nologin", "true"))
# nologin(5): while it is there, only root comes in. systemd takes away the one in /run, not this one
_NOLOGIN: t.Final = "/etc/nologin"


def account_lost(new: str, base: str) -> str | None:
    """Why the account that this run came in with would be kept out of ``new``, and not of ``base``; in words.

    An account that is not in /etc/passwd (of a directory server, say) is not looked at.
    """
    user = who_came_in()
    before, after = _shell_of(base, user), _shell_of(new, user)
    if before is None or not _lets_in(base, before):
        return None
    if after is None:
        return f"{user} has no account in /etc/passwd any more"
    if not _lets_in(new, after):
        return f"the shell of {user} is {after} there, which lets nobody in"
    if user != ROOT and resolve_in_root(new, _NOLOGIN) is not None and resolve_in_root(base, _NOLOGIN) is None:
        return f"{_NOLOGIN} keeps everybody but root out, and {user} is not root"
    return None


def who_came_in() -> str:
    """The account that this run came in with."""
    return next((os.environ[name] for name in ("SUDO_USER", "DOAS_USER") if os.environ.get(name)), ROOT)


def _shell_of(root: str, user: str) -> str | None:
    found = regular_file_in_root(root, "etc/passwd")
    fields = (line.split(":") for line in ((text_of(found) if found else None) or "").splitlines())
    return next((each[6].strip() or _SHELL for each in fields if len(each) == 7 and each[0] == user), None)


def _lets_in(root: str, shell: str) -> bool:
    return os.path.basename(shell) not in _NO_SHELLS and find_program(root, shell) is not None


__all__ = ("account_lost", "who_came_in")
