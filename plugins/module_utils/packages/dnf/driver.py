# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of DNF 4, through its command line.

The resolver's own answer is the truth about what is pending: `dnf upgrade --assumeno` prints the transaction it would
perform, one process for a host without pending upgrades. "Nothing" is only what DNF says in so many words; a host's own
settings, which may silence it, are overridden. Where the facts about DNF come from is said in ``transaction``, ``output``
and ``errors``.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import time
import typing as t

from ...errors import OvercError
from .. import dnf_cache, rpmdb
from ..advised import unadvised_in
from ..contract import (
    Applied,
    ListsAge,
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
    Registered,
    packages_digest,
)
from ..dnf_settings import LISTS_AS_THEY_ARE, NO, YES
from ..dnf_words import problems
from ..locks import Database, Lock
from ..proof import check_base, complaints, differences, not_as_announced
from ..rpm_lists import OFFER_FORMAT, SIZE_FORMAT, parse_offers, parse_sizes, with_sizes
from ..tool import copy_directory, require_space
from ..transaction_table import Transaction, UnreadableTable, changes, held_back_sentences, parse_transaction
from . import advisories
from . import edits as edit
from .configuration import Configuration
from .errors import failure, unknown_packages, unsuccessful, warnings
from .perform import perform
from .tool import DnfTool, cache_settings

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

_NOTHING: t.Final = re.compile(r"^Nothing to do\.\s*$", re.MULTILINE)
_STATE: t.Final = "/var/lib/dnf"
# DNF 5 may be installed beside DNF 4, and works on the same packages
_LOCK_OF_5: t.Final = "/run/dnf/rpmtransaction.lock"


