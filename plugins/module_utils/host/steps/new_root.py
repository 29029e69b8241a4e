# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs inside a new root: nothing leaks out of it, nothing keeps running in it.

The module's own mount namespace is private already. The root gets a /dev with harmless nodes only, a read-only /sys without
selinuxfs, so that SELinux looks disabled and no other policy is loaded, and /run and /tmp of its own; the host's /boot is not
there. Where a policy is loaded, no program in there leaves the domain that we run in. Of the host's file tree it sees the
packages that were downloaded for it, and, read-only, what else the package manager needs and a snapshot does not hold. Programs
run in a process namespace of their own, and in a mount namespace that has nothing but the new root (first_process); whatever a
scriptlet starts dies with the package manager, and the package manager dies with the module.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
import typing as t

from ...btrfs import namespace
from ...errors import OvercError
from ...runner import ENGLISH, Completed, both_ends
from ...system import bounded, first_process, selinux, syscalls
from ...system.mount_table import is_below, is_on_another, mounts
from ...system.presence import is_directory, is_there
from ...system.rooted_path import resolve_in_root

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

_PATH: t.Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Documentation/admin-guide/devices.txt
_NODES: t.Final = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS: t.Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_PROXY: t.Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# What acts on the running kernel, whatever root a program sees (capabilities(7)): loading modules, starting another kernel,
# setting the clock, ports and memory of the hardware
_NOT_THEIRS: t.Final = "-sys_module,-sys_boot,-sys_time,-sys_rawio"

_DIES_WITH_US: t.Final = ("setpriv", "--pdeathsig", "KILL")

# Where the new root sees what was downloaded for it; /run is its own.
PACKAGES: t.Final = "/run/overc-packages"
_MOST: t.Final = 8 << 20  # characters of an output; lists of all packages that there are stay below that
_RESOLVER: t.Final = "/etc/resolv.conf"


class Within(t.NamedTuple):
    """What a command left that was given so many seconds; ``cut``: of its output only the end was kept."""

    completed: Completed
    timed_out: bool
    cut: bool


