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
from . import held, mode
from .commands import Commands
from .errors import (
    GOOD,
    failure,
    kept_files,
    not_understood,
    readable,
    stream_of,
    unknown_packages,
    unsuccessful,
    warnings,
    words,
)
from .output import Summary, UnreadableOutput, parse_stream
from .plugins import no_plugins
from .repositories import local_paths, refreshed_at, without_lists
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
        installed = self.installed()
        names = self._names(request, installed, scratch) if request.packages else ()
        summary = self._resolved(request, chosen, names, scratch)
        rows = summary.rows
        return PackagePlan(
            changes=tuple(
                PackageChange(row.name, row.arch, row.installed, row.available, row.repository) for row in rows
            ),
            held_back=self._held_back(request, summary, installed, scratch),
            lists_changed=scratch is not None and commands.digests(scratch) != before,
            base=packages_digest(installed) if rows else None,
            mode=chosen,
            other_vendor=summary.other_vendor,
        )

    def _mode(self, request: PackageRequest) -> Mode:
        """Raises bad_argument, packages_unsupported for what zypper does not do."""
        if request.edits or not request.upgrade or request.advisories:
            raise OvercError("packages_unsupported", "zypper is not asked for this in one transaction with an upgrade.")
        chosen = request.mode or ("update" if request.packages else mode.ask(self._runner))
        if chosen == "dup" and request.packages:
            raise OvercError(
                "bad_argument",
                "packages: a distribution upgrade (dup) is one of all packages. Leave the names out, or ask for an update.",
            )
        return chosen

    def _names(self, request: PackageRequest, installed: t.Iterable[Package], directory: str | None) -> tuple[str, ...]:
        """The packages that zypper is asked for: of a glob it would take one package, and of a name what provides it.

        Raises package_unknown.
        """
        there = {package.name for package in installed if not held.matches(package.name, request.exclude)}
        unknown = [name for name in request.named if not held.matching(there, [name])]
        if unknown:
            raise _unknown(unknown)
        plain = [name for name in request.named if name in there]
        globs = [name for name in request.named if name not in there]
        doing = "listing what a glob matches"
        found = (
            self._commands.ask(
                "list-updates", "--type", "package", doing=doing, directory=directory, exclude=request.exclude
            ).updates
            if globs
            else ()
        )
        return tuple(dict.fromkeys([*plain, *held.matching(sorted(update.name for update in found), globs)]))

    def _resolved(
        self, request: PackageRequest, chosen: Mode, names: t.Sequence[str], directory: str | None
    ) -> Summary:
        if request.packages and not names:  # without any it would be all
            return Summary()
        completed = self._commands.zypper(
            *("--no-refresh", *_upgrade(request, chosen), "--dry-run", "--", *names),
            directory=directory,
            exclude=request.exclude,
            quiet=True,
        )
        unknown = unknown_packages(completed, names)
        if unknown:
            raise _unknown(unknown, **readable(completed).facts())
        if completed.rc not in GOOD:
            raise unsuccessful(completed, "resolving the upgrade")
        try:
            summary = parse_stream(completed.stdout).summary
        except UnreadableOutput as error:
            raise not_understood(completed, error) from error
        if summary.other_vendor and not request.vendor_change:
            raise OvercError(
                "vendor_change",
                f"These packages would come from another vendor: {', '.join(summary.other_vendor)}.",
                packages=list(summary.other_vendor),
                **readable(completed).facts(),
            )
        return summary

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
        check_base(plan, self.installed())
        cache = _cache(directory)
        made = self._runner.run(["mkdir", "-m", "0700", cache])
        if made.rc != 0:
            raise OvercError("package_manager_failed", f"{cache} cannot be made.", **made.facts())
        self._commands.copy_lists(cache)
        completed = self._commands.zypper(
            *("--no-refresh", *_performing(request, plan, "--download-only")),
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
                *("--no-refresh", *_performing(request, plan)),
                directory=cache,
                exclude=request.exclude,
                pass_fds=pass_fds,
            )
        after = self.installed()
        done = differences(before, after)
        failed_scripts = rpmdb.scriptlet_failures(words(completed))
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


def _cache(directory: str) -> str:
    return posixpath.join(directory, "cache")


def _of(plan: PackagePlan) -> Mode:
    return plan.mode or "update"


def _upgrade(request: PackageRequest, chosen: Mode) -> list[str]:
    """The command, as far as it is the same for the announcement, the download and the installation."""
    vendor = "--allow-vendor-change" if request.vendor_change else "--no-allow-vendor-change"
    only = ["--type", "package"] if chosen == "update" else []
    return [chosen, *only, "--details", "--no-force-resolution", vendor]


def _selection(request: PackageRequest, plan: PackagePlan) -> tuple[str, ...]:
    """The names that the plan was resolved for, as far as it has something for them; none where it is one of all packages."""
    if not request.packages:
        return ()
    found = [change.name for change in plan.changes if None not in (change.installed, change.available)]
    return tuple(sorted(held.matching(found, request.named)))


def _performing(request: PackageRequest, plan: PackagePlan, *options: str) -> list[str]:
    """The command that downloads or installs what was planned. Without a name zypper would take all that is pending."""
    names = _selection(request, plan)
    if request.packages and not names:
        return ["locks"]  # which changes nothing
    return [*_upgrade(request, _of(plan)), *options, "--", *names]


def _unknown(names: t.Sequence[str], **facts: t.Any) -> OvercError:
    return OvercError(
        "package_unknown",
        f"Not installed, excluded, or not known to any repository: {', '.join(names)}.",
        packages=list(names),
        **facts,
    )


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