class Dnf:
    """``PackageManager`` on top of the `dnf` command of the root behind ``runner``."""

    name: t.ClassVar[str] = "dnf"
    hides: t.ClassVar[tuple[str, ...]] = ()
    fetches_in_apply: t.ClassVar[bool] = False

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._dnf = DnfTool(runner, sleep)

    def installed(self) -> tuple[Package, ...]:
        return rpmdb.installed(self._runner)

    def database(self) -> Database:
        """rpm's, and what DNF itself holds until its own history is written, too: a file with its number."""
        found = rpmdb.database(self._runner)
        try:
            state = self._dnf.configuration().state
        except OvercError:  # a snapshot is also made to get away from a DNF that is broken
            state = _STATE
        own = (Lock(f"{state}/rpmdb_lock.pid", "pid"), Lock(_LOCK_OF_5, "fcntl"))
        return Database(found.directories, (*own, *found.locks))

    def directories(self) -> tuple[str, ...]:
        return rpmdb.database(self._runner).directories

    def installed_since(self, since: int) -> tuple[str, ...]:
        return rpmdb.installed_since(self._runner, since)

    def registered_in(self, root: str, scratch: str) -> dict[str, Registered]:
        return rpmdb.registered_in(self._runner, root, scratch)

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        return rpmdb.owners(self._runner, paths)

    def lists_age(self, *, scratch: str | None = None) -> ListsAge:
        known = self._dnf.configuration(scratch)
        return dnf_cache.age(self._runner, known.cache, known.repositories)

    def refresh(self, *, skip_unavailable: bool = False) -> bool:
        """See ``PackageManager.refresh``; "their content" are the repomd.xml files of the cache.

        ``-y`` lets DNF take over the keys for signed lists that the administrator configured as ``gpgkey``, and no others.
        """
        cache = self._dnf.configuration().cache
        before = dnf_cache.digests(self._runner, cache)
        skipped = self._unavailable({}, refresh=True) if skip_unavailable else ()
        completed = self._dnf.run(YES, *_without(skipped), "-y", "--refresh", "makecache")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "refreshing the package lists")
        return dnf_cache.digests(self._runner, cache) != before

    def pending(
        self, request: PackageRequest, *, refresh: bool = False, scratch: str | None = None, sizes: bool = True
    ) -> PackagePlan:
        """See ``PackageManager.pending``.

        One process when nothing is pending, DNF's library. Otherwise the command resolves, `rpm` tells the
        installed versions and `dnf repoquery` the exact download sizes. With ``scratch`` the lists, DNF's logs and its
        history are used in copies there.
        """
        if request.is_void:
            return PackagePlan()
        wanted = edit.edits(request, self.installed()) if request.edits else edit.Edits()
        if not request.upgrade and not wanted.script:
            return PackagePlan()
        if not request.packages and not wanted.script:
            told = self._dnf.configuration(scratch, question="refresh" if refresh else "ask")
            if told.nothing:
                return PackagePlan(
                    lists_changed=bool(told.copies) and self._lists_changed(f"{told.copies}/cache"),
                    unadvised=self._unadvised(request, f"{told.copies}/cache" if told.copies else told.cache),
                )
            refresh = refresh and not told.refreshed
        where = self._dnf.on_copies(scratch) if scratch is not None else {}
        skipped = self._unavailable(where, refresh=refresh, scratch=scratch) if request.skip_unavailable else ()
        if refresh:
            self._refresh_signed_lists(where, scratch, skipped)
        options = [*_without(skipped), *(["--refresh"] if refresh else []), "--assumeno"]
        completed = perform(self._dnf, {**where, **NO}, options, request, wanted)
        known = failure(completed)
        if known is not None:
            raise known
        unknown = unknown_packages(f"{completed.stdout}\n{completed.stderr}")
        if unknown and not wanted.script:
            raise OvercError(
                "package_unknown",
                f"Not installed, excluded, or not known to any repository: {', '.join(unknown)}.",
                packages=list(unknown),
                **completed.facts(),
            )
        try:
            transaction = parse_transaction(completed.stdout)
            installed = self._before(transaction, completed, wanted)
            planned = changes(transaction, installed) if installed else ()
            edit.refuse_missing(wanted, planned, completed)
        except UnreadableTable as error:
            raise OvercError(
                "package_manager_failed",
                f"DNF's answer was not understood, so what is pending is unknown ({error}).",
                **completed.facts(),
            ) from error
        if request.advisories is not None and planned:
            listed = self._dnf.run({**where, **LISTS_AS_THEY_ARE}, *_without(skipped), *advisories.LIST)
            if listed.rc != 0:
                raise unsuccessful(listed, "listing the advisories")
            planned = advisories.with_advisories(planned, listed.stdout)
        return PackagePlan(
            changes=self._with_sizes(planned, where) if sizes else planned,
            held_back=()
            if not request.upgrade
            else (
                *held_back_sentences(transaction, problems(completed.stderr)),
                *self._excluded(request, transaction, planned, where, skipped),
            ),
            lists_changed=scratch is not None and self._lists_changed(f"{scratch}/cache"),
            base=packages_digest(installed) if installed else None,
            skipped=skipped,
            unadvised=self._unadvised(
                request, f"{scratch}/cache" if scratch else self._dnf.configuration().cache, skipped
            ),
        )

    def _unadvised(self, request: PackageRequest, cache: str, skipped: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Where advisories were asked for: the repositories whose lists in this cache name none."""
        if request.advisories is None:
            return ()
        enabled = [name for name in self._dnf.configuration().repositories if name not in skipped]
        return unadvised_in(self._runner, cache, enabled)

    def _lists_changed(self, copies: str) -> bool:
        """Whether the lists in this directory are other ones than the host's."""
        return dnf_cache.digests(self._runner, copies) != dnf_cache.digests(
            self._runner, self._dnf.configuration().cache
        )

    def _before(self, transaction: Transaction, completed: Completed, wanted: edit.Edits) -> tuple[Package, ...]:
        """What is installed, where DNF announced something; () where it said that there is nothing to do.

        Raises what it failed with, or UnreadableTable for an answer that is neither.

        A table is an answer only together with the refusal that was ordered, and none only with "Nothing to do.".
        """
        if wanted.script:
            edit.answered(completed, with_table=bool(transaction.announced))
            return self.installed()
        if transaction.announced:
            if not _was_answered_no(completed):
                raise unsuccessful(completed, "resolving the upgrade")
            return self.installed()
        if _was_answered_no(completed):
            raise UnreadableTable("it asked for a consent, and did not show for what")
        if completed.rc != 0:
            raise unsuccessful(completed, "resolving the upgrade")
        if not _NOTHING.search(completed.stdout):
            raise UnreadableTable("neither a table nor the words that there is nothing to do")
        return ()

    def _unavailable(self, where: t.Mapping[str, str], *, refresh: bool, scratch: str | None = None) -> tuple[str, ...]:
        """Ids of the repositories that cannot be read and whose own configuration lets them be skipped.

        Each is asked by itself: so it is known to be one that could not be read.
        """
        dead = []
        for name in self._dnf.configuration(scratch).optional:
            asked = ["-y", f"--repo={name}", *(["--refresh"] if refresh else []), "makecache"]
            completed = self._dnf.run({**where, **YES}, *asked)
            error = failure(completed)
            if error is not None and error.error_id != "repository_failed":
                raise error
            if completed.rc != 0 or error is not None:
                dead.append(name)
        return tuple(dead)

    def _excluded(
        self,
        request: PackageRequest,
        transaction: Transaction,
        planned: tuple[PackageChange, ...],
        where: t.Mapping[str, str],
        skipped: tuple[str, ...],
    ) -> tuple[str, ...]:
        """A sentence for each upgrade that the configuration, and not the request, hides."""
        known = self._dnf.configuration()
        if not known.excludes:
            return ()
        completed = self._dnf.run(
            {**where, **LISTS_AS_THEY_ARE},
            *_without(skipped),
            *known.unhidden,
            *("-q", "repoquery", "--upgrades", "--latest-limit=1", f"--queryformat={OFFER_FORMAT}"),
        )
        if completed.rc != 0:
            raise unsuccessful(completed, "listing what its configuration excludes")
        told = {(change.name, change.available) for change in planned}
        told |= {(row.name, row.version) for row, _why in transaction.held_back}
        return tuple(
            f"{name} {version} from {repository} is left out because DNF's configuration excludes it."
            for name, version, repository in parse_offers(completed.stdout)
            if (name, version) not in told and not _matches(name, request.exclude)
            if not request.packages or _matches(name, request.packages)
        )

    def _refresh_signed_lists(self, where: t.Mapping[str, str], scratch: str | None, skipped: tuple[str, ...]) -> None:
        """Lists may be signed with a key that is configured and that DNF has not taken over yet: with `--assumeno` it would
        refuse them.
        """
        if not self._dnf.configuration(scratch).has_signed_lists:
            return
        completed = self._dnf.run({**where, **YES}, *_without(skipped), "-y", "--refresh", "makecache")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "refreshing the package lists")

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:  # noqa: ARG002 - DNF leaves nothing open
        try:
            known = self._dnf.configuration()
        except OvercError as error:
            raise OvercError("gpg_policy", error.message, **error.facts) from error
        if not known.repositories:
            raise OvercError("gpg_policy", "DNF names no repository, so which signatures it checks is not known.")
        return known.unchecked

    def download(self, request: PackageRequest, plan: PackagePlan, directory: str) -> tuple[str, ...]:
        """See ``PackageManager.download``.

        The directory becomes a cache of DNF: a copy of the lists, and the packages. Signatures of packages are checked when
        they are installed: here that would bring keys into the running system.
        """
        known = self._dnf.configuration()
        self._check_space(plan, known, directory)
        cache = posixpath.join(directory, "cache")
        copy_directory(self._runner, known.cache, cache, may_be_missing=True)
        unasked = {key: "False" for option in known.check_options for key in (option, f"*.{option}")}
        wanted = edit.edits(request, self.installed()) if request.edits else edit.Edits()
        completed = perform(
            self._dnf,
            {**cache_settings(cache), **LISTS_AS_THEY_ARE, **YES, **unasked},
            (*_without(plan.skipped), "-y", "--downloadonly"),
            request,
            wanted,
        )
        if edit.has_failed(completed, wanted.script) or failure(completed) is not None:
            raise unsuccessful(completed, "downloading the packages")
        return known.paths

    def _check_space(self, plan: PackagePlan, known: Configuration, directory: str) -> None:
        """Raises no_space. Packages of a repository in the host's own file tree are not fetched."""
        fetched = [c for c in plan.changes if c.channel is None or not known.is_local(c.channel)]
        need = sum(c.size or 0 for c in self._with_sizes(tuple(fetched), LISTS_AS_THEY_ARE))
        require_space(self._runner, directory, need)

    def apply(
        self, request: PackageRequest, plan: PackagePlan, directory: str, *, pass_fds: t.Sequence[int] = ()
    ) -> Applied:
        """See ``PackageManager.apply``. ``-y`` also accepts keys the administrator configured as ``gpgkey``."""
        before = self.installed()
        check_base(plan, before)
        known = self._dnf.configuration()
        forced = {key: "True" for option in known.check_options for key in (option, f"*.{option}") if request.signed}
        offline = {**cache_settings(posixpath.join(directory, "cache")), "cacheonly": "True"}
        wanted = edit.edits(request, before) if request.edits else edit.Edits()
        completed = perform(
            self._dnf,
            {**offline, **LISTS_AS_THEY_ARE, **YES, **known.whole_transaction, **forced},
            (*_without(plan.skipped), "-y"),
            request,
            wanted,
            pass_fds=pass_fds,
        )
        output = f"{completed.stdout}\n{completed.stderr}"
        after = self.installed()
        done = differences(before, after)
        failed_scripts = rpmdb.scriptlet_failures(output)
        if edit.has_failed(completed, wanted.script):
            error = unsuccessful(completed, "upgrading")
            error.facts["changes"] = [change.as_dict() for change in done]
            raise error
        if failed_scripts:
            raise OvercError(
                "package_manager_failed",
                f"A package script failed during the upgrade: {failed_scripts[0]}",
                failures=list(failed_scripts),
                changes=[change.as_dict() for change in done],
                **completed.facts(),
            )
        said = complaints(plan.changes, before, after)
        if said:
            raise failure(completed) or not_as_announced(said, done, completed)
        rpmdb.verify(self._runner)
        told = warnings(output)
        return Applied(completed=completed, changes=done, warnings=told, kept=rpmdb.kept_files(told))

    def _with_sizes(self, planned: tuple[PackageChange, ...], where: t.Mapping[str, str]) -> tuple[PackageChange, ...]:
        """Add the exact download sizes; the table's are rounded."""
        specs = [f"{c.name}-{c.available}.{c.arch}" for c in planned if c.available is not None]
        if not specs:
            return planned
        completed = self._dnf.run(
            {**where, **LISTS_AS_THEY_ARE}, "-q", "repoquery", f"--queryformat={SIZE_FORMAT}", "--", *specs
        )
        return with_sizes(planned, parse_sizes(completed.stdout) if completed.rc == 0 else {})


def _without(repositories: t.Sequence[str]) -> list[str]:
    return [f"--disablerepo={name}" for name in repositories]


def _matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _was_answered_no(completed: Completed) -> bool:
    """The end of `--assumeno` when there was something to ask: exit code 1, "Operation aborted"."""
    return completed.rc == 1 and "Operation aborted" in f"{completed.stderr}\n{completed.stdout}"


__all__ = ("Dnf",)
