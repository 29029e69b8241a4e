# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The invariants, for any tree: nothing changes for the container, and nothing of ours stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from .conftest import clean
from .trees import Node, disturb, make, nodes
from .world import View, World, view

# Shrinking takes minutes on real mounts; ask for it when a failure has to be understood.
PHASES = list(Phase) if os.environ.get("OVERLAY_SHRINK") else [Phase.explicit, Phase.reuse, Phase.generate]
EXAMPLES = int(os.environ.get("OVERLAY_EXAMPLES", "20"))
CALM = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(target)], check=True)


def build(world: World, tree: tuple[Node, ...], relation: str, seeds: list[int], share: float) -> tuple[str, ...]:
    """The container and its sources. ``relation``: how the first source came about."""
    (world.host / "usr").mkdir()
    make(str(world.host / "usr"), tree)
    if relation == "snapshot":
        root = world.container(of=world.host)
    else:
        root = world.container(plain=relation == "plain")
        copy(world.host, root)
    if relation == "fresh":  # no sync between: what is not yet on disk must still count
        Path(world.host / "usr" / "late").write_bytes(b"late")
    disturb(str(world.host / "usr"), seeds[0], share)
    names = ["essential"]
    for number, seed in enumerate(seeds[1:]):
        twin = relation != "plain" and seed % 2 == 0 and seed % 3 != 0
        other = world.container(f"s{number}", plain=bool(seed % 2), of=root if twin else None)
        if not (other / "usr").exists():
            copy(root, other)
        disturb(str(other / "usr"), seed, share)
        names.append(f"s{number}")
    assert root.exists()
    if seeds[0] % 2:
        names.reverse()
    return tuple(names)


def representable(root: Path) -> bool:
    """Hostile marks in the container itself are refused; those trees have their own tests."""
    for path, _directories, files in os.walk(root):
        if any(name.startswith("trusted.overlay.") for name in os.listxattr(path)):
            return False
        for name in files:
            status = os.lstat(os.path.join(path, name))
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return False
    return True


@given(
    tree=nodes(3),
    relation=st.sampled_from(["copy", "snapshot", "plain", "fresh"]),
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=3),
    share=st.sampled_from([0.0, 0.1, 0.3]),
    jobs=st.sampled_from([1, 2]),
)
@CALM
def test_nothing_changes(
    btrfs: Path, tree: tuple[Node, ...], relation: str, seeds: list[int], share: float, jobs: int
) -> None:
    clean(btrfs)
    world = World(btrfs)
    sources = build(world, tree, relation, seeds, share)
    root = world.containers / "c1" / "rootfs"
    before = view(root)
    host = view(world.host)
    kwargs: dict[str, t.Any] = {"sources": sources, "jobs": jobs}
    plan = world.run(check=True, **kwargs)
    assert view(root) == before
    assert world.leftovers() == []
    result = world.run(**kwargs)
    report, planned = result["directories"][0], plan["directories"][0]
    note(str(report))
    for key in ("entries_shared", "bytes_shared", "bytes_freed", "entries_kept", "bytes_kept", "whiteouts"):
        assert report[key] == planned[key], key
    assert result["changed"] and plan["changed"]
    assert os.listdir(root / "usr") == []
    assert world.seen() == before
    assert not world.run(**kwargs)["changed"], "a second run finds nothing to do"
    assert world.seen() == before
    stopped = world.run("absent")
    assert stopped["changed"]
    assert view(root) == before
    assert world.leftovers() == []
    assert (world.containers / "c1" / "fstab").read_text() == "proc proc proc nodev 0 0\n"
    assert not world.run("absent")["changed"]
    assert view(world.host) == host


def scramble(root: str, seed: int) -> None:
    """What a container does: writes, deletions, renames, new links, replaced directories."""
    import random

    rng = random.Random(seed)
    places = [path for path, _d, _f in os.walk(root)]
    for path in places:
        if not os.path.isdir(path):
            continue
        for name in sorted(os.listdir(path)):
            full = os.path.join(path, name)
            if rng.random() > 0.3 or not os.path.lexists(full):
                continue
            status = os.lstat(full)
            try:
                _act(full, status, rng)
            except OSError as error:
                if error.errno not in (1, 18, 26, 39, 17):  # EPERM (immutable), EXDEV (merged directory), ...
                    raise


