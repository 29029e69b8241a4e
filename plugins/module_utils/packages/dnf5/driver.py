# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF 5 driver, through its command line.

What is pending is what the resolver announces (`upgrade --assumeno`), beside what the lists alone offer (`check-upgrade --json`),
so that nothing is silently left out. What is performed is a stored transaction (`upgrade --store`), compared with what was
announced before anything is built, and replayed in the new root without network. Where the facts about DNF 5 come from is said in
``stored``, ``transaction_table`` and ``errors``.
"""

from __future__ import annotations

import posixpath
import re
import time
import typing as t

from ...errors import OvercError
from ...runner import Completed
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
from ..proof import check_base, complaints, differences
from ..transaction_table import (
    Transaction,
    UnreadableTable,
    changes,
    held_back_sentences,
    parse_transaction,
)
from . import advisories, tool
from . import edits as edit
from .errors import failure, unknown_packages, unsuccessful, warnings
from .fetched import Fetched, sized, without
from .offers import Offer, left_out, matches, parse_offers
from .tool import NARROW, DnfTool, cache_settings
from .verdict import judge

if t.TYPE_CHECKING:
    from ...runner import Runner

_NOTHING: t.Final = re.compile(r"^Nothing to do\.\s*$", re.MULTILINE)
_STATE: t.Final = "/var/lib/dnf"
# DNF 4 may be installed beside DNF 5, and works on the same packages
_LOCK_OF_4: t.Final = f"{_STATE}/rpmdb_lock.pid"
# Whatever hides packages, locked versions included
_UNHIDDEN: t.Final = {"disable_excludes": "*"}


class Dnf5:
    """``PackageManager`` on top of the `dnf5` command of the root behind ``runner``."""

    name: t.ClassVar[str] = "dnf5"
    hides: t.ClassVar[tuple[str, ...]] = ()
    fetches_in_apply: t.ClassVar[bool] = False

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._dnf = DnfTool(runner, sleep)

    def installed(self) -> tuple[Package, ...]:
        return rpmdb.installed(self._runner)

    def database(self) -> Database:
        """rpm's, and what DNF 5 itself holds from its first look at the packages until its own history is written."""
        found = rpmdb.database(self._runner)
        try:
            own = self._dnf.locks()
        except OvercError:  # a snapshot is also made to get away from a DNF that is broken
            own = (Lock(f"{_STATE}/{tool.SYSTEM_LOCK}", "fcntl"), Lock(tool.LOCK, "fcntl"))
        return Database(found.directories, (*own, Lock(_LOCK_OF_4, "pid"), *found.locks))

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
        """See ``PackageManager.refresh``; "their content" are the repomd.xml files of the cache."""
        cache = self._dnf.configuration().cache
        before = dnf_cache.digests(self._runner, cache)
        skipped = self._unavailable({}, refresh=True) if skip_unavailable else ()
        self._make_cache({}, skipped)
        return dnf_cache.digests(self._runner, cache) != before

    def _make_cache(self, where: t.Mapping[str, str], skipped: tuple[str, ...]) -> None:
        """``-y`` lets DNF take over the keys for signed lists that the administrator configured as ``gpgkey``, and no others."""
        self._require_repositories(skipped)
        completed = self._dnf.run({**where, **YES}, *without(skipped), "-y", "--refresh", "makecache")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "refreshing the package lists")

    def _require_repositories(self, skipped: tuple[str, ...]) -> None:
        """DNF 5 has nothing to say about a host that has none."""
        if not set(self._dnf.configuration().repositories) - set(skipped):
            raise OvercError(
                "repository_failed",
                "There are no enabled repositories, so nothing is known of any upgrade."
                if not skipped
                else f"No repository could be read, and all were allowed to be skipped: {', '.join(skipped)}.",
            )

    def pending(
        self, request: PackageRequest, *, refresh: bool = False, scratch: str | None = None, sizes: bool = True
    ) -> PackagePlan:
        """See ``PackageManager.pending``.

        Three starts of DNF when nothing is pending. With ``scratch`` the lists, logs and state of DNF are copies there.
        """
        if request.is_void:
            return PackagePlan()
        wanted = edit.edits(request, self.installed()) if request.edits else edit.Edits()
        if not request.upgrade and not wanted:
            return PackagePlan()
        where = self._dnf.on_copies(scratch) if scratch is not None else {}
        skipped = self._unavailable(where, refresh=refresh) if request.skip_unavailable else ()
        self._require_repositories(skipped)
        if refresh and self._dnf.configuration().has_signed_lists:
            # They may be signed with a key that DNF has not taken over yet: with `--assumeno` it would refuse them
            self._make_cache(where, skipped)
        completed = self._dnf.run(
            {**where, **NO, **edit.settings(wanted)},
            *without(skipped),
            *(["--refresh"] if refresh else []),
            *("--assumeno", *edit.command(request, wanted)),
        )
        _refuse(completed)
        try:
            transaction = parse_transaction(completed.stdout)
            if wanted and not transaction.announced and completed.rc in (0, 1):
                edit.refuse_missing(wanted, (), completed)
            installed = self._before(transaction, completed)
            planned = changes(transaction, installed) if installed else ()
        except UnreadableTable as error:
            raise OvercError(
                "package_manager_failed",
                f"DNF's answer was not understood, so what is pending is unknown ({error}).",
                **completed.facts(),
            ) from error
        edit.refuse_missing(wanted, planned, completed)
        _refuse_excluded(request, planned, completed)
        if request.advisories is not None and planned:
            planned = self._advised(planned, where, skipped)
        return PackagePlan(
            changes=sized(self._dnf, planned, where) if sizes else planned,
            held_back=()
            if not request.upgrade
            else (
                *held_back_sentences(transaction, problems(completed.stderr)),
                *self._left_out(request, transaction, planned, where, skipped),
            ),
            lists_changed=scratch is not None and self._lists_changed(posixpath.join(scratch, "cache")),
            base=packages_digest(installed) if installed else None,
            skipped=skipped,
            unadvised=self._unadvised(request, scratch, skipped),
        )

    def _advised(
        self, planned: tuple[PackageChange, ...], where: t.Mapping[str, str], skipped: tuple[str, ...]
    ) -> tuple[PackageChange, ...]:
        listed = self._dnf.run({**where, **LISTS_AS_THEY_ARE}, *without(skipped), *advisories.LIST)
        if listed.rc != 0:
            raise unsuccessful(listed, "listing the advisories")
        try:
            return advisories.with_advisories(planned, listed.stdout)
        except ValueError as error:
            raise OvercError(
                "package_manager_failed", f"DNF's list of advisories was not understood ({error}).", **listed.facts()
            ) from error

    def _unadvised(self, request: PackageRequest, scratch: str | None, skipped: tuple[str, ...]) -> tuple[str, ...]:
        """Where advisories were asked for: the repositories whose lists name none."""
        if request.advisories is None:
            return ()
        known = self._dnf.configuration()
        enabled = [name for name in known.repositories if name not in skipped]
        return unadvised_in(self._runner, posixpath.join(scratch, "cache") if scratch else known.cache, enabled)

    def _lists_changed(self, copies: str) -> bool:
        """Whether the lists in this directory are other ones than the host's."""
        return dnf_cache.digests(self._runner, copies) != dnf_cache.digests(
            self._runner, self._dnf.configuration().cache
        )

    def _before(self, transaction: Transaction, completed: Completed) -> tuple[Package, ...]:
        """What is installed, where DNF announced something; () where it said that there is nothing to do.

        Raises what it failed with, or UnreadableTable for an answer that is neither.

        A table is an answer only together with the refusal that was ordered, and none only with "Nothing to do.".
        """
        if transaction.announced:
            if not _was_answered_no(completed):
                raise unsuccessful(completed, "resolving the upgrade")
            return self.installed()
        if _was_answered_no(completed):
            raise UnreadableTable("it asked for a consent, and did not show for what")
        if completed.rc != 0:
            raise unsuccessful(completed, "resolving the upgrade")
        if not _NOTHING.search(completed.stdout) and not transaction.held_back:
            raise UnreadableTable("neither a table nor the words that there is nothing to do")
        return ()

    def _unavailable(self, where: t.Mapping[str, str], *, refresh: bool) -> tuple[str, ...]:
        """Ids of the repositories that cannot be read and whose own configuration lets them be skipped.

        Each is asked by itself, because DNF 5 does not say which it skipped.
        """
        dead = []
        for name in self._dnf.configuration().optional:
            asked = ["-y", f"--repo={name}", *(["--refresh"] if refresh else []), "makecache"]
            completed = self._dnf.run({**where, **YES}, *asked)
            error = failure(completed)
            if error is not None and error.error_id != "repository_failed":
                raise error
            if completed.rc != 0 or error is not None:
                dead.append(name)
        return tuple(dead)

    def _left_out(
        self,
        request: PackageRequest,
        transaction: Transaction,
        planned: tuple[PackageChange, ...],
        where: t.Mapping[str, str],
        skipped: tuple[str, ...],
    ) -> tuple[str, ...]:
        """A sentence for each upgrade that the lists offer, and that neither the plan nor the resolver tells of."""

        def offered(settings: t.Mapping[str, str]) -> Completed:
            return self._dnf.run(
                {**where, **LISTS_AS_THEY_ARE, **settings},
                *(*without(skipped), "check-upgrade", "--json", *(["--security"] if request.advisories else [])),
            )

        completed = offered(_UNHIDDEN)
        try:
            missing = left_out(_offers(completed), request, transaction, planned)
            if not missing:
                return ()
            completed = offered({})
            shown = set(_offers(completed))
        except ValueError as error:
            raise OvercError(
                "package_manager_failed",
                f"DNF's list of upgrades was not understood, so what is left out is unknown ({error}).",
                **completed.facts(),
            ) from error
        return tuple(
            f"{offer.name} {offer.version} from {offer.repository} is left out"
            + (", and DNF does not say why." if offer in shown else " because DNF's configuration excludes it.")
            for offer in missing
        )

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:  # noqa: ARG002 - DNF leaves nothing open
        try:
            known = self._dnf.configuration()
        except OvercError as error:
            raise OvercError("gpg_policy", error.message, **error.facts) from error
        if not known.repositories:
            raise OvercError("gpg_policy", "DNF names no repository, so which signatures it checks is not known.")
        return known.unchecked

    def download(self, request: PackageRequest, plan: PackagePlan, directory: str) -> tuple[str, ...]:
        """See ``PackageManager.download``."""
        if plan.changes:
            Fetched(self._runner, self._dnf, directory).fetch(request, plan)
        return self._dnf.configuration().paths

    def apply(
        self, request: PackageRequest, plan: PackagePlan, directory: str, *, pass_fds: t.Sequence[int] = ()
    ) -> Applied:
        """See ``PackageManager.apply``. ``-y`` also accepts keys the administrator configured as ``gpgkey``."""
        before = self.installed()
        check_base(plan, before)
        if not plan.changes:
            return Applied(Completed((), 0, "", ""))
        known = self._dnf.configuration()
        forced = {key: "True" for option in known.check_options for key in (option, f"*.{option}") if request.signed}
        fetched = Fetched(self._runner, self._dnf, directory)
        kept = {"destdir": fetched.packages} if known.has_destination else {}
        offline = {**cache_settings(fetched.cache), **kept, "cacheonly": "all"}
        completed = self._dnf.run(
            {**offline, **LISTS_AS_THEY_ARE, **YES, **known.whole_transaction, **forced},
            *(*without(plan.skipped), "-y", "replay", fetched.transaction),
            env=NARROW,
            pass_fds=pass_fds,
            in_new_root=True,
        )
        after = self.installed()
        done = differences(before, after)
        told = judge(completed, complaints(plan.changes, before, after), done)
        rpmdb.verify(self._runner)
        said = warnings(f"{completed.stdout}\n{completed.stderr}")
        return Applied(completed=completed, changes=done, warnings=(*told, *said), kept=rpmdb.kept_files(said))


