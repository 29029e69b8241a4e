# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding whether sshd of a new root would start, and find what it asks who may come in."""

from __future__ import annotations

import os
import typing as t

from ...system.rooted_path import resolve_in_root

if t.TYPE_CHECKING:
    from ...runner import Runner
    from .new_root import NewRoot

_SSHD: t.Final = "/usr/sbin/sshd"
# sshd(8): looks at the configuration, the keys of the host and its own directory, and ends
_LOOK: t.Final = (_SSHD, "-t")
# Debian's sshd wants a directory that its unit makes when it starts
_OF_ITS_UNIT: t.Final = "/run/sshd"
_PATIENCE: t.Final = 60  # seconds
_MOST: t.Final = 10_000  # bytes
# pam.d(5): the administrator's, and the distribution's
_PAM: t.Final = ("/etc/pam.d", "/usr/lib/pam.d")


def no_login(running: Runner, inside: NewRoot, base: str) -> str | None:
    """Why nobody could come in by ssh, in words; None where somebody can, or could not before either.

    ``base``: where the root is that ``inside`` was made of. Raises OvercError where nothing can be run in the new root.
    """
    if resolve_in_root(base, _SSHD) is None or running.run(_LOOK).rc != 0:
        return None
    if _has_rules(base) and not _has_rules(inside.path):
        return f"PAM knows no service sshd: no file in {' or '.join(_PAM)}"
    inside.run(("mkdir", "-p", "-m", "0755", _OF_ITS_UNIT))  # if that fails, sshd says so
    done = inside.run_within(_LOOK, _PATIENCE, _MOST)
    if done.timed_out:
        return f"{' '.join(_LOOK)} did not end"
    if done.completed.rc == 0:
        return None
    words = done.completed.stderr.strip() or f"{' '.join(_LOOK)} exits with {done.completed.rc}"
    return "; ".join(line.strip() for line in words.splitlines())


def _has_rules(root: str) -> bool:
    return any(resolve_in_root(root, os.path.join(directory, "sshd")) is not None for directory in _PAM)


__all__ = ("no_login",)
