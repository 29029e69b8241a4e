# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Performing a planned operation on one directory, step by step. overlay_repair has why it can be cut off anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
import traceback
import typing as t
from dataclasses import dataclass, field

from ..compare import merge
from ..compare.model import Comparison, Totals
from ..errors import OvercError
from ..system import overlayfs, safe_path, syscalls
from ..system.safe_path import open_beneath, open_dir, printable
from ..system.workers import translate
from . import copied, layering, mount_flags, own_side
from . import original as overlay_original
from .claims import refuse
from .kept import NOTES, delete_if_there, drop_snapshots, new_id, trim, unlock
from .layers.build import Sites, build
from .layers.materialise import materialise
from .mount import empty_under, mount_on_host, prepare_table, unmount_on_host
from .observe import used_by
from .plan import Operation
from .record import Intent, Overlay
from .repair import FILLING, STARTED_MEANWHILE, is_switched, open_shown, refuse_while_started, repair, settle
from .site import Site, trees
from .sources import Sources

# Told ("before" | "after", step) around every step: the journal, and the tests that kill there.
Observer = t.Callable[[str, str], None]


@dataclass
class Outcome:
    """What one operation came to."""

    totals: Totals = field(default_factory=Totals)
    seconds: float = 0.0
    layers: list[str] = field(default_factory=list)
    sources_without: list[str] = field(default_factory=list)


