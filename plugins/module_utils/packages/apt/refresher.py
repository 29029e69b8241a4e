# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refreshing apt's package lists, and knowing how old and how complete they are."""

from __future__ import annotations

import hashlib
import posixpath
import time
import typing as t

from ...errors import OvercError
from ...values import decimal
from ..contract import ListsAge
from ..tool import copy_directory
from . import lists
from .errors import is_incomplete, unsuccessful
from .output import Fetch, parse_uris
from .settings import NO_HOOKS, UNSANDBOXED, quoted

if t.TYPE_CHECKING:
    from .commands import Commands

_STAMP: t.Final = ".overc-refreshed"  # in apt's state directory: a link whose target is a digest and whose age counts
_OWN: t.Final = ("-maxdepth", "1", "-type", "f", "!", "-name", "lock")


class Lists:
    """The package lists of a root. With ``scratch``: a copy of them in that directory, which alone is changed."""

    def __init__(self, commands: Commands, scratch: str | None = None) -> None:
        self._commands = commands
        self._runner = commands.runner
        self._scratch = scratch
        self._directory = commands.configuration.lists
        self.settings = ""
        if scratch is not None:
            self._copy(scratch)

    def _copy(self, scratch: str) -> None:
        copied, cache, logs = (posixpath.join(scratch, name) for name in ("lists", "cache", "log"))
        copy_directory(self._runner, self._directory, copied, may_be_missing=True)
        self._commands.make_directories(
            posixpath.join(copied, "partial"), posixpath.join(cache, "archives", "partial"), logs
        )
        self._directory = copied
        # Even a simulation leaves a log of its planner
        places = {"Dir::State::lists": copied, "Dir::Cache": cache, "Dir::Log": logs}
        self.settings = UNSANDBOXED + "".join(f"{name} {quoted(path)};\n" for name, path in places.items())

    def update(self) -> None:
        """Raises repository_failed if any source could not be refreshed, package_untrusted, no_space, locked."""
        hooks = "" if self._scratch is None else NO_HOOKS
        completed = self._commands.apt_get("update", settings=f"{self.settings}{hooks}")
        if is_incomplete(completed):
            error = unsuccessful(completed, "refreshing the package lists")
            if error.error_id == "package_manager_failed":  # the lists are not to be relied on then, whatever it was
                raise OvercError("repository_failed", error.message, **error.facts)
            raise error
        if self._scratch is None:
            # without a stamp the next refresh is not skipped, that is all
            self._runner.run(["ln", "-sfn", self._digest_of_sources(), self._stamp()])

    def age(self) -> ListsAge:
        """Since they were last refreshed by this collection, for these very sources: the files carry the server's times."""
        target = self._runner.run(["readlink", self._stamp()])
        seconds = decimal(self._runner.run(["stat", "-c", "%Y", self._stamp()]).stdout.strip())
        if target.rc != 0 or seconds is None or target.stdout.strip() != self._digest_of_sources():
            return ListsAge()
        return ListsAge(time.time() - seconds)

    def digests(self) -> tuple[str, ...]:
        """What the releases say, and which lists there are, of which size: not every release is signed, or there."""
        wanted = (*_OWN, "-name", "*Release", "-exec", "sha256sum", "{}", "+")
        releases = self._runner.run(["find", "-L", self._directory, *wanted])
        sizes = self._runner.run(["find", "-L", self._directory, *_OWN, "-printf", r"%f %s\n"])
        return (*sorted(releases.stdout.splitlines()), *sorted(sizes.stdout.splitlines()))

    def require(self, architecture: str) -> None:
        """Raises repository_failed where lists were never fetched, or are lost: for apt such a source offers nothing.

        So does one with a component that is misspelt, with nothing but sources or other architectures; of those one is enough
        that offers packages.
        """
        fetches = self._sources()
        listing = self._runner.run(["find", "-L", self._directory, *_OWN, "-printf", r"%f\n"])
        present = frozenset(listing.stdout.splitlines())
        addresses = lists.addresses(fetches)
        lost = [
            addresses[prefix]
            for prefix, names in lists.expected(fetches).items()
            if self._promised(prefix, lists.absent(names, present), present)
        ]
        if lost:
            raise OvercError(
                "repository_failed",
                f"The package lists of {', '.join(sorted(lost))} were never fetched on this host, or are lost, so what is "
                "pending is unknown. Run overc_host_update, or leave update_cache at its default.",
            )
        if architecture and not self._offers(architecture, fetches, present):
            raise OvercError(
                "repository_failed",
                f"None of apt's enabled sources ({', '.join(sorted(addresses.values()))}) has packages for {architecture}, so "
                "what is pending is unknown: look at their types, components, architectures and targets.",
            )

    def _offers(self, architecture: str, fetches: t.Sequence[Fetch], present: frozenset[str]) -> bool:
        for prefix, names in lists.expected(fetches).items():
            ours = lists.are_of(architecture, prefix, names)
            release = lists.release_files(prefix, present) if ours else ()
            if len(lists.absent(ours, present)) < len(ours) or (ours and not release):
                return True
            if release:
                text = self._runner.run(["cat", posixpath.join(self._directory, release[0])]).stdout
                if any(lists.is_named(prefix, name, text) for name in ours):
                    return True
        return False

    def _promised(self, prefix: str, missing: t.Sequence[str], present: t.Container[str]) -> list[str]:
        """Those of the missing lists that have anything in them."""
        release = lists.release_files(prefix, present)
        if not missing or not release:
            return list(missing)
        text = self._runner.run(["cat", posixpath.join(self._directory, release[0])]).stdout
        return [name for name in missing if lists.is_promised(prefix, name, text)]

    def _stamp(self) -> str:
        return posixpath.join(self._commands.configuration.state, _STAMP)

    def _sources(self) -> tuple[Fetch, ...]:
        completed = self._commands.apt_get("--print-uris", "update", settings=self.settings)
        fetches = parse_uris(completed.stdout)
        if completed.rc != 0:
            raise unsuccessful(completed, "listing its sources")
        if not fetches:
            raise OvercError(
                "repository_failed",
                "apt has no enabled source of packages, so what is pending is unknown.",
                **completed.facts(),
            )
        return fetches

    def _digest_of_sources(self) -> str:
        words = sorted(fetch.uri for fetch in self._sources())
        return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


__all__ = ("Lists",)
