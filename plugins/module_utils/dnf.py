# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF driver: DNF 4 and, as far as its sources and manual say, DNF 5, through their command line.

Facts come from dnf(8), dnf.conf(5), the recorded outputs in tests/unit/transcripts/dnf4 (DNF 4.14) and, for DNF 5, from
its sources (libdnf5-cli/output/transaction_table.cpp, libdnf5/base/log_event.cpp); DNF 5 itself was not run.

The resolver's own answer is the truth about what is pending: `dnf upgrade --assumeno` prints the transaction it would
perform, one process for a host without pending upgrades. Its table is for humans, so parsing is checked against the
counts of the "Transaction Summary" that follows it.
"""

from __future__ import annotations

import posixpath
import re
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.overc.system.plugins.module_utils import dnf_signatures, rpmdb
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.package_manager import (
    Applied,
    Package,
    PackageChange,
    PackagePlan,
    PackageRequest,
    Refreshed,
)
from ansible_collections.overc.system.plugins.module_utils.package_proof import complaints, differences
from ansible_collections.overc.system.plugins.module_utils.untrusted import decimal

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Completed, Runner

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

_LOCK_ATTEMPTS: t.Final = 12
_LOCK_PAUSE: t.Final = 5.0  # seconds

_CONFIGURATION: t.Final = "/etc/dnf/dnf.conf"
_CACHE_4: t.Final = "/var/cache/dnf"
_CACHE_5: t.Final = "/var/cache/libdnf5"
_STATE_4: t.Final = "/var/lib/dnf"


# ---------------------------------------------------------------------------------------------------- parsing, pure


@dataclass(frozen=True)
class Row:
    """A package row of DNF's transaction table; ``replaced`` are (name, arch, version) of the rows below it."""

    name: str
    arch: str
    version: str
    repository: str | None
    replaced: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Transaction:
    """The rows of the table by what happens to them; ``held_back`` are (row, reason)."""

    installing: tuple[Row, ...] = ()
    upgrading: tuple[Row, ...] = ()
    downgrading: tuple[Row, ...] = ()
    removing: tuple[Row, ...] = ()
    held_back: tuple[tuple[Row, str], ...] = ()


# Section titles of both generations; the ones mapped to "other" list groups, environments and modules, no packages.
_SECTION_KINDS: t.Final[dict[str, str]] = {
    "Installing group/module packages": "installing",
    "Installing group packages": "installing",
    "Installing dependencies": "installing",
    "Installing weak dependencies": "installing",
    "Installing": "installing",
    "Upgrading": "upgrading",
    "Downgrading": "downgrading",
    "Reinstalling": "reinstalling",
    "Removing dependent packages": "removing",
    "Removing unused dependencies": "removing",
    "Removing": "removing",
    "Skipping packages with conflicts": "conflicts with another package",
    "Skipping packages with broken dependencies or part of a group": "has broken dependencies",
    "Skipping packages with broken dependencies": "has broken dependencies",
    "Installing module profiles": "other",
    "Disabling module profiles": "other",
    "Enabling module streams": "other",
    "Switching module streams": "other",
    "Disabling modules": "other",
    "Resetting modules": "other",
    "Changing reason": "other",
    "Changing reason of installed groups": "other",
}
_GROUP_SECTION: t.Final = re.compile(r"^(?:Installing|Upgrading|Removing) (?:\w+ )*(?:groups|Groups)\b", re.ASCII)
_SKIPPING: t.Final = ("conflicts with another package", "has broken dependencies")
# DNF 4 "Upgrade  2 Packages", DNF 5 " Upgrading:   2 packages"; what else DNF 5 counts are no rows of their own.
_SUMMARY_WORDS: t.Final = {
    "install": "install",
    "installing": "install",
    "upgrade": "upgrade",
    "upgrading": "upgrade",
    "remove": "remove",
    "removing": "remove",
    "downgrade": "downgrade",
    "downgrading": "downgrade",
    "skip": "skip",
    "skipping": "skip",
}
_REPLACING: t.Final = re.compile(r"^\s{3,}replacing\s+(\S+)\s+(\S+)(?:\s+(\S+))?")


class UnreadableTable(ValueError):
    """DNF's transaction table does not look as expected; the message says where."""


