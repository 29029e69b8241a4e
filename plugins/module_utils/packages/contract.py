# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host upgrade needs from a package manager, and nothing more.

A driver is built with a ``Runner``: with the host's own it speaks about the running system, with one that enters a new
root (``new_root.NewRoot``) about that root. It never touches a deployment, a snapshot or the boot partition.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import asdict, dataclass, field

if t.TYPE_CHECKING:
    from ..runner import Completed
    from .locks import Database


@dataclass(frozen=True, order=True)
class Package:
    """An installed package. ``version`` is ``[epoch:]version-release``, without a zero epoch."""

    name: str
    arch: str
    version: str


@dataclass(frozen=True, order=True)
class PackageChange:
    """One line of a transaction.

    ``installed`` is None for a package that comes new, ``available`` None for one that goes; ``channel`` is the
    repository it comes from (None for a removal); ``size`` the download in bytes (None where unknown). ``advisories``: the ids
    of the security advisories that name this version or one between, where those were asked for (``PackageRequest``).
    """

    name: str
    arch: str
    installed: str | None
    available: str | None
    channel: str | None = None
    size: int | None = None
    advisories: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """For results, without what is not known; that there is no version before or after says something."""
        shown = {**asdict(self), "advisories": list(self.advisories) or None}
        return {key: value for key, value in shown.items() if value is not None or key in ("installed", "available")}


Decision = t.Literal["refuse", "keep", "rewrite", "disable"]
Advisories = t.Literal["security"]
# How zypper upgrades: by versions upwards, or to what the repositories hold
Mode = t.Literal["update", "dup"]


@dataclass(frozen=True)
class PackageRequest:
    """What the user asked for: only these packages (empty: all), never those.

    ``signed``: nothing may be installed without a valid signature, whatever the package manager's own configuration says.
    ``skip_unavailable``: a repository whose own configuration allows it is skipped when it cannot be read.
    ``release``: the code name of the release that the host is to have; ``third_party_sources`` and ``pins``: what becomes then
    of sources of others and of pins that name the release that is left.

    ``install``: exact names of packages, with an architecture where the package manager writes one, that are to be there
    afterwards. One that is there already is no change by itself (with ``upgrade`` it is upgraded as all others are). A name that
    no package has is package_unknown: what a name only stands for (a file, a group, something provided, a pattern) is not asked.
    ``remove``: exact names that are not to be there afterwards. What is not there is no change. What cannot be without them goes
    along and is shown in the plan; what nobody needs any more stays. What the package manager itself will not remove is
    package_needed.
    ``upgrade``: False leaves what is pending alone, but for what ``install`` needs.
    ``advisories``: only upgrades that a security advisory names, and what they need.
    ``mode``: how zypper is to upgrade, None where its driver decides by the distribution; ``vendor_change``: packages may be
    replaced by those of another vendor.
    All of it is one transaction. What a package manager cannot do in one, or does not know, is packages_unsupported.
    ``packages`` and ``release`` come with none of these four, nor does ``advisories`` with ``install`` and ``remove``.
    """

    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    signed: bool = False
    skip_unavailable: bool = False
    release: str | None = None
    third_party_sources: Decision = "refuse"
    pins: Decision = "refuse"
    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    upgrade: bool = True
    advisories: Advisories | None = None
    mode: Mode | None = None
    vendor_change: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """The packages to upgrade by name, in the order given, without those that are excluded."""
        return tuple(name for name in dict.fromkeys(self.packages) if name not in self.exclude)

    @property
    def is_void(self) -> bool:
        """Packages were named, and every one of them is excluded: nothing can be pending, no tool is asked."""
        return bool(self.packages) and not self.named

    @property
    def edits(self) -> bool:
        """Whether packages are to come or to go, whatever is pending."""
        return bool(self.install or self.remove)