class Work:
    """One operation under way."""

    def __init__(
        self,
        site: Site,
        operation: Operation,
        *,
        sources: t.Sequence[str] = (),
        essential_root: str = "/",
        observer: Observer | None = None,
        jobs: int | None = None,
    ) -> None:
        self.site = site
        self.operation = operation
        self.directory = operation.directory
        self.sources = tuple(sources)
        self.essential_root = essential_root
        self.observer = observer
        self.jobs = jobs
        self.outcome = Outcome()
        active = site.mounted().get(self.directory)
        self.active = active
        self.old = active.id if active else ""
        self.new = new_id() if operation.kind in ("create", "reshare") else ""
        self.comparison: Comparison | None = None
        self.options = ""
        self._stack = contextlib.ExitStack()

    # -- running ------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        started = time.monotonic()
        original = None
        if self.operation.kind == "stop_original" and self.active:
            original = dataclasses.asdict(self.active.layers)
        store = self.site.store
        with self._stack:
            self.intent = Intent(self.operation.kind, self.directory, self.new, self.old, original)
            store.begin(self.intent)
            self._home = store.make()
            self._stack.callback(os.close, self._home)
            try:
                for step in self.operation.steps:
                    self._tell("before", step)
                    if step == "record":
                        self.outcome.seconds = round(time.monotonic() - started, 3)
                    getattr(self, f"_{step}")()
                    self._tell("after", step)
            except Exception as error:  # noqa: BLE001 - whatever it was: unwound first, then raised again
                self._stack.close()
                self._unwind(error)
        return self.outcome

    def _tell(self, when: str, step: str) -> None:
        note = f"{when} {step}"
        # What a repair reads must be on disk before anything is put under the mount.
        self.site.store.note(note, durable=note == FILLING)
        if self.observer is not None:
            self.observer(when, step)

    def _unwind(self, error: Exception) -> t.NoReturn:
        """Undo (or, after the commit, finish) what was begun, then report the error that stopped it."""
        if not isinstance(error, (OvercError, OSError)):
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            error = OvercError("internal", f"{type(error).__name__}: {error}", exception=trace)
        elif isinstance(error, OSError):
            error = translate(error, f"working on {printable(self.directory)}")
        rest = "what remained was done, too"
        try:
            switched = is_switched(self.site, self.intent)
            repair(self.site)
        except (OvercError, OSError) as second:
            rest = "what remains is for the next run"
            if str(second) != str(error):
                error.facts["repair"] = f"{second}; the next run takes it up again"
        if switched:
            sees = "sees its own files" if self.operation.kind.startswith("stop") else "sees the layers"
            error.message = f"{error.message} It was switched over already: the container {sees}, and {rest}."
            error.facts.update(changed=True, reached="switched")
        raise error

    # -- steps of making an overlay -----------------------------------------------------------------------------

    def _open(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd

    def _snapshot_sources(self) -> None:
        own_side.snapshot(self.site, self._home, self.new)
        found = trees(self.site, self.directory, self.sources, self.essential_root)
        self._shared = Sources(self.site, self.new, self._home, found, self._stack)
        self.outcome.sources_without = self._shared.without

    def _compare(self) -> None:
        self._target = self._open(self.site.open_directory(self.directory))
        self.comparison = self._shared.compare(self._target, jobs=self.jobs)
        merge.refuse(self.comparison, self.directory)
        self.outcome.layers = layering.layer_names(self.comparison, whole=self._shared.lower is not None)
        self.options = layering.mount_options(self.site, self.new, self.outcome.layers)
        self.outcome.totals = self.comparison.totals

    def _build_layers(self) -> None:
        comparison = self.comparison
        if comparison is None:
            raise OvercError("internal", "built before compared")
        used = layering.picked(comparison)
        whole = self._shared.lower
        for name in ("upper", "work", *self.outcome.layers):
            if name != "lower" or whole is None:
                os.mkdir(name, 0o700, dir_fd=self._shared.layers)
        if whole is not None:
            self._take_layer(whole.below)
        sites = Sites(
            container=self._target,
            sources={number: shared.fd for number, shared in enumerate(self._shared.trees)},
            upper=self._open(open_dir("upper", self._shared.layers)),
            picks={n: self._open(open_dir(self._shared.trees[n].origin.layer, self._shared.layers)) for n in used},
        )
        build(comparison, sites, jobs=self.jobs)
        overlay = Overlay(
            self.new,
            self.directory,
            self.sources,
            self.essential_root,
            tuple(shared.origin for shared in self._shared.trees),
            comparison.totals.as_dict(),
            0.0,
        )
        # With the layers, so that a repair after the commit has it.
        safe_path.write_atomically(NOTES, json.dumps(dataclasses.asdict(overlay)).encode("ascii"), self._shared.layers)

    def _take_layer(self, below: t.Sequence[str]) -> None:
        """Move the directory within its snapshot to where the layers are, under a name that needs no escaping."""
        parent = open_beneath(self._shared.own, below[:-1])
        try:
            unlock(parent)
            taken = open_dir(below[-1], parent)
            try:
                unlock(taken)
            finally:
                os.close(taken)
            os.rename(below[-1], "lower", src_dir_fd=parent, dst_dir_fd=self._shared.layers)
        finally:
            os.close(parent)

    def _sync(self) -> None:
        syscalls.syncfs(self.site.path)

    def _probe(self) -> None:
        reason = overlayfs.probe(self.options, os.path.dirname(os.path.dirname(self.site.layer_paths(self.new))))
        if reason is not None:
            raise OvercError("overlay_unsupported", f"The kernel does not take the layers: {reason}.")

    def _still_quiet(self) -> None:
        owner = self.active.owner if self.active else ""
        if self.site.running() or (owner and copied.owner_runs(owner)):
            raise OvercError("container_running", "The container was started meanwhile; nothing was switched over.")
        state = "present" if self.new else "absent"
        refuse(self.site.name, self.directory, used_by(self.site, self.directory, self.active, state))

    def _not_started_meanwhile(self) -> None:
        # LXC takes its command socket before it reads the table: whoever may have read the old one is seen now
        if self.site.running():
            self.site.store.note(STARTED_MEANWHILE, durable=True)
            refuse_while_started(self.site)

    def _commit_mount(self) -> None:
        self._still_quiet()
        prepare_table(self.site)
        own_side.refuse_changed(self._home, self.new, self.site, self.directory)
        self.site.table.commit(self.directory, mount_flags.with_flags(self.options, mount_flags.wanted(self.site)))
        self._not_started_meanwhile()

    def _empty_directory(self) -> None:
        known = own_side.opened(self._home, self.new, self.site, self.directory)
        if known is None:
            raise OvercError(
                "inconsistent", "The snapshot that tells what may be removed is gone; what lies there stays."
            )
        self._open(known)
        empty_under(self.site, self.directory, known, jobs=self.jobs)

    def _trim_layer(self) -> None:
        trim(self._home, self.new, jobs=self.jobs)

    def _drop_snapshots(self) -> None:
        drop_snapshots(self._home, self.new)

    def _drop_sources(self) -> None:
        drop_snapshots(self._home, self.new, own=False)

    def _mount(self) -> None:
        mount_on_host(self.site, self.directory)

    def _unmount(self) -> None:
        unmount_on_host(self.site, self.directory)

    def _record(self) -> None:
        later = self.operation.empties_later
        settle(self.site, self.directory, self.new, seconds=self.outcome.seconds, emptying=later)

    def _empty_later(self) -> None:
        """On the record it is: whoever called begins it, for all directories at once (``freeing.begin``)."""

    # -- steps of taking one away -------------------------------------------------------------------------------

    def _check_mount_point(self) -> None:
        fd = self.site.open_directory(self.directory)
        try:
            with os.scandir(fd) as entries:
                found = next(entries, None)
        finally:
            os.close(fd)
        if found is not None:
            raise OvercError(
                "inconsistent",
                f"{printable(self.site.root + self.directory)} is not empty under its mount:"
                f" {printable(found.name)!r} was not made here, so it is not removed. Move it away first.",
            )

    def _materialise(self) -> None:
        if self.active is None:
            raise OvercError("internal", "no overlay to take files from")
        target = self._open(self.site.open_directory(self.directory))
        layers = open_shown(self.site, self.directory, self.active)
        for fd in layers:
            self._open(fd)
        entries, size = materialise(layers, target, jobs=self.jobs)
        self.outcome.totals = Totals(kept_entries=entries, kept_bytes=size)

    def _commit_unmount(self) -> None:
        self._still_quiet()
        self.site.table.commit(self.directory, None)
        self._not_started_meanwhile()

    def _remove_old_layers(self) -> None:
        delete_if_there(self.old, self._home)

    def _remove_original(self) -> None:
        if self.active is not None:
            overlay_original.remove(self.site, self.directory, self.active.layers)


__all__ = ("Observer", "Outcome", "Work")