def parse_transaction(text: str) -> Transaction:
    """stdout of `dnf upgrade --assumeno` -> its transaction; an output without a table is the empty transaction.

    Rows wrap at 80 columns when they nearly fit (dnf/cli/output.py, fmtColumns): a row starts with one blank, its
    continuation lines with more. Raises UnreadableTable if a section is unknown or the counts do not agree.
    """
    body, summary = _table(text)
    rows: dict[str, list[Row]] = {}
    held_back: list[tuple[Row, str]] = []
    for kind, words, replaced in _records(body):
        if kind == "other":
            continue
        row = _row(words, replaced)
        if kind in _SKIPPING:
            held_back.append((row, kind))
        else:
            rows.setdefault(kind, []).append(row)
    if "reinstalling" in rows:
        raise UnreadableTable("a reinstallation is no upgrade")
    transaction = Transaction(
        installing=tuple(rows.get("installing", ())),
        upgrading=tuple(rows.get("upgrading", ())),
        downgrading=tuple(rows.get("downgrading", ())),
        removing=tuple(rows.get("removing", ())),
        held_back=tuple(held_back),
    )
    _check_counts(transaction, summary)
    return transaction


def _table(text: str) -> tuple[list[str], list[str]]:
    """The lines between the table's head and its summary, and the lines of the summary."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if line.startswith("Transaction Summary")), None)
    if end is None:
        return [], []
    start = next((i for i, line in enumerate(lines[:end]) if re.match(r"^\s*Package\b", line)), None)
    if start is None:
        raise UnreadableTable("a summary without a table")
    start = next((i for i in range(start + 1, end) if lines[i].startswith("=====")), start)  # DNF 4: end of the head
    return lines[start + 1 : end], lines[end + 1 :]


def _records(lines: t.Iterable[str]) -> t.Iterator[tuple[str, list[str], list[tuple[str, str, str]]]]:
    """(kind of section, words of the row, packages it replaces) of every row."""
    kind: str | None = None
    words: list[str] = []
    replaced: list[tuple[str, str, str]] = []
    for line in lines:
        if not line.strip():
            continue
        if not line.startswith(" "):
            if line.startswith("("):  # DNF 4: second line of "Skipping packages with conflicts", an advice
                continue
            if kind is not None and words:
                yield kind, words, replaced
            words, replaced = [], []
            kind = _section_kind(line)
            continue
        if kind is None:
            raise UnreadableTable(f"a row outside of any section: {line!r}")
        replacing = _REPLACING.match(line)
        if replacing is not None and words:
            replaced.append(_replaced(replacing))
        elif line.startswith("  "):
            words += line.split()
        else:
            if words:
                yield kind, words, replaced
            words, replaced = line.split(), []
    if kind is not None and words:
        yield kind, words, replaced


def _section_kind(line: str) -> str:
    title = line.strip().rstrip(":").strip()
    kind = _SECTION_KINDS.get(title)
    if kind is None and _GROUP_SECTION.match(title):
        kind = "other"
    if kind is None:
        raise UnreadableTable(f"unknown section {title!r}")
    return kind


def _replaced(match: re.Match[str]) -> tuple[str, str, str]:
    """DNF 4 prints ``name.arch version``, DNF 5 ``name arch version``."""
    first, second, third = match.group(1), match.group(2), match.group(3)
    if third is not None:
        return first, second, rpmdb.without_zero_epoch(third)
    name, dot, arch = first.rpartition(".")
    return (name, arch, rpmdb.without_zero_epoch(second)) if dot else (first, "", rpmdb.without_zero_epoch(second))


def _row(words: list[str], replaced: list[tuple[str, str, str]]) -> Row:
    """name arch version [repository] [size [unit]]."""
    if len(words) < 3 or len(words) > 6:
        raise UnreadableTable(f"a row of {len(words)} words: {' '.join(words)!r}")
    name, arch, version = words[:3]
    after_version = " ".join(words[3:])
    repository = re.sub(r"(?:^| )\d+(?:\.\d+)?(?: \w+)?$", "", after_version)
    return Row(name, arch, rpmdb.without_zero_epoch(version), repository or None, tuple(replaced))


def _check_counts(transaction: Transaction, summary: list[str]) -> None:
    counted = {
        "install": len(transaction.installing),
        "upgrade": len(transaction.upgrading),
        "remove": len(transaction.removing),
        "downgrade": len(transaction.downgrading),
        "skip": len(transaction.held_back),
    }
    announced = dict.fromkeys(counted, 0)
    for line in summary:
        match = re.match(r"^\s*(\w+):?\s+(\d+)\s+packages?\s*$", line, re.IGNORECASE)
        word = _SUMMARY_WORDS.get(match.group(1).lower()) if match is not None else None
        if match is not None and word is not None:
            announced[word] = decimal(match.group(2)) or 0
    if announced != counted:
        raise UnreadableTable(f"counted {counted}, announced {announced}")


def problems(text: str) -> tuple[str, ...]:
    """DNF's explanations (`` Problem 2: …`` with its dash lines), each as one sentence-like line."""
    found: list[str] = []
    for line in text.splitlines():
        if re.match(r"^\s*Problem(?: \d+)?: ", line):
            found.append(line.split(": ", 1)[1].strip())
        elif found and re.match(r"^\s+- ", line):
            found[-1] += "; " + line.strip()[2:].strip()
    return tuple(found)


