# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of apt and dpkg, called with our settings, in the root behind a runner."""

from __future__ import annotations

import contextlib
import posixpath
import typing as t

from ...errors import OvercError
from ...failures import says_full
from ..memory_file import in_memory
from ..tool import run_when_free
from . import configuration
from .configuration import Configuration
from .errors import interrupted, is_locked
from .output import dependents
from .settings import ENVIRONMENT, SETTINGS, phasing, quoted
from .status import JOURNAL, QUERY, Entry, journal_names, parse_entries

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner


class Commands:
    """What the driver asks, one method for each question; the configuration is asked for once."""

    def __init__(
        self, runner: Runner, sleep: t.Callable[[float], None], known: Configuration | None = None, always: str = ""
    ) -> None:
        """``always``: settings of every call of apt-get; ``known`` has to say the same."""
        self.runner = runner
        self._sleep = sleep
        self._known = known
        self._always = always

    def elsewhere(self, known: Configuration, settings: str) -> Commands:
        """The same programs with another configuration."""
        return Commands(self.runner, self._sleep, known, settings)

    @property
    def configuration(self) -> Configuration:
        if self._known is None:
            self._known = configuration.ask(self.runner)
        return self._known

    def apt_get(self, *arguments: str, settings: str = "", pins: str = "", pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run apt-get with our settings, then ``settings``; ``pins`` come before the host's own preferences.

        While another program holds a lock, which apt-get says before it does anything, it is tried again for a minute.
        """
        known, settings = self.configuration, f"{self._always}{settings}"
        with contextlib.ExitStack() as files:
            if pins:
                fd, path = files.enter_context(in_memory(f"{pins}{self._text_of(known.preferences)}"))
                pass_fds = (*pass_fds, fd)
                settings += f"Dir::Etc::preferences {quoted(path)};\n"
            ours = f"{SETTINGS}{phasing(known.never_phased)}{settings}"
            fd, path = files.enter_context(in_memory(ours))
            argv = ["apt-get", "-c", path, *arguments]
            return run_when_free(
                lambda: self.runner.run(argv, env=ENVIRONMENT, pass_fds=(*pass_fds, fd)), is_locked, self._sleep
            )

    def _text_of(self, path: str) -> str:
        """The text of a file that need not be there."""
        shown = self.runner.run(["find", "-L", path, "-maxdepth", "0", "-type", "f", "-exec", "cat", "{}", ";"])
        return shown.stdout

    def entries(self) -> tuple[Entry, ...]:
        """What dpkg has on record. Raises package_manager_failed where that cannot be read, or is empty."""
        shown = self.runner.run(QUERY, env=ENVIRONMENT)
        try:
            found = parse_entries(shown.stdout)
        except ValueError:
            found = ()
        if shown.rc != 0 or not found:
            raise OvercError("package_manager_failed", "The dpkg database cannot be read or is empty.", **shown.facts())
        return found

    def essential(self, names: t.Sequence[str]) -> tuple[str, ...]:
        """Those of these installed packages that apt and dpkg do not remove: every root needs them, or every one that boots."""
        form = r"${Package}\t${Essential}\t${Protected}\n"
        shown = self.runner.run(["dpkg-query", "-W", "-f", form, "--", *names], env=ENVIRONMENT)
        rows = (line.split("\t") for line in shown.stdout.splitlines())
        return tuple(sorted({name for name, *flags in rows if "yes" in flags}))

    def essential_users(self, names: t.Sequence[str]) -> tuple[str, ...]:
        """Those of the packages that ``essential`` means that cannot be as they are without these, directly or by others."""
        going = list(dict.fromkeys(names))
        while True:
            shown = self.runner.run(["dpkg", "--simulate", "--remove", "--", *going], env=ENVIRONMENT)
            more = [name for name in dependents(shown.stderr) if name not in going]
            found = self.essential(more) if more else ()
            if found or not more:
                return found
            going += more

    def make_directories(self, *directories: str) -> None:
        """Raises no_space, package_manager_failed."""
        self._done(["mkdir", "-p", *directories], f"{directories[0]} cannot be made")

    def copy(self, how: str, source: str, target: str) -> None:
        """``how``: cp's options. Raises no_space, package_manager_failed."""
        self._done(["cp", how, source, target], f"{source} could not be copied to {target}")

    def _done(self, argv: list[str], otherwise: str) -> None:
        completed = self.runner.run(argv)
        if completed.rc != 0:
            full = says_full(completed.stderr)
            why = f"{otherwise}: no space is left there." if full else f"{otherwise}."
            raise OvercError("no_space" if full else "package_manager_failed", why, **completed.facts())

    def refuse_interrupted(self) -> None:
        """Raises package_manager_failed where dpkg's journal holds what a run that was cut off had not finished."""
        listing = self.runner.run(["find", JOURNAL, "-maxdepth", "1", "-type", "f", "-printf", r"%f\n"])
        names = journal_names(listing.stdout)
        if names:
            raise interrupted(journal=[posixpath.join(JOURNAL, name) for name in names])

    def audit(self) -> tuple[str, ...]:
        """What `dpkg --audit` complains about. Raises package_manager_failed."""
        shown = self.runner.run(["dpkg", "--audit"], env=ENVIRONMENT)
        if shown.rc != 0:
            raise OvercError("package_manager_failed", "dpkg cannot check its database.", **shown.facts())
        return tuple(line.strip() for line in shown.stdout.splitlines() if line.strip())


__all__ = ("Commands",)
