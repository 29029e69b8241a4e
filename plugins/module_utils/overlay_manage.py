# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of overc_overlay: observe, plan, apply, and say what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import sys
import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils import overlay_boot, overlay_estimate
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay_apply import Observer, Work, repair
from ansible_collections.overc.system.plugins.module_utils.overlay_original import is_original
from ansible_collections.overc.system.plugins.module_utils.overlay_plan import (
    DirectoryFacts,
    Operation,
    check_directories,
    plan_directory,
    when,
)
from ansible_collections.overc.system.plugins.module_utils.overlay_record import HOME, Record, Request
from ansible_collections.overc.system.plugins.module_utils.overlay_site import (
    Site,
    Tree,
    changed_underneath,
    containers,
    has_changed,
    is_there,
    normal_directory,
    trees,
)
from ansible_collections.overc.system.plugins.module_utils.overlay_table import Mounted
from ansible_collections.overc.system.plugins.module_utils.overlay_workers import translate
from ansible_collections.overc.system.plugins.module_utils.redact import redact_all
from ansible_collections.overc.system.plugins.module_utils.safe_path import is_below, printable
from ansible_collections.overc.system.plugins.module_utils.tree_compare_model import Totals

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Runner


@dataclass(frozen=True)
class Wanted:
    """The options of the module."""

    container: str
    containers_dir: str
    directories: tuple[str, ...]
    sources: tuple[str, ...]
    state: str
    apply: str = "auto"
    essential_root: str = "/"


