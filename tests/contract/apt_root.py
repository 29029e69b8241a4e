# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real roots of Debian with the real apt and dpkg, and a signed repository of small packages, for the contract tests.

Debian 12 is the root that the lab's hosts have; another one is made once by mmdebstrap, from the mirrors that this machine
uses, and kept as a tarball. Each test gets an overlay of it. Every command has a mount and a process namespace of its own, as
in a new root; nothing stays mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.runner import ENGLISH, Completed

from tests.contract import kept_root
from tests.lab.debs import Deb, built, publish
from tests.lab.process import run
from tests.lab.rootfs import rootfs_tarball
from tests.lab.signing import public_key, sign_release

LAB_SUITE = "bookworm"
TOOLS = ("mmdebstrap", "dpkg-deb", "gpg", "unshare")
KEY = "/etc/apt/keyrings/lab.asc"
SOURCE = f"Types: deb\nURIs: file:/srv/repo\nSuites: lab\nComponents: main\nSigned-By: {KEY}\n"
_OPTIONS = (
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
# $1 where, $2 below, $3 above, $4 work; then what is run in there. The first process stays outside, as in a new root: by that
# scripts of packages know where they are.
_ENTER = """\
set -e
mount -t overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" overlay "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
for node in "null 3" "zero 5" "urandom 9"; do mknod -m 666 "$1/dev/${node% *}" c 1 "${node#* }"; done
mount -t tmpfs tmpfs "$1/tmp"
mkdir -p "$1/run/lock"
here=$1
shift 4
chroot "$here" "$@"
"""


def tarball(suite: str) -> Path:
    """A Debian root of that suite. Skips the test where there is none and none can be made."""
    if suite == LAB_SUITE:
        return rootfs_tarball()
    return kept_root.tarball(f"debian-{suite}", suite, _OPTIONS)


def unpack(suite: str, directory: Path) -> Path:
    """The base that tests are overlays of."""
    kept_root.needed(*TOOLS)
    root = directory / suite
    root.mkdir()
    run(["tar", "-C", root, "--numeric-owner", "-xf", tarball(suite)])
    for path in [root / "etc/apt/sources.list", *(root / "etc/apt/sources.list.d").iterdir()]:
        path.unlink(missing_ok=True)
    (root / KEY.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(public_key(), root / KEY.lstrip("/"))
    (root / "etc/apt/sources.list.d/lab.sources").write_text(SOURCE)
    return root


AnyRoot = t.TypeVar("AnyRoot", bound="Root")


@dataclass
class Root:
    """A ``Runner`` whose programs see one overlay of a Debian root as ``/``."""

    base: Path
    scratch: Path
    pool: Path
    calls: list[tuple[str, ...]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("root", "above", "work"):
            (self.scratch / name).mkdir(parents=True, exist_ok=True)

    def find(self, program: str) -> str | None:
        places = (f"{directory}/{program}" for directory in ("usr/bin", "usr/sbin", "bin", "sbin"))
        return next((f"/{place}" for place in places if os.path.lexists(self.base / place)), None)

    def run(
        self, argv: Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> Completed:
        self.calls.append(tuple(argv))
        path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        where = [str(self.scratch / "root"), str(self.base), str(self.scratch / "above"), str(self.scratch / "work")]
        enter = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        done = subprocess.run(
            [*enter, "sh", "-c", _ENTER, "sh", *where, *self.prefixes.get(argv[0], ()), *argv],
            env={**path, "SYSTEMD_OFFLINE": "1", **ENGLISH, **self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            pass_fds=tuple(pass_fds),
        )
        out, err = (text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr))
        return Completed(tuple(argv), done.returncode, out, err)

    def sh(self, script: str) -> str:
        """A piece of shell in the root that must succeed; what it printed."""
        done = self.run(["sh", "-c", script], env={"DEBIAN_FRONTEND": "noninteractive"})
        assert done.rc == 0, (script, done.stdout, done.stderr)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Between two commands the upper directory is ours."""
        place = self.scratch / "above" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, path: str) -> str:
        return self.sh(f"cat {path}")

    def install(self, *packages: Deb) -> None:
        """In place, by dpkg."""
        place = self.scratch / "above/srv/old"
        place.mkdir(parents=True, exist_ok=True)
        for package in packages:
            shutil.copy(built(package, self.pool), place)
        self.sh("dpkg -i /srv/old/*.deb && rm -r /srv/old")

    def offer(self, *packages: Deb, sign: bool = True, place: str = "/srv/repo") -> None:
        """What the repository has from now on."""
        directory = self.scratch / "above" / place.lstrip("/")
        directory.parent.mkdir(parents=True, exist_ok=True)
        publish(directory, packages, self.pool, sign=sign_release if sign else None)

    def snapshot(self, *without: str) -> t.Self:
        """A copy of what is above the base, without these paths."""
        new = type(self)(self.base, self.scratch.parent / "new", self.pool)
        shutil.rmtree(new.scratch)
        shutil.copytree(self.scratch, new.scratch, symlinks=True)
        for path in without:
            shutil.rmtree(new.scratch / "above" / path, ignore_errors=True)
        return new

    def versions(self) -> dict[str, str]:
        """Of the lab's packages: name -> status and version."""
        shown = self.sh(r"dpkg-query -W -f '${Package} ${db:Status-Abbrev}|${Version}\n' 'lab-*' 2>/dev/null || true")
        return {line.split()[0]: line.split(None, 1)[1].replace(" ", "") for line in shown.splitlines()}


def files_of(root: Root) -> str:
    """Everything in the root that is not of the moment, with its time of change: to see that nothing was done."""
    where = root.scratch / "above"
    found = {
        str(path.relative_to(where)): path.lstat().st_mtime_ns
        for path in sorted(where.rglob("*"))
        if not path.is_dir() and not str(path.relative_to(where)).startswith(("run/", "tmp/", "var/tmp/"))
    }
    return json.dumps(found)


__all__ = ("KEY", "SOURCE", "Root", "files_of", "unpack")
