# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNF 5's effective configuration: where it keeps its lists, which repositories count, and what it reads from this host.

DNF 5 itself is asked and no file is read here: values hold variables, are inherited from ``[main]`` and overridden in
drop-ins. One start of it answers for the main configuration and the repositories (as lines) and tells which of them are enabled
(as JSON). What counts for signatures is the effective ``pkg_gpgcheck``, which older releases call ``gpgcheck``;
``repo_gpgcheck`` signs the lists, not the packages, and is no substitute.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ..dnf_configuration import DnfConfiguration, Repository
from ..tool import not_configured
from .errors import last_words, too_old

if t.TYPE_CHECKING:
    from ...runner import Completed

# After the options of every call; both in one start. No other name of a command is used here or elsewhere: `repolist` is an
# alias, and those a host may lack, or give another meaning
QUESTION: t.Final = ("--dump-main-config", "--dump-repo-config=*", "repo", "list", "--all", "--json")
_HEAD: t.Final = re.compile(r'^=+ "(.+)" repository configuration: =+$')
_TRUE: t.Final = ("1", "yes", "true", "on")  # libdnf5, OptionBool
_STATE: t.Final = "/var/lib/dnf"


@dataclass(frozen=True)
class Configuration(DnfConfiguration):
    """With ``has_destination``: packages are kept in a directory of their own, and looked for there."""

    has_destination: bool = False


def parse_effective(text: str) -> Configuration:
    """The answer to ``QUESTION``. Raises ValueError."""
    lines = text.splitlines()
    main, dumped = _sections(lines)
    enabled = _enabled(lines)
    settings = _settings(main)
    if "system_cachedir" not in settings:
        raise ValueError("no cache")
    missing = [name for name in enabled if name not in dumped]
    if missing:
        raise ValueError(f"how {missing[0]} is configured was not told")
    return Configuration(
        settings["system_cachedir"],
        settings.get("persistdir") or _STATE,
        ("/etc/dnf", *_list(settings.get("reposdir", "")), *_list(settings.get("varsdir", ""))),
        tuple(name for name in ("gpgcheck", "pkg_gpgcheck") if name in settings),
        tuple(_list(settings.get("tsflags", ""))),
        {name: _repository(_settings(dumped[name])) for name in enabled},
        bool(settings.get("destdir")),
    )


def _sections(lines: t.Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The lines of the main configuration, and those of each repository."""
    main: list[str] = []
    found: dict[str, list[str]] = {}
    current = main
    for line in lines:
        head = _HEAD.match(line)
        if head is not None:
            current = found.setdefault(head.group(1), [])
        elif line == "[":
            break
        else:
            current.append(line)
    return main, found


def _enabled(lines: t.Sequence[str]) -> list[str]:
    """The enabled repositories of the list in JSON, which is the last that is printed."""
    starts = [number for number, line in enumerate(lines) if line in ("[", "[]", "{}")]
    if not starts:
        raise ValueError("no list of repositories")
    listed = json.loads("\n".join(lines[starts[-1] :]))
    if not listed:
        return []
    if not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in listed):
        raise ValueError("a repository without an id")
    if not all(isinstance(each.get("is_enabled"), bool) for each in listed):
        raise ValueError("nobody says whether a repository is enabled")
    return [each["id"] for each in listed if each["is_enabled"]]


def _repository(own: t.Mapping[str, str]) -> Repository:
    return Repository(
        own.get("pkg_gpgcheck", own.get("gpgcheck", "0")).lower() in _TRUE,
        own.get("repo_gpgcheck", "0").lower() in _TRUE,
        own.get("skip_if_unavailable", "0").lower() in _TRUE,
        () if own.get("metalink") or own.get("mirrorlist") else tuple(_list(own.get("baseurl", ""))),
        tuple(_list(own.get("gpgkey", ""))),
    )


def _settings(lines: t.Iterable[str]) -> dict[str, str]:
    return {key.strip(): value.strip() for key, equals, value in (line.partition(" = ") for line in lines) if equals}


def _list(value: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", value) if word]


def understood(completed: Completed) -> Configuration:
    """The configuration that was told. Raises package_manager_failed where it was not: it is not guessed.

    Raises packages_unsupported for a DNF 5 that does not know the question.
    """
    try:
        if completed.rc == 0:
            return parse_effective(completed.stdout)
    except (ValueError, RecursionError):
        pass
    raise too_old(completed) or not_configured(
        "DNF does not tell how it is configured, so neither its repositories nor their signature checks are known",
        completed,
        "; ".join(last_words(completed)) if completed.rc != 0 else "",
    )


__all__ = ("QUESTION", "Configuration", "parse_effective", "understood")
