# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for the Smart package manager (`smart` 1.5), through its command line, for RPM and Debian packages.

What it relies on was recorded from the real program; tests/unit/transcripts/smart-1.5 holds the recordings and the
comments name them. The chief facts: exit codes lie, removals show only in the plan's text, locks are never waited for,
and a damaged configuration silently means "no channels".
"""

from __future__ import annotations

import hashlib
import posixpath
import time
import typing as t

from ...errors import OvercError
from ...values import decimal
from .. import dpkgdb, rpmdb
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
from . import priorities
from .channels import directories, unsigned_channels
from .errors import dpkg_failed, failure, unknown_packages, unsuccessful
from .names import exact_names, is_excluded, matches, refuse_operators, refuse_other_case
from .output import (
    DPKG_QUERY,
    QUERY_FORMAT,
    UnreadableOutput,
    parse_dpkg,
    parse_newer,
    parse_plan,
    parse_query,
)
from .plan import Offer, Plan, broken_since, changes, held_back
from .rpm_log import RpmLog
from .tool import TIMEOUT, Copy, Smart

if t.TYPE_CHECKING:
    from ...runner import Runner

# With an explanation a plan tells for each package what it replaces, under whatever name, and nothing else does
_DRY_RUN: t.Final = ("-o", "dry-run=true", "-o", "text-hide-version=false", "-o", "explain-changesets=true")
# Settings of the host that would do something else than what was announced, and say nothing of it
_AS_ANNOUNCED: t.Final = tuple(
    word
    for setting in ("dry-run=false", "commit=true", "commit-stepped=false", "rpm-test=false", "rpm-justdb=false",
                    "rpm-noscripts=false", "rpm-notriggers=false", "rpm-force=false")
    for word in ("-o", setting)
)  # fmt: skip
_SIGNED: t.Final = ("-o", "rpm-check-signatures=true")
_STAMP: t.Final = ".overc-refreshed"  # in the data directory: a link whose target is a digest and whose age counts


class SmartPm:
    """``PackageManager`` on top of the `smart` command of the root behind ``runner``.

    ``data_directory``: Smart's data directory where it is not the compiled-in one.
    """

    name: t.ClassVar[str] = "smartpm"
    hides: t.ClassVar[tuple[str, ...]] = ()
    fetches_in_apply: t.ClassVar[bool] = True

    def __init__(
        self,
        runner: Runner,
        *,
        data_directory: str | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._runner = runner
        self._smart = Smart(runner, data_directory, sleep)

    def installed(self) -> tuple[Package, ...]:
        """By the native tool: Smart's own list comes from a cache that may miss a change."""
        return self._installed(self._smart.channels())

    def database(self) -> Database:
        """Smart's own lock is an flock on its data directory, held as long as it runs (transcripts lock-*)."""
        data = self._smart.data_directory()
        try:
            kind = self._smart.backend(self._smart.channels())
        except OvercError as error:
            if error.error_id == "locked":
                raise
            kind = "deb" if self._runner.find("rpm") is None else "rpm"  # a restore asks on a broken host, too
        found = dpkgdb.database() if kind == "deb" else rpmdb.database(self._runner)
        return Database((data, *found.directories), (Lock(data, "flock"), *found.locks))

    def directories(self) -> tuple[str, ...]:
        return self.database().directories

    def installed_since(self, since: int) -> tuple[str, ...]:
        deb = self._smart.backend(self._smart.channels()) == "deb"
        return dpkgdb.installed_since(self._runner, since) if deb else rpmdb.installed_since(self._runner, since)

    def registered_in(self, root: str, scratch: str) -> dict[str, Registered]:
        if self._smart.backend(self._smart.channels()) == "deb":
            return dpkgdb.registered_in(self._runner, root)
        return rpmdb.registered_in(self._runner, root, scratch)

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        kind = self._smart.backend(self._smart.channels())
        return dpkgdb.owners(self._runner, paths) if kind == "deb" else rpmdb.owners(self._runner, paths)

    def lists_age(self, *, scratch: str | None = None) -> ListsAge:  # noqa: ARG002 - it writes no log
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

    def refresh(self, *, skip_unavailable: bool = False) -> bool:  # noqa: ARG002 - no channel says that it may be skipped
        """See ``PackageManager.refresh``; "their content" are the files in the data directory's ``channels``."""
        digest, stamp = self._stamp()
        directory = posixpath.dirname(stamp)
        before = self._smart.list_digests(directory)
        self._smart.update()
        self._runner.run(["ln", "-sfn", digest, stamp])  # without a stamp the next refresh is not skipped, that is all
        return self._smart.list_digests(directory) != before

    def _stamp(self) -> tuple[str, str]:
        """What the stamp must say, and its path."""
        channels = self._smart.channels()
        digest = hashlib.sha256(repr(sorted((a, sorted(s.items())) for a, s in channels.items())).encode()).hexdigest()
        return digest, posixpath.join(self._smart.data_directory(), _STAMP)

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
        excluded package all the same. Without lists on the disk nothing is pending for Smart, and unknown for us.
        """
        if request.is_void:
            return PackagePlan()
        refuse_operators(request.packages)
        where = self._smart.on_a_copy(scratch) if scratch is not None else ()
        channels = self._smart.channels(where)
        before = self._smart.list_digests(posixpath.join(scratch, "smart")) if scratch is not None else ()
        if refresh:
            self._smart.update(where)
        else:
            self._smart.require_lists(channels, scratch)
        lists_changed = scratch is not None and self._smart.list_digests(posixpath.join(scratch, "smart")) != before
        installed = self._installed(channels)
        try:
            names, plan, left_out = self._resolve(request, where, installed)
            offers = self._offers(where) if plan.incoming else ()
            planned = changes(plan, installed, offers)
        except UnreadableOutput as error:
            raise OvercError(
                "package_manager_failed",
                f"Smart's answer was not understood, so what is pending is unknown ({error}).",
            ) from error
        outranked = self._outranked(channels, scratch, names, planned) if names is not None else ()
        held_back = self._held_back(where, installed, planned, request.packages if names is not None else ())
        told = tuple(line for line in held_back if not any(line.startswith(f"{n} {v} ") for n, v in outranked))
        return PackagePlan(
            changes=planned,
            held_back=(*told, *priorities.sentences(outranked), *left_out),
            lists_changed=lists_changed,
            base=packages_digest(installed) if planned else None,
        )

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:
        """See ``unsigned_channels``."""
        channels = self._smart.channels()
        if self._smart.backend(channels) != "rpm":
            return unsigned_channels(channels, "", demanded=demanded)
        shown = self._smart.run("config", "--show", "rpm-check-signatures")
        if shown.rc != 0 or failure(shown) is not None:
            raise unsuccessful(shown, "asking whether signatures are checked")
        return unsigned_channels(channels, shown.stdout, demanded=demanded)

    def download(
        self,
        request: PackageRequest,  # noqa: ARG002
        plan: PackagePlan,  # noqa: ARG002
        directory: str,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """See ``PackageManager.download``: Smart fetches in ``apply``, and reads directories of packages in place."""
        return tuple(directories(self._smart.channels()).values())

    def apply(
        self,
        request: PackageRequest,
        plan: PackagePlan,
        directory: str,  # noqa: ARG002
        *,
        pass_fds: t.Sequence[int] = (),
    ) -> Applied:
        """See ``PackageManager.apply``. Policies of the administrator are only ever made stricter."""
        refuse_operators(request.packages)
        channels = self._smart.channels()
        kind = self._smart.backend(channels)
        before = self._installed(channels)
        check_base(plan, before)
        broken_before = self._smart.run("check").stderr
        names = self._same_as_announced(request, plan, before, channels)
        unattended = ("-o", "deb-non-interactive=true") if kind == "deb" else _SIGNED if request.signed else ()
        with RpmLog(self._runner, wanted=kind == "rpm") as log:
            completed = self._smart.run(
                "upgrade", "-y", *TIMEOUT, *_AS_ANNOUNCED, *log.options, *unattended, *names, pass_fds=pass_fds
            )
            rpm_said = log.read() if kind == "rpm" else ""
        after = self._installed(channels)
        done = differences(before, after)
        said = complaints(plan.changes, before, after)
        failed = completed.rc != 0 or rpmdb.scriptlet_failures(rpm_said) or (kind == "deb" and dpkg_failed(completed))
        if failed or (said and failure(completed, rpm_said) is not None):
            error = unsuccessful(completed, "upgrading", rpm_said)
            error.facts.update(changes=[change.as_dict() for change in done], complaints=list(said))
            raise error
        if said:
            raise not_as_announced(said, done, completed)
        self._check(kind, broken_before)
        words = f"{rpm_said}\n{completed.stderr}"
        warnings = tuple(dict.fromkeys(line for line in words.splitlines() if line.startswith("warning: ")))
        return Applied(completed=completed, changes=done, warnings=warnings, kept=rpmdb.kept_files(warnings))

    def _same_as_announced(
        self,
        request: PackageRequest,
        plan: PackagePlan,
        before: tuple[Package, ...],
        channels: t.Mapping[str, t.Mapping[str, str]],
    ) -> tuple[str, ...]:
        """The names to call `upgrade` with, if it would do what ``plan`` says; refused if not."""
        try:
            names, resolved, _left_out = self._resolve(request, (), before)
            now = PackagePlan(changes(resolved, before))
        except UnreadableOutput as unreadable:
            raise OvercError(
                "package_manager_failed", f"Smart's answer was not understood ({unreadable})."
            ) from unreadable
        if now.fingerprint == plan.fingerprint and names is not None:
            return names
        facts = {
            "announced": [change.as_dict() for change in plan.changes],
            "changes": [change.as_dict() for change in now.changes],
        }
        for alias, path in directories(channels).items():
            seen = self._runner.run(["find", path, "-maxdepth", "1", "-type", "f", "-name", "*.[rd][pe][mb]"])
            if seen.rc != 0 or not seen.stdout:
                raise OvercError(
                    "repository_failed",
                    f"Channel {alias} reads the directory {path}, and no package is seen there from the new root. Put the "
                    "packages on the root's own file system, or serve them by HTTP.",
                    **facts,
                )
        raise OvercError(
            "package_manager_failed",
            "Smart would now do something else than what was announced; nothing was changed. Start again.",
            **facts,
        )

    # ................................................................................................... what it asks

    def _resolve(
        self, request: PackageRequest, where: tuple[str, ...], installed: tuple[Package, ...]
    ) -> tuple[tuple[str, ...] | None, Plan, tuple[str, ...]]:
        """(names to call `upgrade` with, its plan, sentences about what an exclusion keeps out).

        The names are None when an exclusion leaves nothing to upgrade.
        """
        names = exact_names(request.named, installed)
        plan = self._plan(where, names)
        refuse_other_case(names, plan, installed)
        excluded = {name for name in plan.touched if is_excluded(name, request)}
        if not excluded:
            return names, plan, ()
        wanted = [p for p in (*plan.upgrading, *plan.downgrading) if not plan.touches(p) & excluded]
        left_out = tuple(
            f"{package.name} {package.version} is left out: {', '.join(sorted(plan.touches(package) & excluded))} is excluded."
            for package in plan.upgrading
            if plan.touches(package) & excluded - {package.name}
        )
        # a package is named by what is installed, which for a renamed one is the old name
        present = {package.name for package in installed}
        names = tuple(
            dict.fromkeys(
                name
                for p in wanted
                for name in ([p.name] if p.name in present else sorted(plan.touches(p) - {p.name}) or [p.name])
            )
        )
        if not names:
            return None, Plan(), left_out
        plan = self._plan(where, names)
        touched = sorted(name for name in plan.touched if is_excluded(name, request))
        if touched:
            raise OvercError(
                "bad_argument",
                f"{', '.join(touched)} cannot be excluded: other upgrades need it. Exclude those as well, or name the "
                "packages to upgrade.",
                packages=touched,
            )
        return names, plan, left_out

    def _plan(self, where: tuple[str, ...], names: tuple[str, ...]) -> Plan:
        """Smart's resolved transaction; options stand before packages, after the first it reads no more options."""
        completed = self._smart.run(*where, "upgrade", "-y", *_DRY_RUN, *names)
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
        completed = self._smart.run(*where, "--quiet", "newer")
        if completed.rc not in (0, 2) or failure(completed) is not None:
            raise unsuccessful(completed, "listing the upgrades")
        return parse_newer(completed.stdout)

    def _held_back(
        self,
        where: tuple[str, ...],
        installed: tuple[Package, ...],
        planned: tuple[PackageChange, ...],
        named: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        completed = self._smart.run(*where, "--quiet", "query", "--newest", QUERY_FORMAT)
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "listing the newest packages")
        newest = [p for p in parse_query(completed.stdout) if not named or matches(p.name, named)]
        return held_back(newest, installed, planned)

    def _outranked(
        self,
        channels: t.Mapping[str, t.Mapping[str, str]],
        scratch: str | None,
        names: tuple[str, ...],
        planned: tuple[PackageChange, ...],
    ) -> tuple[tuple[str, str], ...]:
        """(name, version) of what only a channel's priority keeps out; asked last: the copy in ``scratch`` is changed."""
        aliases = priorities.weighted(channels)
        if not aliases:
            return ()
        with Copy(self._runner, self._smart, scratch) as where:
            priorities.make_equal(self._smart, where, aliases)
            return priorities.hidden(self._plan(where, names), planned)

    def _installed(self, channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[Package, ...]:
        if self._smart.backend(channels) == "rpm":
            return rpmdb.installed(self._runner)
        completed = self._runner.run(DPKG_QUERY)
        packages = parse_dpkg(completed.stdout)
        if completed.rc != 0 or not packages:
            raise OvercError(
                "package_manager_failed", "The dpkg database cannot be read or is empty.", **completed.facts()
            )
        return packages

    def _check(self, kind: str, broken_before: str) -> None:
        """What a good exit code and a good package list do not show: half-configured and doubly registered packages."""
        checked = self._smart.run("check")
        new = broken_since(broken_before, checked.stderr)
        if checked.rc != 0 and new:
            raise OvercError(
                "package_manager_failed",
                f"The packages do not fit together after the upgrade: {' '.join(new)}",
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


__all__ = ("SmartPm",)
