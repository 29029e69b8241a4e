# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine would boot from a disk: GRUB's own reader decides about the boot partition, btrfs about the root.

The layout of this collection's documentation; for Debian's own see ``debian_view``.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bootloader import BootFailed, Entry, choose
from tests.lab.kernel import make_kernel
from tests.lab.process import run

# A kernel that the stand-in for GRUB takes for a whole one
LOADABLE: t.Final = make_kernel("0", size=1 << 14)
_VERSIONS: t.Final = re.compile(r"(vm-app|vm-kernel)=(\S+)")


def grub_reads(boot: Path, path: str) -> bytes | None:
    """A file of the boot partition as GRUB reads it, without any journal; None where it cannot."""
    done = subprocess.run(["grub-fstest", boot, "cat", path], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def digest_of(data: bytes | None) -> str | None:
    """A short one; None for what is not there."""
    return None if data is None else hashlib.sha256(data).hexdigest()[:16]


@dataclass(frozen=True)
class BootView:
    """``entry`` is None where GRUB would stand still, and ``problem`` says why."""

    entry: Entry | None
    kernel: str | None
    initrd: str | None
    problem: str = ""
    # What boots after this boot, where it was the one trial
    then: BootView | None = None

    @property
    def loads(self) -> bool:
        return self.entry is not None and self.kernel is not None and self.initrd is not None


def look_at_boot(boot: Path, scratch: Path, at_the_menu: int | None = None) -> BootView:
    """What GRUB would load from this copy of the boot partition, with nobody at the menu unless an entry is chosen."""
    menu = scratch / "menu"
    (menu / "grub").mkdir(parents=True, exist_ok=True)
    for name in ("grub/grub.cfg", "grub/grubenv"):
        data = grub_reads(boot, f"/{name}")
        (menu / name).unlink(missing_ok=True)
        if data is not None:
            (menu / name).write_bytes(data)
    files = {name: grub_reads(boot, f"/{name}") for name in ("bzImage", "initrd", "bzImage_bakup", "initrd_bakup")}
    for name, data in files.items():
        # What counts for the choice is whether GRUB would take the file
        (menu / name).unlink(missing_ok=True)
        if data and (name.startswith("initrd") or data[0x202:0x206] == b"HdrS"):
            (menu / name).write_bytes(LOADABLE)
    try:
        entry = choose(menu, at_the_menu).entry
    except BootFailed as error:
        return BootView(None, None, None, str(error))
    initrd = files.get((entry.initrd or "").lstrip("/"))
    return BootView(entry, digest_of(files.get(entry.kernel.lstrip("/"))), digest_of(initrd))


@dataclass(frozen=True)
class RootView:
    """What is in the root that the kernel would mount."""

    app: str = ""
    files: int = 0
    packages: tuple[tuple[str, str], ...] = ()
    modules: frozenset[str] = frozenset()
    problem: str = ""


def look_at_root(
    part: Path, rootflags: str, mountpoint: Path, view: Callable[[Path], RootView] | None = None
) -> RootView:
    """The root in this copy of the root partition; the copy is changed by it, as by a machine that mounts it."""
    view = view or _root_view
    mountpoint.mkdir(exist_ok=True)
    options = f"loop,rw,{rootflags}" if rootflags else "loop,rw"
    done = subprocess.run(
        ["mount", "-t", "btrfs", "-o", options, part, mountpoint], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return RootView(problem=f"mount: {done.stderr.strip()[-200:]}")
    try:
        return view(mountpoint)
    finally:
        run(["umount", mountpoint])


def _root_view(root: Path) -> RootView:
    try:
        app = (root / "usr/share/vm-app/version").read_text().strip()
        data = [path.read_text() for path in sorted((root / "usr/share/vm-app/data").iterdir())]
    except OSError as error:
        return RootView(problem=str(error))
    queried = subprocess.run(
        ["rpm", "--dbpath", root / "var/lib/rpm", "-q", "--qf", "%{NAME}=%{VERSION}\\n", "vm-app", "vm-kernel"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    verified = subprocess.run(
        ["rpmdb", "--dbpath", root / "var/lib/rpm", "--verifydb"], capture_output=True, text=True, check=False
    )
    problem = "" if verified.returncode == 0 else f"rpmdb --verifydb: {verified.stderr[-200:]}"
    if not os.access(root / "usr/lib/systemd/systemd", os.X_OK):
        problem = "no init"
    releases = frozenset(path.parent.name for path in (root / "usr/lib/modules").glob("*/modules.dep"))
    return RootView(
        app,
        sum(text.startswith(f"{app} ") for text in data),
        tuple(sorted(_VERSIONS.findall(queried.stdout))),
        releases,
        problem,
    )


@dataclass(frozen=True)
class System:
    """A deployment that may boot: what belongs together."""

    name: str
    kernel: str
    initrd: str
    release: str
    app: str
    kernel_package: str
    kernel_name: str = "vm-kernel"


def _has_root_of(system: System, root: RootView) -> bool:
    packages = {"vm-app": system.app, system.kernel_name: system.kernel_package}
    return (root.app, root.files, dict(root.packages)) == (system.app, 100, packages)


def verdict(boot: BootView, root: RootView, systems: t.Sequence[System], *, window: bool) -> str:
    """The name of the one system that this is, or what is wrong, beginning with ``BAD``.

    ``systems`` are in the order of their age. With ``window``, an older kernel with the newer root is called that, if this
    root has its modules: what ``manual`` protection promises for the middle of a switch.
    """
    if not boot.loads:
        return f"BAD: GRUB cannot load a system: {boot}"
    if root.problem:
        return f"BAD: {root.problem}"
    kernels = [system for system in systems if (boot.kernel, boot.initrd) == (system.kernel, system.initrd)]
    roots = [system for system in systems if _has_root_of(system, root)]
    if len(kernels) == len(roots) == 1 and kernels[0].release in root.modules:
        if kernels == roots:
            return kernels[0].name
        if window and systems.index(kernels[0]) < systems.index(roots[0]):
            return "window"
    return f"BAD: mixed: kernel {boot.kernel}, initrd {boot.initrd}, root {root}"
