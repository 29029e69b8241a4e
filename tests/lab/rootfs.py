# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden roots: a small Debian with systemd, sshd and what its flavour needs, each kept as a tarball."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.lab.process import locked, run, say
from tests.lab.settings import MIB, PACKAGE, cache_directory, digest, scratch_directory

_SUITE = "bookworm"
_PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd",  # a real init, real logind: what a real reboot goes through
    "dnf,rpm,python3,python3-dnf",
    "openssh-server,btrfs-progs,iproute2,procps,kmod,util-linux,mount,findutils,e2fsprogs,attr,acl",
)
# The same, with DNF 5; the next release of Debian, whose lists of a snapshot may have run out
NEXT_SUITE = "forky"
NEXT_PACKAGES = tuple(words.replace("dnf,rpm,python3,python3-dnf", "dnf5,rpm,python3") for words in _PACKAGES)
_NEXT_OPTIONS = ('--aptopt=Acquire::Check-Valid-Until "false"',)
_OPTIONS = (
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
_TARBALL_SIZE = 400 * MIB


def smart_files() -> list[Path]:
    """The stand-in for smartpm, when the checkout has one."""
    folder = PACKAGE / "smart"
    return sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def rootfs_tarball(suite: str = _SUITE, packages: tuple[str, ...] = _PACKAGES) -> Path:
    """Build it if this machine has none with the same ingredients."""
    options = (*_OPTIONS, *(_NEXT_OPTIONS if suite == NEXT_SUITE else ()))
    key = digest(suite, *packages, *options)
    tarball = cache_directory() / f"rootfs-{key}.tar.zst"
    with locked(cache_directory() / "rootfs.lock"):
        if tarball.exists():
            return tarball
        say(f"building the root file system (Debian {suite}, about a minute) ...")
        unfinished = tarball.with_suffix(".part")
        # mmdebstrap works on a tree, packs it, and both together want memory more than anything else
        with tempfile.TemporaryDirectory(prefix="overc-lab-", dir=scratch_directory(3 * _TARBALL_SIZE)) as scratch:
            plain = Path(scratch) / "root.tar"
            environment = {**os.environ, "TMPDIR": scratch}
            argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--quiet"]
            run([*argv, f"--include={','.join(packages)}", *options, suite, plain], env=environment)
            run(["zstd", "-q", "-f", "-3", "-T0", plain, "-o", unfinished])
        unfinished.replace(tarball)
    return tarball
