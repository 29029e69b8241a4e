# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of overc_overlay_info: what is shared in containers, and whether it still holds."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from ..system.presence import is_directory
from ..system.safe_path import components, printable
from ..system.workers import translate
from ..values import decimal
from . import claimants, copied, freeing, lines, own_side, users
from .at_boot.work import Places, will_do
from .changes import changed_underneath, has_changed
from .claims import Claim, describe
from .kept import being_emptied, is_readonly
from .observe import made_by
from .original import waiting
from .record import HOME, Record
from .site import Site, containers
from .table import Mounted

if t.TYPE_CHECKING:
    from ..runner import Runner


def _about_others(site: Site, found: Mounted, known: t.Sequence[Claim] | None) -> list[str]:
    """What is wrong between this overlay and what others have, or have mounted."""
    problems = []
    if found.owner:
        problems.append(copied.problem(found.owner))
    if found.moved:
        problems.append("the container was moved; share it again: its table names the layers by where it was")
    if found.foreign:
        return problems
    over = site.table.in_the_way(found.directory)
    if over is not None:
        problems.append(f"this is mounted over it: {over}")
    if found.id:
        for group in own_side.bypassed_quotas(site, found.id):
            problems.append(
                f"the container's quota (btrfs qgroup {group}) does not count what it writes here; stop sharing"
                " (state=absent), or lift the quota"
            )
    if found.id and known is not None:
        problems += copied.problems_of_owner(describe(users.find(site, found.directory, found, known=known)))
    return problems


def _describe(site: Site, found: Mounted, record: Record, known: t.Sequence[Claim] | None) -> dict[str, t.Any]:
    overlay = record.overlays.get(found.directory)
    active = made_by(found)
    problems = lines.problems(site, found)
    for path in (found.layers.upper, *found.layers.lower, found.layers.work):
        if path and not is_directory(path):
            problems.append(f"layer {printable(path)} is gone")
    if found.id and is_readonly(site, found.id):
        problems.append("its layers are a read-only subvolume, so the container cannot write there; share it again")
    changed: dict[str, str] = {}
    if active == "ours" and overlay is None:
        problems.append("there is no record of it")
    elif overlay is not None and overlay.id != found.id:
        problems.append("the record is of another overlay")
    elif overlay is not None:
        for origin in overlay.origins:
            state = has_changed(site, overlay.id, origin)
            if state:
                changed[printable(origin.source)] = state
        try:
            if overlay.sealed and not problems and changed_underneath(site, overlay, found.layers.lower):
                problems.append("a lower layer was changed underneath; stop the overlay, and share again")
        except FileNotFoundError as error:
            problems.append(f"{printable(str(error.filename))} is gone from beside its layers")
    problems += _about_others(site, found, known)
    totals = overlay.totals if overlay else {}
    return {
        "directory": printable(found.directory),
        "status": "broken" if problems else "mounted" if site.host_mounts(found.directory) else "shared",
        "made_by": {"ours": "overc_overlay", "original": "original"}.get(active, "unknown"),
        "sources": [printable(source) for source in (overlay.sources if overlay else ())],
        "sources_changed": changed,
        "layers": {
            "upper": printable(found.layers.upper),
            "lower": [printable(path) for path in found.layers.lower],
            "work": printable(found.layers.work),
        },
        "mounted_by": site.table.kind,
        "problems": problems,
        "freeing": bool(found.id) and being_emptied(site, record).get(found.directory) == found.id,
        "entries_shared": totals.get("shared_entries"),
        "bytes_shared": totals.get("shared_bytes"),
        "bytes_freed": totals.get("freed_bytes"),
        "whiteouts": totals.get("whiteouts"),
    }


_NOBODY: t.Final = (
    "work waits for the next boot, but the unit that does it is not there, or does not know of this container (it was renamed, or"
    " the host boots another root now); run overc_overlay for it again"
)


def _claims(containers_dir: str, units: str) -> list[Claim] | None:
    """Who uses what on this host; None if it cannot all be read, which a run that changes something refuses."""
    try:
        return claimants.all_claims([containers_dir], units)
    except OvercError:
        return None


def _pinned(runner: Runner, path: str) -> int:
    """The exclusive bytes of an overlay's subvolume: btrfs-filesystem(8), du; total, exclusive, shared, path."""
    done = runner.run(["btrfs", "filesystem", "du", "-s", "--raw", path])
    # A head, then the line; the path in it may have further ones
    numbers = [*done.stdout.split("\n"), ""][1].split()[:3]
    exclusive = decimal(numbers[1]) if len(numbers) == 3 else None
    if done.rc != 0 or exclusive is None:
        raise OvercError("btrfs_failed", f"The space of {printable(path)} could not be measured.", **done.facts())
    return exclusive


def _of_container(
    containers_dir: str, name: str, places: Places, known: t.Sequence[Claim] | None, runner: Runner | None
) -> dict[str, t.Any]:
    with Site(containers_dir, name, units=places.units) as site:
        record = site.record()
        overlays = []
        for found in {**site.mounted(), **lines.missing(site, record)}.values():
            overlays.append(_describe(site, found, record, known))
            if runner is not None and found.id:
                overlays[-1]["bytes_pinned"] = _pinned(runner, f"{site.path}/{HOME}/{found.id}")
        request = waiting(site)
        problems = [request] if request else []
        if record.requests and not will_do(places, site.containers_dir, name):
            problems.append(_NOBODY)
        return {
            "container": printable(name),
            "status": "broken" if problems or any(overlay["problems"] for overlay in overlays) else "ok",
            "problems": problems,
            "running": site.running(),
            "overlays": overlays,
            "waiting": [
                {
                    "state": queued.state,
                    "directories": [printable(d) for d in queued.directories],
                    "sources": [printable(s) for s in queued.sources],
                }
                for queued in record.requests
            ],
            "interrupted": _interrupted(site, record),
        }


def _interrupted(site: Site, record: Record) -> dict[str, str] | None:
    """What was cut off: an operation, or what its copies under the mount were to be removed by."""
    intent = site.intent()
    if intent is not None:
        return {"operation": intent.operation, "directory": printable(intent.directory)}
    left = freeing.cut_off(site, record)
    return {"operation": "freeing", "directory": printable(left[0])} if left else None


def _broken(name: str, error: OvercError) -> dict[str, t.Any]:
    """A container of which nothing certain can be said."""
    return {
        "container": printable(name),
        "status": "broken",
        "problems": [f"{printable(name)}: {error.message}"],
        "running": None,
        "overlays": [],
        "waiting": [],
        "interrupted": None,
    }


def information(
    containers_dir: str,
    container: str | None,
    *,
    places: Places | None = None,
    runner: Runner | None = None,
) -> list[dict[str, t.Any]]:
    """What is shared in one container or in all of them. ``runner``: also measure the space.

    Of all, one that cannot be read is listed as broken; asked for by its name, it raises what is wrong.
    """
    components(containers_dir)
    places = places or Places()
    known = _claims(containers_dir, places.units)
    if container is not None:
        return [_of_container(containers_dir, container, places, known, runner)]
    out = []
    for name in containers(containers_dir):
        try:
            out.append(_of_container(containers_dir, name, places, known, runner))
        except OvercError as error:
            out.append(_broken(name, error))
        except OSError as error:
            out.append(_broken(name, translate(error, "looking at the container")))
    return out


__all__ = ("information",)
