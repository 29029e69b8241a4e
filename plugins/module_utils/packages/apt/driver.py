# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apt driver: apt-get and dpkg, through their command line.

`apt-get -s dist-upgrade` prints the transaction it would perform; dist-upgrade, because a new kernel of Debian is a new
package. The exit code says little: repositories that cannot be read are a matter of words, and failed scripts one of each
package's status. Where the facts about apt come from is said in ``output`` and ``errors``.
"""

from __future__ import annotations

import posixpath
import time
import typing as t
from dataclasses import replace

from ...errors import OvercError, certain
from .. import dpkgdb
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
from ..locks import Database, Lock
from ..proof import check_base, complaints, differences, not_as_announced
from . import configuration
from .around import Marks, configuration_sentences, kept_files, left_in_etc, no_services
from .commands import Commands
from .errors import unsuccessful, warnings
from .refresher import Lists
from .release import Release, elsewhere, refuse_half, write
from .resolution import changes, native_architecture
from .resolver import Resolver
from .settings import SIGNED, UNSANDBOXED, quoted
from .status import installed, troubles

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner
    from .output import Fetch
    from .status import Entry

# No package is there yet, wherever the host keeps those that it fetched before
_NOTHING_FETCHED: t.Final = 'Dir::Cache::archives "/nonexistent";\n'


class Apt:
    """``PackageManager`` on top of `apt-get` and `dpkg` of the root behind ``runner``."""

    name: t.ClassVar[str] = "apt"
    # With a grub.cfg in sight, a kernel's scripts and GRUB's own packages run update-grub; that finds no disks in a new
    # root, and the package fails
    hides: t.ClassVar[tuple[str, ...]] = ("/boot/grub",)
    fetches_in_apply: t.ClassVar[bool] = False

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._commands = Commands(runner, sleep)

    def installed(self) -> tuple[Package, ...]:
        return installed(self._commands.entries())

    def database(self) -> Database:
        """dpkg's, and what apt itself holds while it changes its lists and fetches packages."""
        found = dpkgdb.database()
        try:
            known = self._commands.configuration
            own = (posixpath.join(known.lists, "lock"), posixpath.join(known.archives, "lock"))
        except OvercError:  # a snapshot is also made to get away from an apt that is broken
            own = configuration.LOCKS
        return Database(found.directories, (*found.locks, *(Lock(path, "fcntl") for path in own)))

    def directories(self) -> tuple[str, ...]:
        return dpkgdb.database().directories

    def installed_since(self, since: int) -> tuple[str, ...]:
        return dpkgdb.installed_since(self._runner, since)

    def registered_in(self, root: str, scratch: str) -> dict[str, Registered]:  # noqa: ARG002 - dpkg only reads
        return dpkgdb.registered_in(self._runner, root)

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        return dpkgdb.owners(self._runner, paths)

    def lists_age(self, *, scratch: str | None = None) -> ListsAge:  # noqa: ARG002 - nothing is written for the question
        return Lists(self._commands).age()

    def refresh(self, *, skip_unavailable: bool = False) -> bool:  # noqa: ARG002 - no source says that it may be skipped
        lists = Lists(self._commands)
        before = lists.digests()
        lists.update()
        return lists.digests() != before

    def pending(
        self, request: PackageRequest, *, refresh: bool = False, scratch: str | None = None, sizes: bool = True
    ) -> PackagePlan:
        """See ``PackageManager.pending``. What is half-installed since before is told among what is held back."""
        if request.is_void:
            return PackagePlan()
        self._commands.refuse_interrupted()
        if request.release is not None:
            return self._pending_release(request, certain(scratch, "a scratch directory"), sizes=sizes)
        lists = Lists(self._commands, scratch)
        before = lists.digests() if scratch is not None else ()
        if refresh:
            lists.update()
        entries = self._commands.entries()
        lists.require(native_architecture(entries))
        found = self._resolved(self._commands, request, lists, entries, sizes=sizes)
        return replace(found, lists_changed=scratch is not None and lists.digests() != before)

    def _pending_release(self, request: PackageRequest, scratch: str, *, sizes: bool) -> PackagePlan:
        release = Release(self._commands, request, scratch)
        if release.runs:
            return PackagePlan(release=release.runs)
        entries = self._commands.entries()
        change, commands, lists = release.prepare(entries)
        lists.require(native_architecture(entries))
        return replace(self._resolved(commands, request, lists, entries, sizes=sizes), release=change)

    @staticmethod
    def _resolved(
        commands: Commands, request: PackageRequest, lists: Lists, entries: tuple[Entry, ...], *, sizes: bool
    ) -> PackagePlan:
        resolver = Resolver(commands, request, entries, lists.settings)
        simulation, sentences = resolver.resolve()
        planned = changes(simulation, entries)
        if sizes and planned:
            planned = changes(simulation, entries, resolver.addresses(planned, _NOTHING_FETCHED))
        return PackagePlan(
            changes=planned,
            held_back=(*sentences, *troubles(entries)),
            base=packages_digest(installed(entries)) if planned else None,
            unadvised=resolver.unadvised,
        )

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:
        """See ``PackageManager.unchecked``; ``demanded`` settles the host's global settings, and no source's own."""
        try:
            known = self._commands.configuration
            found = configuration.sources(self._runner, known)
        except OvercError as error:
            raise OvercError("gpg_policy", error.message, **error.facts) from error
        return configuration.unchecked(known, found, demanded=demanded)

    def download(self, request: PackageRequest, plan: PackagePlan, directory: str) -> tuple[str, ...]:
        """See ``PackageManager.download``. apt checks here that each package is the one that the signed lists mean."""
        entries = self._commands.entries()
        check_base(plan, installed(entries))
        archives = posixpath.join(directory, "archives")
        self._commands.make_directories(posixpath.join(archives, "partial"))
        change = plan.release
        commands = elsewhere(self._commands, change.directory) if change else self._commands
        lists = posixpath.join(change.directory, "lists") if change else commands.configuration.lists
        # Lists of a repository in the host's own file tree are links into it
        commands.copy("-rLp", lists, posixpath.join(directory, "lists"))
        settings = f"{_places(directory)}{UNSANDBOXED}{SIGNED if request.signed else ''}"
        resolver = Resolver(commands, request, entries, settings)
        selection = resolver.selection(plan.changes)
        settings += resolver.always
        completed = commands.apt_get("-y", "--download-only", *selection, settings=settings, pins=resolver.pins)
        if completed.rc != 0:
            raise unsuccessful(completed, "downloading the packages")
        for fetch in resolver.addresses(plan.changes):
            self._copy_package(fetch, archives)
        if change:
            # On the running root, of which a snapshot is made next
            self._runner.run(["rm", "-rf", "--", change.directory])
        return (self._commands.configuration.etc,)

    def _copy_package(self, fetch: Fetch, archives: str) -> None:
        """Packages in the host's own file tree are not fetched by apt, only looked at."""
        if fetch.path is None:
            raise OvercError("repository_failed", f"apt did not fetch {fetch.file}.")
        self._commands.copy("-p", fetch.path, posixpath.join(archives, fetch.file))

    def apply(
        self, request: PackageRequest, plan: PackagePlan, directory: str, *, pass_fds: t.Sequence[int] = ()
    ) -> Applied:
        """See ``PackageManager.apply``. Nothing is fetched."""
        entries = self._commands.entries()
        before = installed(entries)
        check_base(plan, before)
        self._commands.refuse_interrupted()
        if plan.release:
            write(self._runner, plan.release.edits)
        self._refuse_unsigned(request)
        audit, left = self._commands.audit(), left_in_etc(self._runner)
        resolver = Resolver(self._commands, request, entries, _places(directory))
        selection = resolver.selection(plan.changes)
        marks = Marks(self._runner, () if request.edits else selection)
        with no_services(self._runner):
            completed = self._commands.apt_get(
                *("-y", "--no-download", *selection),
                settings=f"{_places(directory)}{SIGNED if request.signed else ''}{resolver.always}",
                pins=resolver.pins,
                pass_fds=pass_fds,
            )
        finished = self._commands.entries()
        after, broken = installed(finished), troubles(finished)
        done = differences(before, after)
        if completed.rc != 0 or broken:
            raise _failed(completed, broken, done)
        said = complaints(plan.changes, before, after)
        if said:
            raise not_as_announced(said, done, completed)
        marks.restore()
        self._prove(audit)
        if plan.release:
            refuse_half(self._runner, plan.release)
        left_now = left_in_etc(self._runner)
        said_of_files = configuration_sentences(left, left_now)
        return Applied(
            completed=completed,
            changes=done,
            warnings=(*said_of_files, *warnings(completed.stderr)),
            kept=kept_files(left, left_now),
        )

    def _refuse_unsigned(self, request: PackageRequest) -> None:
        unchecked = self.unchecked(demanded=True) if request.signed else ()
        if unchecked:
            raise OvercError(
                "package_untrusted", f"Packages of {', '.join(unchecked)} are not checked, and that was asked for."
            )

    def _prove(self, audit_before: t.Collection[str]) -> None:
        """What neither a good exit code nor good statuses show."""
        new = [line for line in self._commands.audit() if line not in audit_before]
        if new:
            raise OvercError("package_manager_failed", f"dpkg complains after the upgrade: {' '.join(new)}", audit=new)
        checked = self._commands.apt_get("check")
        if checked.rc != 0:
            raise unsuccessful(checked, "checking the dependencies after the upgrade")


def _failed(completed: Completed, broken: t.Sequence[str], done: t.Iterable[PackageChange]) -> OvercError:
    error = (
        unsuccessful(completed, "upgrading")
        if completed.rc != 0
        else OvercError(
            "package_manager_failed",
            f"Packages are not fully installed after the upgrade: {' '.join(broken)}",
            **completed.facts(),
        )
    )
    error.facts.update(changes=[change.as_dict() for change in done], complaints=list(broken))
    return error


def _places(directory: str) -> str:
    """Settings with which apt finds lists and packages in what was downloaded."""
    return (
        f"Dir::State::lists {quoted(posixpath.join(directory, 'lists'))};\n"
        f"Dir::Cache::archives {quoted(posixpath.join(directory, 'archives'))};\n"
    )


__all__ = ("Apt",)
