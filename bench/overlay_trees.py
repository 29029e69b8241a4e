# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees for the overlay benchmark, the same for the same arguments."""

from __future__ import annotations

import os
import random
import stat
import subprocess
from pathlib import Path

_SUITE = "bookworm"
_INSTALLED = (
    "python3,perl,git,vim,openssh-server,gcc,libc6-dev,systemd-sysv,dbus,curl,man-db",
    "python3,perl,emacs-nox,nginx-light,openssh-client,g++,systemd-sysv,sqlite3,golang-go,rsync",
)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def subvolume(path: Path) -> Path:
    run("btrfs", "-q", "subvolume", "create", str(path))
    return path


def regular_files(root: Path) -> list[tuple[str, os.stat_result]]:
    """Non-empty files with one link, in a stable order."""
    out = []
    for path, directories, names in os.walk(root):
        directories.sort()
        for name in sorted(names):
            full = os.path.join(path, name)
            status = os.lstat(full)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size > 0:
                out.append((full, status))
    return out


def mutate(root: Path, share: float = 0.02, seed: int = 1) -> None:
    """Of the chosen: 60 % one byte flipped (half with the old time), 20 % rewritten, 10 % chmod, 10 % removed."""
    rng = random.Random(seed)
    files = regular_files(root)
    chosen = rng.sample(files, int(len(files) * share))
    for number, (path, status) in enumerate(chosen):
        kind = number % 10
        if kind < 6:
            with open(path, "r+b") as file:
                offset = rng.randrange(status.st_size)
                file.seek(offset)
                byte = file.read(1)
                file.seek(offset)
                file.write(bytes([byte[0] ^ 1]))
            if kind < 3:
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        elif kind < 8:
            data = Path(path).read_bytes()
            Path(path).write_bytes(data[::-1])
        elif kind == 8:
            os.chmod(path, (status.st_mode ^ 0o20) & 0o7777)
        else:
            os.unlink(path)
    for number in range(len(files) // 500):
        Path(os.path.dirname(rng.choice(chosen)[0]), f"new-{number}").write_text(f"new {number}\n" * 50)


def roots(base: Path, given: tuple[Path, Path] | None) -> tuple[Path, Path]:
    """Two roots of one release that share no extents, installed each by itself with other packages; or copies of given."""
    made = (subvolume(base / "rootA"), subvolume(base / "rootB"))
    for number, root in enumerate(made):
        if given is not None:
            run("cp", "-a", "--reflink=never", f"{given[number]}/.", str(root))
            continue
        options = ("--mode=root", "--variant=minbase", "--format=directory", "--quiet")
        recommends = '--aptopt=APT::Install-Recommends "false"'
        run("mmdebstrap", *options, recommends, f"--include={_INSTALLED[number]}", _SUITE, str(root))
    return made


def tiny(root: Path, count: int, *, differ: float = 0.0) -> Path:
    """Many small files: about a kilobyte each, 500 in a directory."""
    subvolume(root)
    rng, other = random.Random(7), random.Random(3)
    blob = rng.randbytes(1 << 20)
    directory = root
    for number in range(count):
        if number % 500 == 0:
            directory = root / "usr" / f"{number // 5000:03}" / f"{number // 500 % 10:02}"
            directory.mkdir(parents=True)
        size = min(16384, int(rng.lognormvariate(6.2, 1.2)))
        offset = rng.randrange((1 << 20) - size)
        data = blob[offset : offset + size]
        if size and differ and other.random() < differ:
            data = data[:-1] + bytes([data[-1] ^ 1])
        path = directory / f"f{number:06}"
        path.write_bytes(data)
        os.utime(path, (1_600_000_000 + number,) * 2)
    for path, _directories, _files in os.walk(root):
        os.utime(path, (1, 1))
    return root


def large(root: Path, *, tails: tuple[int, ...] = (), count: int = 4, size: int = 256 << 20) -> Path:
    """Large files, some of which differ ten bytes before the end."""
    subvolume(root)
    (root / "usr").mkdir()
    for number in range(count):
        rng = random.Random(500 + number)
        path = root / "usr" / f"big{number}"
        with path.open("wb") as file:
            for _block in range(size // (4 << 20)):
                file.write(rng.randbytes(4 << 20))
            if number in tails:
                file.seek(size - 10)
                file.write(b"X")
        os.utime(path, (1_600_000_000,) * 2)
    return root
