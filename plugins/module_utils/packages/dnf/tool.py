# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running `dnf`: which settings every call is given, whatever the host's own are, and on which copies it works."""

from __future__ import annotations

import posixpath
import typing as t
from types import MappingProxyType

from ..locks import Lock, quiet
from ..tool import copy_directory, run_when_free
from . import configuration
from .configuration import Configuration, Question
from .errors import is_locked

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# What running unattended needs, on every call. A host's dnf.conf may say anything about these, so all are given:
#   debuglevel, errorlevel, rpmverbosity, color   what is parsed is printed, without colours
#   assumeno, cacheonly, installroot    what is asked for happens, here, with lists that can be refreshed
#   exit_on_lock   DNF 4 would wait for another DNF without end; DNF 5 knows the option, and waits all the same (5.4):
#                  there its lock is looked at first
#   timeout, retries   seconds, count; a dead mirror costs seconds instead of minutes (per-repository settings win)
#   skip_if_unavailable   a repository that cannot be read makes "nothing to do" a guess
_SETTINGS: t.Final[dict[str, str]] = {
    "debuglevel": "2",
    "errorlevel": "3",
    "rpmverbosity": "info",
    "color": "never",
    "debug_solver": "False",
    "assumeno": "False",
    "cacheonly": "False",
    "installroot": "/",
    "exit_on_lock": "True",
    "timeout": "20",
    "retries": "2",
    "skip_if_unavailable": "False",
    "*.skip_if_unavailable": "False",
}
# The transaction that was announced is the one to perform: lists fetched meanwhile must not change it.
LISTS_AS_THEY_ARE: t.Final = {"metadata_expire": "-1", "*.metadata_expire": "-1"}
# By option as well: a setting of the same name would win over `--assumeno` and `-y`.
NO: t.Final = {"assumeno": "True", "assumeyes": "False"}
YES: t.Final = {"assumeyes": "True"}
# The host's own aliases could make `upgrade` mean anything.
_ENVIRONMENT: t.Final = {"DNF_DISABLE_ALIASES": "1"}
# DNF 4 prints untruncated lines when stdout is no terminal. DNF 5 cuts columns to the width it believes in, and pads every
# line of its progress to it.
_WIDE: t.Final = MappingProxyType({"COLUMNS": "2000", "DNF5_FORCE_COLUMNS": "2000", "FORCE_COLUMNS": "2000"})
LOCK_5: t.Final = "/run/dnf/rpmtransaction.lock"
PATIENCE_5: t.Final = 60.0  # seconds
NARROW: t.Final = {"COLUMNS": "160", "DNF5_FORCE_COLUMNS": "160", "FORCE_COLUMNS": "160"}


class DnfTool:
    """The `dnf` command of the root behind ``runner``."""

    def __init__(self, runner: Runner, sleep: t.Callable[[float], None]) -> None:
        self._runner = runner
        self._sleep = sleep
        self._known: Configuration | None = None
        self._generation_5: bool | None = None

    def run(
        self,
        settings: t.Mapping[str, str],
        *arguments: str,
        env: t.Mapping[str, str] = _WIDE,
        pass_fds: t.Sequence[int] = (),
        in_new_root: bool = False,
    ) -> Completed:
        """Run DNF; while another DNF holds a lock, which it reports before it does anything, try again for a minute.

        DNF 5 does not report it, and waits without end: for as long another one is waited for here. ``in_new_root``: nobody
        else is at work there. Raises locked.
        """
        if self._is_5() and not in_new_root:
            with quiet((Lock(LOCK_5, "fcntl"),), patience=PATIENCE_5, only_look=True):
                pass
        argv = ["dnf", *_options(self._settings(settings)), *arguments]
        environment = {**_ENVIRONMENT, **env}
        return run_when_free(lambda: self._runner.run(argv, env=environment, pass_fds=pass_fds), is_locked, self._sleep)

    def _settings(self, more: t.Mapping[str, str]) -> dict[str, str]:
        """Those of every call, and these; DNF 5 has another word for "no" in one of them."""
        return {**_SETTINGS, **({"cacheonly": "none"} if self._is_5() else {}), **more}

    def _is_5(self) -> bool:
        if self._generation_5 is None:
            self._generation_5 = configuration.is_5(self._runner)
        return self._generation_5

    def configuration(self, scratch: str | None = None, question: Question | None = None) -> Configuration:
        """Asked once, or once more for a ``question``. With ``scratch`` even the log of the question is kept there."""
        if self._known is None or question is not None:
            log = {"logdir": scratch} if scratch is not None else {}
            settings = self._settings(log)
            own = {key: value for key, value in settings.items() if not key.endswith("skip_if_unavailable")}
            copies = posixpath.join(scratch, "asked") if scratch is not None else None
            self._known = configuration.ask(self._runner, _options(own), question, copies)
        return self._known

    def repomd_digests(self, cache: str) -> tuple[str, ...]:
        """Of the lists in a directory: digests and where they are within it, sorted."""
        listing = self._runner.run(["find", cache, "-name", "repomd.xml", "-exec", "sha256sum", "{}", "+"])
        return tuple(sorted(line.replace(f" {cache}/", " ", 1) for line in listing.stdout.splitlines()))

    def on_copies(self, scratch: str) -> dict[str, str]:
        """Copy the host's lists and DNF's state into ``scratch``; settings that make DNF use the copies.

        The lists are copied so that a host whose lists are current is not made to fetch them anew, the state because
        the resolver needs the enabled module streams and why packages were installed. Where a question was answered on copies
        already, theirs are taken: they may be refreshed.
        """
        known = self.configuration(scratch)
        sources = (
            [f"{known.copies}/{name}" for name in ("cache", "state")] if known.copies else [known.cache, known.state]
        )
        for name, source in zip(("cache", "state"), sources):
            copy_directory(self._runner, source, posixpath.join(scratch, name), may_be_missing=True)
        return {
            **cache_settings(posixpath.join(scratch, "cache"), known),
            "persistdir": posixpath.join(scratch, "state"),
            "logdir": scratch,
        }


def _options(settings: t.Mapping[str, str]) -> list[str]:
    return [f"--setopt={key}={value}" for key, value in settings.items()]


def cache_settings(cache: str, known: Configuration) -> dict[str, str]:
    """Settings that make DNF keep its lists and packages in ``cache``."""
    return {"cachedir": cache, **({"system_cachedir": cache} if known.generation == 5 else {})}


__all__ = ("LISTS_AS_THEY_ARE", "LOCK_5", "NARROW", "NO", "YES", "DnfTool", "cache_settings")
