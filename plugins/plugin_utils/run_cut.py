# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut off says what became of its hosts so far, what they are doing, and what to type next.

Cut off by Ctrl-C, by an error of Ansible's own, or because a whole wave was lost: there Ansible ends everything, without the
plays that would say it. Ansible's main process evaluates for which hosts a play is; workers end without what is registered here.
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
    verdict: t.Callable[[], t.Sequence[str]] = staticmethod(list)


def begin(command: str, hosts: t.Sequence[str], verdict: t.Callable[[], t.Sequence[str]] = list) -> None:
    """From now on hosts are changed; ``verdict`` says in lines what became of them so far."""
    if hosts and not _Run.command:
        _Run.command, _Run.hosts, _Run.verdict = command, tuple(hosts), staticmethod(verdict)
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
    if not _Run.command:
        return
    try:
        lines = list(_Run.verdict())
    except Exception as error:  # noqa: BLE001 - Ansible may be in any condition, and the sentence below still has to be said
        lines = [f"What became of the hosts so far cannot be told ({error}); the record of the run has it."]
    for line in (*lines, words(_Run.command, _Run.hosts, sys.argv[1:])):
        Display().display(line, stderr=True)


__all__ = ("begin", "end", "words")
