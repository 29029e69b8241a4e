# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new deployment is staged from what is pending: what is looked at first. ``stage`` does the rest."""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import replace

from ... import people
from ...errors import OvercError
from ...packages.choose import ADVISORIES, INSTALLS, MODES, RELEASE_UPGRADES, detect
from ...packages.contract import Package, PackagePlan, PackageRequest
from ...packages.scratch import scratch_directory
from ...system.presence import is_there
from ..busy_packages import refuse_busy_packages
from ..observe.facts import HostFacts
from ..observe.layout import check_absolute
from ..observe.needed import needed_paths
from ..observe.state import HostState
from ..plan.package_steps import command_lines
from ..plan.policy import advisories, skipped_repositories
from ..plan.refusals import refuse_upgrade
from ..plan.removals import gone, refuse_needed, refuse_unasked, say_needed
from ..result import nothing_to_do
from .options import UpgradeOptions

if t.TYPE_CHECKING:
    from ...packages.contract import PackageManager
    from ..session import Host


def upgrade(host: Host, options: UpgradeOptions) -> dict[str, t.Any]:
    """Stage a new deployment if anything is pending."""
    for path in options.carry_over:
        check_absolute("carry_over", path)
    if options.carry_late:
        from ..observe.late_paths import outermost, refuse_by_name  # noqa: PLC0415

        for path in options.carry_late:
            refuse_by_name(path)
        options = replace(options, carry_late=outermost(options.carry_late))
    facts, state = host.observe()
    if state.name == "interrupted":
        from ..carry_out import repair_preview  # noqa: PLC0415

        preview = repair_preview(host, facts, state)
        if preview is not None:
            return preview
    refuse_upgrade(state)
    if options.carry_over:
        from .stage import check_carried  # noqa: PLC0415

        check_carried(facts, options.carry_over)
    if options.carry_late:
        from ..observe.late_paths import refuse_late  # noqa: PLC0415

        refuse_late(facts, options.carry_late)
    manager = detect(host.runner, host.layout.package_manager)
    _refuse_unsupported(manager.name, options.request)
    if options.request.release is None:
        return _upgrade(host, facts, state, manager, options, None)
    if manager.name not in RELEASE_UPGRADES:
        raise OvercError(
            "release_unsupported",
            f"release: the packages of this host are {manager.name}'s; only those of {', '.join(RELEASE_UPGRADES)} can be "
            "brought to another release.",
        )
    with scratch_directory() as directory:
        return _upgrade(host, facts, state, manager, options, directory)


def _refuse_unsupported(manager: str, request: PackageRequest) -> None:
    """Raises packages_unsupported for what this package manager's driver would not even look at."""
    asked: dict[str, tuple[bool, tuple[str, ...]]] = {
        "install and remove": (request.edits, INSTALLS),
        "upgrade: false": (not request.upgrade, INSTALLS),
        "advisories": (request.advisories is not None, ADVISORIES),
        "upgrade_mode": (request.mode is not None, MODES),
        "allow_vendor_change": (request.vendor_change, MODES),
    }
    for option, (wanted, able) in asked.items():
        if wanted and manager not in able:
            raise OvercError(
                "packages_unsupported",
                f"{option}: the packages of this host are {manager}'s, and that is not supported for them.",
            )


