# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What everything else is made of: a small Debian and two of its kernels, kept as tarballs."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import locked, run, say
from tests.lab.settings import MIB, cache_directory, digest, scratch_directory

_SUITE = "bookworm"
_PACKAGES = (
    "systemd-sysv,udev,kmod,dbus",
    "dnf,rpm,python3,python3-dnf",
    "openssh-server,btrfs-progs,iproute2,procps,util-linux,mount,e2fsprogs,dosfstools,grub-common",
    "busybox-static",  # the tool of the initrd
)
_OPTIONS = (
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
# The names of kernels vanish from the archive with every update, so the two newest are looked up in it. Downloaded and
# unpacked only: the kernels of the guest come as rpm packages.
_FETCH_KERNELS = """\
set -e
wanted='^linux-image-6[.]1[.]0-[0-9]+-cloud-amd64$'
names=$(chroot "$1" apt-cache search --names-only "$wanted" | cut -d' ' -f1 | sort -V | tail -2)
[ "$(echo "$names" | wc -l)" = 2 ]
mkdir -p "$1/kernels"
for name in $names; do
    chroot "$1" sh -c "cd /kernels && apt-get -qq download $name && dpkg-deb -x $name""_*.deb /kernels && rm $name""_*.deb"
done
tar -C "$1/kernels" -cf "$KERNELS" .
rm -rf "$1/kernels"
"""
_TARBALL_SIZE = 400 * MIB


@dataclass(frozen=True)
class Sources:
    """``kernels`` has boot/vmlinuz-RELEASE and lib/modules/RELEASE of two kernels."""

    root: Path
    kernels: Path


def sources() -> Sources:
    """Build them if this machine has none with the same ingredients."""
    key = digest(_SUITE, *_PACKAGES, *_OPTIONS, _FETCH_KERNELS)
    found = Sources(cache_directory() / f"vm-root-{key}.tar.zst", cache_directory() / f"vm-kernels-{key}.tar")
    with locked(cache_directory() / "vm-rootfs.lock"):
        if not (found.root.exists() and found.kernels.exists()):
            say(f"building the root file system of the virtual machines (Debian {_SUITE}, about a minute) ...")
            _build(found)
    return found


def _build(wanted: Sources) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-vm-", dir=scratch_directory(3 * _TARBALL_SIZE)) as scratch:
        plain, kernels = Path(scratch) / "root.tar", Path(scratch) / "kernels.tar"
        hook = Path(scratch) / "fetch-kernels"
        hook.write_text("#!/bin/sh\n" + _FETCH_KERNELS)
        hook.chmod(0o755)
        argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--quiet"]
        argv += [f"--include={','.join(_PACKAGES)}", *_OPTIONS, f"--customize-hook={hook}"]
        run([*argv, _SUITE, plain], env={**os.environ, "TMPDIR": scratch, "KERNELS": str(kernels)})
        unfinished = wanted.root.with_suffix(".part")
        run(["zstd", "-q", "-f", "-3", "-T0", plain, "-o", unfinished])
        unfinished.replace(wanted.root)
        unfinished = wanted.kernels.with_suffix(".part")
        shutil.copyfile(kernels, unfinished)
        unfinished.replace(wanted.kernels)