@contextlib.contextmanager
def locked(site: Site) -> t.Iterator[None]:
    """One run per container; the lock is on its directory, so it leaves nothing behind."""
    try:
        fcntl.flock(site.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        what = f"Another run works on container {printable(site.name)!r}; try again later."
        raise OvercError("locked", what) from error
    try:
        yield
    finally:
        fcntl.flock(site.fd, fcntl.LOCK_UN)


# -- observing --------------------------------------------------------------------------------------------------


def _active(found: Mounted | None) -> str:
    if found is None:
        return ""
    if found.id:
        return "ours"
    return "original" if is_original(found) else "foreign"


def _queued(record: Record, directory: str) -> Request | None:
    return next((request for request in record.requests if directory in request.directories), None)


def _stale(site: Site, found: Mounted, record: Record, wanted: Wanted, now: t.Sequence[Tree], jobs: int | None) -> str:
    """Why sharing again would do something, "" if it would not."""
    overlay = record.overlays.get(found.directory)
    if overlay is None:
        return "no record of how it was shared"
    if overlay.essential_root != wanted.essential_root:
        return "another root of the host"
    there = [(tree.source, tree.subvolume, "/".join(tree.below)) for tree in now if is_there(tree)]
    if there != [(origin.source, origin.subvolume, origin.below) for origin in overlay.origins]:
        return "the sources have other trees now"
    for origin in overlay.origins:
        state = has_changed(origin)
        if state is not None:
            return f"source {printable(origin.source)} has {state} since"
    count = overlay_estimate.worth(site, found, jobs=jobs)
    return f"{count} of the container's own files are equal to a source's now" if count else ""


def observe(site: Site, wanted: Wanted, record: Record, jobs: int | None) -> list[DirectoryFacts]:
    """The facts about every directory that is asked for."""
    mounted = site.mounted()
    out = []
    for directory in wanted.directories:
        found = mounted.get(directory)
        active = _active(found)
        overlay = record.overlays.get(directory)
        queued = _queued(record, directory)
        stale = ""
        sources = overlay.sources if overlay and active == "ours" else ()
        if wanted.state == "present":
            for other in mounted:
                if is_below(other, directory) or is_below(directory, other):
                    what = f"{printable(directory)!r} and {printable(other)!r}, which is shared, lie in one another."
                    raise OvercError("bad_argument", what)
            now = trees(site, directory, wanted.sources, wanted.essential_root)
            if not active:
                os.close(site.open_directory(directory))
                site.table.check(directory)
                _refuse_mounts(site, directory)
            if found is not None and active == "ours" and sources == wanted.sources:
                stale = _stale(site, found, record, wanted, now, jobs)
        out.append(
            DirectoryFacts(
                directory,
                active,
                sources,
                stale,
                on_host=bool(active and site.host_mounts(directory)),
                queued=_same_request(queued, wanted),
            )
        )
    return out


def _same_request(queued: Request | None, wanted: Wanted) -> str:
    """present or absent when exactly this waits already; "other" when something else waits; "" when nothing does."""
    if queued is None:
        return ""
    same = queued.state == wanted.state and (
        wanted.state == "absent" or (queued.sources, queued.essential_root) == (wanted.sources, wanted.essential_root)
    )
    return queued.state if same else "other"


def _refuse_mounts(site: Site, directory: str) -> None:
    for found in site.host_mounts(directory):
        raise OvercError(
            "overlay_unsupported",
            f"{printable(found.target)} is mounted inside the directory; unmount it first: it hides what is there.",
        )


# -- applying ---------------------------------------------------------------------------------------------------


def _request(site: Site, wanted: Wanted, directory: str, *, add: bool) -> None:
    """Put one directory's work on the record for the next boot, or take it off."""
    record = site.record()
    kept = []
    for request in record.requests:
        rest = tuple(d for d in request.directories if d != directory)
        if rest:
            kept.append(dataclasses.replace(request, directories=rest))
    if add:
        kept.append(Request(wanted.state, (directory,), wanted.sources, wanted.essential_root))
    record.requests = kept
    site.store.write(record)


def _unqueue(site: Site, wanted: Wanted, directory: str, places: overlay_boot.Places) -> None:
    if _queued(site.record(), directory) is None:
        return
    _request(site, wanted, directory, add=False)
    if not site.record().requests:
        overlay_boot.forget(places, site.containers_dir, site.name)


def _perform(
    site: Site,
    wanted: Wanted,
    operation: Operation,
    places: overlay_boot.Places,
    observer: Observer | None,
    jobs: int | None,
) -> tuple[Totals, dict[str, t.Any]]:
    if operation.kind == "queue":
        # In this order: cut off between the two, the boot finds nothing to do, and the next run asks again
        overlay_boot.remember(places, site.containers_dir, site.name)
        _request(site, wanted, operation.directory, add=True)
        return Totals(), {}
    if operation.kind == "unqueue":
        _unqueue(site, wanted, operation.directory, places)
        return Totals(), {}
    work = Work(
        site,
        operation,
        sources=wanted.sources,
        essential_root=wanted.essential_root,
        observer=observer,
        jobs=jobs,
    )
    outcome = work.run()
    # Only now: work that is cut off must still be on the record for the next boot.
    _unqueue(site, wanted, operation.directory, places)
    extra = {
        "seconds": outcome.seconds,
        "layers": outcome.layers,
        "sources_without": [printable(source) for source in outcome.sources_without],
    }
    return outcome.totals, extra


def _estimate(site: Site, wanted: Wanted, operation: Operation, facts: DirectoryFacts, jobs: int | None) -> Totals:
    if wanted.state == "absent" or operation.kind in ("none", "unqueue"):
        return Totals()
    found = trees(site, operation.directory, wanted.sources, wanted.essential_root)
    mounted = site.mounted().get(operation.directory)
    if facts.active == "ours" and mounted is not None:
        return overlay_estimate.shared_again(site, mounted, found, jobs=jobs)
    return overlay_estimate.own_files(site, operation.directory, found, jobs=jobs)


_STATUS: t.Final = {
    "create": "shared",
    "reshare": "shared",
    "stop": "own",
    "stop_original": "own",
    "queue": "waits_for_boot",
}


def _status(operation: Operation, facts: DirectoryFacts) -> str:
    if operation.kind in _STATUS:
        return _STATUS[operation.kind]
    if facts.queued and operation.kind == "none":
        return "waits_for_boot"
    return "shared" if facts.active else "own"


def _before(facts: DirectoryFacts) -> str:
    if not facts.active:
        return "the container's own files"
    by = "the original tool, " if facts.active == "original" else ""
    return f"shared ({by}sources: {', '.join(map(printable, facts.sources)) or 'not known'})"


def _after(facts: DirectoryFacts, operation: Operation, wanted: Wanted) -> str:
    if operation.kind in ("none", "unqueue"):
        return _before(facts)
    suffix = " after the next boot" if operation.kind == "queue" else ""
    if wanted.state == "absent":
        return "the container's own files" + suffix
    reason = f"; {operation.reason}" if facts.active else ""
    return f"shared (sources: {', '.join(map(printable, wanted.sources))}{reason}){suffix}"


def _report(
    facts: DirectoryFacts, operation: Operation, wanted: Wanted, totals: Totals, extra: dict[str, t.Any]
) -> dict[str, t.Any]:
    return {
        "directory": printable(facts.directory),
        "status": _status(operation, facts),
        "operation": operation.kind,
        "reason": operation.reason,
        "sources": [printable(source) for source in (wanted.sources if wanted.state == "present" else ())],
        "steps": operation.describe(),
        "entries_shared": totals.shared_entries,
        "bytes_shared": totals.shared_bytes,
        "bytes_freed": totals.freed_bytes,
        "entries_kept": totals.kept_entries,
        "bytes_kept": totals.kept_bytes,
        "whiteouts": totals.whiteouts,
        "opaque_directories": totals.opaque,
        "seconds": 0.0,
        "layers": [],
        "sources_without": [],
        **extra,
    }


def normalise(wanted: Wanted) -> Wanted:
    directories = tuple(normal_directory(directory) for directory in wanted.directories)
    check_directories(directories)
    if not directories:
        raise OvercError("bad_argument", "Name at least one directory.")
    if wanted.state == "present" and not wanted.sources:
        raise OvercError("bad_argument", "Name at least one source to share files with.")
    if len(set(wanted.sources)) != len(wanted.sources):
        raise OvercError("bad_argument", "A source is named twice.")
    sources = wanted.sources if wanted.state == "present" else ()
    return dataclasses.replace(wanted, directories=directories, sources=sources)


def manage(
    wanted: Wanted,
    *,
    check: bool = False,
    places: overlay_boot.Places | None = None,
    observer: Observer | None = None,
    jobs: int | None = None,
) -> dict[str, t.Any]:
    """Bring the container's directories into the wanted state; returns the module's result."""
    if os.geteuid() != 0:
        raise OvercError("not_root", "Sharing files among containers needs root privileges.")
    places = places or overlay_boot.Places()
    wanted = normalise(wanted)
    with Site(wanted.containers_dir, wanted.container, units=places.units) as site, contextlib.ExitStack() as stack:
        repaired = None
        if check:
            pending = site.intent()
            if pending is not None:
                where = printable(pending.directory)
                repaired = f"{pending.operation} of {where} was cut off and would be repaired first"
        else:
            stack.enter_context(locked(site))
            repaired = repair(site)
        if wanted.state == "present":
            site.filesystem()
        facts = observe(site, wanted, site.record(), jobs)
        running = site.running()
        host_side = site.table.kind != "lxc"

        def plan(later: bool) -> list[Operation]:
            return [plan_directory(f, wanted.state, wanted.sources, later=later, host_side=host_side) for f in facts]

        later = False
        operations = plan(False)
        if any(operation.kind not in ("none", "unqueue") for operation in operations):
            later = when(wanted.apply, running)
            operations = plan(later)
        reports = []
        for fact, operation in zip(facts, operations):
            totals, extra = Totals(), dict[str, t.Any]()
            if check or operation.kind == "queue":
                totals = _estimate(site, wanted, operation, fact, jobs)
            if not check and operation.changes:
                done, extra = _perform(site, wanted, operation, places, observer, jobs)
                totals = totals if operation.kind == "queue" else done
            reports.append(_report(fact, operation, wanted, totals, extra))
        before = {printable(f.directory): _before(f) for f in facts}
        after = {printable(f.directory): _after(f, o, wanted) for f, o in zip(facts, operations)}
    return {
        "changed": repaired is not None or any(operation.changes for operation in operations),
        "directories": reports,
        "reboot_required": any(report["status"] == "waits_for_boot" for report in reports),
        "repaired": repaired,
        "running": running,
        "diff": {"before": _lines(before), "after": _lines(after)},
    }


def _lines(texts: dict[str, str]) -> str:
    return "".join(f"{directory}: {text}\n" for directory, text in texts.items())


# -- information ------------------------------------------------------------------------------------------------


def _describe(site: Site, found: Mounted, record: Record) -> dict[str, t.Any]:
    overlay = record.overlays.get(found.directory)
    active = _active(found)
    problems = []
    for path in (found.layers.upper, *found.layers.lower, found.layers.work):
        if not os.path.isdir(path):
            problems.append(f"layer {printable(path)} is gone")
    changed: dict[str, str] = {}
    if active == "ours" and overlay is None:
        problems.append("there is no record of it")
    elif overlay is not None and overlay.id != found.id:
        problems.append("the record is of another overlay")
    elif overlay is not None:
        for origin in overlay.origins:
            state = has_changed(origin)
            if state:
                changed[printable(origin.source)] = state
        if overlay.sealed and not problems and changed_underneath(site, overlay, found.layers.lower):
            problems.append("a lower layer was changed underneath; stop the overlay, and share again")
    totals = overlay.totals if overlay else {}
    return {
        "directory": printable(found.directory),
        "status": "broken" if problems else "mounted" if site.host_mounts(found.directory) else "shared",
        "made_by": {"ours": "overc_overlay", "original": "original", "foreign": "unknown"}[active],
        "sources": [printable(source) for source in (overlay.sources if overlay else ())],
        "sources_changed": changed,
        "layers": {
            "upper": printable(found.layers.upper),
            "lower": [printable(path) for path in found.layers.lower],
            "work": printable(found.layers.work),
        },
        "mounted_by": site.table.kind,
        "problems": problems,
        "entries_shared": totals.get("shared_entries"),
        "bytes_shared": totals.get("shared_bytes"),
        "bytes_freed": totals.get("freed_bytes"),
        "whiteouts": totals.get("whiteouts"),
    }


def _pinned(runner: Runner, path: str) -> int:
    """The exclusive bytes of an overlay's subvolume: btrfs-filesystem(8), du; total, exclusive, shared, path."""
    done = runner.run(["btrfs", "filesystem", "du", "-s", "--raw", path])
    last = done.stdout.strip().rpartition("\n")[2].split()
    if done.rc != 0 or len(last) < 3 or not last[1].isdigit():
        raise OvercError("btrfs_failed", f"The space of {printable(path)} could not be measured.", **done.facts())
    return int(last[1])


def information(
    containers_dir: str,
    container: str | None,
    *,
    units: str = "/etc/systemd/system",
    runner: Runner | None = None,
) -> list[dict[str, t.Any]]:
    """What is shared in one container or in all of them. ``runner``: also measure the space."""
    out = []
    for name in [container] if container is not None else containers(containers_dir):
        with Site(containers_dir, name, units=units) as site:
            record = site.record()
            overlays = []
            for found in site.mounted().values():
                overlays.append(_describe(site, found, record))
                if runner is not None and found.id:
                    overlays[-1]["bytes_pinned"] = _pinned(runner, f"{site.path}/{HOME}/{found.id}")
            intent = site.intent()
            out.append(
                {
                    "container": printable(name),
                    "running": site.running(),
                    "overlays": overlays,
                    "waiting": [
                        {
                            "state": request.state,
                            "directories": [printable(d) for d in request.directories],
                            "sources": [printable(s) for s in request.sources],
                        }
                        for request in record.requests
                    ],
                    "interrupted": None
                    if intent is None
                    else {"operation": intent.operation, "directory": printable(intent.directory)},
                }
            )
    return out


def failure(error: Exception) -> dict[str, t.Any]:
    """The arguments of fail_json: nothing that went wrong reaches the user as a traceback."""
    if isinstance(error, OSError):
        error = translate(error, "looking at the container")
    if not isinstance(error, OvercError):
        error = OvercError("internal", f"{type(error).__name__}: {error}. Please report this as a defect.")
    shown: dict[str, t.Any] = redact_all({"msg": error.message, **error.facts})
    return {"changed": False, "error_id": error.error_id, **shown}


# -- at boot ----------------------------------------------------------------------------------------------------


def _to_do(places: overlay_boot.Places) -> list[tuple[str, str]]:
    """The containers on the list and, where the unit is there for good, all others with work that waits or was cut off.

    The list lies on the root file system; containers may lie elsewhere, and know more than a root that was rolled back.
    """
    found = set(overlay_boot.waiting(places))
    for containers_dir in overlay_boot.installed(places) or ():
        real = os.path.realpath(containers_dir)
        found |= {(real, name) for name in containers(real) if os.path.isdir(f"{real}/{name}/{HOME}")}
    return sorted(found)


def _do_waiting(places: overlay_boot.Places, containers_dir: str, name: str) -> None:
    with Site(containers_dir, name, units=places.units) as site:
        requests = site.record().requests
        if not requests:
            with locked(site):
                repaired = repair(site)
            if repaired:
                sys.stdout.write(f"{printable(name)}: {repaired}\n")
    for request in requests:
        wanted = Wanted(
            name,
            containers_dir,
            request.directories,
            request.sources,
            request.state,
            "now",
            request.essential_root,
        )
        for report in manage(wanted, places=places)["directories"]:
            sys.stdout.write(f"{printable(name)}: {report['directory']}: {report['status']}\n")
    with Site(containers_dir, name, units=places.units) as site:
        if not site.record().requests:
            overlay_boot.forget(places, containers_dir, name)


def run_waiting(places: overlay_boot.Places) -> int:
    """Do all the work that waits; the exit code of the boot unit. One container's trouble does not stop the others."""
    failed = 0
    for containers_dir, name in _to_do(places):
        try:
            _do_waiting(places, containers_dir, name)
        except (OvercError, OSError) as error:
            failed += 1
            sys.stderr.write(f"{printable(name)}: {error}\n")
    overlay_boot.tidy(places)
    return 1 if failed else 0


__all__ = ("Wanted", "failure", "information", "manage", "normalise", "run_waiting")
