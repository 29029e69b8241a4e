# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two kernels as they are packed: image, initrd, and the modules that a virtual machine needs."""

from __future__ import annotations

import shutil
import typing as t
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.lab.process import LabError, run

# What mounts the root; everything else is loaded from the root itself, so wrong modules there show at once.
_FOR_INITRD = ("virtio_pci", "virtio_blk", "crc32c_intel", "btrfs")
_FOR_ROOT = (
    *_FOR_INITRD, "virtio_net", "virtio_rng", "ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "overlay",
    "dummy", "softdog",
)  # fmt: skip

# An initrd that does the minimum. If it fails its first process ends, which is a real kernel panic.
_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev
$b mount -t proc p /proc
echo "VM-INITRD $($b uname -r)" > /dev/console
for module in $($b cat /order); do $b insmod /modules/$module; done
init=/sbin/init; root=; flags=; mode=ro
for word in $($b cat /proc/cmdline); do
    case $word in
        root=*) root=${word#root=};;
        rootflags=*) flags=,${word#rootflags=};;
        init=*) init=${word#init=};;
        rw) mode=rw;;
    esac
done
tries=0
while [ ! -b "$root" ] && [ $tries -lt 100 ]; do $b sleep 0.1; tries=$((tries + 1)); done
$b mount -t btrfs -o $mode$flags "$root" /newroot || { echo "initrd: cannot mount $root ($mode$flags)"; exit 1; }
$b mount --move /dev /newroot/dev
$b umount /proc
exec $b switch_root /newroot $init
"""


@dataclass(frozen=True)
class Kernel:
    """One kernel of the archive, unpacked below ``tree``; ``work`` is scratch of this kernel's own."""

    release: str
    tree: Path
    busybox: Path
    work: Path

    @cached_property
    def image(self) -> bytes:
        return (self.tree / f"boot/vmlinuz-{self.release}").read_bytes()

    def _with_needs(self, names: t.Iterable[str]) -> list[Path]:
        """The modules and what they need, in an order in which they can be loaded."""
        found: dict[Path, None] = {}
        for name in names:
            shown = run(["modprobe", "-d", self.tree, "-S", self.release, "--show-depends", name])
            for line in shown.splitlines():
                if line.startswith("insmod "):
                    found[Path(line.split()[1])] = None
        return list(found)

    @cached_property
    def modules(self) -> dict[str, bytes]:
        """Path in the root -> content, of a modules directory that is complete in itself."""
        source, root = self.tree / "lib/modules" / self.release, self.work / "root"
        target = root / "lib/modules" / self.release
        for module in self._with_needs(_FOR_ROOT):
            place = target / module.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, place)
            run(["strip", "--strip-debug", place])
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(source / name, target)
        run(["depmod", "-b", root, self.release])
        files = (path for path in sorted(target.rglob("*")) if path.is_file())
        return {f"/usr/{path.relative_to(root)}": path.read_bytes() for path in files}

    @cached_property
    def initrd(self) -> bytes:
        root = self.work / "initrd"
        for name in ("bin", "dev", "proc", "newroot", "modules"):
            (root / name).mkdir(parents=True)
        shutil.copy(self.busybox, root / "bin/busybox")
        (root / "init").write_text(_INIT)
        (root / "init").chmod(0o755)
        order = self._with_needs(_FOR_INITRD)
        for module in order:
            shutil.copy(module, root / "modules")
            run(["strip", "--strip-debug", root / "modules" / module.name])
        (root / "order").write_text("".join(f"{module.name}\n" for module in order))
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        archive = self.work / "initrd.cpio"
        run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0", "-O", archive], stdin=names, cwd=root)
        run(["zstd", "-q", "-f", "-10", archive, "-o", f"{archive}.zst"])
        return Path(f"{archive}.zst").read_bytes()

    @property
    def files(self) -> dict[str, bytes]:
        """What the package of this kernel contains."""
        return {"/boot/bzImage": self.image, "/boot/initrd": self.initrd, **self.modules}


def unpack(kernels: Path, root: Path, scratch: Path) -> tuple[Kernel, Kernel]:
    """The older and the newer kernel of the two tarballs."""
    tree = scratch / "kernels"
    tree.mkdir()
    run(["tar", "-C", tree, "-xf", kernels])
    run(["tar", "-C", scratch, "-xf", root, "./usr/bin/busybox"])
    releases = [path.name.removeprefix("vmlinuz-") for path in (tree / "boot").glob("vmlinuz-*")]
    if len(releases) != 2:
        raise LabError(f"{kernels} should have two kernels, but has {releases}")
    made = []
    for release in sorted(releases, key=lambda text: [int(part) for part in text.replace("-", ".").split(".")[:4]]):
        run(["depmod", "-b", tree, release])
        work = scratch / release
        work.mkdir()
        made.append(Kernel(release, tree, scratch / "usr/bin/busybox", work))
    return made[0], made[1]