def held_back_sentences(transaction: Transaction, explanations: t.Sequence[str]) -> tuple[str, ...]:
    """One sentence per package left out, with the solver's explanation where one names it."""
    sentences = []
    for row, reason in transaction.held_back:
        text = f"{row.name} {row.version} from {row.repository} is left out because it {reason}"
        because = [e for e in explanations if f"{row.name}-{row.version}" in e or f"package {row.name}-" in e]
        sentences.append(f"{text}: {because[0]}." if because else f"{text}.")
    return tuple(sentences)


def changes(transaction: Transaction, installed: t.Iterable[Package]) -> tuple[PackageChange, ...]:
    """The transaction as changes of the packages ``installed`` now.

    An upgrade of a name and architecture with more than one registered version replaces all of them (rpm erases every
    older one): the newest in sort order is "the" installed one, the others are listed as removals.
    """
    by_name: dict[str, list[Package]] = {}
    for package in installed:
        by_name.setdefault(package.name, []).append(package)
    result: set[PackageChange] = set()
    for row in (*transaction.upgrading, *transaction.downgrading):
        same_name = by_name.get(row.name, [])
        replaced = sorted(p for p in same_name if p.arch == row.arch) or sorted(same_name)
        if not replaced:
            raise UnreadableTable(f"an upgrade of {row.name}, which is not installed")
        result.add(PackageChange(row.name, row.arch, replaced[-1].version, row.version, row.repository))
        result |= {PackageChange(p.name, p.arch, p.version, None) for p in replaced[:-1]}
    for row in transaction.installing:
        result.add(PackageChange(row.name, row.arch, None, row.version, row.repository))
    for row in transaction.removing:
        result.add(PackageChange(row.name, row.arch, row.version, None))
    for row in (*transaction.upgrading, *transaction.downgrading, *transaction.installing):
        result |= {
            PackageChange(name, arch, version, None)
            for name, arch, version in row.replaced
            if not any(c.name == name and c.installed == version for c in result)  # DNF 5 also lists the old version
        }
    return tuple(sorted(result, key=lambda c: (c.name, c.arch, c.available or "", c.installed or "")))


_SIZE_FORMAT: t.Final = r"%{name}|%{arch}|%{evr}|%{downloadsize}\n"


def parse_sizes(text: str) -> dict[tuple[str, str, str], int]:
    """Output of `dnf repoquery` with ``_SIZE_FORMAT`` -> (name, arch, version): download size in bytes."""
    sizes = {}
    for line in text.splitlines():
        fields = line.strip().split("|")
        size = decimal(fields[3]) if len(fields) == 4 else None
        if size is not None:
            sizes[fields[0], fields[1], rpmdb.without_zero_epoch(fields[2])] = size
    return sizes


_UNKNOWN: t.Final = (
    re.compile(r"^No match for argument: (\S+)", re.MULTILINE),
    re.compile(r"^Package (\S+) available, but not installed", re.MULTILINE),
    re.compile(r"^Packages for argument '([^']+)' available, but not installed", re.MULTILINE),
)


def unknown_packages(text: str) -> tuple[str, ...]:
    """Names DNF could not match, sorted; DNF 4 goes on without them and exits 0 if any other name matched."""
    return tuple(sorted({match.group(1) for pattern in _UNKNOWN for match in pattern.finditer(text)}))


