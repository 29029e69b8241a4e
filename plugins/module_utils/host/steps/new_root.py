# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs inside a new root: nothing leaks out of it, nothing keeps running in it.

The module's own mount namespace is private already. The root gets a /dev with harmless nodes only, a read-only /sys, and
/run and /tmp of its own; the host's /boot is not there. Programs run in a process namespace of their own, so whatever a
scriptlet starts dies with the package manager, and the package manager dies with the module.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ...btrfs import namespace
from ...errors import OvercError
from ...runner import ENGLISH, Completed
from ...system import syscalls
from ...system.presence import is_link
from ...system.rooted_path import resolve_in_root

if t.TYPE_CHECKING:
    from ...runner import Runner

_PATH: t.Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Documentation/admin-guide/devices.txt
_NODES: t.Final = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS: t.Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_PROXY: t.Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class NewRoot:
    """Context manager around a root subvolume; a ``Runner`` whose programs see that root as ``/``."""

    def __init__(self, runner: Runner, device: str, subvolume_id: int, pass_fds: t.Sequence[int] = ()) -> None:
        self._runner = runner
        self._device = device
        self._subvolume_id = subvolume_id
        self._pass_fds = tuple(pass_fds)
        self._mounted: list[str] = []
        self.path = ""

    def __enter__(self) -> NewRoot:
        self.path = namespace.mount_btrfs(self._device, "root", self._subvolume_id)
        self._mounted = [self.path]
        try:
            self._populate()
        except OSError as error:
            self.__exit__()
            raise OvercError(
                "mount_failed", f"Cannot prepare the new root at {error.filename}: {error.strerror}."
            ) from error
        return self

    def __exit__(self, *_exc: object) -> None:
        for target in reversed(self._mounted):
            # Programs in it are dead (their namespace's init is); a lazy unmount covers the moment until they are reaped.
            with contextlib.suppress(OSError):
                syscalls.umount(target, syscalls.MNT_DETACH)
        self._mounted = []
        namespace.forget("root")

    def _mount(self, source: str, where: str, fstype: str, flags: int, data: str = "") -> str | None:
        target = os.path.join(self.path, where)
        try:
            if not stat.S_ISDIR(os.lstat(target).st_mode):  # a link would be followed out of the root
                return None
        except FileNotFoundError:
            return None
        syscalls.mount(source, target, fstype, flags, data)
        self._mounted.append(target)
        return target

    def _populate(self) -> None:
        safe = syscalls.MS_NOSUID | syscalls.MS_NODEV
        dev = self._mount("tmpfs", "dev", "tmpfs", syscalls.MS_NOSUID, "mode=0755,size=4m")
        if dev:
            for name, (major, minor) in _NODES.items():
                path = os.path.join(dev, name)
                os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
                os.chmod(path, 0o666)  # noqa: S103 - as in every /dev; mknod obeys the umask
            for name, target in _LINKS.items():
                os.symlink(target, os.path.join(dev, name))
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
            self._provide_resolver()

    def _provide_resolver(self) -> None:
        """Where /etc/resolv.conf is a link into /run (systemd-resolved), give the private /run a copy of the host's."""
        link = os.path.join(self.path, "etc/resolv.conf")
        if not is_link(link):
            return
        target = os.path.normpath(os.path.join("/etc", os.readlink(link)))
        if not target.startswith("/run/"):
            return
        try:
            with open("/etc/resolv.conf", "rb") as stream:
                content = stream.read()
        except OSError:
            return
        inside = self.path + target
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        with open(inside, "wb") as stream:
            stream.write(content)

    def find(self, program: str) -> str | None:
        for directory in _PATH.split(":"):
            found = resolve_in_root(self.path, os.path.join(directory, program))
            if found is not None and os.access(found, os.X_OK) and stat.S_ISREG(os.stat(found).st_mode):
                return os.path.join(directory, program)
        return None

    def run(
        self, argv: t.Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: t.Sequence[int] = ()
    ) -> Completed:
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
        done = self._runner.run(
            (
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.path}/proc"),
                *("chroot", self.path, "/usr/bin/env"),
                *(word for name in foreign for word in ("-u", name)),
                *(f"{name}={value}" for name, value in environment.items()),
                *argv,
            ),
            pass_fds=(*self._pass_fds, *pass_fds),
        )
        return Completed(argv=tuple(argv), rc=done.rc, stdout=done.stdout, stderr=done.stderr)


__all__ = ("NewRoot",)
