# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``pull_arguments`` may say: arguments of ansible-playbook, and those of ansible-pull that mean something here."""

from __future__ import annotations

import platform
import socket
import typing as t

VERIFY: t.Final = "--verify-commit"
ACCEPT_HOST_KEY: t.Final = "--accept-host-key"
_KEY_OPTIONS: t.Final = ("--private-key", "--key-file")
# Every run begins with a fresh tree and fetches as little as it can, so these change nothing
_NO_MEANING: t.Final = frozenset({"--clean", "--force", "-f", "--full"})
# Argument of ansible-pull -> why it is refused
REFUSED: t.Final[dict[str, str]] = {
    "--checkout": "pull_checkout says what to check out",
    "-C": "pull_checkout says what to check out",
    "--directory": "pull_directory says where",
    "-d": "pull_directory says where",
    "--module-name": "only git repositories are pulled",
    "-m": "only git repositories are pulled",
    "--only-if-changed": "packages change although the repository does not",
    "-o": "packages change although the repository does not",
    "--purge": "the tree is needed again after the reboot",
    "--sleep": "pull_random_delay spreads the hosts",
    "-s": "pull_random_delay spreads the hosts",
    "--track-subs": "submodules are not followed, nobody verified them",
    "--url": "pull_url says where the repository is",
    "-U": "pull_url says where the repository is",
}

# Argument of ansible-playbook with which a part of the playbook would be run, or nothing -> why it is refused
_WHOLE: t.Final = "an upgrade is only right as a whole"
_NOTHING: t.Final = "with it nothing is done"
PARTS: t.Final[dict[str, str]] = {
    **dict.fromkeys(("--tags", "-t", "--start-at-task", "--step"), _WHOLE),
    **dict.fromkeys(("--check", "--syntax-check", "--list-hosts", "--list-tags", "--list-tasks"), _NOTHING),
}


def refused(arguments: t.Sequence[str]) -> str:
    """Why these arguments cannot be meant, as a sentence; empty if they can."""
    for word, following in zip(arguments, [*arguments[1:], ""]):
        name, equals, value = word.partition("=")
        if word.startswith("-t") and not word.startswith("--"):
            name = "-t"
        why = {**REFUSED, **PARTS}.get(name, "")
        if name == "--skip-tags" and {"all", "untagged", "always"} & set((value if equals else following).split(",")):
            why = _WHOLE
        if why:
            return f"pull_arguments: {name} has no place here: {why}."
    return ""


def for_playbook(arguments: t.Sequence[str]) -> list[str]:
    """The arguments that are meant for ansible-playbook."""
    return [word for word in arguments if word not in _NO_MEANING and word not in (VERIFY, ACCEPT_HOST_KEY)]


def private_key(arguments: t.Sequence[str]) -> str:
    """The key for the repository, where one is named; the last one counts."""
    found = ""
    for word, following in zip(arguments, [*arguments[1:], ""]):
        name, equals, value = word.partition("=")
        if name in _KEY_OPTIONS:
            found = value if equals else following
    return found


def this_host() -> str:
    """A limit for an inventory of many hosts: the names of this one, as ansible-pull would say it."""
    names = {platform.node(), socket.getfqdn()} - {""}
    names |= {name.split(".")[0] for name in names}
    return ",".join(["localhost", *sorted(names), "127.0.0.1"])


__all__ = ("ACCEPT_HOST_KEY", "PARTS", "REFUSED", "VERIFY", "for_playbook", "private_key", "refused", "this_host")