_LOCKED_5: t.Final = "Failed to obtain rpm transaction lock"
_FAILURES: t.Final = (
    (
        "no_space",
        "There is not enough free space",
        re.compile(
            r"more (?:space|inodes) needed on the|No space left on device|Not enough (?:free )?space"
            r"|Failed writing received data to disk",  # curl error 23 while downloading
            re.IGNORECASE,
        ),
    ),
    (
        "package_untrusted",
        "A package or repository failed its signature check",
        re.compile(
            r"GPG check FAILED|PGP check .*failed|You have enabled checking of packages via GPG keys"
            r"|Refusing to automatically import keys|is not signed|Public key for .* is not installed"
            r"|GPG signature verification error|Bad (?:GPG|PGP) signature|OpenPGP signature|does not verify: ",
            re.IGNORECASE,
        ),
    ),
    (
        "repository_failed",
        "A package repository could not be read",
        re.compile(
            r"Failed to download (?:metadata|packages|files)|Ignoring repositories: |There are no enabled repositories"
            r"|Error downloading packages|incorrect checksum|No more mirrors to try|All mirrors were tried"
            r"|Cannot download|Cannot find a valid baseurl|Status code: \d+ for|loading repo .* failure",
            re.IGNORECASE,
        ),
    ),
)


def is_locked(completed: Completed) -> bool:
    """Did DNF give up, before doing anything, because of another one? (dnf(8): exit code 200; DNF 5 says it.)"""
    return completed.rc == 200 or (completed.rc != 0 and _LOCKED_5 in completed.stderr)


def failure(completed: Completed) -> OvercError | None:
    """The error an output tells of, whatever the exit code; None if it tells of none of the known kinds."""
    text = f"{completed.stderr}\n{completed.stdout}"
    if is_locked(completed):
        return OvercError(
            "locked", "Another package manager process holds DNF's lock; wait for it to end.", **completed.facts()
        )
    for error_id, meaning, pattern in _FAILURES:
        match = pattern.search(text)
        if match is not None:
            lines = [each.strip() for each in text[text.rfind("\n", 0, match.start()) + 1 :].splitlines()]
            line = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
            return OvercError(error_id, f"{meaning}: {line}", **completed.facts())
    return None


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    known = failure(completed)
    if known is not None:
        return known
    if completed.rc < 0:
        what = f"DNF was ended by signal {-completed.rc} while {doing}"
    else:
        what = f"DNF exited with {completed.rc} while {doing}"
    why = problems(completed.stderr) or rpmdb.scriptlet_failures(completed.stdout) or _error_lines(completed.stderr)
    return OvercError("package_manager_failed", ": ".join((what, *why[:1])), **completed.facts())


