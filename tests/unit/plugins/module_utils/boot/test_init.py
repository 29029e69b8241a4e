# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kernel starts first in a root: found where the kernel looks, inside that root, and only if it could run there."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.init import (
    Program,
    find_init,
    interpreter_of,
    named_init,
)

LOADER = "/lib/ld-test.so"


def elf(loader: str | None = LOADER, *, wide: bool = True, big: bool = False) -> bytes:
    """A program as far as it is looked at: its header, and the program header that names its loader."""
    order = ">" if big else "<"
    header, entry = (64, 56) if wide else (52, 32)
    text = (loader or "").encode() + b"\0"
    start, offset = header, header + entry
    ident = b"\x7fELF" + bytes((2 if wide else 1, 2 if big else 1, 1)) + bytes(9)
    word = "Q" if wide else "I"
    middle = struct.pack(
        order + "HHI" + word * 3 + "IHHHHHH", 2, 62, 1, 0, start, 0, 0, header, entry, 1 if loader else 0, 0, 0, 0
    )
    if wide:
        program = struct.pack(order + "IIQQQQQQ", 3, 4, offset, 0, 0, len(text), len(text), 1)
    else:
        program = struct.pack(order + "IIIIIIII", 3, offset, 0, 0, len(text), len(text), 4, 1)
    return (ident + middle + program + text).ljust(256, b"\0")


def put(root: Path, path: str, content: bytes, mode: int = 0o755) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """systemd as Debian has it: /sbin and /lib are links into /usr, and init is a link to a program with a loader."""
    put(tmp_path, "usr/lib/systemd/systemd", elf())
    put(tmp_path, "usr" + LOADER, elf(None))
    (tmp_path / "usr/sbin").mkdir()
    for name in ("sbin", "lib"):
        (tmp_path / name).symlink_to(f"usr/{name}")
    (tmp_path / "sbin/init").symlink_to("/lib/systemd/systemd")
    return tmp_path


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o755)


def replace_init(root: Path, content: bytes, mode: int = 0o755) -> None:
    (root / "sbin/init").unlink()
    put(root, "sbin/init", content, mode)


def test_it_is_found(root: Path) -> None:
    assert find_init(str(root)) == Program("/sbin/init", "/sbin/init", LOADER)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("gone", lambda root: (root / "usr/sbin/init").unlink()),
        ("the link leads to nothing", lambda root: (root / "usr/lib/systemd/systemd").unlink()),
        ("its loader is gone", lambda root: (root / ("usr" + LOADER)).unlink()),
        ("its loader is not executable", lambda root: (root / ("usr" + LOADER)).chmod(0o644)),
        ("not executable", lambda root: (root / "usr/lib/systemd/systemd").chmod(0o644)),
        ("empty", lambda root: replace_init(root, b"")),
        ("text", lambda root: replace_init(root, b"echo hello\n")),
        ("zeros", lambda root: replace_init(root, bytes(4096))),
        ("cut off", lambda root: replace_init(root, elf()[:40])),
        ("a script without interpreter", lambda root: replace_init(root, b"#!/bin/nobody\n")),
        ("a script that names none", lambda root: replace_init(root, b"#!\n")),
        ("a script of itself", lambda root: replace_init(root, b"#!/sbin/init\n")),
        ("a directory", lambda root: ((root / "sbin/init").unlink(), (root / "sbin/init").mkdir())),
        ("a fifo", lambda root: fifo(root / "sbin/init")),
        ("a ring of links", lambda root: ((root / "sbin/init").unlink(), (root / "sbin/init").symlink_to("init"))),
        ("the host's", lambda root: ((root / "sbin/init").unlink(), (root / "sbin/init").symlink_to(sys.executable))),
        (
            "above the root",
            lambda root: (
                (root / "sbin/init").unlink(),
                shutil.copy(sys.executable, root.parent / "outside"),
                (root / "sbin/init").symlink_to("../../../outside"),
            ),
        ),
        ("the directory is gone", lambda root: shutil.rmtree(root / "usr/sbin")),
        ("the tree is empty", lambda root: shutil.rmtree(root / "usr")),
    ],
)
def test_nothing_could_be_started(root: Path, name: str, harm: Callable[[Path], object]) -> None:
    harm(root)
    assert find_init(str(root)) is None, name


def test_the_kernel_looks_further_than_sbin_but_not_for_systemd(root: Path) -> None:
    """Only an initrd knows where systemd lies."""
    (root / "sbin/init").unlink()
    assert find_init(str(root)) is None
    found = find_init(str(root), initrd=True)
    assert found is not None
    assert found.path == "/usr/lib/systemd/systemd"
    put(root, "bin/init", elf(None))
    assert find_init(str(root)) == Program("/bin/init", "/bin/init")
    put(root, "etc/init", b"#! /bin/init arg\nexit\n")
    assert find_init(str(root)) == Program("/etc/init", "/bin/init")


def test_what_the_command_line_names_is_the_only_one(root: Path) -> None:
    assert find_init(str(root), "/opt/own-init", initrd=True) is None
    put(root, "opt/own-init", b"#!/sbin/init\n")
    assert find_init(str(root), "/opt/own-init") == Program("/opt/own-init", "/sbin/init", LOADER)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), None),
        (("quiet", "root=/dev/sda2"), None),
        (("init=/a", "rdinit=/c", "init=/b"), "/b"),
        (("initrd=/a", "init="), None),
    ],
)
def test_the_last_word_counts(arguments: tuple[str, ...], named: str | None) -> None:
    assert named_init(arguments) == named


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("big", [True, False])
@pytest.mark.parametrize("loader", [LOADER, None])
def test_programs_of_every_kind(loader: str | None, *, wide: bool, big: bool) -> None:
    assert interpreter_of(elf(loader, wide=wide, big=big)) == ("elf", loader)


def test_a_real_program() -> None:
    with Path("/bin/sh").open("rb") as stream:
        kind, loader = interpreter_of(stream.read(4096))
    assert kind == "elf"
    assert loader is not None
    assert Path(loader).is_file()


def test_no_answer_is_no_absence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.lstat

    def fails(path: str, **more: object) -> os.stat_result:
        if str(path).endswith("/systemd"):
            raise OSError(errno.EIO, "Input/output error", path)
        return real(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "lstat", fails)
    with pytest.raises(OSError, match="Input/output"):
        find_init(str(root))
