# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF driver: DNF 4 and, as far as its sources and manual say, DNF 5, through their command line.

The resolver's own answer is the truth about what is pending: `dnf upgrade --assumeno` prints the transaction it would
perform, one process for a host without pending upgrades. Where the facts about DNF come from is said in dnf_transaction,
dnf_output and dnf_errors; DNF 5 itself was not run.
"""

from __future__ import annotations

import posixpath
import time
import typing as t
from dataclasses import replace

from ...errors import OvercError
from .. import rpmdb
from ..contract import Applied, ListsAge, Package, PackageChange, PackagePlan, PackageRequest, packages_digest
from ..locks import Database, Lock
from ..proof import check_base, complaints, differences, not_as_announced
from ..tool import copy_directory, run_when_free
from . import signatures
from .errors import failure, is_locked, problems, unknown_packages, unsuccessful
from .output import SIZE_FORMAT, parse_repository_ids, parse_setting, parse_sizes, refreshed_at
from .transaction import Row, Transaction, UnreadableTable, changes, held_back_sentences, parse_transaction

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# What running unattended needs, on every call:
#   exit_on_lock   DNF would wait for another DNF without end
#   timeout, retries   seconds, count; a dead mirror costs seconds instead of minutes (per-repository settings win)
#   skip_if_unavailable   a repository that cannot be read makes "nothing to do" a guess
_OPTIONS: t.Final = (
    "--setopt=exit_on_lock=True",
    "--setopt=timeout=20",
    "--setopt=retries=2",
    "--setopt=skip_if_unavailable=False",
    "--setopt=*.skip_if_unavailable=False",
)
# The transaction that was announced is the one to perform: lists fetched meanwhile must not change it.
_LISTS_AS_THEY_ARE: t.Final = ("--setopt=metadata_expire=-1", "--setopt=*.metadata_expire=-1")
# DNF 4 prints untruncated lines when stdout is no terminal. DNF 5 cuts columns to the width it believes in.
_WIDE: t.Final = {"COLUMNS": "2000", "DNF5_FORCE_COLUMNS": "2000", "FORCE_COLUMNS": "2000"}

_CONFIGURATION: t.Final = "/etc/dnf/dnf.conf"
_CACHE_4: t.Final = "/var/cache/dnf"
_CACHE_5: t.Final = "/var/cache/libdnf5"
_STATE_4: t.Final = "/var/lib/dnf"
_LOCK_5: t.Final = "/run/dnf/rpmtransaction.lock"


class Dnf:
    """``PackageManager`` on top of the `dnf` command of the root behind ``runner``."""

    name: t.ClassVar[str] = "dnf"

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._sleep = sleep

    def installed(self) -> tuple[Package, ...]:
        return rpmdb.installed(self._runner)

    def database(self) -> Database:
        """rpm's, and what DNF itself holds until its own history is written, too: 4 a file with its number, 5 a lock."""
        found = rpmdb.database(self._runner)
        _cache, state = self._directories()
        own = (Lock(f"{state}/rpmdb_lock.pid", "pid"), Lock(_LOCK_5, "fcntl"))
        return Database(found.directories, (*own, *found.locks))

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        return rpmdb.owners(self._runner, paths)

    def lists_age(self) -> ListsAge:
        cache, _state = self._directories()
        ids = parse_repository_ids(self._output("dnf", *_OPTIONS, "-q", "repolist", "--enabled"))
        stamps = self._runner.run(["find", cache, "-name", "*primary.xml*", "-exec", "stat", "-c", "%Y %n", "{}", "+"])
        at = refreshed_at(stamps.stdout, ids)
        return ListsAge(None if at is None else time.time() - at)

    def refresh(self) -> bool:
        """See ``PackageManager.refresh``; "their content" are the repomd.xml files of the cache."""
        cache, _state = self._directories()
        before = self._repomd_digests(cache)
        completed = self._dnf("--refresh", "makecache")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "refreshing the package lists")
        return self._repomd_digests(cache) != before

    def pending(
        self, request: PackageRequest, *, refresh: bool = False, scratch: str | None = None, sizes: bool = True
    ) -> PackagePlan:
        """See ``PackageManager.pending``.

        One `dnf` process when nothing is pending; otherwise `rpm` tells the installed versions and `dnf repoquery`
        the exact download sizes. With ``scratch`` the lists, DNF's logs and its history are used in copies there.
        """
        if request.is_void:
            return PackagePlan()
        where = self._scratch_options(scratch) if scratch is not None else ()
        before = self._repomd_digests(scratch) if scratch is not None else ()
        completed = self._dnf(
            *where, *(["--refresh"] if refresh else []), "upgrade", "--assumeno", *_selection(request)
        )
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
        try:
            transaction = parse_transaction(completed.stdout)
            announced = _announced(transaction)
            if not _was_answered_no(completed) and (announced or completed.rc != 0):
                raise unsuccessful(completed, "resolving the upgrade")
            installed = self.installed() if announced else ()
            planned = changes(transaction, installed) if announced else ()
        except UnreadableTable as error:
            raise OvercError(
                "package_manager_failed",
                f"DNF's answer was not understood, so what is pending is unknown ({error}).",
                **completed.facts(),
            ) from error
        return PackagePlan(
            changes=self._with_sizes(planned, where) if sizes else planned,
            held_back=held_back_sentences(transaction, problems(completed.stderr)),
            lists_changed=scratch is not None and self._repomd_digests(scratch) != before,
            base=packages_digest(installed) if announced else None,
        )

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:  # noqa: ARG002 - DNF leaves nothing open
        return signatures.unchecked_repositories(self._runner)

    def apply(self, request: PackageRequest, plan: PackagePlan, *, pass_fds: t.Sequence[int] = ()) -> Applied:
        """See ``PackageManager.apply``. ``-y`` also accepts keys the administrator configured as ``gpgkey``."""
        before = self.installed()
        check_base(plan, before)
        forced = signatures.FORCED if request.signed else ()
        completed = self._dnf("-y", *_LISTS_AS_THEY_ARE, *forced, "upgrade", *_selection(request), pass_fds=pass_fds)
        output = f"{completed.stdout}\n{completed.stderr}"
        after = self.installed()
        done = differences(before, after)
        if completed.rc != 0:
            error = unsuccessful(completed, "upgrading")
            error.facts["changes"] = [change.as_dict() for change in done]
            raise error
        failed_scripts = rpmdb.scriptlet_failures(output)
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
        warnings = tuple(line for line in output.splitlines() if line.startswith("warning: "))
        return Applied(completed=completed, changes=done, warnings=warnings)

    # .............................................................................................. running the tool

    def _dnf(self, *arguments: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run DNF; while another DNF holds a lock, which it reports before it does anything, try again for a minute."""
        argv = ["dnf", *_OPTIONS, *arguments]
        return run_when_free(lambda: self._runner.run(argv, env=_WIDE, pass_fds=pass_fds), is_locked, self._sleep)

    def _output(self, *argv: str) -> str:
        """Standard output of a helper, empty if it failed: what it tells is optional."""
        completed = self._runner.run(argv, env=_WIDE)
        return completed.stdout if completed.rc == 0 else ""

    def _directories(self) -> tuple[str, str]:
        """(cache of the package lists, persistent state) as configured."""
        program = self._output("readlink", "-f", self._runner.find("dnf") or "dnf")
        if posixpath.basename(program.strip()) == "dnf5":
            settings = self._output("dnf", "--dump-main-config")
            return parse_setting(settings, "system_cachedir") or _CACHE_5, _STATE_4
        settings = self._output("cat", _CONFIGURATION)
        return parse_setting(settings, "cachedir") or _CACHE_4, parse_setting(settings, "persistdir") or _STATE_4

    def _repomd_digests(self, cache: str) -> tuple[str, ...]:
        listing = self._runner.run(["find", cache, "-name", "repomd.xml", "-exec", "sha256sum", "{}", "+"])
        return tuple(sorted(listing.stdout.splitlines()))

    def _scratch_options(self, scratch: str) -> tuple[str, ...]:
        """Copy the host's lists and DNF's state into ``scratch``; options that make DNF use the copies.

        The lists are copied so that a host whose lists are current is not made to fetch them anew, the state because
        the resolver needs the enabled module streams and why packages were installed.
        """
        cache, state = self._directories()
        targets = {"cache": cache, "state": state}
        for name, source in targets.items():
            copy_directory(self._runner, source, posixpath.join(scratch, name), may_be_missing=True)
        options = {
            "cachedir": posixpath.join(scratch, "cache"),
            "system_cachedir": posixpath.join(scratch, "cache"),
            "persistdir": posixpath.join(scratch, "state"),
            "logdir": scratch,
        }
        is_5 = cache == _CACHE_5
        return tuple(f"--setopt={key}={value}" for key, value in options.items() if is_5 or key != "system_cachedir")

    def _with_sizes(self, planned: tuple[PackageChange, ...], where: tuple[str, ...]) -> tuple[PackageChange, ...]:
        """Add the exact download sizes; the table's are rounded (DNF 4) or installed sizes (DNF 5)."""
        specs = [f"{c.name}-{c.available}.{c.arch}" for c in planned if c.available is not None]
        if not specs:
            return planned
        completed = self._dnf(
            *where, *_LISTS_AS_THEY_ARE, "-q", "repoquery", f"--queryformat={SIZE_FORMAT}", "--", *specs
        )
        sizes = parse_sizes(completed.stdout) if completed.rc == 0 else {}
        return tuple(
            replace(c, size=sizes.get((c.name, c.arch, c.available))) if c.available is not None else c for c in planned
        )


def _selection(request: PackageRequest) -> list[str]:
    """The arguments that restrict an upgrade; ``--`` keeps a name from being taken for an option."""
    return [*(f"--exclude={name}" for name in request.exclude), "--", *request.named]


def _announced(transaction: Transaction) -> tuple[Row, ...]:
    return (*transaction.installing, *transaction.upgrading, *transaction.downgrading, *transaction.removing)


def _was_answered_no(completed: Completed) -> bool:
    """The end of `--assumeno` when there was something to ask: exit code 1, "Operation aborted"."""
    return completed.rc == 1 and "Operation aborted" in f"{completed.stderr}\n{completed.stdout}"


__all__ = ("Dnf",)