def _upgrade(
    host: Host,
    facts: HostFacts,
    state: HostState,
    manager: PackageManager,
    options: UpgradeOptions,
    directory: str | None,
) -> dict[str, t.Any]:
    """``directory``: for the lists of another release, which are needed until the packages are downloaded."""
    packages = _pending_of_quiet_base(host, facts, manager, options, directory)
    packages = replace(packages, run=_commands(options))
    _refuse_removals(host, facts, manager, options, packages)
    host.warnings += _idle_exclusions(options.request.exclude, manager.installed() if options.request.exclude else ())
    result: dict[str, t.Any] = {
        "package_manager": manager.name,
        "upgrades": [change.as_dict() for change in packages.changes],
        "held_back": list(packages.held_back),
        "skipped_repositories": skipped_repositories(host.warnings, packages),
        "fingerprint": packages.fingerprint,
    }
    if packages.run:
        result["run"] = command_lines(packages)
    if options.request.edits or packages.release is not None or packages.mode == "dup":
        result["removed"] = [change.name for change in packages.changes if change.available is None]
    if options.request.advisories is not None:
        result.update(advisories(host.warnings, packages))
    if manager.name in MODES:
        result.update(upgrade_mode=packages.mode, vendor_changes=list(packages.other_vendor))
    if packages.release is not None:
        result["release"] = packages.release.as_dict()
        if packages.held_back:
            host.warnings.append(
                f"Not everything becomes {packages.release.after}: {people.plural(len(packages.held_back), 'package')} kept "
                "back, see held_back."
            )
        if packages.release.runs_already:
            return {**result, **nothing_to_do(facts, state, f"{packages.release.after} runs already")}
    if packages.is_empty and not options.force and state.name != "staged":
        return {**result, **nothing_to_do(facts, state, "nothing is pending")}
    from . import stage  # noqa: PLC0415 - and with it whatever changes a host: to have nothing to do should cost nothing

    return stage.stage(host, stage.Found(facts, state, manager, packages, result), options)


def _pending_of_quiet_base(
    host: Host, facts: HostFacts, manager: PackageManager, options: UpgradeOptions, directory: str | None
) -> PackagePlan:
    """What is pending, which is not told from the middle of somebody's transaction either: raises locked then.

    It is asked first, because one start of the tool tells that and how it is configured, its locks included.
    """
    try:
        packages = _pending(host, manager, options, directory)
    except OvercError:
        refuse_busy_packages(host, facts)  # then this is why
        raise
    refuse_busy_packages(host, facts)
    return packages


def _pending(host: Host, manager: PackageManager, options: UpgradeOptions, directory: str | None) -> PackagePlan:
    if directory is not None:
        return manager.pending(options.request, scratch=directory, sizes=True)
    if host.check_mode:
        with scratch_directory() as own:
            return manager.pending(options.request, refresh=options.update_cache, scratch=own, sizes=False)
    return manager.pending(options.request, refresh=options.update_cache, sizes=False)


def _commands(options: UpgradeOptions) -> tuple[tuple[str, ...], ...]:
    """What is to run: nothing where ``run_creates`` is there already, be it a link that leads nowhere."""
    return () if options.run_creates and is_there(options.run_creates) else options.run


def _refuse_removals(
    host: Host, facts: HostFacts, manager: PackageManager, options: UpgradeOptions, packages: PackagePlan
) -> None:
    """Where packages are to come or go: raises package_needed, removal_unasked for what must not go with them."""
    request = options.request
    going = gone(packages.changes)
    if not going:
        return
    owners = manager.owners(needed_paths(facts))
    if not request.edits:
        told = say_needed(packages, owners)
        host.warnings += [told] if told else []
        return
    refuse_needed(packages, owners)
    if request.install and not set(going) <= set(request.remove):
        rest = replace(
            options, request=replace(request, install=()), update_cache=options.update_cache and host.check_mode
        )
        alone = _pending(host, manager, rest, None) if request.remove or request.upgrade else PackagePlan()
        refuse_unasked(request, packages, alone)


def _idle_exclusions(exclude: t.Sequence[str], installed: t.Iterable[Package]) -> list[str]:
    """What to say of names among ``exclude`` that leave nothing out. No refusal: a package that is not there yet may be meant."""
    names = {
        name
        for package in installed
        for name in (package.name, f"{package.name}.{package.arch}", f"{package.name}-{package.version}")
    }
    idle = [pattern for pattern in exclude if not any(fnmatch.fnmatchcase(name, pattern) for name in names)]
    return [f"exclude: {', '.join(idle)} matches no installed package. Is it misspelt?"] if idle else []


__all__ = (
    "UpgradeOptions",
    "upgrade",
)
