# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root with the real zypper and rpm, of Debian 13, and a repository of small packages, for the contract tests.

Each test gets an overlay of it in which everything old is installed; what a repository holds is up to the test.
"""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Iterable
from pathlib import Path

from tests.contract import apt_root, kept_root
from tests.lab.packages import Package
from tests.lab.process import run
from tests.lab.rpms import _build
from tests.lab.signing import _gpg, _gpg_home, _secret_key, public_key, sign_packages

SUITE: t.Final = "trixie"
TOOLS: t.Final = ("mmdebstrap", "rpmbuild", "rpmsign", "createrepo_c", "gpg", "unshare")
KEY: t.Final = "/etc/pki/lab.asc"
REPOSITORY: t.Final = f"""\
[lab]
name=lab
baseurl=dir:/srv/repo
enabled=1
autorefresh=1
gpgcheck=1
repo_gpgcheck=0
gpgkey=file:{KEY}
"""
_OPTIONS: t.Final = (
    "--include=zypper,rpm,python3",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)


class Root(apt_root.Root):
    """A ``Runner`` whose programs see one overlay of the root as ``/``; ``pool`` has the packages as NAME-VERSION.rpm."""

    def offer(self, *names: str, sign: bool = False) -> None:  # type: ignore[override]
        """What the repository has from now on; ``sign``: its lists."""
        place = self.scratch / "above/srv/repo"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in names:
            shutil.copy(self.pool / f"{name}.rpm", place)
        run(["createrepo_c", "--quiet", "--no-database", place])
        if sign:
            _sign_index(place / "repodata/repomd.xml")

    def versions(self) -> dict[str, str]:
        shown = self.sh(r"rpm -qa --qf '%{NAME} %{VERSION}\n' 'lab-*'")
        return dict(line.split() for line in shown.splitlines())


def _sign_index(file: Path) -> None:
    """Its signature and the key, as zypper looks for them beside the index of a repository."""
    with _gpg_home() as home:
        _gpg(home, "--import", _secret_key())
        _gpg(home, "--yes", "--armor", "--output", f"{file}.asc", "--detach-sign", file)
    shutil.copy(public_key(), f"{file}.key")


def pool(directory: Path, packages: Iterable[Package]) -> Path:
    """The packages as files, signed unless they say otherwise."""
    made = directory / "pool"
    made.mkdir()
    signed = []
    for package in packages:
        target = made / f"{package.name}-{package.version}.rpm"
        shutil.move(_build(package, directory), target)
        if package.signed:
            signed.append(target)
    sign_packages(signed)
    return made


def unpack(directory: Path, packages: Path, installed: Iterable[str]) -> Path:
    """The base that tests are overlays of, with these files of the pool installed and the lab's key known."""
    kept_root.needed(*TOOLS)
    base = directory / SUITE
    base.mkdir()
    run(["tar", "-C", base, "--numeric-owner", "-xf", kept_root.tarball("zypper", SUITE, _OPTIONS)])
    for path, text in (("etc/zypp/repos.d/lab.repo", REPOSITORY), (KEY.lstrip("/"), public_key().read_text())):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(text)
    first = Root(base, directory / "first", packages)
    place = first.scratch / "above/srv/old"
    place.mkdir(parents=True)
    for name in installed:
        shutil.copy(packages / f"{name}.rpm", place)
    first.sh(f"rpm --initdb; rpm --import {KEY}; rpm -i /srv/old/*.rpm; rm -r /srv/old")
    run(["cp", "-a", f"{first.scratch}/above/.", base])
    shutil.rmtree(first.scratch)
    return base


__all__ = ("KEY", "REPOSITORY", "Root", "pool", "unpack")
