# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut off (Ctrl-C, an error of Ansible's own) says what its hosts are doing and what to type next.

Ansible's main process evaluates for which hosts a play is; workers end without what is registered here.
"""

from __future__ import annotations

import atexit
import shlex
import sys
import typing as t

from ansible.utils.display import Display

_WORK: t.Final[dict[str, str]] = {"upgrade": "their upgrade", "rollback": "their rollback"}


class _Run:
    """The run of this process, if one has begun and has not come to its end."""

    command = ""
    hosts: t.Sequence[str] = ()


def begin(command: str, hosts: t.Sequence[str]) -> None:
    """From now on hosts are changed."""
    if hosts and not _Run.command:
        _Run.command, _Run.hosts = command, tuple(hosts)
        atexit.register(_tell)


def end() -> None:
    """The run has come to its end, good or bad: whatever there is to say it says itself."""
    _Run.command = ""


def words(command: str, hosts: t.Sequence[str], typed: t.Sequence[str]) -> str:
    """One sentence for people."""
    number = "the host" if len(hosts) == 1 else f"up to {len(hosts)} hosts"
    again = shlex.join(["ansible-playbook", *typed])
    return (
        f"The run was cut off before its end. Where {_WORK[command]} has begun ({number}), it goes on by itself up to the "
        "reboot, and every host stays bootable; what was not checked or put back into service yet is done when you run "
        f"again: {again}"
    )


def _tell() -> None:
    if _Run.command:
        Display().display(words(_Run.command, _Run.hosts, sys.argv[1:]), stderr=True)


__all__ = ("begin", "end", "words")