def _error_lines(text: str) -> tuple[str, ...]:
    """The "Error: " lines; one that ends in a colon together with the line that follows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(
        f"{line} {following}" if line.endswith(":") else line
        for line, following in zip(lines, [*lines[1:], ""])
        if line.startswith("Error:")
    )


def parse_setting(text: str, name: str) -> str | None:
    """The last value of an option in an ini-like text (dnf.conf, `dnf --dump-main-config`), None if not set."""
    found = re.findall(rf"^{re.escape(name)}\s*=\s*(\S.*?)\s*$", text, re.MULTILINE)
    return found[-1] if found else None


def parse_repository_ids(text: str) -> tuple[str, ...]:
    """Output of `dnf -q repolist --enabled` -> ids; the first line is the head."""
    return tuple(line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("repo id"))


_CACHE_NAME: t.Final = re.compile(r"^(?P<id>.+)-[0-9a-f]{16}$")


def refreshed_at(stamps: str, repository_ids: t.Sequence[str]) -> float | None:
    """When the oldest of the enabled repositories was last refreshed (seconds since the epoch), None if one never was.

    ``stamps`` is output of `stat -c '%Y %n'` of the ``primary.xml`` of the cache: DNF sets its time whenever it found
    the repository unchanged or fetched it (libdnf, Repo::Impl::loadCache and resetTimestamp).
    """
    newest: dict[str, float] = {}
    for line in stamps.splitlines():
        stamp, _blank, path = line.partition(" ")
        match = _CACHE_NAME.match(posixpath.basename(posixpath.dirname(posixpath.dirname(path))))
        seconds = decimal(stamp)
        if match is not None and seconds is not None:
            newest[match.group("id")] = max(float(seconds), newest.get(match.group("id"), 0.0))
    if not repository_ids or any(repository not in newest for repository in repository_ids):
        return None
    return min(newest[repository] for repository in repository_ids)


# ------------------------------------------------------------------------------------------------------- the driver


class Dnf:
    """``PackageManager`` on top of the `dnf` command of the root behind ``runner``."""

    name: t.ClassVar[str] = "dnf"

    def __init__(self, runner: Runner, *, sleep: t.Callable[[float], None] = time.sleep) -> None:
        self._runner = runner
        self._sleep = sleep

    def installed(self) -> tuple[Package, ...]:
        return rpmdb.installed(self._runner)

    def refresh(self, cache_valid_time: float = 0) -> Refreshed:
        """See ``PackageManager.refresh``; "the lists' content" are the repomd.xml files of the cache."""
        cache, _state = self._directories()
        age = self._age(cache)
        if age is not None and 0 <= age < cache_valid_time:
            return Refreshed(changed=False, skipped=True, age=age)
        before = self._repomd_digests(cache)
        completed = self._dnf("--refresh", "makecache")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "refreshing the package lists")
        return Refreshed(changed=self._repomd_digests(cache) != before, age=age)

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
            planned = changes(transaction, self.installed()) if announced else ()
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
        )

    def unchecked(self) -> tuple[str, ...]:
        return dnf_signatures.unchecked_repositories(self._runner)

    def apply(self, request: PackageRequest, plan: PackagePlan, *, pass_fds: t.Sequence[int] = ()) -> Applied:
        """See ``PackageManager.apply``. ``-y`` also accepts keys the administrator configured as ``gpgkey``."""
        before = self.installed()
        forced = dnf_signatures.FORCED if request.signed else ()
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
            raise failure(completed) or OvercError(
                "package_manager_failed",
                f"The upgrade did not do what was announced: {' '.join(said)}",
                complaints=list(said),
                changes=[change.as_dict() for change in done],
                **completed.facts(),
            )
        rpmdb.verify(self._runner)
        warnings = tuple(line for line in output.splitlines() if line.startswith("warning: "))
        return Applied(completed=completed, changes=done, warnings=warnings)

    # .............................................................................................. running the tool

    def _dnf(self, *arguments: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run DNF; while another DNF holds a lock, which it reports before it does anything, try again for a minute."""
        argv = ["dnf", *_OPTIONS, *arguments]
        for _attempt in range(_LOCK_ATTEMPTS - 1):
            completed = self._runner.run(argv, env=_WIDE, pass_fds=pass_fds)
            if not is_locked(completed):
                return completed
            self._sleep(_LOCK_PAUSE)
        return self._runner.run(argv, env=_WIDE, pass_fds=pass_fds)

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

    def _age(self, cache: str) -> float | None:
        ids = parse_repository_ids(self._output("dnf", *_OPTIONS, "-q", "repolist", "--enabled"))
        stamps = self._runner.run(["find", cache, "-name", "*primary.xml*", "-exec", "stat", "-c", "%Y %n", "{}", "+"])
        at = refreshed_at(stamps.stdout, ids)
        return None if at is None else time.time() - at

    def _scratch_options(self, scratch: str) -> tuple[str, ...]:
        """Copy the host's lists and DNF's state into ``scratch``; options that make DNF use the copies.

        The lists are copied so that a host whose lists are current is not made to fetch them anew, the state because
        the resolver needs the enabled module streams and why packages were installed.
        """
        cache, state = self._directories()
        targets = {"cache": cache, "state": state}
        for name, source in targets.items():
            target = posixpath.join(scratch, name)
            for argv in (["mkdir", "-m", "0700", target], ["cp", "-a", posixpath.join(source, "."), target]):
                completed = self._runner.run(argv)
                if completed.rc != 0 and "No such file" not in completed.stderr:
                    raise failure(completed) or OvercError(
                        "package_manager_failed", f"{source} could not be copied to {target}.", **completed.facts()
                    )
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
            *where, *_LISTS_AS_THEY_ARE, "-q", "repoquery", f"--queryformat={_SIZE_FORMAT}", "--", *specs
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


__all__ = (
    "Dnf",
    "Row",
    "Transaction",
    "UnreadableTable",
    "changes",
    "failure",
    "held_back_sentences",
    "is_locked",
    "parse_repository_ids",
    "parse_setting",
    "parse_sizes",
    "parse_transaction",
    "problems",
    "refreshed_at",
    "unknown_packages",
    "unsuccessful",
)
