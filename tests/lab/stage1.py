# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From power-on to init: runs as pid 1 of a host's new namespaces and ends in the ``exec`` of systemd."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab import bootloader, grub_boot, linux, loader_boot
from tests.lab.layouts import FLAVOURS
from tests.lab.linux import MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from tests.lab.settings import PYTHON_IN_HOST

_NODES = {
    "null": (0o666, 1, 3), "zero": (0o666, 1, 5), "full": (0o666, 1, 7), "random": (0o666, 1, 8),
    "urandom": (0o666, 1, 9), "tty": (0o666, 5, 0), "kmsg": (0o600, 1, 3), "btrfs-control": (0o600, 10, 234),
}  # fmt: skip
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_INIT = "/usr/lib/systemd/systemd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Machine:
    """What the supervisor knows and a real machine would have in hardware."""

    name: str
    stage: Path  # an empty directory to build on
    python: Path  # a directory of this machine that the host has as well
    loop: str
    devices: dict[str, tuple[int, int]]
    root_uuid: str
    boot_uuid: str
    boot_id: str
    menu_choice: str | None
    flavour: str
    console: str  # a terminal of the machine, whose other end the supervisor logs
    variables: Path | None = None  # stands for the firmware's memory, where systemd-boot starts the host


def boot(machine: Machine, report: t.Callable[[bootloader.Entry], None]) -> t.NoReturn:
    """Raises BootFailed, or becomes the host's init."""
    linux.mount("stage", machine.stage, "tmpfs", options="mode=755")
    dev, root, view = (machine.stage / name for name in ("dev", "root", "boot"))
    for directory in (dev, root, view):
        directory.mkdir()
    _make_dev(dev, machine)
    disk1, disk2 = f"{machine.loop}p1", f"{machine.loop}p2"
    if machine.flavour in FLAVOURS:
        relative = FLAVOURS[machine.flavour].relative
        firmware = grub_boot.Firmware(machine.loop, machine.boot_uuid, machine.root_uuid, view, relative)
        if machine.variables is not None:
            entry, release = loader_boot.choose(firmware, machine.variables, machine.menu_choice, report)
        else:
            entry, release = grub_boot.choose(firmware, FLAVOURS[machine.flavour], machine.menu_choice, report)
    else:
        choice = _read_menu(disk1, view, machine)
        entry = choice.entry
        report(entry)
        _save_environment(disk1, view, choice)
        release = _load(disk1, view, entry)
    _mount_root(disk2, root, entry)
    bootloader.check_root(root, release)
    if machine.flavour in FLAVOURS:
        grub_boot.mount_others(root, {machine.boot_uuid: disk1, machine.root_uuid: disk2})
    else:
        linux.mount(disk1, root / "boot", "ext4")
    linux.mount(str(dev), root / "dev", flags=MS_MOVE)
    _mount_system(root)
    if machine.variables is not None:
        _mount_variables(machine.variables, root / "sys/firmware")
    _lend_python(machine.python, root)
    _hide_the_machine(root, machine.boot_id, entry.cmdline)
    linux.sethostname(machine.name)
    _become_init(root)


def _make_dev(dev: Path, machine: Machine) -> None:
    """Only this host's own disk, under the names the kernel will report for it."""
    linux.mount("devtmpfs", dev, "tmpfs", MS_NOSUID, "mode=755,size=4m")
    os.umask(0)
    for name, (mode, major, minor) in _NODES.items():
        os.mknod(dev / name, mode | stat.S_IFCHR, os.makedev(major, minor))
    for name, (major, minor) in machine.devices.items():
        os.mknod(dev / name, 0o660 | stat.S_IFBLK, os.makedev(major, minor))
    os.umask(0o022)
    disk = machine.loop.removeprefix("/dev/")
    links = {
        f"disk/by-uuid/{machine.boot_uuid}": f"../../{disk}p1",
        f"disk/by-uuid/{machine.root_uuid}": f"../../{disk}p2",
        "disk/by-label/boot": f"../../{disk}p1",
        "disk/by-label/root": f"../../{disk}p2",
        **_LINKS,
    }
    if machine.variables is not None:
        links[f"disk/by-partuuid/{loader_boot.PARTITION}"] = f"../../{disk}p1"
    for name, target in links.items():
        (dev / name).parent.mkdir(parents=True, exist_ok=True)
        (dev / name).symlink_to(target)
    for name in ("pts", "shm", "mqueue"):
        (dev / name).mkdir()
    (dev / "console").touch()
    linux.mount(machine.console, dev / "console", flags=MS_BIND)