def _offers(completed: Completed) -> tuple[Offer, ...]:
    """Raises ValueError, or what it failed with."""
    # 100, where older ones have something to tell
    if completed.rc not in (0, 100) or failure(completed) is not None:
        raise unsuccessful(completed, "listing the upgrades")
    return parse_offers(completed.stdout)


def _refuse(completed: Completed) -> None:
    known = failure(completed)
    if known is not None:
        raise known
    unknown = unknown_packages(f"{completed.stdout}\n{completed.stderr}")
    if unknown:
        raise OvercError(
            "package_unknown",
            f"Not installed, excluded, or not known to any repository: {', '.join(unknown)}.",
            packages=list(unknown),
            **completed.facts(),
        )


def _refuse_excluded(request: PackageRequest, planned: t.Iterable[PackageChange], completed: Completed) -> None:
    """DNF 5 leaves what is excluded as it is, also where another package would replace it; this makes sure of that."""
    touched = sorted({change.name for change in planned if matches(change.name, request.exclude)})
    if touched:
        raise OvercError(
            "package_manager_failed",
            f"The upgrade would change what is excluded: {', '.join(touched)}. Nothing was changed.",
            **completed.facts(),
        )


def _was_answered_no(completed: Completed) -> bool:
    """The end of `--assumeno` when there was something to ask: exit code 1, "Operation aborted"."""
    return completed.rc == 1 and "Operation aborted" in completed.stderr


__all__ = ("Dnf5",)
