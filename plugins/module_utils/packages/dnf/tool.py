# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running `dnf`: which settings every call is given, whatever the host's own are, and on which copies it works."""

from __future__ import annotations

import posixpath
import typing as t

from ..dnf_settings import options
from ..tool import copy_directory, run_when_free
from . import configuration
from .configuration import Configuration, Question
from .errors import is_locked

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# What running unattended needs, on every call. A host's dnf.conf may say anything about these, so all are given:
#   debuglevel, errorlevel, rpmverbosity, color   what is parsed is printed, without colours
#   assumeno, cacheonly, installroot    what is asked for happens, here, with lists that can be refreshed
#   exit_on_lock   DNF would wait for another DNF without end
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
# The host's own aliases could make `upgrade` mean anything.
_ENVIRONMENT: t.Final = {"DNF_DISABLE_ALIASES": "1"}


class DnfTool:
    """The `dnf` command of the root behind ``runner``."""

    def __init__(self, runner: Runner, sleep: t.Callable[[float], None]) -> None:
        self._runner = runner
        self._sleep = sleep
        self._known: Configuration | None = None

    def run(self, settings: t.Mapping[str, str], *arguments: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run DNF; while another DNF holds a lock, which it reports before it does anything, try again for a minute."""
        argv = ["dnf", *options({**_SETTINGS, **settings}), *arguments]
        return run_when_free(
            lambda: self._runner.run(argv, env=_ENVIRONMENT, pass_fds=pass_fds), is_locked, self._sleep
        )

    def configuration(self, scratch: str | None = None, question: Question | None = None) -> Configuration:
        """Asked once, or once more for a ``question``. With ``scratch`` even the log of the question is kept there."""
        if self._known is None or question is not None:
            copies = posixpath.join(scratch, "asked") if scratch is not None else None
            self._known = configuration.ask(self._runner, question, copies)
        return self._known

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
            **cache_settings(posixpath.join(scratch, "cache")),
            "persistdir": posixpath.join(scratch, "state"),
            "logdir": scratch,
        }


def cache_settings(cache: str) -> dict[str, str]:
    """Settings that make DNF keep its lists and packages in ``cache``."""
    return {"cachedir": cache}


__all__ = ("DnfTool", "cache_settings")
