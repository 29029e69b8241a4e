# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages and repositories that apt takes for real: built by dpkg-deb, listed here, signed by gpg."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.process import run
from tests.lab.settings import digest

SUITE = "lab"
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {arch}
Maintainer: lab <lab@localhost>
Installed-Size: 1
Description: {name} of the lab
"""


@dataclass(frozen=True)
class Deb:
    """One package. ``fields`` are further lines of its control file, ``listed`` those that only the repository has."""

    name: str
    version: str
    arch: str = "all"
    fields: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    executable: frozenset[str] = frozenset()

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"

    @property
    def control(self) -> str:
        lines = "".join(f"{line}\n" for line in self.fields)
        return _CONTROL.format(name=self.name, version=self.version, arch=self.arch) + lines


def build(package: Deb, directory: Path) -> Path:
    """The package's file in ``directory``."""
    target = directory / package.file_name
    with tempfile.TemporaryDirectory(prefix="overc-deb-", dir=directory) as scratch:
        tree = Path(scratch)
        tree.chmod(0o755)
        meta = tree / "DEBIAN"
        meta.mkdir(mode=0o755)
        (meta / "control").write_text(package.control)
        if package.conffiles:
            (meta / "conffiles").write_text("".join(f"{path}\n" for path in package.conffiles))
        for name, body in package.scripts.items():
            (meta / name).write_text(f"{body}\n" if name in ("triggers", "templates") else f"#!/bin/sh\n{body}\n")
            (meta / name).chmod(0o755)
        marker = {f"/usr/share/{package.name}/version": f"{package.version}\n".encode()}
        for path, content in {**marker, **package.files}.items():
            place = tree / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if "/bin/" in path or path in package.executable else 0o644)
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, target])
    return target


def built(package: Deb, pool: Path) -> Path:
    """The package's file in ``pool``, which keeps what was built before: one directory for each that is different."""
    directory = pool / digest(repr(package))
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / package.file_name
    return file if file.exists() else build(package, directory)


def publish(
    directory: Path,
    packages: t.Sequence[Deb],
    pool: Path,
    *,
    sign: t.Callable[[Path, Path], None] | None = None,
    suite: str = SUITE,
    architectures: t.Sequence[str] = ("amd64",),
    origin: str = "Lab",
    beside: bool = False,
    more: str = "",
) -> None:
    """Offer these packages, and nothing else, in ``directory``; ``sign`` makes an InRelease of a Release.

    ``pool`` keeps what was built: nothing is built twice. ``beside``: other suites of the directory stay.
    ``more``: what else is listed, whose files the caller puts there.
    """
    base = directory / "dists" / suite
    shutil.rmtree(base if beside else directory, ignore_errors=True)
    (directory / "pool").mkdir(parents=True, exist_ok=beside)
    stanzas = []
    for package in packages:
        file = built(package, pool)
        shutil.copy2(file, directory / "pool")
        content = file.read_bytes()
        listed = "".join(f"{line}\n" for line in package.listed)
        stanzas.append(
            f"{package.control}{listed}Filename: pool/{package.file_name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    sums = []
    for arch in architectures:
        lists = base / "main" / f"binary-{arch}"
        lists.mkdir(parents=True)
        (lists / "Packages").write_text("\n".join([*stanzas, *([more] if more else [])]))
        content = (lists / "Packages").read_bytes()
        sums.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} main/binary-{arch}/Packages\n")
    release = base / "Release"
    release.write_text(
        f"Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\nArchitectures: {' '.join(architectures)}\n"
        f"Components: main\nDate: {_date()}\nSHA256:\n{''.join(sums)}"
    )
    if sign is not None:
        sign(release, base / "InRelease")
        release.unlink()


def _date() -> str:
    return run(["date", "-u", "+%a, %d %b %Y %H:%M:%S UTC"], env={**os.environ, "LC_ALL": "C"}).strip()


__all__ = ("SUITE", "Deb", "build", "built", "publish")
