# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sharing would bring, found by reading alone: the true plan of check mode, and of work that waits for a boot."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..compare import merge
from ..compare.kin import KinFinder
from ..compare.model import Comparison, Source, Totals
from ..system import overlayfs, syscalls
from ..system.safe_path import OPEN_DIR, detached_view, open_if_there, printable
from ..system.workers import apart
from . import layering
from .kept import open_layers
from .site import Site, Tree
from .table import Mounted


def _sources(
    stack: contextlib.ExitStack, found: t.Sequence[Tree], kin: KinFinder | None, beneath: int = -1
) -> list[Source]:
    """The live trees, without what is mounted on them."""
    out: list[Source] = []
    for tree in found:
        root = os.open(tree.subvolume, OPEN_DIR)
        stack.callback(os.close, root)
        view = detached_view(root)
        stack.callback(os.close, view)
        fd = open_if_there(view, tree.below)
        if fd is None:
            continue
        stack.callback(os.close, fd)
        relation = None if kin is None else kin.of(root)
        out.append(Source(fd, layer=tree.whole and not out, one_filesystem=True, kin=relation, beneath=beneath))
    return out


def _refuse_too_many(site: Site, comparison: Comparison, sources: t.Sequence[Source]) -> None:
    whole = bool(sources) and sources[0].layer
    layering.mount_options(site, layering.UNKNOWN_ID, layering.layer_names(comparison, whole=whole))


def own_files(site: Site, directory: str, found: t.Sequence[Tree], *, jobs: int | None = None) -> Totals:
    """For a directory that is not shared yet. Raises the refusal that doing it would raise."""
    with contextlib.ExitStack() as stack:
        kin = KinFinder(site.root)
        stack.callback(kin.close)
        fd = site.open_directory(directory)
        stack.callback(os.close, fd)
        sources = _sources(stack, found, kin)
        comparison = merge.compare(fd, sources, jobs=jobs)
        merge.refuse(comparison, directory)
        _refuse_too_many(site, comparison, sources)
        return comparison.totals


def shared_again(site: Site, mounted: Mounted, found: t.Sequence[Tree], *, jobs: int | None = None) -> Totals:
    """For a directory that is shared already: what the container sees now, mounted read-only where nobody sees it."""

    def compared() -> tuple[dict[str, t.Any], list[t.Any]]:
        comparison = _merged(site, mounted, found, jobs)
        return vars(comparison.totals), comparison.refused[:100]

    totals, refused = apart(compared, doing=f"comparing {printable(mounted.directory)}")
    if refused:
        merge.refuse(Comparison({}, {}, Totals(), refused), mounted.directory)
    return Totals(**totals)


def _merged(site: Site, mounted: Mounted, found: t.Sequence[Tree], jobs: int | None) -> Comparison:
    """In a process and a mount namespace of its own."""
    syscalls.unshare_mounts()
    layers = (mounted.layers.upper, *mounted.layers.lower)
    lower = ":".join(overlayfs.escape(path, lower=True) for path in layers)
    safety = ",".join(f"{name}={value}" for name, value in overlayfs.supported_safety() if name != "index")
    with contextlib.ExitStack() as stack:
        # opened before the mount hides what lies below the container's directory
        base = os.open(mounted.layers.upper, OPEN_DIR)
        stack.callback(os.close, base)
        sources = _sources(stack, found, None, base)
        overlayfs.mount(f"lowerdir={lower},{safety}", site.path)
        fd = os.open(site.path, OPEN_DIR)
        stack.callback(os.close, fd)
        comparison = merge.compare(fd, sources, jobs=jobs)
    if not comparison.refused:
        _refuse_too_many(site, comparison, sources)
    return comparison


def worth(site: Site, mounted: Mounted, *, jobs: int | None = None) -> int:
    """How many of the container's own files in the upper layer are equal to what the layers below have."""
    layers = open_layers(site, mounted.layers, mounted.id)
    try:
        below = [Source(fd, one_filesystem=True) for fd in layers[1:]]
        # "refused" is full of whiteouts, which are the kernel's own here
        return merge.compare(layers[0], below, jobs=jobs).totals.shared_entries
    finally:
        for fd in layers:
            os.close(fd)


__all__ = ("own_files", "shared_again", "worth")