class NewRoot:
    """Context manager around a root subvolume; a ``Runner`` whose programs see that root as ``/``.

    ``disk``: a device that is seen at its own path, and no other is.
    ``packages``: a directory of the host that is seen as ``PACKAGES``. ``shown``: paths of the host that are shown read-only at
    the same place, as far as they are on other mounts than the root; so is the resolver's configuration, over however
    many links it is reached. ``hidden``: directories of the root that its programs find empty; what they write there is gone
    afterwards. ``network``: they have the host's network, and can change it; otherwise nothing but a loopback of their own.
    ``read_only``: nothing in the root can be changed, so that the running one may be looked at as well.
    """

    def __init__(
        self,
        runner: Runner,
        device: str,
        subvolume_id: int,
        pass_fds: t.Sequence[int] = (),
        *,
        packages: str | None = None,
        disk: str | None = None,
        shown: t.Sequence[str] = (),
        hidden: t.Sequence[str] = (),
        network: bool = False,
        read_only: bool = False,
    ) -> None:
        self._runner = runner
        self._device = device
        self._subvolume_id = subvolume_id
        self._pass_fds = tuple(pass_fds)
        self._disk = disk
        self._packages = packages
        self._shown = tuple(shown) if read_only else (*shown, _RESOLVER)  # for the latter a file may have to be made
        self._hidden = tuple(hidden)
        self._network = network
        self._read_only = read_only
        self._undo: list[tuple[t.Callable[[str], None], str]] = []
        self.path = ""

    def __enter__(self) -> NewRoot:
        flags = flags_of_the_root(mounts())
        self.path = namespace.mount_btrfs(self._device, "root", self._subvolume_id, self._read_only, flags)
        self._undo = [(_unmount, self.path)]
        try:
            self._populate()
        except OSError as error:
            self.__exit__()
            raise OvercError(
                "mount_failed", f"Cannot prepare the new root at {error.filename}: {error.strerror}."
            ) from error
        return self

    def __exit__(self, *_exc: object) -> None:
        for undo, path in reversed(self._undo):
            with contextlib.suppress(OSError):  # a directory that packages filled meanwhile stays
                undo(path)
        self._undo = []
        namespace.forget("root")

    def _mount(self, source: str, where: str, fstype: str, flags: int, data: str = "") -> str | None:
        target = os.path.join(self.path, where)
        try:
            if not stat.S_ISDIR(os.lstat(target).st_mode):  # a link would be followed out of the root
                return None
        except FileNotFoundError:
            return None
        syscalls.mount(source, target, fstype, flags, data)
        self._undo.append((_unmount, target))
        if fstype == "tmpfs":  # what is made in it inherits from it
            selinux.label_like(f"/{where}", target)
        return target

    def _populate(self) -> None:
        safe = syscalls.MS_NOSUID | syscalls.MS_NODEV
        dev = self._mount("tmpfs", "dev", "tmpfs", syscalls.MS_NOSUID, "mode=0755,size=4m")
        if dev:
            for name, (major, minor) in _NODES.items():
                path = os.path.join(dev, name)
                os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
                os.chmod(path, 0o666)  # noqa: S103 - as in every /dev; mknod obeys the umask
                selinux.label_like(f"/dev/{name}", path)
            for name, target in _LINKS.items():
                os.symlink(target, os.path.join(dev, name))
            if self._disk is not None:
                _show_device(self._disk, self.path)
            for name in ("pts", "shm"):
                os.mkdir(os.path.join(dev, name))
            self._mount(
                "devpts", "dev/pts", "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, "newinstance,ptmxmode=0666"
            )
            self._mount("tmpfs", "dev/shm", "tmpfs", safe, "mode=1777")
        self._mount("sysfs", "sys", "sysfs", safe | syscalls.MS_NOEXEC | syscalls.MS_RDONLY)
        self._mount("tmpfs", "tmp", "tmpfs", safe, "mode=1777")
        if self._mount("tmpfs", "run", "tmpfs", safe, "mode=0755"):
            os.mkdir(os.path.join(self.path, "run/lock"), 0o755)
            if self._packages is not None:
                self._bind(self._packages, self._make(PACKAGES, directory=True))
        for path in self._hidden:
            self._hide(path)
        found = mounts()
        for path in dict.fromkeys(self._shown):
            here = os.path.realpath(path)
            if is_there(here) and is_on_another(found, here):
                self._show(path, here)

    def _hide(self, path: str) -> None:
        place = resolve_in_root(self.path, path)
        if place is not None and place != self.path and is_directory(place):
            self._mount("tmpfs", os.path.relpath(place, self.path), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV)

    def _show(self, path: str, here: str) -> None:
        """Let the root see at ``path`` what the host has there; ``here`` is the same without links."""
        place = resolve_in_root(self.path, path, may_be_missing=True)
        if place is None or place == self.path:
            return
        if not is_there(place):
            self._make(path, directory=is_directory(here))
        self._bind(here, place)
        for mount in mounts():
            if is_below(mount.target, place):
                flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY
                syscalls.mount("none", mount.target, None, flags | _kept(mount.options))

    def _bind(self, source: str, target: str) -> None:
        syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
        self._undo.append((_unmount, target))

    def _make(self, path: str, *, directory: bool) -> str:
        """Make a directory or an empty file where ``path`` leads in the root, with the directories above it."""
        place = resolve_in_root(self.path, path, may_be_missing=True)
        if place is None:
            raise FileNotFoundError(None, "there is no such place", path)
        missing = [place]
        while not is_there(os.path.dirname(missing[-1])):
            missing.append(os.path.dirname(missing[-1]))
        for each in reversed(missing):
            if each != place or directory:
                os.mkdir(each, 0o755)
                self._undo.append((os.rmdir, each))
            else:
                os.close(os.open(each, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
                self._undo.append((os.unlink, each))
        return place

    def find(self, program: str) -> str | None:
        for directory in _PATH.split(":"):
            found = resolve_in_root(self.path, os.path.join(directory, program))
            if found is not None and os.access(found, os.X_OK) and stat.S_ISREG(os.stat(found).st_mode):
                return os.path.join(directory, program)
        return None

    def run(
        self, argv: t.Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: t.Sequence[int] = ()
    ) -> Completed:
        done = self._runner.run((*_DIES_WITH_US, *self._entering(argv, env)), pass_fds=(*self._pass_fds, *pass_fds))
        # What scripts print is read line by line, and a million short lines take many times the room of their bytes
        said = (both_ends(text, _MOST) for text in (done.stdout, done.stderr))
        return _entered(Completed(tuple(argv), _exit_code(done.rc), *said))

    def run_within(self, argv: t.Sequence[str], seconds: int, most: int) -> Within:
        """As ``run``, and killed with all that it started after ``seconds``; the last ``most`` bytes of each output are kept."""
        own = (sys.executable, "-I", "-S", "-c", bounded.program(), str(seconds), str(most))
        command = (*_DIES_WITH_US, *own, "setpriv", *_DIES_WITH_US[1:], *self._entering(argv, None))
        done = self._runner.run(command, pass_fds=self._pass_fds)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            raise OvercError("run_failed", f"{argv[0]} could not be run in the new root", **done.facts()) from None
        completed = Completed(tuple(argv), _exit_code(told["rc"]), told["stdout"], told["stderr"])
        return Within(_entered(completed), told["timed_out"], told["cut"])

    def _entering(self, argv: t.Sequence[str], env: t.Mapping[str, str] | None) -> tuple[str, ...]:
        """The words after those of ``_DIES_WITH_US``. Raises tool_missing."""
        if self.find(argv[0]) is None:
            raise OvercError("tool_missing", f"The program {argv[0]!r} is not installed in the new root.")
        environment = {
            "PATH": _PATH,
            "HOME": "/root",
            "TERM": "dumb",
            "SYSTEMD_OFFLINE": "1",  # systemctl in a scriptlet must not look for a running systemd
            **ENGLISH,
            **(env or {}),
        }
        # Any user may read the arguments of any process, and a proxy's address may hold a password: proxies are handed
        # down in the environment, and everything else is taken out of it by name.
        foreign = [name for name in os.environ if name and name not in _PROXY and name not in environment]
        return (
            f"--bounding-set={_NOT_THEIRS}",
            *(
                "unshare",
                "--mount",
                "--uts",
                "--ipc",
                *(() if self._network else ("--net",)),
                "--pid",
                "--fork",
                "--kill-child",
                f"--mount-proc={self.path}/proc",
            ),
            *(sys.executable, "-I", "-S", "-c", first_process.program(), self.path, namespace.mount_point("first")),
            "/usr/bin/env",
            *(word for name in foreign for word in ("-u", name)),
            *(f"{name}={value}" for name, value in environment.items()),
            *argv,
        )


def flags_of_the_root(mounted: t.Sequence[Mount]) -> int:
    """With MS_NOSUID no exec changes the domain (Linux, security/selinux/hooks.c, check_nnp_nosuid).

    The policy's domains for scripts expect programs that know SELinux. To those in here it looks disabled: ``cp -a`` takes labels
    along as it does any attribute, and mkinitramfs, in its own domain, may then not remove what it copied. Where no policy is
    loaded, set-user-ID programs work for scripts that call them as another user.
    """
    return syscalls.MS_NOSUID if selinux.mode(mounted) is not None else 0


def _show_device(disk: str, root: str) -> None:
    """The node of a device below /dev, at the path by which it is mounted; elsewhere there is none."""
    if not disk.startswith("/dev/") or ".." in disk.split("/"):
        return
    found = os.stat(disk)
    path = root + disk
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.mknod(path, 0o600 | stat.S_IFBLK, found.st_rdev)
    selinux.label_like(disk, path)


def _entered(done: Completed) -> Completed:
    """What a program left that was run. Raises mount_failed where it was not, which is not its failure."""
    if done.rc == first_process.NOT_ENTERED:
        for line in done.stderr.splitlines():
            if line.startswith(first_process.NO_ENTRY):
                why = line[len(first_process.NO_ENTRY) :]
                raise OvercError("mount_failed", f"The new root cannot be entered: {why}.", **done.facts())
    return done


def _exit_code(told: int) -> int:
    """Negative for a signal, of what the first process told."""
    signalled = first_process.SIGNALLED < told < first_process.SIGNALLED + signal.NSIG
    return first_process.SIGNALLED - told if signalled else told


def _unmount(target: str) -> None:
    # Programs in it are dead (their namespace's init is); a lazy unmount covers the moment until they are reaped.
    syscalls.umount(target, syscalls.MNT_DETACH)


def _kept(options: frozenset[str]) -> int:
    """The flags of a mount that a remount has to name again, or they would go."""
    known = {"nosuid": syscalls.MS_NOSUID, "nodev": syscalls.MS_NODEV, "noexec": syscalls.MS_NOEXEC}
    return sum(flag for name, flag in known.items() if name in options)


__all__ = ("PACKAGES", "NewRoot", "Within", "flags_of_the_root")
