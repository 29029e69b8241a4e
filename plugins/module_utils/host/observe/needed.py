# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a host cannot do without: to boot, to be reached, and to be upgraded or brought back by us."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import typing as t

from ...system.presence import is_there

if t.TYPE_CHECKING:
    from .facts import HostFacts

_PROGRAMS: t.Final = (
    # what the kernel starts, and what that and the packages' scripts start
    *("/sbin/init", "/bin/sh", "/bin/mount"),
    # how we come in
    "/usr/sbin/sshd",
    # what this collection calls
    *("/usr/bin/btrfs", "/usr/bin/setpriv", "/usr/bin/unshare", "/usr/sbin/chroot", "/usr/bin/env", "/bin/cp"),
    # package managers
    *("/usr/bin/apt-get", "/usr/bin/dpkg", "/usr/bin/dnf", "/usr/bin/rpm", "/usr/bin/smart", "/usr/bin/zypper"),
    # boot loaders
    *("/usr/sbin/grub-install", "/usr/sbin/grub2-install", "/usr/sbin/grub-mkconfig", "/usr/sbin/grub2-mkconfig"),
    *("/usr/bin/grub-editenv", "/usr/bin/grub2-editenv", "/usr/lib/systemd/boot/efi"),
)
# Whoever came as another user came by it (sudo(8), doas(1), pkexec(1)), and will again
_BECOME: t.Final = {"SUDO_UID": "/usr/bin/sudo", "DOAS_USER": "/usr/bin/doas", "PKEXEC_UID": "/usr/bin/pkexec"}
# Of Python, distributions have the program in one package and most of its library in another
_LIBRARY: t.Final = (json.__file__, ctypes.__file__)


def needed_programs() -> tuple[str, ...]:
    """Those that are there in the running system, Python aside, which has many names."""
    return tuple(path for path in (*_PROGRAMS, *ways_to_root()) if is_there(path))


def ways_to_root() -> list[str]:
    """The programs by which this run became root."""
    return [path for name, path in _BECOME.items() if name in os.environ]


def needed_paths(facts: HostFacts) -> tuple[str, ...]:
    """The needed files that are there, by each name that a package may have them registered under, without repetitions."""
    release = os.uname().release
    kernels = (
        *((f"{facts.layout.boot_dir}/{facts.kernel}",) if facts.kernel else ()),
        f"/boot/vmlinuz-{release}",
        f"/lib/modules/{release}/modules.builtin",
        f"/lib/modules/{release}/vmlinuz",
    )
    wanted = (*_PROGRAMS, *ways_to_root(), sys.executable, *_LIBRARY, *kernels)
    found = [path for path in wanted if path and is_there(path)]
    names = [name for path in found for real in (path, os.path.realpath(path)) for name in _aliases(real)]
    return tuple(dict.fromkeys(names))


def _aliases(path: str) -> tuple[str, ...]:
    """Where /bin and the like are links to below /usr, packages name a file by the one or the other path."""
    other = path[len("/usr") :] if path.startswith("/usr/") else f"/usr{path}"
    return (path, other) if is_there(other) and os.path.samefile(path, other) else (path,)


__all__ = ("needed_paths", "needed_programs", "ways_to_root")
