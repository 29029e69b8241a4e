# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning: facts and what is wanted -> named steps per directory, or a refusal. Pure, so every case is a unit test.

Check mode shows these steps, normal mode performs them, the crash tests kill before and after each.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system.safe_path import is_below, printable
from .claims import Claim, refuse

# What each step does, in the words of the result.
STEPS: t.Final[dict[str, str]] = {
    "queue": "record the work, to be done at the next boot before the container starts",
    "install_boot_unit": "install the unit that does recorded work at boot",
    "unqueue": "take the work that waited for the next boot off the record",
    "unmount": "unmount the directory on the host",
    "check_mount_point": "make sure that nothing lies under the mount",
    "materialise": "give the container its own copy of every file, below the mount",
    "snapshot_sources": "snapshot the sources, so that they cannot change, and the container, to notice writers",
    "compare": "compare the directory with the snapshots",
    "build_layers": "build the container's upper layer beside the directory",
    "sync": "write everything to disk",
    "probe": "mount the layers once in a private namespace, to prove that the kernel takes them",
    "commit_mount": "replace the container's table of mounts: from here on it sees the layers",
    "commit_unmount": "replace the container's table of mounts: from here on it sees its own files",
    "empty_directory": "remove the copies under the mount",
    "trim_layer": "remove from the snapshot what lies outside the directory",
    "drop_snapshots": "delete the snapshots that served the comparison",
    "drop_sources": "delete the snapshots of the sources, which served the comparison",
    "remove_old_layers": "delete the layers of before",
    "remove_original": "delete the directories that the original tool made",
    "mount": "mount the directory on the host",
    "record": "record what was done",
    "empty_later": "leave the copies under the mount to a process of its own, which removes them while the container may run",
}

_BUILD: t.Final = ("snapshot_sources", "compare", "build_layers", "sync", "probe", "commit_mount")
_EMPTY: t.Final = ("empty_directory", "trim_layer", "drop_snapshots")
_EMPTY_LATER: t.Final = ("trim_layer", "drop_sources")


_OTHERS: t.Final = {
    "original": "the original tool's",
    "copied": "another container's (this one is a copy of it)",
    "foreign": "somebody else's",
}


AT_RISK: t.Final = (
    "The containers lie on the subvolume of the running root. Their layers are subvolumes inside it then, which no snapshot"
    " of the root has: no upgrade of this host could be staged as long as they share."
)
_REMEDY: t.Final = (
    "Move the directory of the containers to a subvolume in the top-level tree and mount it by fstab, or share all the same with"
    " state_policy=report; nothing was changed."
)


@dataclass(frozen=True)
class Wanted:
    """The options of the module. ``everything``: all that is shared, in place of ``directories``; only to be stopped.

    ``wait``: until what lies under the mounts is gone.
    """

    container: str
    containers_dir: str
    directories: tuple[str, ...]
    sources: tuple[str, ...]
    state: str
    apply: str = "auto"
    essential_root: str = "/"
    state_policy: str = "refuse"
    everything: bool = False
    wait: bool = True


@dataclass(frozen=True)
class DirectoryFacts:
    """What was observed of one directory.

    ``active``: "" nothing, "ours", "original" (made by the original tool), "copied" (another container's overlay, in the
    table of a copy of it), "foreign" (an overlay of somebody else).
    ``stale``: why sharing again would do something ("" if it would not).
    ``on_host``: mounted on the host at this moment.
    """

    directory: str
    active: str = ""
    sources: tuple[str, ...] = ()
    stale: str = ""
    on_host: bool = False
    queued: str = ""  # the state that waits for the next boot, with these sources
    on_root: bool = False  # the container lies on the running root's own subvolume
    owner_runs: bool = False  # the container that the layers of a copied one belong to
    used_by: tuple[Claim, ...] = ()  # who else uses what would be emptied or removed
    freeing: bool = False  # the copies under its mount are still being removed
    ring: tuple[str, ...] = ()  # the containers from this one round to itself that would share with one another


@dataclass(frozen=True)
class Operation:
    """What happens to one directory. ``kind``: none, queue, unqueue, create, reshare, stop, stop_original, stop_copied."""

    directory: str
    kind: str
    steps: tuple[str, ...] = ()
    reason: str = ""
    wanted: str = ""  # of a queue: the state that waits

    @property
    def changes(self) -> bool:
        return self.kind != "none"

    @property
    def sharing(self) -> bool:
        """Whether it makes layers, now or at the next boot."""
        return self.kind in ("create", "reshare") or (self.kind == "queue" and self.wanted == "present")

    @property
    def works(self) -> bool:
        """Whether trees are made and removed, now."""
        return self.kind not in ("none", "queue", "unqueue")

    @property
    def empties_later(self) -> bool:
        return "empty_later" in self.steps

    def describe(self) -> list[dict[str, str]]:
        return [{"step": step, "does": STEPS[step]} for step in self.steps]