@dataclass(frozen=True)
class Edit:
    """A file of a root whose text ``before`` is to be ``after``."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class ReleaseChange:
    """From one release to another, or from one to itself: nothing to do then.

    ``edits`` are made in the new root before anything is installed. ``sources`` and ``pins`` are what becomes of each, for
    results; ``disabled`` names the sources that are left out, as ``PackageManager.unchecked`` does. ``directory`` has the new
    release's lists, until the packages are downloaded.
    """

    before: str
    after: str
    edits: tuple[Edit, ...] = ()
    sources: tuple[t.Mapping[str, t.Any], ...] = ()
    pins: tuple[t.Mapping[str, t.Any], ...] = ()
    disabled: tuple[str, ...] = ()
    directory: str = ""

    @property
    def runs_already(self) -> bool:
        return self.before == self.after

    def as_dict(self) -> dict[str, t.Any]:
        return {"from": self.before, "to": self.after, "sources": list(self.sources), "pins": list(self.pins)}


@dataclass(frozen=True)
class PackagePlan:
    """The resolved transaction, as the package manager itself announced it.

    ``held_back`` are sentences about upgrades that exist but were left out (unsatisfiable dependency, excluded by
    the package manager's own configuration), so that "nothing to do" never hides one. ``lists_changed`` is told only of
    a refresh in a scratch directory: whether the content of the lists there differs from the host's own. ``base`` is the
    ``packages_digest`` of what was installed when it was resolved, None where that was not asked. ``skipped`` are the
    repositories that could not be read and were allowed to be skipped. ``release``: the change of release that it is part of.
    ``unadvised``: where advisories were asked for, the enabled repositories that say nothing of any, sorted: what they offer was
    left out, and whether it mends something is unknown. ``run``: argument lists of commands that are part of the transaction; no
    driver carries them out, or sets them. ``mode``: how it was resolved, where the package manager has more than one way;
    ``other_vendor``: names of packages that come from another vendor than what is installed, where it tells vendors apart.
    """

    changes: tuple[PackageChange, ...] = ()
    held_back: tuple[str, ...] = ()
    lists_changed: bool = False
    skipped: tuple[str, ...] = ()
    base: str | None = None
    release: ReleaseChange | None = None
    unadvised: tuple[str, ...] = ()
    run: tuple[tuple[str, ...], ...] = ()
    mode: Mode | None = None
    other_vendor: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing would be done."""
        return not self.changes and not self.run

    @property
    def fingerprint(self) -> str:
        """Equal for equal transactions, wherever and whenever they were resolved (sha256, hexadecimal)."""
        lines = sorted(f"{c.name} {c.arch} {c.installed} {c.available}" for c in self.changes)
        lines += [f"run {json.dumps(argv)}" for argv in self.run]  # in their order
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def packages_digest(packages: t.Iterable[Package]) -> str:
    """Equal for equal sets of installed packages (sha256, hexadecimal)."""
    lines = sorted(f"{p.name} {p.arch} {p.version}" for p in packages)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class ListsAge:
    """How old the package lists are: ``seconds``, None when there are none."""

    seconds: float | None = None

    def within(self, limit: float) -> bool:
        """Whether they are younger than ``limit`` seconds. Those from the future are not: a clock was set back."""
        return self.seconds is not None and 0 <= self.seconds < limit


@dataclass(frozen=True)
class Applied:
    """A finished and verified transaction: what the tool said, and what is really different in the root.

    ``kept``: configuration files that stayed as they were on this host, although the packages brought others.
    """

    completed: Completed
    changes: tuple[PackageChange, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    kept: tuple[str, ...] = field(default=())


class Registered(t.NamedTuple):
    """A package of another root: its name, and when it was installed there (seconds)."""

    name: str
    at: int


class PackageManager(t.Protocol):
    """The interface. All errors are OvercError; all text results are English whatever the host's locale."""

    name: t.ClassVar[str]
    # Directories that ``apply`` must find empty: what is in them would make packages look for the running system's disks
    hides: t.ClassVar[tuple[str, ...]]
    # Whether ``apply`` itself fetches packages; where not, their scripts see no network but the loopback of their own
    fetches_in_apply: t.ClassVar[bool]

    def lists_age(self, *, scratch: str | None = None) -> ListsAge:
        """Of the oldest list of an enabled repository, since it was last refreshed without an error.

        ``scratch`` as in ``pending``: even the log of the question is not the host's.
        """

    def refresh(self, *, skip_unavailable: bool = False) -> bool:
        """Refresh the package lists of the root this driver speaks about; True only if their content changed.

        Raises repository_failed if ANY enabled repository could not be refreshed, but for those that ``skip_unavailable``
        lets be skipped.
        """

    def pending(
        self, request: PackageRequest, *, refresh: bool = False, scratch: str | None = None, sizes: bool = True
    ) -> PackagePlan:
        """Resolve, but do not perform, the transaction an upgrade would be.

        ``sizes``: with the exact download sizes, which may cost another start of the tool.
        ``refresh``: refresh the lists on the way (one call of the tool where it can). ``scratch``: an empty private
        directory (0700) to be used instead of the host's own lists, so that check mode leaves the host as it is. Another
        release (``PackageRequest.release``) is always resolved there, from fresh lists; ``directory`` of the plan is it.
        Raises repository_failed, package_unknown, package_needed, packages_unsupported, package_manager_failed.
        """

    def unchecked(self, *, demanded: bool = False) -> tuple[str, ...]:
        """Names of the enabled repositories whose packages nobody is known to check the signatures of, sorted.

        ``demanded``: the run itself demands signatures (``PackageRequest.signed``), which settles what the configuration
        leaves open. Raises gpg_policy where that cannot be told.
        """

    def download(self, request: PackageRequest, plan: PackagePlan, directory: str) -> tuple[str, ...]:
        """Fetch into ``directory`` (empty, 0700) what ``apply`` will need, with the running system's network and settings.

        Returns the paths in the running system's own file tree that ``apply`` reads as well, for instance a repository on a
        file system of its own: the new root has to show them. A tool that fetches its packages itself, in ``apply``, does
        nothing here. Changes nothing else. Raises repository_failed, no_space, package_manager_failed.
        """

    def apply(
        self, request: PackageRequest, plan: PackagePlan, directory: str, *, pass_fds: t.Sequence[int] = ()
    ) -> Applied:
        """Perform the upgrade non-interactively and prove it: what is installed afterwards is what ``plan`` says.

        ``directory`` is where this root finds what ``download`` fetched; signatures are checked here.
        Success is judged by the installed packages before and after, never by the exit code alone. Raises
        package_manager_failed, package_untrusted, no_space or repository_failed with stdout, stderr and rc.
        """

    def installed(self) -> tuple[Package, ...]:
        """Every installed package, sorted; more than one version of a name is possible and is reported as is."""

    def database(self) -> Database:
        """Where the installed packages are registered, and which locks whoever changes them holds."""

    def directories(self) -> tuple[str, ...]:
        """Where the installed packages are registered: the cheap half of ``database``, for whoever only looks."""

    def installed_since(self, since: int) -> tuple[str, ...]:
        """What was installed or upgraded at or after this time (seconds), as the tool writes it, sorted."""

    def registered_in(self, root: str, scratch: str) -> dict[str, Registered]:
        """What is installed in the root at a path of the host, which is only read: name and version -> when, and the name.

        ``scratch``: a directory that does not exist yet, for a copy of what the tool cannot read without writing to it.
        """

    def owners(self, paths: t.Sequence[str]) -> dict[str, str]:
        """Path -> name of the installed package that it belongs to, for those of the paths that belong to one."""


__all__ = (
    "Advisories",
    "Applied",
    "Decision",
    "Edit",
    "ListsAge",
    "Mode",
    "Package",
    "PackageChange",
    "PackageManager",
    "PackagePlan",
    "PackageRequest",
    "Registered",
    "ReleaseChange",
    "packages_digest",
)
