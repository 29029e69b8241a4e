# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of one test: built in a second, and offered to one host only, from a directory of its own."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.lab import Host
from tests.lab.packages import Package
from tests.lab.process import run
from tests.lab.rpms import _build
from tests.lab.signing import sign_packages

PLACE = "/srv/own"


def build(scratch: Path, *packages: Package) -> dict[str, Path]:
    """``name-version`` -> signed package file."""
    files = {f"{package.name}-{package.version}": _build(package, scratch) for package in packages}
    sign_packages(list(files.values()))
    return files


def _copy(host: Host, *files: Path) -> None:
    for file in files:
        text = base64.b64encode(file.read_bytes()).decode()
        host.run(f"mkdir -p {PLACE} && base64 -d > {PLACE}/{file.name}", stdin=text)


def install(host: Host, *files: Path) -> None:
    """In the running root, by rpm."""
    _copy(host, *files)
    host.sh("rpm -U " + " ".join(f"{PLACE}/{file.name}" for file in files))


def offer(host: Host, *files: Path, tmp: Path | None = None) -> None:
    """As a repository of this host, on its root subvolume."""
    _copy(host, *files)
    own = (tmp or files[0].parent) / "repository"
    own.mkdir(exist_ok=True)
    for file in files:
        (own / file.name).write_bytes(file.read_bytes())
    run(["createrepo_c", "--quiet", own])
    for part in (own / "repodata").iterdir():
        text = base64.b64encode(part.read_bytes()).decode()
        host.run(f"mkdir -p {PLACE}/repodata && base64 -d > {PLACE}/repodata/{part.name}", stdin=text)
    text = f"[own]\nname=own\nbaseurl=file://{PLACE}\nenabled=1\ngpgcheck=1\n"
    host.write(host.repository_file("own"), f"{text}repo_gpgcheck=0\nautorefresh=1\n" if host.has_zypper else text)


__all__ = ("build", "install", "offer")
