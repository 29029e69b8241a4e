# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for the Smart package manager (`smart` 1.5), through its command line, for RPM and Debian packages.

What it relies on was recorded from the real program; tests/unit/transcripts/smart-1.5 holds the recordings and the
comments name them. The chief facts: exit codes lie (0 for declined, for failed scripts and for upgrades nobody can
satisfy; 2 for "nothing to upgrade", also after the lists were lost), removals show only in the plan's text, locks are
never waited for, and a damaged configuration silently means "no channels".
"""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils import rpmdb
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

# Smart wraps its help to COLUMNS; the data directory is read from there.
_WIDE: t.Final = {"COLUMNS": "2000"}
_TIMEOUT: t.Final = ("-o", "socket-timeout=30")  # seconds; the default is 600 for every file
_DRY_RUN: t.Final = ("-o", "dry-run=true", "-o", "text-hide-version=false")
_SIGNED: t.Final = ("-o", "rpm-check-signatures=true")
_OFF: t.Final = ("false", "0", "none", "no", "''", "u''")
_DEFAULT_DATA: t.Final = "/var/lib/smart"
_STAMP: t.Final = ".overc-refreshed"  # in the data directory: a link whose target is a digest and whose age counts

_LOCK_ATTEMPTS: t.Final = 12
_LOCK_PAUSE: t.Final = 5.0  # seconds

_SYSTEM_TYPES: t.Final = {"rpm-sys": "rpm", "deb-sys": "deb"}
_DPKG_QUERY: t.Final = ("dpkg-query", "-W", "-f", r"${db:Status-Abbrev}|${Package}|${Version}\n")


# ---------------------------------------------------------------------------------------------------- parsing, pure


class UnreadableOutput(ValueError):
    """Smart's output does not look as recorded; the message says where."""


@dataclass(frozen=True)
class Plan:
    """The sections of the transaction `smart upgrade` announces."""

    upgrading: tuple[Package, ...] = ()
    installing: tuple[Package, ...] = ()
    removing: tuple[Package, ...] = ()
    downgrading: tuple[Package, ...] = ()

    @property
    def incoming(self) -> tuple[Package, ...]:
        return (*self.upgrading, *self.downgrading, *self.installing)


@dataclass(frozen=True)
class Offer:
    """A row of `smart newer`; ``installed`` is None for a package that comes new, ``size`` in bytes."""

    name: str
    installed: str | None
    available: str
    channel: str
    size: int | None


def parse_package(text: str) -> Package:
    """``name-[epoch:]version-release@arch`` (rpm) or ``name_version`` (deb, no architecture) -> Package."""
    rest, at, arch = text.rpartition("@")
    if at:
        name, version, release = [*rest.rsplit("-", 2), "", ""][:3]
        # A repository may claim any name, and it may end up among Smart's arguments: -name means "remove" there
        if name[:1] not in ("", "-", "+") and version and release:
            return Package(name, arch, rpmdb.without_zero_epoch(f"{version}-{release}"))
    else:
        name, underscore, version = text.partition("_")
        if underscore and name[:1] not in ("", "-", "+") and version:
            return Package(name, "", version)
    raise UnreadableOutput(f"{text!r} is no package")


_SECTION: t.Final = re.compile(r"^(\w+) packages \((\d+)\):$")


