# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small host with containers, what a tree looks like to a program, and the container's own view of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.btrfs import ioctl
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.module_entry import failure
from ansible_collections.overc.system.plugins.module_utils.overlay import info as overlay_info
from ansible_collections.overc.system.plugins.module_utils.overlay import manage
from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot.work import Places
from ansible_collections.overc.system.plugins.module_utils.overlay.plan import Wanted
from ansible_collections.overc.system.plugins.module_utils.overlay.site import Site
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from ansible_collections.overc.system.plugins.module_utils.system import overlayfs, xattrs

View = dict[bytes, tuple[t.Any, ...]]


def subvolume(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        ioctl.create_subvolume(path.name, fd)
    finally:
        os.close(fd)
    return path


def snapshot(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    a, b = os.open(source, os.O_RDONLY), os.open(target.parent, os.O_RDONLY)
    try:
        ioctl.snapshot(a, target.name, b, readonly=False)
    finally:
        os.close(a)
        os.close(b)
    return target


def view(root: os.PathLike[str] | str) -> tuple[View, list[list[bytes]]]:
    """Everything a program can see of a tree, and which names are one file. Independent of the code under test."""
    top = os.fsencode(root)
    out: View = {}
    links: dict[tuple[int, int], list[bytes]] = {}
    for path, directories, files in os.walk(top):
        for name in [b".", *directories, *files]:
            full = path if name == b"." else os.path.join(path, name)
            relative = os.path.relpath(full, top)
            status = os.lstat(full)
            kind = stat.S_IFMT(status.st_mode)
            attributes = tuple(
                (key, os.getxattr(full, key, follow_symlinks=False))
                for key in sorted(os.listxattr(full, follow_symlinks=False))
            )
            seen: list[t.Any] = [status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, attributes]
            if kind == stat.S_IFREG:
                data = Path(os.fsdecode(full)).read_bytes()
                sparse = status.st_blocks * 512 < status.st_size
                fd = os.open(full, os.O_RDONLY)
                flags = xattrs.flags(fd) & xattrs.SETTABLE
                os.close(fd)
                seen += [status.st_size, status.st_nlink, hashlib.sha256(data).digest(), sparse, flags]
            elif kind == stat.S_IFLNK:
                seen.append(os.readlink(full))
            elif kind != stat.S_IFDIR:
                seen += [status.st_rdev, status.st_nlink]
            out[relative] = tuple(seen)
            if kind != stat.S_IFDIR:
                links.setdefault((status.st_dev, status.st_ino), []).append(relative)
    return out, sorted(sorted(names) for names in links.values() if len(names) > 1)


class World:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.containers = base / "containers"
        self.containers.mkdir()
        self.host = subvolume(base / "host")
        self.places = Places(str(base / "var"), str(base / "units"))

    def container(self, name: str = "c1", *, of: Path | None = None, plain: bool = False, lxc: bool = True) -> Path:
        """A container's root: a snapshot of another root, a subvolume, or a plain directory."""
        root = self.containers / name / "rootfs"
        if of is not None:
            snapshot(of, root)
        elif plain:
            root.mkdir(parents=True)
        else:
            subvolume(root)
        if lxc:
            (self.containers / name / "config").write_text(
                f"lxc.rootfs.path = dir:{root}\nlxc.mount.fstab = {root.parent}/fstab\n"
            )
            (root.parent / "fstab").write_text("proc proc proc nodev 0 0\n")
        return root

    def wanted(
        self,
        state: str = "present",
        *,
        container: str = "c1",
        directories: tuple[str, ...] = ("/usr",),
        sources: tuple[str, ...] = ("essential",),
        apply: str = "auto",
        everything: bool = False,
        wait: bool = True,
    ) -> Wanted:
        return Wanted(
            container,
            str(self.containers),
            directories,
            sources,
            state,
            apply,
            str(self.host),
            everything=everything,
            wait=wait,
        )

    def run(self, state: str = "present", *, check: bool = False, observer: t.Any = None, jobs: int | None = None,
            **kwargs: t.Any) -> dict[str, t.Any]:  # fmt: skip
        wanted = self.wanted(state, **kwargs)
        return manage.manage(wanted, check=check, places=self.places, observer=observer, jobs=jobs)

    def run_killed(self, when: str, step: str) -> None:
        """A run in a process of its own that is killed right before or after a step."""

        def observer(at: str, name: str) -> None:
            if (at, name) == (when, step):
                os.kill(os.getpid(), signal.SIGKILL)

        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                self.run(observer=observer)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "the step was not reached"

    def info(self, container: str = "c1", **more: t.Any) -> dict[str, t.Any]:
        (found,) = overlay_info.information(str(self.containers), container, places=self.places, **more)
        return found

    @contextlib.contextmanager
    def started(self, name: str = "c1") -> t.Iterator[Path]:
        """What the container sees: its overlays mounted by its own table, as its start would."""
        root = self.containers / name / "rootfs"
        mounted: list[str] = []
        with Site(str(self.containers), name, units=self.places.units) as site:
            overlays = site.table.overlays()
        try:
            for found in overlays:
                target = str(root) + found.directory
                overlayfs.mount(overlayfs.options(found.layers, overlayfs.supported_safety()), target)
                mounted.append(target)
            yield root
        finally:
            for target in reversed(mounted):
                subprocess.run(["umount", target], check=True)

    def seen(self, name: str = "c1", *, below: str = "") -> tuple[View, list[list[bytes]]]:
        with self.started(name) as root:
            return view(root / below)

    def leftovers(self, name: str = "c1") -> list[str]:
        """Anything of ours in the container's directory or on the host."""
        out = [entry for entry in os.listdir(self.containers / name) if entry.startswith(".overc")]
        for place in (Path(self.places.base), Path(self.places.units)):
            out += [str(path) for path in place.rglob("*")] if place.exists() else []
        return out


def told(error: OvercError) -> dict[str, t.Any]:
    """What the module's user gets to see of it."""
    return failure(error)


def boot(world: World, *, kill_after: float | None = None) -> int:
    """What the unit does, with the code that was put on the host, in an interpreter that knows nothing else."""
    unit = (Path(world.places.units) / "overc-overlay-boot.service").read_text()
    command = next(line for line in unit.split("\n") if line.startswith("ExecStart=")).partition("=")[2].split()
    process = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL)
    if kill_after is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(kill_after)
        process.kill()
    return process.wait(60)


class PlainRunner:
    """Runs programs for real, without a module around it."""

    def run(self, argv: t.Sequence[str], **_more: t.Any) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def find(self, program: str) -> str | None:
        return shutil.which(program)
