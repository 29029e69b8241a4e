# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program zypper, called with our settings, in the root behind a runner."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import typing as t

from ...errors import OvercError
from ...values import decimal
from ..memory_file import in_memory
from ..tool import copy_directory, not_configured, run_when_free
from .errors import NO_REPOSITORIES, is_locked, not_understood, readable, unsuccessful, wants_key
from .output import UnreadableOutput, parse_stream
from .repositories import INDEX_NAMES, Repository, parse_repositories
from .settings import (
    CONFIGURATION_FILES,
    ENVIRONMENT,
    GLOBAL,
    QUIET,
    Configuration,
    files_that_count,
    parse_configuration,
    places,
    with_locks,
    with_settings,
)

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner
    from .output import Stream

_LISTS: t.Final = 1 << 20  # bytes; with less no list is fetched


class Commands:
    """What the driver asks, one method for each question; configuration and repositories are asked for once."""

    def __init__(self, runner: Runner, sleep: t.Callable[[float], None]) -> None:
        self.runner = runner
        self._sleep = sleep
        self._known: Configuration | None = None
        self._repositories: tuple[Repository, ...] | None = None

    @property
    def configuration(self) -> Configuration:
        """Raises package_manager_failed where a file of it cannot be read."""
        if self._known is None:
            tests = ("-maxdepth", "1", "-type", "f", "-name", "*.conf", "-print")
            found = files_that_count(self.runner.run(["find", "-L", *CONFIGURATION_FILES, *tests]).stdout.splitlines())
            shown = self.runner.run(["cat", *found]) if found else None
            if shown is not None and shown.rc != 0:
                raise OvercError(
                    "package_manager_failed", "The configuration of libzypp cannot be read.", **shown.facts()
                )
            self._known = parse_configuration(shown.stdout if shown is not None else "")
        return self._known

    def zypper(
        self,
        *arguments: str,
        directory: str | None = None,
        exclude: t.Sequence[str] = (),
        quiet: bool = False,
        pass_fds: t.Sequence[int] = (),
    ) -> Completed:
        """Run zypper with these arguments, where ``directory`` is given on its lists and packages; ``exclude``: see settings.

        ``quiet``: no log is written. While another program of libzypp's is at work, which zypper says before it does anything,
        it is tried again for a minute.
        """
        with contextlib.ExitStack() as files:
            locks = None
            if exclude:
                fd, locks = files.enter_context(in_memory(with_locks(self._locks(), exclude)))
                pass_fds = (*pass_fds, fd)
            fd, path = files.enter_context(in_memory(with_settings(self.configuration, locks)))
            environment = {**ENVIRONMENT, **(QUIET if quiet else {}), "ZYPP_CONF": path}
            # An environment that somebody logged in with may change what libzypp does, and not only its log
            foreign = [name for name in sorted(os.environ) if name.startswith("ZYPP") and name not in environment]
            argv = [
                *(["env", *(word for name in foreign for word in ("-u", name))] if foreign else []),
                *("zypper", *GLOBAL, *(places(directory) if directory is not None else ()), *arguments),
            ]
            inherited = (*pass_fds, fd)
            return run_when_free(
                lambda: self.runner.run(argv, env=environment, pass_fds=inherited), is_locked, self._sleep
            )

    def _locks(self) -> str:
        """The host's own locks of packages, as text."""
        file = self.configuration.locks
        return self.runner.run(["find", "-L", file, "-maxdepth", "0", "-type", "f", "-exec", "cat", "{}", ";"]).stdout

    def ask(self, *arguments: str, doing: str, directory: str | None = None, exclude: t.Sequence[str] = ()) -> Stream:
        """The answer to a question that changes nothing. Raises what it failed with, package_manager_failed."""
        completed = self.zypper("--no-refresh", *arguments, directory=directory, exclude=exclude, quiet=True)
        if completed.rc != 0:
            raise unsuccessful(completed, doing)
        try:
            return parse_stream(completed.stdout)
        except UnreadableOutput as error:
            raise not_understood(completed, error) from error

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The enabled ones, sorted. Raises package_manager_failed where they cannot be told."""
        if self._repositories is None:
            completed = self.zypper("repos", "--details", quiet=True)
            if completed.rc not in (0, NO_REPOSITORIES):
                error = unsuccessful(completed, "listing the repositories")
                if error.error_id != "package_manager_failed":
                    raise error
                # What it is given of zypp.conf has no name (settings.py)
                said = re.sub(r"/proc/self/fd/\d+", "zypp.conf", error.message)
                raise not_configured(
                    "zypper does not tell its repositories, so neither they nor their signature checks are known",
                    completed,
                    said,
                )
            try:
                self._repositories = parse_repositories(parse_stream(completed.stdout))
            except UnreadableOutput as error:
                raise not_understood(completed, error) from error
        return self._repositories

    def require_repositories(self) -> None:
        """Without any, zypper says that there is nothing to do. Raises repository_failed."""
        if not self.repositories:
            raise OvercError("repository_failed", "zypper has no enabled repository, so nobody knows what is pending.")

    def lists(self, directory: str | None = None) -> str:
        """Where the lists are."""
        return posixpath.join(directory, "raw") if directory is not None else self.configuration.lists

    def listing(self, directory: str | None = None) -> str:
        """When each file of the lists was changed, for ``repositories.refreshed_at``."""
        tests = ("-mindepth", "2", "-maxdepth", "3", "-type", "f", "-printf", r"%T@ %P\n")
        return self.runner.run(["find", self.lists(directory), *tests]).stdout

    def digests(self, directory: str | None = None) -> tuple[str, ...]:
        """Of the indexes of the lists: digests and where they are, sorted."""
        where = self.lists(directory)
        names = [word for name in INDEX_NAMES for word in ("-o", "-name", name)][1:]
        shown = self.runner.run(["find", where, "-type", "f", "(", *names, ")", "-exec", "sha256sum", "{}", "+"])
        return tuple(sorted(line.replace(f" {where}/", " ", 1) for line in shown.stdout.splitlines()))

    def advised(self, directory: str | None = None) -> frozenset[str]:
        """What the directories of those lists are called that name advisories."""
        where = self.lists(directory)
        tests = ("-name", "repomd.xml", "-exec", "grep", "-q", 'type="updateinfo"', "{}", ";", "-printf", r"%P\n")
        found = self.runner.run(["find", where, "-mindepth", "3", "-maxdepth", "3", *tests]).stdout
        return frozenset(path.partition("/")[0] for path in found.splitlines())

    def copy_lists(self, directory: str) -> None:
        """Make ``directory`` one for ``places``, with the host's lists and what libsolv made of them.

        Raises no_space, package_manager_failed.
        """
        for name, source in (("raw", self.configuration.lists), ("solv", self.configuration.solv)):
            copy_directory(self.runner, source, posixpath.join(directory, name), may_be_missing=True)

    def refresh(self, directory: str | None = None) -> None:
        """Fetch the lists of all enabled repositories. Raises repository_failed, package_untrusted, no_space, locked."""
        self.require_repositories()
        completed = self.zypper("refresh", directory=directory, quiet=directory is not None)
        if completed.rc != 0:
            error = unsuccessful(completed, "refreshing the package lists")
            if error.error_id == "repository_failed":
                self.refuse_full(directory or posixpath.dirname(self.configuration.lists), _LISTS, completed)
            if error.error_id == "package_manager_failed":
                raise OvercError("repository_failed", error.message, **error.facts)
            raise self._with_keys(error) if error.error_id == "package_untrusted" and wants_key(completed) else error

    def refuse_full(self, directory: str, need: int, completed: Completed) -> None:
        """zypper says of a full disk only that it could not write. ``need``: bytes. Raises no_space where there are fewer."""
        shown = self.runner.run(["stat", "-f", "-c", "%a %S", directory]).stdout.split()
        blocks, size = (decimal(word) for word in shown) if len(shown) == 2 else (None, None)
        if blocks is not None and size is not None and blocks * size < need:
            raise OvercError(
                "no_space",
                f"The file system of {directory} has {blocks * size} bytes free; at least {need} are needed. Free some space "
                "on it.",
                **readable(completed).facts(),
            )

    def _with_keys(self, error: OvercError) -> OvercError:
        """Nobody is asked whether a key is to be trusted: that is for the administrator to say, once."""
        keys = [f"rpm --import {key}" for repository in self.repositories for key in repository.keys]
        if not keys:
            return error
        known = "; ".join(dict.fromkeys(keys))
        return OvercError(
            error.error_id,
            f"{error.message} The host does not trust a key by itself. Of the keys that its repositories name, let it know "
            f"the right one: {known}",
            **error.facts,
        )


__all__ = ("Commands",)
