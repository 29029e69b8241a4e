# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for the Smart package manager (`smart` 1.5), through its command line, for RPM and Debian packages.

What it relies on was recorded from the real program; tests/unit/transcripts/smart-1.5 holds the recordings and the
comments name them. The chief facts: exit codes lie, removals show only in the plan's text, locks are never waited for,
and a damaged configuration silently means "no channels".
"""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import time
import typing as t

from ...errors import OvercError
from ...values import decimal
from .. import rpmdb
from ..contract import Applied, ListsAge, Package, PackageChange, PackagePlan, PackageRequest
from ..proof import complaints, differences, not_as_announced
from ..tool import copy_directory, run_when_free
from .channels import backend, parse_channels, sources, unsigned_channels
from .errors import failure, is_locked, unknown_packages, unsuccessful
from .output import (
    DPKG_QUERY,
    QUERY_FORMAT,
    UnreadableOutput,
    parse_data_directory,
    parse_dpkg,
    parse_newer,
    parse_plan,
    parse_query,
    parse_upgrades,
)
from .plan import Offer, Plan, changes, held_back

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# Smart wraps its help to COLUMNS; the data directory is read from there.
_WIDE: t.Final = {"COLUMNS": "2000"}
_TIMEOUT: t.Final = ("-o", "socket-timeout=30")  # seconds; the default is 600 for every file
_DRY_RUN: t.Final = ("-o", "dry-run=true", "-o", "text-hide-version=false")
_SIGNED: t.Final = ("-o", "rpm-check-signatures=true")
_STAMP: t.Final = ".overc-refreshed"  # in the data directory: a link whose target is a digest and whose age counts


class SmartPm:
    """``PackageManager`` on top of the `smart` command of the root behind ``runner``.

    ``data_directory``: Smart's data directory where it is not the compiled-in one.
    """

    name: t.ClassVar[str] = "smartpm"

    def __init__(
        self,
        runner: Runner,
        *,
        data_directory: str | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._runner = runner
        self._data = data_directory
        self._sleep = sleep

    def installed(self) -> tuple[Package, ...]:
        """By the native tool: Smart's own list comes from a cache that may miss a change."""
        return self._installed(self._channels())

    def lists_age(self) -> ListsAge:
        """See ``PackageManager.lists_age``.

        Smart notes when it last tried, not when it last succeeded, and its files carry the server's times. So the
        driver keeps its own stamp there: when it last refreshed these very channels without an error.
        """
        digest, stamp = self._stamp()
        target = self._runner.run(["readlink", stamp])
        at = self._runner.run(["stat", "-c", "%Y", stamp])
        seconds = decimal(at.stdout.strip())
        if target.rc != 0 or target.stdout.strip() != digest or seconds is None:
            return ListsAge()
        return ListsAge(time.time() - seconds)

    def refresh(self) -> bool:
        """See ``PackageManager.refresh``; "their content" are the files in the data directory's ``channels``."""
        digest, stamp = self._stamp()
        directory = posixpath.dirname(stamp)
        before = self._list_digests(directory)
        self._update()
        self._runner.run(["ln", "-sfn", digest, stamp])  # without a stamp the next refresh is not skipped, that is all
        return self._list_digests(directory) != before

    def _stamp(self) -> tuple[str, str]:
        """What the stamp must say, and its path."""
        channels = self._channels()
        digest = hashlib.sha256(repr(sorted((a, sorted(s.items())) for a, s in channels.items())).encode()).hexdigest()
        return digest, posixpath.join(self._data_directory(), _STAMP)

    def pending(
        self,
        request: PackageRequest,
        *,
        refresh: bool = False,
        scratch: str | None = None,
        sizes: bool = True,  # noqa: ARG002 - `newer` tells the channels too, and the sizes with them
    ) -> PackagePlan:
        """See ``PackageManager.pending``.

        `channel --show` (a damaged configuration must not pass for "nothing to do"), the dry run whose text is the
        plan, and the list of newest packages for what is held back; `newer` only when something is pending. Smart
        has no exclusion for one run: everything but the excluded is named, and it is refused if that would touch an
        excluded package all the same.
        """
        if request.is_void:
            return PackagePlan()
        _refuse_operators(request.packages)
        where = self._scratch(scratch) if scratch is not None else ()
        channels = self._channels(where)
        before = self._list_digests(posixpath.join(scratch, "smart")) if scratch is not None else ()
        if refresh:
            self._update(where)
        lists_changed = scratch is not None and self._list_digests(posixpath.join(scratch, "smart")) != before
        installed = self._installed(channels)
        try:
            names, plan = self._resolve(request, where, installed)
            if names is None:
                return PackagePlan(held_back=self._held_back(where, installed, ()), lists_changed=lists_changed)
            offers = self._offers(where) if plan.incoming else ()
            planned = changes(plan, installed, offers, self._renames(where, plan, installed))
        except UnreadableOutput as error:
            raise OvercError(
                "package_manager_failed",
                f"Smart's answer was not understood, so what is pending is unknown ({error}).",
            ) from error
        held_back = self._held_back(where, installed, planned, request.packages)
        return PackagePlan(changes=planned, held_back=held_back, lists_changed=lists_changed)

    def unchecked(self) -> tuple[str, ...]:
        """See ``unsigned_channels``."""
        channels = self._channels()
        if self._backend(channels) != "rpm":
            return unsigned_channels(channels, "")
        shown = self._smart("config", "--show", "rpm-check-signatures")
        if shown.rc != 0 or failure(shown) is not None:
            raise unsuccessful(shown, "asking whether signatures are checked")
        return unsigned_channels(channels, shown.stdout)

    def apply(self, request: PackageRequest, plan: PackagePlan, *, pass_fds: t.Sequence[int] = ()) -> Applied:
        """See ``PackageManager.apply``. Policies of the administrator are only ever made stricter."""
        _refuse_operators(request.packages)
        channels = self._channels()
        kind = self._backend(channels)
        before = self._installed(channels)
        broken_before = self._smart("check").stderr
        try:
            names, resolved = self._resolve(request, (), before)
            now = PackagePlan(changes(resolved, before, (), self._renames((), resolved, before)))
        except UnreadableOutput as unreadable:
            raise OvercError(
                "package_manager_failed", f"Smart's answer was not understood ({unreadable})."
            ) from unreadable
        if now.fingerprint != plan.fingerprint or names is None:
            raise OvercError(
                "package_manager_failed",
                "Smart would now do something else than what was announced; nothing was changed. Start again.",
                announced=[change.as_dict() for change in plan.changes],
                changes=[change.as_dict() for change in now.changes],
            )
        unattended = ("-o", "deb-non-interactive=true") if kind == "deb" else _SIGNED if request.signed else ()
        completed = self._smart("upgrade", "-y", *_TIMEOUT, *unattended, *names, pass_fds=pass_fds)
        after = self._installed(channels)
        done = differences(before, after)
        said = complaints(plan.changes, before, after)
        scripts = rpmdb.scriptlet_failures(completed.stderr)
        if completed.rc != 0 or scripts or failure(completed) is not None:
            error = unsuccessful(completed, "upgrading")
            error.facts.update(changes=[change.as_dict() for change in done], complaints=list(said))
            raise error
        if said:
            raise not_as_announced(said, done, completed)
        self._check(kind, broken_before)
        warnings = tuple(line for line in completed.stderr.splitlines() if line.startswith("warning: "))
        return Applied(completed=completed, changes=done, warnings=warnings)

    # ................................................................................................... what it asks

    def _resolve(
        self, request: PackageRequest, where: tuple[str, ...], installed: tuple[Package, ...]
    ) -> tuple[tuple[str, ...] | None, Plan]:
        """(names to call `upgrade` with, its plan); the names are None when an exclusion leaves nothing to upgrade."""
        names: tuple[str, ...] = request.named
        plan = self._plan(where, names)
        if not request.exclude or not any(_excluded(p.name, request) for p in (*plan.incoming, *plan.removing)):
            return names, plan
        renames = self._renames(where, plan, installed)
        wanted = [p for p in (*plan.upgrading, *plan.downgrading) if not _excluded(p.name, request)]
        # a package is named by what is installed, which for a renamed one is the old name
        names = tuple(dict.fromkeys(old for p in wanted for old in ([r.name for r in renames.get(p, ())] or [p.name])))
        if not names:
            return None, Plan()
        plan = self._plan(where, names)
        touched = sorted({p.name for p in (*plan.incoming, *plan.removing) if _excluded(p.name, request)})
        if touched:
            raise OvercError(
                "bad_argument",
                f"{', '.join(touched)} cannot be excluded: other upgrades need it. Exclude those as well, or name the "
                "packages to upgrade.",
                packages=touched,
            )
        return names, plan

    def _plan(self, where: tuple[str, ...], names: tuple[str, ...]) -> Plan:
        """Smart's resolved transaction; options stand before packages, after the first it reads no more options."""
        completed = self._smart(*where, "upgrade", "-y", *_DRY_RUN, *names)
        unknown = unknown_packages(completed.stderr)
        if unknown:
            raise OvercError(
                "package_unknown",
                f"Not installed, or not known to any channel: {', '.join(unknown)}.",
                packages=list(unknown),
                **completed.facts(),
            )
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "resolving the upgrade")
        return parse_plan(completed.stdout)

    def _offers(self, where: tuple[str, ...]) -> tuple[Offer, ...]:
        """Rows of `newer`: 0 with a table, 2 without one, 1 is an error."""
        completed = self._smart(*where, "--quiet", "newer")
        if completed.rc not in (0, 2) or failure(completed) is not None:
            raise unsuccessful(completed, "listing the upgrades")
        return parse_newer(completed.stdout)

    def _renames(
        self, where: tuple[str, ...], plan: Plan, installed: tuple[Package, ...]
    ) -> dict[Package, tuple[Package, ...]]:
        """For the packages that upgrade one of another name: which installed packages they replace."""
        names = {package.name for package in installed}
        new_names = [package.name for package in plan.upgrading if package.name not in names]
        if not new_names:
            return {}
        completed = self._smart(*where, "--quiet", "query", *new_names, "--show-upgrades", "--show-providedby")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "asking what is replaced")
        present = set(installed)
        return {
            package: tuple(old for old in dict.fromkeys(replaced) if old in present and old.name != package.name)
            for package, replaced in parse_upgrades(completed.stdout).items()
        }

    def _held_back(
        self,
        where: tuple[str, ...],
        installed: tuple[Package, ...],
        planned: tuple[PackageChange, ...],
        named: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        completed = self._smart(*where, "--quiet", "query", "--newest", QUERY_FORMAT)
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "listing the newest packages")
        newest = [p for p in parse_query(completed.stdout) if not named or _matches(p.name, named)]
        return held_back(newest, installed, planned)

    def _channels(self, where: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
        """The configured channels; refuses a host without any that offers packages (transcript config-empty-newer)."""
        completed = self._smart(*where, "channel", "--show")
        if completed.rc != 0:
            raise unsuccessful(completed, "listing the channels")
        channels = parse_channels(completed.stdout)
        if not sources(channels):
            raise OvercError(
                "repository_failed",
                "Smart has no enabled channel that offers packages, so what is pending is unknown. Either none was "
                "ever configured or its configuration was damaged and started anew: see `smart channel --list`.",
                **completed.facts(),
            )
        return channels

    def _backend(self, channels: t.Mapping[str, t.Mapping[str, str]]) -> str:
        kind = backend(channels)
        if kind is None:
            raise OvercError(
                "repository_failed",
                "Smart has no system channel (type rpm-sys or deb-sys), so it believes that nothing is installed. Add "
                "one: `smart channel --add rpm-sys type=rpm-sys name=System -y`.",
            )
        return kind

    def _installed(self, channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[Package, ...]:
        if self._backend(channels) == "rpm":
            return rpmdb.installed(self._runner)
        completed = self._runner.run(DPKG_QUERY)
        packages = parse_dpkg(completed.stdout)
        if completed.rc != 0 or not packages:
            raise OvercError(
                "package_manager_failed", "The dpkg database cannot be read or is empty.", **completed.facts()
            )
        return packages

    def _update(self, where: tuple[str, ...] = ()) -> None:
        """`smart update`: 0 is only success without "Interrupted" and without an error line."""
        completed = self._smart(*where, "update", *_TIMEOUT)
        if completed.rc == 0 and failure(completed) is None:
            return
        error = unsuccessful(completed, "refreshing the package lists")
        if error.error_id == "package_manager_failed":
            raise OvercError("repository_failed", error.message, **error.facts)
        raise error

    def _check(self, kind: str, broken_before: str) -> None:
        """What a good exit code and a good package list do not show: half-configured and doubly registered packages."""
        checked = self._smart("check")
        if checked.rc != 0 and checked.stderr != broken_before:
            raise OvercError(
                "package_manager_failed",
                f"The packages do not fit together after the upgrade: {checked.stderr.strip()}",
                **checked.facts(),
            )
        if kind == "rpm":
            rpmdb.verify(self._runner)
            return
        audit = self._runner.run(["dpkg", "--audit"])
        if audit.rc != 0 or audit.stdout.strip():
            raise OvercError(
                "package_manager_failed", "dpkg lists packages that are not fully installed.", **audit.facts()
            )

    # .............................................................................................. running the tool

    def _smart(self, *arguments: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run Smart; it never waits for a lock, so while another one is at work try again, for a minute."""
        argv = ["smart", *([f"--data-dir={self._data}"] if self._data is not None else []), *arguments]
        completed = run_when_free(lambda: self._runner.run(argv, env=_WIDE, pass_fds=pass_fds), is_locked, self._sleep)
        error = failure(completed) if is_locked(completed) else None
        if error is not None:
            raise error
        return completed

    def _data_directory(self) -> str:
        return self._data if self._data is not None else parse_data_directory(self._smart("--help").stdout)

    def _list_digests(self, directory: str) -> tuple[str, ...]:
        lists = posixpath.join(directory, "channels")
        listing = self._runner.run(["find", lists, "-type", "f", "-exec", "sha256sum", "{}", "+"])
        return tuple(sorted(listing.stdout.splitlines()))

    def _scratch(self, scratch: str) -> tuple[str, ...]:
        """Copy the data directory into ``scratch``; options that make Smart use the copy."""
        source, target = self._data_directory(), posixpath.join(scratch, "smart")
        copy_directory(self._runner, source, target)
        return (f"--data-dir={target}",)


def _excluded(name: str, request: PackageRequest) -> bool:
    return _matches(name, request.exclude)


def _matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_operators(names: t.Iterable[str]) -> None:
    """`smart upgrade` takes ``+name`` for "install" and ``-name`` for "remove", and it knows no ``--``."""
    bad = [name for name in names if not name or name[0] in "+-" or "/" in name]
    if bad:
        raise OvercError("bad_argument", f"Smart would not take {bad[0]!r} for the name of a package.", packages=bad)


__all__ = ("SmartPm",)
