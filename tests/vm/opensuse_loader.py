# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for openSUSE's GRUB, which alone sees the default subvolume of a btrfs as its root; Debian's does not.

As openSUSE does it on s390x: a first kernel mounts the default subvolume, ``grub-emu`` (GRUB 2.12) carries out the menu that
is in it, and kexec starts what that says. Real are the menu's language, the choice of an entry and what is started. Not real are
the code that reads btrfs, the way there from the firmware, and ``BOOT_IMAGE=``, which is added as GRUB for PCs adds it. All of it
is in a partition of its own that the running system never mounts, and each start of the machine goes through it.
"""

from __future__ import annotations

import re
import shutil
import typing as t
from pathlib import Path

from tests.lab.process import run
from tests.vm.kernels import Kernel

SUITE: t.Final = "trixie"
PACKAGES: t.Final = ("grub-emu,kexec-tools",)
SAYS: t.Final = "VM-LOADER"
_PROGRAMS: t.Final = ("/usr/bin/grub-emu", "/usr/sbin/kexec")
_ARGUMENTS: t.Final = "console=ttyS0 quiet no_timer_check mitigations=off random.trust_cpu=on"
# With GRUB for PCs, by BIOS
_GRUB_CFG: t.Final = f"linux /kernel {_ARGUMENTS}\ninitrd /initrd\nboot\n"

# As GRUB it writes nothing, and sees what was committed, and not what only the log has. That is why no log is replayed
_INIT: t.Final = f"""\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev
$b mount -t proc p /proc
$b mount -t sysfs s /sys
for module in $($b cat /order); do $b insmod /modules/$module; done
tries=0
while [ ! -b /dev/vda3 ] && [ $tries -lt 100 ]; do $b sleep 0.1; tries=$((tries + 1)); done
$b mount -t btrfs -o ro,rescue=nologreplay /dev/vda3 /default
$b ln -s /default/boot /boot
echo "(hd0) /dev/vda" >/device.map
echo "{SAYS} begins in $($b sed -n 's,^[^ ]* [^ ]* [^ ]* /\\([^ ]*\\) /default .*,\\1,p' /proc/self/mountinfo)"
PATH=/bin TERM=linux $b setsid $b cttyhack /usr/bin/grub-emu --kexec --kexec -m /device.map -d /boot/grub2 -r host
echo "{SAYS} has started nothing, and waits"
while :; do $b sleep 1000; done
"""
_KEXEC: t.Final = """\
#!/bin/busybox sh
# What grub-emu calls: kexec -la KERNEL [--initrd=FILE] --command-line=WORDS, and kexec -ex
[ "$1" = -la ] || exec /usr/sbin/kexec "$@"
kernel=$2
shift 2
for word in "$@"; do
    case $word in
        --command-line=*) word="--command-line=BOOT_IMAGE=$kernel ${word#*=}" ;;
    esac
    set -- "$@" "$word"
    shift
done
exec /usr/sbin/kexec -la "$kernel" "$@"
"""


def _libraries(tree: Path) -> set[str]:
    """What the programs are linked with, as they name it."""
    said = "".join(run(["chroot", tree, "ldd", program]) for program in _PROGRAMS)
    return set(re.findall(r"(?:=> |^\s*)(/\S+)", said, re.MULTILINE))


def _initrd(packed: Kernel, tarball: Path, scratch: Path) -> Path:
    """The one of this kernel that only mounts a root, with the loader in it instead."""
    tree, root = scratch / "loader-tree", scratch / "loader-initrd"
    tree.mkdir()
    run(["tar", "-C", tree, "-xf", tarball])
    assert packed.initrd
    shutil.copytree(packed.work / "initrd", root, symlinks=True)
    for name in ("sys", "default", "etc", "tmp"):
        (root / name).mkdir()
    for name in (*_PROGRAMS, *_libraries(tree)):
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy((tree / name.lstrip("/")).resolve(), target)
    shutil.copy(tree / "etc/ld.so.cache", root / "etc")
    terminal = Path("usr/share/terminfo/l/linux")
    (root / terminal.parent).mkdir(parents=True)
    for place in (terminal, Path("lib/terminfo/l/linux")):
        if (tree / place).exists():
            shutil.copy(tree / place, root / terminal)
    (root / "init").write_text(_INIT)
    (root / "bin/kexec").write_text(_KEXEC)
    (root / "bin/kexec").chmod(0o755)
    names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
    archive = scratch / "loader.cpio"
    run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0", "-O", archive], stdin=names, cwd=root)
    run(["zstd", "-q", "-f", "-10", archive, "-o", f"{archive}.zst"])
    shutil.rmtree(tree)
    return Path(f"{archive}.zst")


def fill(target: Path, packed: Kernel, tarball: Path, scratch: Path) -> None:
    """The content of the loader's own partition."""
    (target / "grub").mkdir(parents=True)
    (target / "kernel").write_bytes(packed.image)
    shutil.copy(_initrd(packed, tarball, scratch), target / "initrd")
    (target / "grub/grub.cfg").write_text(_GRUB_CFG)
