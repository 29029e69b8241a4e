# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running `dnf5`: which settings every call is given, whatever the host's own are, and on which copies it works."""

from __future__ import annotations

import os
import posixpath
import re
import typing as t
from dataclasses import replace
from types import MappingProxyType

from ..dnf_settings import options
from ..locks import Lock, quiet
from ..tool import copy_directory, run_when_free
from .configuration import QUESTION, Configuration, understood
from .errors import is_locked

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# What running unattended needs, on every call. A host's configuration may say anything about these, so all are given:
#   color, debug_solver   what is parsed is printed, without colours, and nothing is dumped
#   assumeno, cacheonly, installroot   what is asked for happens, here, with lists that can be refreshed
#   timeout, retries   seconds, count; a dead mirror costs seconds instead of minutes (per-repository settings win)
#   skip_if_unavailable   a repository that cannot be read makes "nothing to do" a guess
_SETTINGS: t.Final[dict[str, str]] = {
    "color": "never",
    "debug_solver": "False",
    "assumeno": "False",
    "cacheonly": "none",
    "installroot": "/",
    "timeout": "20",
    "retries": "2",
    "skip_if_unavailable": "False",
    "*.skip_if_unavailable": "False",
}
# Columns are cut to the width that DNF 5 believes in, and every line of its progress is padded to it
WIDE: t.Final = MappingProxyType({"COLUMNS": "2000", "DNF5_FORCE_COLUMNS": "2000", "FORCE_COLUMNS": "2000"})
NARROW: t.Final = MappingProxyType({"COLUMNS": "160", "DNF5_FORCE_COLUMNS": "160", "FORCE_COLUMNS": "160"})
_PADDING: t.Final = re.compile(r"(?<=\S) {3,}")

# Held while rpm is at work. DNF 5 removes the file afterwards.
LOCK: t.Final = "/run/dnf/rpmtransaction.lock"
# Below its state: held from the first look at the packages on, also while a person is asked for consent
SYSTEM_LOCK: t.Final = "system-repo.lock"
PATIENCE: t.Final = 60.0  # seconds


class DnfTool:
    """The `dnf5` command of the root behind ``runner``."""

    def __init__(self, runner: Runner, sleep: t.Callable[[float], None]) -> None:
        self._runner = runner
        self._sleep = sleep
        self._known: Configuration | None = None

    def run(
        self,
        settings: t.Mapping[str, str],
        *arguments: str,
        env: t.Mapping[str, str] = WIDE,
        pass_fds: t.Sequence[int] = (),
        in_new_root: bool = False,
    ) -> Completed:
        """Run DNF 5 when no other one is at work, for which it would wait without end, and without a word that ends.

        ``in_new_root``: nobody else is at work there. Raises locked.
        """
        if not in_new_root:
            with quiet(self.locks(), patience=PATIENCE, only_look=True):
                pass
        return run_when_free(
            lambda: self._call({**_SETTINGS, **settings}, arguments, env, pass_fds), is_locked, self._sleep
        )

    def _call(
        self,
        settings: t.Mapping[str, str],
        arguments: t.Sequence[str],
        env: t.Mapping[str, str] = WIDE,
        pass_fds: t.Sequence[int] = (),
    ) -> Completed:
        # A variable of DNF's may be set in the environment, and its plugins' directories be named there
        foreign = sorted(name for name in os.environ if name.startswith(("DNF", "LIBDNF_")))
        clean = ["env", *(word for name in foreign for word in ("-u", name))] if foreign else []
        done = self._runner.run([*clean, "dnf5", *options(settings), *arguments], env=env, pass_fds=pass_fds)
        # The padding means nothing, and there is more of it than of all else
        return replace(done, stdout=_PADDING.sub("  ", done.stdout), stderr=_PADDING.sub("  ", done.stderr))

    def locks(self) -> tuple[Lock, ...]:
        """What another DNF 5 holds while it is at work."""
        return (Lock(posixpath.join(self.configuration().state, SYSTEM_LOCK), "fcntl"), Lock(LOCK, "fcntl"))

    def configuration(self, scratch: str | None = None) -> Configuration:
        """Asked once. With ``scratch`` even the log of the question is kept there. Raises package_manager_failed."""
        if self._known is None:
            own = {key: value for key, value in _SETTINGS.items() if not key.endswith("skip_if_unavailable")}
            log = {"logdir": scratch} if scratch is not None else {}
            self._known = understood(self._call({**own, **log}, QUESTION))
        return self._known

    def on_copies(self, scratch: str) -> dict[str, str]:
        """Copy the host's lists and DNF's state into ``scratch``; settings that make DNF use the copies.

        The lists are copied so that a host whose lists are current is not made to fetch them anew.
        """
        known = self.configuration(scratch)
        for name, source in (("cache", known.cache), ("state", known.state)):
            copy_directory(self._runner, source, posixpath.join(scratch, name), may_be_missing=True)
        return {
            **cache_settings(posixpath.join(scratch, "cache")),
            "persistdir": posixpath.join(scratch, "state"),
            "logdir": scratch,
        }


def cache_settings(cache: str) -> dict[str, str]:
    """Settings that make DNF 5 keep its lists and packages in ``cache``."""
    return {"cachedir": cache, "system_cachedir": cache}


__all__ = (
    "LOCK",
    "NARROW",
    "PATIENCE",
    "SYSTEM_LOCK",
    "WIDE",
    "DnfTool",
    "cache_settings",
)
