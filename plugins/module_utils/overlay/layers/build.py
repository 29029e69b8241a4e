# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the new layers of an overlay from a comparison, beside the live tree, which is only read.

Upper layer: the directories that are needed, the entries that are kept, whiteouts, opaque marks. Pick layers: one for
every source that is not a layer as it is, holding just the files that were found equal in it.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass

from ...btrfs.clone import clone_attributes, clone_entry, unlocked
from ...compare.model import Comparison, DirectoryPlan, join, parent_of
from ...system import overlay_format
from ...system.safe_path import Descent, open_beneath
from ...system.workers import spread, translate

_CHUNKS: t.Final = 512


@dataclass(frozen=True)
class Sites:
    """Open directories: the container's tree, the sources by number, the new upper layer, the new pick layers."""

    container: int
    sources: t.Mapping[int, int]
    upper: int
    picks: t.Mapping[int, int]


def _parts(path: str) -> list[str]:
    return path.split("/") if path else []


class _Descents:
    """The open directories of every site, each at the path that was asked for last; for one process."""

    def __init__(self, sites: Sites, stack: contextlib.ExitStack) -> None:
        def below(root: int) -> Descent:
            descent = Descent(root)
            stack.callback(descent.close)
            return descent

        self.container, self.upper = below(sites.container), below(sites.upper)
        self.sources = {number: below(fd) for number, fd in sites.sources.items()}
        self.picks = {number: below(fd) for number, fd in sites.picks.items()}


def _make(layer: Descent, path: str) -> None:
    """Create one directory below a layer; its parent is there already."""
    os.mkdir(_parts(path)[-1], 0o700, dir_fd=layer.to(_parts(path)[:-1]))


def _make_directories(comparison: Comparison, descents: _Descents) -> list[DirectoryPlan]:
    """All needed directories of the upper layer and of the pick layers, parents first."""
    plans = sorted((plan for plan in comparison.directories.values() if plan.needed), key=lambda plan: plan.path)
    # sorted() puts "a-b" between "a" and "a/b"; a parent still comes before what is below it
    made: dict[int, set[str]] = {number: {""} for number in descents.picks}
    for plan in plans:
        if plan.path:
            _make(descents.upper, plan.path)
        for number in set(plan.pick.values()):
            missing, path = [], plan.path
            while path not in made[number]:
                missing.append(path)
                path = parent_of(path)
            for path in reversed(missing):
                _make(descents.picks[number], path)
                made[number].add(path)
    return plans


def _fill(plan: DirectoryPlan, descents: _Descents, later: set[str], *, finish: bool) -> None:
    """Everything in one directory of the upper layer and what is picked for it."""
    parts = _parts(plan.path)
    here, upper = descents.container.to(parts), descents.upper.to(parts)
    numbers = set(plan.pick.values())
    sources = {number: descents.sources[number].to(parts) for number in numbers | set(plan.clone.values())}
    picks = {number: descents.picks[number].to(parts) for number in numbers}
    for name in plan.keep:
        if join(plan.path, name) not in later:
            number = plan.clone.get(name)
            clone_entry(name, here, upper, data_fd=None if number is None else sources[number], neutral=True)
    for name, number in plan.pick.items():
        clone_entry(name, sources[number], picks[number], neutral=True)
    for name in plan.white:
        overlay_format.make_whiteout(name, upper)
    if finish:
        _finish(plan, here, upper)


def _finish(plan: DirectoryPlan, here: int, upper: int) -> None:
    if plan.opaque:
        overlay_format.make_opaque(upper)
    clone_attributes(here, upper)


def _link(first: str, others: t.Iterable[str], root: int) -> None:
    """Give a file, which is there, its further names."""
    source, name = open_beneath(root, _parts(first)[:-1]), _parts(first)[-1]
    try:
        with unlocked(name, source):
            for other in others:
                target = open_beneath(root, _parts(other)[:-1])
                try:
                    os.link(name, _parts(other)[-1], src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
                finally:
                    os.close(target)
    finally:
        os.close(source)


def build(comparison: Comparison, sites: Sites, *, jobs: int | None = None) -> None:
    """Build all layers; the targets are empty directories of ours. Raises OvercError."""
    doing = "building the layers"
    later = {name for names in comparison.links.values() for name in names[1:]}
    linked = {parent_of(name) for name in later}
    umask = os.umask(0)
    try:
        with contextlib.ExitStack() as stack:
            descents = _Descents(sites, stack)
            plans = _make_directories(comparison, descents)
            size = 1 + len(plans) // _CHUNKS
            chunks = [plans[index : index + size] for index in range(0, len(plans), size)]

            def work(index: int) -> None:
                for plan in chunks[index]:
                    _fill(plan, descents, later, finish=plan.path not in linked)

            spread(len(chunks), work, doing=doing, jobs=jobs)
        for names in comparison.links.values():
            _link(names[0], names[1:], sites.upper)
        for path in sorted(linked, key=lambda path: path.count("/"), reverse=True):
            here, upper = open_beneath(sites.container, _parts(path)), open_beneath(sites.upper, _parts(path))
            try:
                _finish(comparison.directories[path], here, upper)
            finally:
                os.close(here)
                os.close(upper)
    except OSError as error:
        raise translate(error, doing) from error
    finally:
        os.umask(umask)


__all__ = ("Sites", "build")
