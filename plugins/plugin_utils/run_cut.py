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

from ..module_utils.people import names


class _Run:
    """The run of this process, if one has begun and has not come to its end."""

    command = ""
    at_work: t.Callable[[], t.Sequence[str]] = staticmethod(list)
    verdict: t.Callable[[], t.Sequence[str]] = staticmethod(list)


def begin(
    command: str,
    hosts: t.Sequence[str],
    at_work: t.Callable[[], t.Sequence[str]] = list,
    verdict: t.Callable[[], t.Sequence[str]] = list,
) -> None:
    """From now on hosts are changed. ``at_work`` says which have begun and not come to an end, ``verdict`` in lines what became
    of all of them so far.
    """
    if hosts and not _Run.command:
        _Run.command, _Run.at_work, _Run.verdict = command, staticmethod(at_work), staticmethod(verdict)
        atexit.register(_tell)


def end() -> None:
    """The run has come to its end, good or bad: whatever there is to say it says itself."""
    _Run.command = ""


def words(hosts: t.Sequence[str] | None, typed: t.Sequence[str]) -> str:
    """What to know and to type next, for people. ``hosts`` are those at work, None where that cannot be told."""
    again = shlex.join(["ansible-playbook", *typed])
    if hosts is not None and not hosts:
        return f"The run was cut off while no host was at work. To go on, run again: {again}"
    who = f"At work {'was' if len(hosts) == 1 else 'were'} {names(hosts)}. " if hosts else ""
    return (
        f"The run was cut off before its end. {who}What has begun on a host goes on by itself up to the reboot, and every host "
        "stays bootable; "
        f"what was not checked or put back into service yet is done when you run again: {again}"
    )


def _tell() -> None:
    if not _Run.command:
        return
    try:
        lines = list(_Run.verdict())
    except Exception as error:  # noqa: BLE001 - Ansible may be in any condition, and the sentence below still has to be said
        lines = [f"What became of the hosts so far cannot be told ({error}); the record of the run has it."]
    try:
        hosts: t.Sequence[str] | None = list(_Run.at_work())
    except Exception:  # noqa: BLE001 - as above
        hosts = None
    for line in (*lines, words(hosts, sys.argv[1:])):
        Display().display(line, stderr=True)


__all__ = ("begin", "end", "words")