def parse_plan(text: str) -> Plan:
    """stdout of `smart upgrade` with ``_DRY_RUN`` -> Plan (transcripts upgrade-dry-run-*).

    Packages stand in columns, each section announces its count. An output that neither announces anything nor says
    that there is nothing raises UnreadableOutput.
    """
    sections: dict[str, list[Package]] = {}
    announced: dict[str, int] = {}
    current: list[Package] | None = None
    for line in text.splitlines():
        head = _SECTION.match(line)
        if head is not None:
            current = sections.setdefault(head.group(1), [])
            announced[head.group(1)] = decimal(head.group(2)) or 0
        elif not line.startswith("  ") or not line.strip():
            current = None
        elif current is not None:
            current += [parse_package(word) for word in line.split()]
    for title, packages in sections.items():
        if title not in ("Upgrading", "Installing", "Removing", "Downgrading"):
            raise UnreadableOutput(f"unknown section {title!r}")
        if len(packages) != announced[title]:
            raise UnreadableOutput(f"{len(packages)} packages in section {title!r} of {announced[title]}")
    if not sections and "No interesting upgrades available." not in text:
        raise UnreadableOutput("neither a plan nor the word that there is none")
    return Plan(
        upgrading=tuple(sections.get("Upgrading", ())),
        installing=tuple(sections.get("Installing", ())),
        removing=tuple(sections.get("Removing", ())),
        downgrading=tuple(sections.get("Downgrading", ())),
    )


def parse_newer(text: str) -> tuple[Offer, ...]:
    """stdout of `smart newer`, with or without ``--quiet`` -> its rows; no table, no rows (transcripts newer-*)."""
    offers = []
    lines = iter(text.splitlines())
    for line in lines:
        if re.match(r"^-+\+[-+ ]+$", line):
            break
    for line in lines:
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) != 5:
            break
        installed, available = cells[1].split(), cells[2].split()
        if not available:
            raise UnreadableOutput(f"no version in {line!r}")
        offers.append(
            Offer(
                name=cells[0],
                installed=None if cells[1].startswith("(") or not installed else rpmdb.without_zero_epoch(installed[0]),
                available=rpmdb.without_zero_epoch(available[0]),
                channel=cells[3],
                size=decimal(cells[4]),
            )
        )
    return tuple(offers)


_QUERY_FORMAT: t.Final = r"--show-format=$name|$version\n"


def parse_query(text: str) -> tuple[Package, ...]:
    """stdout of `smart --quiet query` with ``_QUERY_FORMAT`` -> packages, sorted (transcripts query-*-format-*)."""
    found = set()
    for line in text.splitlines():
        name, divider, version = line.partition("|")
        if divider and version and not name.endswith("..."):
            number, _at, arch = version.rpartition("@") if "@" in version else (version, "", "")
            found.add(Package(name, arch, rpmdb.without_zero_epoch(number)))
    return tuple(sorted(found))


def parse_upgrades(text: str) -> dict[Package, tuple[Package, ...]]:
    """stdout of `smart --quiet query NAME… --show-upgrades --show-providedby` -> package: what it would replace.

    The blocks are told apart by indentation (transcript query-show-upgrades).
    """
    result: dict[Package, tuple[Package, ...]] = {}
    current: Package | None = None
    in_upgrades = in_providers = False
    for line in text.splitlines():
        indent, word = len(line) - len(line.lstrip()), line.strip()
        if indent == 0 and word:
            current = _package_or_none(word)
            in_upgrades = in_providers = False
        elif indent == 2:
            in_upgrades, in_providers = word == "Upgrades:", False
        elif indent == 4:
            in_providers = False
        elif indent == 6:
            in_providers = in_upgrades and word == "Provided By:"
        elif indent == 8 and in_providers and current is not None:
            provider = _package_or_none(word.split()[0])
            if provider is not None:
                result[current] = (*result.get(current, ()), provider)
    return result


def _package_or_none(text: str) -> Package | None:
    try:
        return parse_package(text)
    except UnreadableOutput:
        return None


def parse_channels(text: str) -> dict[str, dict[str, str]]:
    """stdout of `smart channel --show` -> alias: settings (transcripts channel-show*)."""
    channels: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        head = re.match(r"^\[(.+)\]$", line)
        if head is not None:
            current = channels.setdefault(head.group(1), {})
            continue
        key, equals, value = line.partition(" = ")
        if equals:
            current[key.strip()] = value.strip()
    return channels


def backend(channels: t.Mapping[str, t.Mapping[str, str]]) -> str | None:
    """``rpm`` or ``deb``, by the system channel that tells Smart what is installed; None without one."""
    for settings in channels.values():
        kind = _SYSTEM_TYPES.get(settings.get("type", ""))
        if kind is not None and not is_disabled(settings):
            return kind
    return None


