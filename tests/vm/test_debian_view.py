# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of recorded writes tells what is wrong with a boot: small disks, each spoiled in one place."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries import menu

from tests.lab.bootloader import format_environment
from tests.lab.kernel import make_kernel
from tests.lab.process import run
from tests.vm.debian_image import FIRMWARES
from tests.vm.debian_view import Debian
from tests.vm.disk_view import BootView, digest_of
from tests.vm.sweep import Disk

pytestmark = pytest.mark.vm

ROOT_UUID: t.Final = "5769034d-bf98-434a-af99-4d5635974426"
BOOT_UUID: t.Final = {"bios": "0b7f6b4e-6a7b-4f0b-9d53-2f2c3a1e9b10", "efi": "ABCD-1234"}
# Deployment -> where its kernel is; 0 is the distribution's own entry
OLD, NEW = "@rootfs", "@rootfs.overc-1"


class Small:
    """The files of both file systems, to be spoiled; ``look`` makes the disk and looks at it."""

    def __init__(self, directory: Path, firmware: str) -> None:
        self.directory, self.firmware = directory, firmware
        self.boot, self.root = directory / "boot", directory / "root"
        self.grub = {"bios": self.boot / "grub", "efi": self.root / OLD / "boot/grub"}[firmware]
        self.files: dict[tuple[str, str], Path] = {}
        entries = [self._entry(number, name) for number, name in enumerate((OLD, NEW))]
        own = entries[0]
        device = {"bios": BOOT_UUID["bios"], "efi": ROOT_UUID}[firmware]
        self._write(
            self.grub / "grub.cfg",
            f"menuentry Debian {{\n search --no-floppy --fs-uuid --set=root {device}\n"
            f" linux {own.kernel} {' '.join(own.args)}\n initrd {own.initrd}\n}}\n"
            "if [ -f $prefix/custom.cfg ]; then source $prefix/custom.cfg; fi\n",
        )
        self._write(self.grub / "custom.cfg", menu.hook_text(BOOT_UUID[firmware], "/overc"))
        self.menu = menu.Menu(tuple(reversed(entries)))
        self._write(self.boot / "overc/menu.cfg", menu.menu_text(self.menu))
        if firmware == "efi":
            stub = f"search.fs_uuid {ROOT_UUID} root\nset prefix=($root)/{OLD}/boot/grub\nconfigfile $prefix/grub.cfg\n"
            self._write(self.boot / "EFI/debian/grub.cfg", stub)
        self.choose()

    def _entry(self, number: int, name: str) -> menu.Entry:
        device = {"bios": BOOT_UUID["bios"], "efi": ROOT_UUID}[self.firmware]
        paths = {}
        for kind, content in (("kernel", make_kernel(str(number))), ("initrd", f"initrd {number}".encode())):
            top, path = (
                (self.boot, f"/overc/{kind}{number}") if self.firmware == "bios" else (self.root, f"/{name}/{kind}")
            )
            paths[kind] = path
            self.files[name, kind] = top / path.lstrip("/")
            self._write(self.files[name, kind], content)
        args = (f"root=UUID={ROOT_UUID}", f"rootflags=subvol={name}")
        return menu.Entry(number, f"number {number}", name, "0", device, paths["kernel"], args, paths["initrd"])

    def _write(self, path: Path, content: str | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def choose(self, **values: str) -> None:
        self._write(self.boot / "overc/env", format_environment(values))

    def look(self) -> BootView:
        disk = Disk(self.directory / "boot.part", self.directory / "root.part")
        for part, size in ((disk.boot, 16 << 20), (disk.root, 128 << 20)):
            with part.open("wb") as stream:
                stream.truncate(size)
        if self.firmware == "bios":
            run(["mke2fs", "-q", "-t", "ext4", "-U", BOOT_UUID["bios"], "-d", self.boot, disk.boot])
        else:
            run(["mkfs.vfat", "-i", BOOT_UUID["efi"].replace("-", ""), disk.boot])
            run(["mcopy", "-s", "-i", disk.boot, *sorted(self.boot.iterdir()), "::"])
        run(["mkfs.btrfs", "-q", "-U", ROOT_UUID, "--rootdir", self.root, disk.root])
        return Debian(self.firmware).boot(disk, self.directory)

    def is_whole(self, seen: BootView, name: str) -> bool:
        kernel, initrd = (digest_of(self.files[name, kind].read_bytes()) for kind in ("kernel", "initrd"))
        assert seen.entry is not None, seen.problem
        return (seen.kernel, seen.initrd, seen.entry.rootflags) == (kernel, initrd, f"subvol={name}")


@pytest.fixture(params=FIRMWARES)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    (tmp_path / "root").mkdir()
    return Small(tmp_path, request.param)


def test_the_distribution_the_default_and_the_one_trial(small: Small) -> None:
    assert small.is_whole(small.look(), OLD)
    small.choose(overc_default="1")
    seen = small.look()
    assert small.is_whole(seen, NEW)
    assert seen.then is None
    small.choose(overc_try="1")
    seen = small.look()
    assert small.is_whole(seen, NEW)
    assert seen.then is not None
    assert small.is_whole(seen.then, OLD)


@pytest.mark.parametrize("chosen", [{"overc_try": "1"}, {"overc_default": "1"}])
@pytest.mark.parametrize("what", ["kernel", "initrd", "menu", "hook", "entry", "block"])
def test_what_the_block_names_must_boot(small: Small, what: str, chosen: dict[str, str]) -> None:
    small.choose(**chosen)
    if what in ("kernel", "initrd"):
        small.files[NEW, what].unlink()
    elif what == "menu":
        (small.boot / "overc/menu.cfg").unlink()
    elif what == "hook":
        (small.grub / "custom.cfg").unlink()
    elif what == "entry":
        (small.boot / "overc/menu.cfg").write_text(menu.menu_text(small.menu.without({1})))
    else:
        small.choose()
        path = small.boot / "overc/env"
        path.write_bytes(path.read_bytes()[:-1])
        assert small.is_whole(small.look(), OLD)
        return
    seen = small.look()
    assert seen.entry is None, seen
    assert seen.problem


@pytest.mark.parametrize("what", ["kernel", "initrd"])
def test_other_files_are_seen_as_others(small: Small, what: str) -> None:
    small.choose(overc_default="1")
    before = small.look()
    content = small.files[NEW, what].read_bytes()
    small.files[NEW, what].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert getattr(small.look(), what) != getattr(before, what)