def _act(path: str, status: os.stat_result, rng) -> None:  # type: ignore[no-untyped-def]
    what = rng.choice(["append", "remove", "rename", "chmod", "replace", "mkdir", "link", "xattr"])
    if what == "append" and stat.S_ISREG(status.st_mode):
        with open(path, "ab") as file:
            file.write(b"more")
    elif what == "remove":
        shutil.rmtree(path) if stat.S_ISDIR(status.st_mode) else os.unlink(path)
    elif what == "rename":
        os.rename(path, path + ".moved")
    elif what == "chmod" and not stat.S_ISLNK(status.st_mode):
        os.chmod(path, 0o711)
    elif what == "replace" and stat.S_ISDIR(status.st_mode):
        shutil.rmtree(path)
        os.mkdir(path)
        Path(path, "fresh").write_bytes(b"fresh")
    elif what == "mkdir" and not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        os.mkdir(path)
    elif what == "link" and not stat.S_ISDIR(status.st_mode):
        os.link(path, path + ".link", follow_symlinks=False)
    elif what == "xattr" and not stat.S_ISLNK(status.st_mode):
        os.setxattr(path, "trusted.new", b"new")


@given(
    tree=nodes(3),
    relation=st.sampled_from(["copy", "snapshot"]),
    seeds=st.lists(st.integers(0, 10_000), min_size=2, max_size=3),
    share=st.sampled_from([0.0, 0.2]),
)
@CALM
def test_what_the_container_does_is_kept(
    btrfs: Path, tree: tuple[Node, ...], relation: str, seeds: list[int], share: float
) -> None:
    clean(btrfs)
    world = World(btrfs)
    sources = build(world, tree, relation, seeds[1:], share)
    root = world.containers / "c1" / "rootfs"
    world.run(sources=sources)
    with world.started():
        scramble(str(root / "usr"), seeds[0])
        after = view(root)
    disturb(str(world.host / "usr"), seeds[0], 0.3)  # the source is upgraded meanwhile
    assert world.seen() == after, "a changed source must not be seen"
    time.sleep(0.02)  # what changes within a clock tick of the snapshot is shared once more, to be sure
    world.run(sources=sources)  # shares again with what the source is now
    assert world.seen() == after
    again = world.run(sources=sources)
    assert not again["changed"], again["directories"][0]["reason"]
    (found,) = world.info()["overlays"]
    assert (found["status"], found["problems"]) == ("shared", [])
    world.run("absent")
    assert view(root) == after
    assert world.leftovers() == []
    subprocess.run(["btrfs", "filesystem", "sync", str(btrfs)], check=True)


def without(seen: tuple[View, list[list[bytes]]], written: Path, root: Path) -> View:
    """Less what was written, and the directories whose times it moved."""
    name = os.fsencode(written.relative_to(root))
    return {path: facts for path, facts in seen[0].items() if path not in (name, os.path.dirname(name))}


@given(
    tree=nodes(2),
    relation=st.sampled_from(["copy", "snapshot", "plain"]),
    seeds=st.lists(st.integers(0, 10_000), min_size=1, max_size=2),
    moment=st.sampled_from(
        [
            ("present", step)
            for step in ("snapshot_sources", "compare", "build_layers", "commit_mount", "empty_directory")
        ]
        + [("absent", step) for step in ("check_mount_point", "materialise", "commit_unmount", "remove_old_layers")]
    ),
    after=st.booleans(),
    fails=st.booleans(),
    place=st.integers(0, 99),
)
@settings(CALM, max_examples=max(1, EXAMPLES // 3))
def test_what_somebody_else_writes_is_never_lost(
    btrfs: Path,
    tree: tuple[Node, ...],
    relation: str,
    seeds: list[int],
    moment: tuple[str, str],
    after: bool,
    fails: bool,
    place: int,
) -> None:
    """A program of the host, at any moment, whether the work fails then or not."""
    clean(btrfs)
    world = World(btrfs)
    sources = build(world, tree, relation, seeds, 0.1)
    root = world.containers / "c1" / "rootfs"
    before = view(root)
    state, step = moment
    if state == "absent":
        world.run(sources=sources)
    written: list[Path] = []

    def observer(at: str, name: str) -> None:
        if (at, name) != ("after" if after else "before", step) or written:
            return
        places = [path for path, _d, _f in os.walk(root / "usr")]
        written.append(Path(sorted(places)[place % len(places)]) / "written")
        try:
            written[0].write_bytes(b"by somebody else")
        except PermissionError:  # a locked directory
            written[0] = root / "usr/written"
            written[0].write_bytes(b"by somebody else")
        if fails:
            raise OSError(5, "it fails")

    with contextlib.suppress(OvercError):
        world.run(state, sources=sources, observer=observer)
    (path,) = written
    with contextlib.ExitStack() as stack:
        if not path.exists():
            stack.enter_context(world.started())
        assert path.read_bytes() == b"by somebody else"
    below = path.exists() and "overlay" in (world.containers / "c1" / "fstab").read_text()
    if below:  # where the container does not see it: whoever wrote it takes it away, and no more than that
        path.unlink()
    world.run("present", sources=sources)
    assert without(world.seen(), path, root) == without(before, path, root)
    world.run("absent")
    assert without(view(root), path, root) == without(before, path, root)
    assert below or path.read_bytes() == b"by somebody else", "what the container saw, it keeps"
    assert world.leftovers() == []