def sources(channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """Aliases of the enabled channels that offer packages, sorted."""
    return tuple(
        sorted(
            alias
            for alias, settings in channels.items()
            if settings.get("type", "") not in _SYSTEM_TYPES and not is_disabled(settings)
        )
    )


def unsigned_channels(channels: t.Mapping[str, t.Mapping[str, str]], check_signatures: str) -> tuple[str, ...]:
    """Aliases of the sources whose packages would be installed without a signature check, sorted.

    RPM: ``check_signatures`` is what `config --show rpm-check-signatures` prints. Not set means that the build decides
    (1.5 as released does not check, OpenEmbedded's does), and ``_SIGNED`` decides for it. Debian packages carry no
    signature; the channel's lists do, and are checked where it names a fingerprint or a keyring.
    """
    if backend(channels) == "rpm":
        return sources(channels) if check_signatures.strip().lower() in _OFF else ()
    return tuple(
        alias for alias in sources(channels) if not any(channels[alias].get(key) for key in ("fingerprint", "keyring"))
    )


def is_disabled(settings: t.Mapping[str, str]) -> bool:
    return settings.get("disabled", "no").lower() in ("yes", "true", "1", "y", "t")


def parse_data_directory(text: str) -> str:
    """stdout of `smart --help` -> the compiled-in data directory, without a trailing slash (transcript cli-help)."""
    match = re.search(r"Data directory \(default is ([^)]+?)/*\)", text)
    return match.group(1) if match is not None else _DEFAULT_DATA


def parse_dpkg(text: str) -> tuple[Package, ...]:
    """Output of ``_DPKG_QUERY`` -> packages that are not merely remembered, sorted, without architecture like Smart."""
    found = set()
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 3 and fields[0][1:2] not in ("n", "c"):
            found.add(Package(fields[1], "", fields[2]))
    return tuple(sorted(found))


_LOCKED: t.Final = (
    "warning: The Smart library is already in use by another process.",
    "error: Configuration is in readonly mode.",
    "error: Channel information is locked for writing.",
)


def is_locked(completed: Completed) -> bool:
    """Did Smart start while another one was at work? It says so before all else, and nothing was done then.

    Also when the exit code is 0 or 2: what such a run saw may be the other one's half-done state (transcripts lock-*).
    """
    return completed.stderr.lstrip().startswith(_LOCKED)


def error_lines(text: str) -> tuple[str, ...]:
    """The lines of stderr that tell of an error, in order; for a traceback its last line."""
    lines = text.splitlines()
    found = [line.strip() for line in lines if line.startswith(("error:", "dpkg: error"))]
    if any(line.startswith("Traceback") for line in lines):
        found.append(next(line for line in reversed(lines) if line.strip()).strip())
    return tuple(dict.fromkeys(found))


_UNKNOWN: t.Final = re.compile(r"^(?:error|warning): '([^']+)' matches no (?:installed )?packages", re.MULTILINE)


def unknown_packages(text: str) -> tuple[str, ...]:
    """Names Smart knows no package for (an error), or none that is installed (only a warning, exit code 0)."""
    return tuple(sorted(set(_UNKNOWN.findall(text))))


_FAILURES: t.Final = (
    (
        "locked",
        "Another process holds the lock of the package database",
        re.compile(
            r"can't create transaction lock|(?:database|frontend) lock was locked|status database is locked",
            re.IGNORECASE,
        ),
    ),
    (
        "no_space",
        "There is not enough free space",
        re.compile(r"more (?:space|inodes) (?:needed )?on the|No space left on device", re.IGNORECASE),
    ),
    (
        "package_untrusted",
        "A package or channel failed its signature check",
        re.compile(r"package is not signed|signature|public key|GPG|does not verify", re.IGNORECASE),
    ),
    (
        "repository_failed",
        "A channel could not be read, so what is pending is unknown",
        re.compile(
            r"Failed to download|Failed acquiring|Invalid (?:XML|SHA|MD5|size)|File not found|Interrupted"
            r"|Failed fetching|Connection refused|timed out|/channels/",
            re.IGNORECASE,
        ),
    ),
)


def failure(completed: Completed) -> OvercError | None:
    """The error an output tells of, whatever the exit code; None if there is no error line."""
    if is_locked(completed):
        return OvercError(
            "locked",
            "Another process uses Smart (or its data directory cannot be written); wait for it to end.",
            **completed.facts(),
        )
    if re.search(r"^Interrupted$", completed.stdout, re.MULTILINE):
        return OvercError("repository_failed", "Smart was interrupted.", **completed.facts())
    lines = error_lines(completed.stderr)
    # dpkg tells the reason in a line of its own below "dpkg: error"
    lines += tuple(line.strip() for line in completed.stderr.splitlines() if lines and line.startswith(" "))
    for error_id, meaning, pattern in _FAILURES:
        for index, line in enumerate(lines):
            if pattern.search(line):
                following = lines[index + 1 : index + 2] if line.endswith(":") else ()
                detail = " ".join((line, *following)).replace("error:", "")
                return OvercError(error_id, f"{meaning}: {' '.join(detail.split())}", **completed.facts())
    if "Traceback" in completed.stderr and "/smart/channels/" in completed.stderr:
        # transcripts update-known-channel-*: from then on every command ends like this
        return OvercError(
            "repository_failed",
            "Smart cannot read the lists of a channel it fetched before. Delete that channel's files in the "
            f"directory `channels` of its data directory, then run `smart update`: {lines[-1]}",
            **completed.facts(),
        )
    if lines:
        return OvercError("package_manager_failed", f"Smart failed: {lines[0]}", **completed.facts())
    return None


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    known = failure(completed)
    if known is not None and known.error_id != "package_manager_failed":
        return known
    scripts = rpmdb.scriptlet_failures(completed.stderr)
    if scripts:
        return OvercError("package_manager_failed", f"A package script failed: {scripts[0]}", **completed.facts())
    if known is not None:
        return known
    how = f"was ended by signal {-completed.rc}" if completed.rc < 0 else f"exited with {completed.rc}"
    return OvercError("package_manager_failed", f"Smart {how} while {doing}.", **completed.facts())


def changes(
    plan: Plan,
    installed: t.Iterable[Package],
    offers: t.Iterable[Offer] = (),
    renames: t.Mapping[Package, t.Sequence[Package]] | None = None,
) -> tuple[PackageChange, ...]:
    """The plan as changes of the packages ``installed`` now.

    ``offers`` add channel and size. A package that replaces one of another name (rpm's Obsoletes) stands under
    "Upgrading" with its new name only; ``renames`` tells which installed packages go with it.
    """
    present = set(installed)
    by_name: dict[str, list[Package]] = {}
    for package in sorted(present):
        by_name.setdefault(package.name, []).append(package)
    row = {(offer.name, offer.available): offer for offer in offers}
    result: set[PackageChange] = set()
    for package in plan.incoming:
        offer = row.get((package.name, package.version))
        channel, size = (offer.channel, offer.size) if offer is not None else (None, None)
        same_name = by_name.get(package.name, []) if package not in plan.installing else []
        replaced = [p for p in same_name if p.arch == package.arch] or same_name
        result.add(
            PackageChange(
                package.name, package.arch, replaced[-1].version if replaced else None, package.version, channel, size
            )
        )
        gone = [*replaced[:-1], *(p for p in (renames or {}).get(package, ()) if p in present and p not in same_name)]
        result |= {PackageChange(p.name, p.arch, p.version, None) for p in gone}
    result |= {PackageChange(p.name, p.arch, p.version, None) for p in plan.removing}
    return tuple(sorted(result, key=lambda c: (c.name, c.arch, c.available or "", c.installed or "")))


def held_back(
    newest: t.Iterable[Package], installed: t.Iterable[Package], planned: t.Iterable[PackageChange]
) -> tuple[str, ...]:
    """A sentence for every installed package of which a newer version is known that the plan leaves out.

    Smart itself is silent about an upgrade whose dependencies nobody has, even when it is asked for by name
    (transcripts newer-missing-dependency, upgrade-yes-missing-dependency-named), and about packages locked by flag.
    """
    present = set(installed)
    names = {(package.name, package.arch) for package in present}
    handled = {change.name for change in planned}
    return tuple(
        f"{package.name} {package.version} is known but left out (locked, excluded, or its dependencies cannot be met)."
        for package in sorted(set(newest) - present)
        if (package.name, package.arch) in names and package.name not in handled
    )


# ------------------------------------------------------------------------------------------------------- the driver


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

    def refresh(self, cache_valid_time: float = 0) -> Refreshed:
        """See ``PackageManager.refresh``; "the lists' content" are the files in the data directory's ``channels``.

        Smart notes when it last tried, not when it last succeeded, and its files carry the server's times. So the
        driver keeps its own stamp there: when it last refreshed these very channels without an error.
        """
        channels = self._channels()
        directory = self._data_directory()
        digest = hashlib.sha256(repr(sorted((a, sorted(s.items())) for a, s in channels.items())).encode()).hexdigest()
        stamp = posixpath.join(directory, _STAMP)
        age = self._age(stamp, digest)
        if age is not None and 0 <= age < cache_valid_time:
            return Refreshed(changed=False, skipped=True, age=age)
        before = self._list_digests(directory)
        self._update()
        self._runner.run(["ln", "-sfn", digest, stamp])
        return Refreshed(changed=self._list_digests(directory) != before, age=age)

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
            raise OvercError(
                "package_manager_failed",
                f"The upgrade did not do what was announced: {' '.join(said)}",
                complaints=list(said),
                changes=[change.as_dict() for change in done],
                **completed.facts(),
            )
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
        completed = self._smart(*where, "--quiet", "query", "--newest", _QUERY_FORMAT)
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
        completed = self._runner.run(_DPKG_QUERY)
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
        for _attempt in range(_LOCK_ATTEMPTS - 1):
            completed = self._runner.run(argv, env=_WIDE, pass_fds=pass_fds)
            if not is_locked(completed):
                return completed
            self._sleep(_LOCK_PAUSE)
        completed = self._runner.run(argv, env=_WIDE, pass_fds=pass_fds)
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

    def _age(self, stamp: str, digest: str) -> float | None:
        """Seconds since the stamp was set for these channels, None if it was not."""
        target = self._runner.run(["readlink", stamp])
        at = self._runner.run(["stat", "-c", "%Y", stamp])
        seconds = decimal(at.stdout.strip())
        if target.rc != 0 or target.stdout.strip() != digest or seconds is None:
            return None
        return time.time() - seconds

    def _scratch(self, scratch: str) -> tuple[str, ...]:
        """Copy the data directory into ``scratch``; options that make Smart use the copy."""
        source, target = self._data_directory(), posixpath.join(scratch, "smart")
        for argv in (["mkdir", "-m", "0700", target], ["cp", "-a", posixpath.join(source, "."), target]):
            completed = self._runner.run(argv)
            if completed.rc != 0:
                error_id = "no_space" if "No space left" in completed.stderr else "package_manager_failed"
                raise OvercError(error_id, f"{source} could not be copied to {target}.", **completed.facts())
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


__all__ = (
    "Offer",
    "Plan",
    "SmartPm",
    "UnreadableOutput",
    "backend",
    "changes",
    "error_lines",
    "failure",
    "held_back",
    "is_disabled",
    "is_locked",
    "parse_channels",
    "parse_data_directory",
    "parse_dpkg",
    "parse_newer",
    "parse_package",
    "parse_plan",
    "parse_query",
    "parse_upgrades",
    "sources",
    "unknown_packages",
    "unsigned_channels",
    "unsuccessful",
)