def check_directories(directories: t.Sequence[str]) -> None:
    """Refuse directories that lie in one another."""
    for directory in directories:
        for other in directories:
            if is_below(directory, other):
                raise OvercError(
                    "bad_argument",
                    f"{printable(directory)!r} lies in {printable(other)!r}; share the outer one alone.",
                )
    if len(set(directories)) != len(directories):
        raise OvercError("bad_argument", "A directory is named twice.")


def refuse_ring(directory: str, ring: t.Sequence[str]) -> None:
    """What one of them has anew is new to the next one, so every run would share them again, for ever."""
    if not ring:
        return
    names = [printable(name) for name in ring]
    way = " shares with ".join(names)
    last = (
        f"take {names[1]} out of the sources of {names[0]}"
        if len(ring) < 3
        else f"let one of them share without the next: {names[-2]} without {names[-1]}, or {names[0]} without {names[1]}"
    )
    raise OvercError(
        "overlay_ring",
        f"{printable(directory)} would be shared in a ring: {way}. What one of them gets anew is new to the next one, so each run"
        f" would share them again, without end. Nothing was changed; {last} (other sources, or state=absent).",
        ring=names,
    )


def _around(kind: str, facts: DirectoryFacts, host_side: bool, wait: bool) -> tuple[str, ...]:
    unmount = ("unmount",) if facts.on_host else ()
    # What the host itself mounts hides the copies from the host, too, so they go before that
    later = not (wait or host_side)
    empty = _EMPTY_LATER if later else _EMPTY
    last = ("record", "empty_later") if later else (*(("mount",) if host_side else ()), "record")
    if kind == "create":
        return (*unmount, *_BUILD, *empty, *last)
    if kind == "reshare":
        return (*unmount, "check_mount_point", "materialise", *_BUILD, *empty, "remove_old_layers", *last)
    remove = {"stop_original": ("remove_original",), "stop_copied": ()}.get(kind, ("remove_old_layers",))
    return (*unmount, "check_mount_point", "materialise", "sync", "commit_unmount", *remove, "record")


def plan_directory(
    facts: DirectoryFacts,
    state: str,
    sources: t.Sequence[str],
    *,
    later: bool,
    host_side: bool = False,
    container: str = "",
    state_policy: str = "refuse",
    wait: bool = True,
) -> Operation:
    """What to do with one directory of a container (its name, for people).

    ``later``: at the next boot; ``host_side``: mounted on the host, not by LXC; ``state_policy``: refuse or report that a
    snapshot of the host's root would not have the layers; ``wait``: until what lies under the mount is gone.
    """
    where = facts.directory
    if state == "present":
        if facts.active in _OTHERS:
            what = _OTHERS[facts.active]
            hint = "Remove it first." if facts.active == "foreign" else "Stop it first (state=absent)."
            raise OvercError("inconsistent", f"{printable(where)!r} is {what} overlay already. {hint}")
        refuse_ring(where, facts.ring)
        if facts.active == "ours" and facts.sources == tuple(sources) and not facts.stale:
            kind, reason = "none", "shared already, and nothing changed"
        elif facts.active == "ours":
            kind = "reshare"
            reason = facts.stale if facts.sources == tuple(sources) else "other sources"
        else:
            kind, reason = "create", "not shared yet"
    elif facts.active == "foreign":
        raise OvercError("inconsistent", f"{printable(where)!r} is an overlay that is not ours; it is left alone.")
    else:
        kind = {"": "none", "ours": "stop", "original": "stop_original", "copied": "stop_copied"}[facts.active]
        reason = "" if kind != "none" else "not shared"
    if kind == "none":
        if facts.queued:
            return Operation(where, "unqueue", ("unqueue",), "what waited for the next boot is no longer wanted")
        return Operation(where, "none", (), reason)
    refuse(container, where, facts.used_by)
    if kind == "create" and facts.on_root and state_policy == "refuse":
        raise OvercError("state_at_risk", f"{AT_RISK} {_REMEDY}")
    if later:
        if facts.queued == state:
            return Operation(where, "none", (), "waits for the next boot already")
        return Operation(where, "queue", ("queue", "install_boot_unit"), reason, state)
    return Operation(where, kind, _around(kind, facts, host_side, wait), reason)


def when(apply: str, running: bool) -> bool:
    """Whether the work is for the next boot; refuses what cannot be done now."""
    if apply == "now" and running:
        raise OvercError(
            "container_running",
            "The container runs; stop it first, or let the work be done at the next boot (apply=boot).",
        )
    return apply == "boot" or running


__all__ = ("AT_RISK", "STEPS", "DirectoryFacts", "Operation", "Wanted", "check_directories", "plan_directory", "when")