def _read_menu(device: str, view: Path, machine: Machine) -> bootloader.Choice:
    with _as_grub_sees_it(device, view):
        return bootloader.choose(view, None if machine.menu_choice is None else int(machine.menu_choice))


def _load(device: str, view: Path, entry: bootloader.Entry) -> str:
    with _as_grub_sees_it(device, view):
        return bootloader.load_kernel(view, entry)


@contextlib.contextmanager
def _as_grub_sees_it(device: str, view: Path) -> t.Iterator[None]:
    """GRUB does not replay ext4's journal: what only the journal has, it does not see."""
    linux.mount(device, view, "ext4", MS_RDONLY, "noload")
    try:
        yield
    finally:
        linux.umount(view)


def _save_environment(device: str, view: Path, choice: bootloader.Choice) -> None:
    """In place, as GRUB does it: the same blocks, no journal, no new inode."""
    if choice.environment is None:
        return
    linux.mount(device, view, "ext4")
    try:
        with (view / "grub" / "grubenv").open("r+b") as handle:
            handle.write(choice.environment)
            handle.flush()
            os.fsync(handle.fileno())
    finally:
        linux.umount(view)


def _mount_root(device: str, root: Path, entry: bootloader.Entry) -> None:
    """Without rootflags: whatever the default subvolume is now. From here on a failure is the kernel's panic."""
    try:
        linux.mount(device, root, "btrfs", MS_NOATIME, entry.rootflags)
    except OSError as error:
        raise bootloader.Panicked(
            f"cannot mount the root ({entry.rootflags or 'default subvolume'}): {error}"
        ) from error
    for needed in ("boot", "dev", "proc", "sys", "run"):
        if not (root / needed).is_dir():
            raise bootloader.Panicked(f"the root has no directory /{needed}")


def _mount_system(root: Path) -> None:
    safe = MS_NOSUID | MS_NODEV | MS_NOEXEC
    linux.mount("devpts", root / "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    linux.mount("tmpfs", root / "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    linux.mount("mqueue", root / "dev/mqueue", "mqueue", safe)
    linux.mount("proc", root / "proc", "proc", safe)
    linux.mount("sysfs", root / "sys", "sysfs", safe | MS_RDONLY)
    linux.mount("cgroup2", root / "sys/fs/cgroup", "cgroup2", safe)
    linux.mount("tmpfs", root / "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256m")
    (root / "run/lock").mkdir()
    (root / "run/lock").chmod(0o1777)
    (root / "run/.old").mkdir()


def _mount_variables(variables: Path, firmware: Path) -> None:
    """Where efivarfs would be, which no namespace may mount."""
    linux.mount("tmpfs", firmware, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    place = firmware / "efi/efivars"
    place.mkdir(parents=True)
    linux.mount(str(variables), place, flags=MS_BIND)


def _lend_python(directory: Path, root: Path) -> None:
    """Outlives the boot, and what Python compiled in it as well: compiling takes longer than most modules work."""
    place = root / PYTHON_IN_HOST.lstrip("/")
    place.mkdir()
    linux.mount(str(directory), place, flags=MS_BIND)


def _hide_the_machine(root: Path, boot_id: str, cmdline: str) -> None:
    """The kernel has no namespace for these: a boot of its own for the host, and no knobs of the real machine."""
    system = root / "proc/sys"
    linux.mount(str(system), system, flags=MS_BIND)
    linux.mount(str(system / "net"), system / "net", flags=MS_BIND)
    linux.mount("", system, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for target, text in ((system / "kernel/random/boot_id", boot_id), (root / "proc/cmdline", cmdline)):
        source = root / "run/.fake"
        source.write_text(f"{text}\n")
        source.chmod(0o444)
        linux.bind_readonly(source, target)
        source.unlink()
    trigger = root / "proc/sysrq-trigger"
    if trigger.exists():
        linux.bind_readonly(trigger, trigger)


def _become_init(root: Path) -> t.NoReturn:
    os.chdir(root)
    linux.pivot_root(".", "run/.old")
    os.chroot(".")
    os.chdir("/")
    linux.umount("/run/.old", linux.MNT_DETACH)
    Path("/run/.old").rmdir()
    linux.drop_capabilities()
    console = os.open("/dev/console", os.O_RDWR | os.O_NOCTTY)
    for number in (0, 1, 2):
        os.dup2(console, number)
    environment = {"container": "lab", "TERM": "dumb", "HOME": "/", "PATH": _PATH}
    os.execve(_INIT, [_INIT], environment)
