# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zypper driver: zypper and rpm, through their command line.

`zypper update --dry-run` and `dup --dry-run` announce the transaction they would perform. The exit code says little: it is 0
where there is no repository. Where the facts about zypper come from is said in ``output`` and ``errors``.
"""

from __future__ import annotations

import posixpath
import re
import time
import typing as t

from ...errors import OvercError
from .. import rpmdb
from ..contract import (
    Advisories,
    Applied,
    ListsAge,
    Mode,
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
    Registered,
    packages_digest,
)
from ..locks import Database, Lock
from ..proof import check_base, complaints, differences, not_as_announced
from . import held, mode, patches, words
from .commands import Commands
from .errors import (
    GOOD,
    failure,
    kept_files,
    readable,
    stream_of,
    unsuccessful,
    warnings,
)
from .errors import words as said_words
from .output import Summary
from .plugins import no_plugins
from .repositories import local_paths, refreshed_at, without_lists
from .resolver import Resolver
from .settings import CONFIGURED_IN

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

_LOCK: t.Final = Lock("/run/zypp.pid", "pid")
# A signature that rpm found to be right, of the header or of all of the file, as every release of rpm prints it
_SIGNED: t.Final = re.compile(r"\bsignature\b.*: OK\b", re.IGNORECASE)


class Zypper:
    """``PackageManager`` on top of `zypper` and `rpm` of the root behind ``runner``."""

    name: t.ClassVar[str] = "zypper"
    hides: t.ClassVar[tuple[str, ...]] = ()
    fetches_in_apply: t.ClassVar[bool] = False

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._commands = Commands(runner, sleep)

    def installed(self) -> tuple[Package, ...]:
        return rpmdb.installed(self._runner)

    def database(self) -> Database:
        """rpm's, and the file with its number that whoever uses libzypp leaves while it is at work."""
        found = rpmdb.database(self._runner)
        return Database(found.directories, (_LOCK, *found.locks))

    def directories(self) -> tuple[str, ...]:
        return rpmdb.database(self._runner).directories

    def installed_since(self, since: int) -> tuple[str, ...]:
        return rpmdb.installed_since(self._runner, since)

    def registered_in(self, root: str, scratch: str) -> dict[str, Registered]:
        return rpmdb.registered_in(self._runner, root, scratch)

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        return rpmdb.owners(self._runner, paths)

    def lists_age(self, *, scratch: str | None = None) -> ListsAge:  # noqa: ARG002 - nothing is written for the question
        at = refreshed_at(self._commands.listing(), self._commands.repositories)
        return ListsAge(None if at is None else time.time() - at)

    def refresh(self, *, skip_unavailable: bool = False) -> bool:  # noqa: ARG002 - no repository says that it may be skipped
        before = self._commands.digests()
        self._commands.refresh()
        return self._commands.digests() != before

    def pending(
        self,
        request: PackageRequest,
        *,
        refresh: bool = False,
        scratch: str | None = None,
        sizes: bool = True,  # noqa: ARG002
    ) -> PackagePlan:
        """See ``PackageManager.pending``. zypper tells only the sum of the sizes.

        What is left out is looked for by another question, for the transaction does not name it.
        """
        if request.is_void:
            return PackagePlan()
        chosen = self._mode(request)
        installed = self.installed()
        wanted = words.edits(request, installed) if request.edits else words.Edits()
        if chosen is None and not wanted and request.advisories is None:
            return PackagePlan()
        commands = self._commands
        commands.require_repositories()
        before = commands.digests() if scratch is not None else ()
        if scratch is not None:
            commands.copy_lists(scratch)
        if refresh:
            commands.refresh(scratch)
        missing = without_lists(commands.listing(scratch), commands.repositories)
        if missing:
            raise OvercError(
                "repository_failed", f"There are no package lists yet of: {', '.join(missing)}. Refresh them."
            )
        resolver = Resolver(commands, request, installed, scratch)
        if request.advisories is not None:
            return self._patched(resolver, request.advisories, installed, before, scratch)
        summary = resolver.edited(wanted, chosen) if wanted or chosen is None else resolver.upgrade(chosen)
        return PackagePlan(
            changes=_changes(summary),
            held_back=self._held_back(request, summary, installed, scratch) if request.upgrade else (),
            lists_changed=scratch is not None and commands.digests(scratch) != before,
            base=packages_digest(installed) if summary.rows else None,
            mode=chosen,
            other_vendor=summary.other_vendor,
        )

    def _patched(
        self,
        resolver: Resolver,
        category: Advisories,
        installed: t.Iterable[Package],
        before: tuple[str, ...],
        scratch: str | None,
    ) -> PackagePlan:
        """The plan of all needed patches. Raises package_manager_failed where it cannot be told which patch changes what."""
        commands = self._commands
        summary, about, left = resolver.patched(category)
        changes = patches.with_patches(_changes(summary), about)
        idle = sorted(set(about) - {name for change in changes for name in change.advisories})
        if idle:
            raise OvercError(
                "package_manager_failed",
                f"zypper says that these patches are needed, and none of the packages that would change is one of theirs: "
                f"{', '.join(idle)}. Nothing was changed.",
            )
        advised = commands.advised(scratch)
        return PackagePlan(
            changes=changes,
            held_back=left,
            lists_changed=scratch is not None and commands.digests(scratch) != before,
            base=packages_digest(installed) if changes else None,
            unadvised=tuple(each.alias for each in commands.repositories if each.directory not in advised),
            other_vendor=summary.other_vendor,
        )

    def _mode(self, request: PackageRequest) -> Mode | None:
        """None where nothing is upgraded. Raises bad_argument, packages_unsupported for what zypper does not do."""
        if request.advisories and request.mode == "dup":
            raise OvercError(
                "bad_argument",
                "advisories: a distribution upgrade (dup) is one of all packages. Leave one of both out.",
            )
        if not request.upgrade or request.advisories:
            return None
        chosen = request.mode or ("update" if request.packages else mode.ask(self._runner))
        if chosen == "dup" and request.packages:
            raise OvercError(
                "bad_argument",
                "packages: a distribution upgrade (dup) is one of all packages. Leave the names out, or ask for an update.",
            )
        return chosen

    def _held_back(
        self,
        request: PackageRequest,
        summary: Summary,
        installed: t.Iterable[Package],
        directory: str | None,
    ) -> tuple[str, ...]:
        doing = "listing what is left out"
        updates = self._commands.ask("list-updates", "--all", doing=doing, directory=directory).updates
        found = held.left_out(updates, summary.rows, installed, request.exclude)
        if request.packages:
            found = tuple(update for update in found if held.matches(update.name, request.named))
        locks = self._commands.ask("locks", doing=doing).locks if found else ()
        return tuple(held.sentences(self._commands, found, locks, directory)) if found else ()

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:  # noqa: ARG002 - zypper leaves nothing open
        try:
            repositories = self._commands.repositories
        except OvercError as error:
            raise OvercError("gpg_policy", error.message, **error.facts) from error
        if not repositories:
            raise OvercError("gpg_policy", "zypper names no repository, so which signatures it checks is not known.")
        return tuple(repository.alias for repository in repositories if not repository.checked)

    def download(self, request: PackageRequest, plan: PackagePlan, directory: str) -> tuple[str, ...]:
        """See ``PackageManager.download``. zypper checks the packages here already."""
        installed = self.installed()
        check_base(plan, installed)
        cache = _cache(directory)
        made = self._runner.run(["mkdir", "-m", "0700", cache])
        if made.rc != 0:
            raise OvercError("package_manager_failed", f"{cache} cannot be made.", **made.facts())
        self._commands.copy_lists(cache)
        completed = self._commands.zypper(
            *("--no-refresh", *_with(words.performing(request, plan, installed), "--download-only")),
            directory=cache,
            exclude=request.exclude,
        )
        if completed.rc not in GOOD:
            error = unsuccessful(completed, "downloading the packages")
            stream = stream_of(completed)
            if error.error_id == "repository_failed" and stream is not None and len(stream.summaries) == 1:
                self._commands.refuse_full(posixpath.join(cache, "packages"), stream.summary.size or 0, completed)
            raise error
        return (*CONFIGURED_IN, *local_paths(self._commands.repositories))

    def apply(
        self, request: PackageRequest, plan: PackagePlan, directory: str, *, pass_fds: t.Sequence[int] = ()
    ) -> Applied:
        """See ``PackageManager.apply``. Nothing is fetched, and plugins of libzypp's are left out."""
        before = self.installed()
        check_base(plan, before)
        cache = _cache(directory)
        if request.signed:
            self._refuse_unsigned(posixpath.join(cache, "packages"), plan.changes)
        with no_plugins(self._runner):
            completed = self._commands.zypper(
                *("--no-refresh", *words.performing(request, plan, before)),
                directory=cache,
                exclude=request.exclude,
                pass_fds=pass_fds,
            )
        after = self.installed()
        done = differences(before, after)
        failed_scripts = rpmdb.scriptlet_failures(said_words(completed))
        if completed.rc not in GOOD or failed_scripts:
            raise _failed(completed, failed_scripts, done)
        said = complaints(plan.changes, before, after)
        if said:
            raise failure(completed) or not_as_announced(said, done, readable(completed))
        rpmdb.verify(self._runner)
        return Applied(readable(completed), done, warnings(completed), kept_files(completed))

    def _refuse_unsigned(self, packages: str, changes: t.Iterable[PackageChange]) -> None:
        """What is there to be installed has a signature that rpm knows, whatever the repositories are configured to.

        Raises package_untrusted.
        """
        coming = sorted(change.name for change in changes if change.available is not None)
        listing = self._runner.run(["find", packages, "-name", "*.rpm", "-type", "f", "-print"])
        found = len(listing.stdout.splitlines())
        if coming and (listing.rc != 0 or found < len(coming)):
            raise OvercError(
                "package_untrusted",
                f"Only {found} of the packages that are to be installed are where they were fetched to, so the signatures of all "
                f"cannot be looked at: {', '.join(coming)}.",
                **listing.facts(),
            )
        for path in sorted(listing.stdout.splitlines()):
            checked = self._runner.run(["rpm", "--checksig", "--verbose", path])
            if checked.rc != 0 or not _SIGNED.search(checked.stdout):
                raise OvercError(
                    "package_untrusted",
                    f"{posixpath.basename(path)} has no signature of a key that the host trusts.",
                    **checked.facts(),
                )


def _changes(summary: Summary) -> tuple[PackageChange, ...]:
    return tuple(
        PackageChange(row.name, row.arch, row.installed, row.available, row.repository) for row in summary.rows
    )


def _cache(directory: str) -> str:
    return posixpath.join(directory, "cache")


def _with(command: t.Sequence[str], option: str) -> list[str]:
    """The command with this option, before its names."""
    end = command.index("--") if "--" in command else len(command)
    return [*command[:end], *([option] if end < len(command) else ()), *command[end:]]


def _failed(completed: Completed, scripts: t.Sequence[str], done: t.Iterable[PackageChange]) -> OvercError:
    error = (
        OvercError(
            "package_manager_failed",
            f"A package script failed during the upgrade: {scripts[0]}",
            failures=list(scripts),
            **readable(completed).facts(),
        )
        if scripts
        else unsuccessful(completed, "upgrading")
    )
    error.facts["changes"] = [change.as_dict() for change in done]
    return error


__all__ = ("Zypper",)
