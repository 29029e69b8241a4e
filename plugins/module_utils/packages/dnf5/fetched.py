# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the new root is given: a cache of DNF 5's with lists and packages, and the transaction to be replayed with them."""

from __future__ import annotations

import posixpath
import typing as t

from ...errors import OvercError
from ...failures import says_full
from .. import rpmdb
from ..dnf_settings import LISTS_AS_THEY_ARE, YES
from ..memory_file import in_memory
from ..rpm_lists import SIZE_FORMAT, parse_sizes, repository_of, with_sizes
from ..tool import copy_directory, require_space
from . import edits
from .errors import failure, unsuccessful
from .stored import NAME, Stored, UnreadableTransaction, parse_stored
from .tool import NARROW, DnfTool, cache_settings

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner
    from ..contract import PackageChange, PackagePlan, PackageRequest


class Fetched:
    """What is, or comes, into ``directory`` of the root behind ``runner``."""

    def __init__(self, runner: Runner, dnf: DnfTool, directory: str) -> None:
        self._runner = runner
        self._dnf = dnf
        self._directory = directory
        self.cache = posixpath.join(directory, "cache")
        self.transaction = posixpath.join(directory, "transaction")
        self.packages = posixpath.join(self.transaction, "packages")

    def fetch(self, request: PackageRequest, plan: PackagePlan) -> None:
        """Fetch what the plan needs, and make sure that what is to be replayed is the plan.

        Signatures of packages are checked when they are installed: here that would bring keys into the running system.
        Raises repository_failed, no_space, package_manager_failed.
        """
        self._check_space(plan)
        copy_directory(self._runner, self._dnf.configuration().cache, self.cache, may_be_missing=True)
        wanted = edits.edits(request, rpmdb.installed(self._runner)) if request.edits else edits.Edits()
        completed = self._dnf.run(
            {**cache_settings(self.cache), **LISTS_AS_THEY_ARE, **YES, **edits.settings(wanted)},
            *(*without(plan.skipped), "-y", *edits.command(request, wanted, f"--store={self.transaction}")),
            env=NARROW,
        )
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "downloading the packages")
        self._hand_over(self._stored(plan, completed))

    def _stored(self, plan: PackagePlan, completed: Completed) -> Stored:
        """The stored transaction, if it is the announced one."""
        shown = self._runner.run(["cat", posixpath.join(self.transaction, NAME)])
        try:
            stored = parse_stored(shown.stdout)
        except UnreadableTransaction as error:
            raise OvercError(
                "package_manager_failed",
                f"The transaction that DNF stored was not understood ({error}). Nothing was changed.",
                **(shown if shown.rc != 0 else completed).facts(),
            ) from error
        different = stored.differs_from(plan.changes)
        if different:
            raise OvercError(
                "package_manager_failed",
                f"DNF stored another transaction than it announced: {', '.join(different)}. Nothing was changed; run the same "
                "command again.",
                complaints=list(different),
                **completed.facts(),
            )
        return stored

    def _hand_over(self, stored: Stored) -> None:
        """Put the packages where DNF looks for those of their repositories, and write what is to be replayed."""
        listing = self._runner.run(["find", self.cache, "-mindepth", "1", "-maxdepth", "1", "-type", "d", "-print0"])
        for directory in filter(None, listing.stdout.split("\0")):
            files = stored.files.get(repository_of(directory) or "", ())
            packages = posixpath.join(directory, "packages")
            if files:
                paths = [posixpath.join(self.transaction, name) for name in files]
                self._must("mkdir", "-p", "-m", "0700", packages)
                self._must("cp", "--force", "--link", f"--target-directory={packages}", "--", *paths)
        with in_memory(stored.replay) as (fd, text):
            target = posixpath.join(self.transaction, NAME)
            self._must("dd", f"if={text}", f"of={target}", "conv=fsync", "status=none", pass_fds=(fd,))

    def _must(self, *argv: str, pass_fds: t.Sequence[int] = ()) -> None:
        done = self._runner.run(argv, pass_fds=pass_fds)
        if done.rc != 0:
            full = says_full(done.stderr)
            raise OvercError(
                "no_space" if full else "package_manager_failed",
                f"What was downloaded could not be prepared for the new root{': no space is left' if full else ''}.",
                **done.facts(),
            )

    def _check_space(self, plan: PackagePlan) -> None:
        """Raises no_space. All that is in the plan is copied, also out of a repository in the host's own file tree."""
        planned = plan.changes
        if any(change.size is None for change in planned if change.available is not None):
            planned = sized(self._dnf, planned, LISTS_AS_THEY_ARE)
        require_space(self._runner, self._directory, sum(change.size or 0 for change in planned))


def sized(dnf: DnfTool, planned: tuple[PackageChange, ...], where: t.Mapping[str, str]) -> tuple[PackageChange, ...]:
    """Add the exact download sizes; the table has installed sizes."""
    specs = [f"{c.name}-{c.available}.{c.arch}" for c in planned if c.available is not None]
    if not specs:
        return planned
    completed = dnf.run({**where, **LISTS_AS_THEY_ARE}, "-q", "repoquery", f"--queryformat={SIZE_FORMAT}", "--", *specs)
    return with_sizes(planned, parse_sizes(completed.stdout) if completed.rc == 0 else {})


def without(repositories: t.Sequence[str]) -> list[str]:
    return [f"--disable-repo={name}" for name in repositories]


__all__ = ("Fetched", "sized", "without")
