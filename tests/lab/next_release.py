# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host of Debian 12 needs to become Debian 13: the real packages, fetched once, listed and signed as an archive."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.lab import debian
from tests.lab.process import locked, run, say
from tests.lab.rootfs import rootfs_tarball
from tests.lab.settings import cache_directory, digest

_MIRROR = "http://deb.debian.org/debian"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def next_release(before: str = "bookworm", after: str = "trixie", packages: tuple[str, ...] = debian.PACKAGES) -> Path:
    """A directory with the packages that a host's root is upgraded to, and ``Packages``, which lists them.

    ``packages``: what is installed in that root.
    """
    tarball = rootfs_tarball(before, packages)
    place = cache_directory() / f"next-{digest(after, tarball.name)}"
    with locked(cache_directory() / "next.lock"):
        if not place.exists():
            say(f"fetching the packages from {before} to {after} (a hundred megabytes) ...")
            unfinished = place.with_suffix(".part")
            run(["rm", "-rf", unfinished])
            (unfinished / "partial").mkdir(parents=True)
            _fetch(tarball, after, unfinished)
            (unfinished / "Packages").write_text(_listed(unfinished))
            unfinished.replace(place)
    return place


def _fetch(tarball: Path, suite: str, archives: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-next-") as scratch:
        place = Path(scratch)
        for name in ("lists/partial", "parts", "etc"):
            (place / name).mkdir(parents=True)
        status = subprocess.run(
            ["tar", "--zstd", "-xOf", tarball, "./var/lib/dpkg/status"], capture_output=True, check=True
        )
        (place / "status").write_bytes(status.stdout)
        (place / "extended").touch()
        (place / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {_MIRROR} {suite} main\n")
        settings = {
            "Dir::State::lists": place / "lists",
            "Dir::State::status": place / "status",
            "Dir::State::extended_states": place / "extended",
            "Dir::Etc::sourcelist": place / "sources.list",
            "Dir::Etc::sourceparts": place / "parts",
            "Dir::Etc::preferencesparts": place / "parts",
            "Dir::Cache::archives": archives,
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Debug::NoLocking": "true",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", *options, "-q", "update"], env=environment)
        run(["apt-get", *options, "-q", "-y", "--download-only", "dist-upgrade"], env=environment)


def _listed(archives: Path) -> str:
    stanzas = []
    for file in sorted(archives.glob("*.deb")):
        content = file.read_bytes()
        stanzas.append(
            f"{run(['dpkg-deb', '--field', file]).strip()}\nFilename: pool/{file.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    return "\n".join(stanzas)


__all__ = ("next_release",)
