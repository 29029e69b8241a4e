# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts with apt are offered: a signed repository in their own file system, whose packages a test chooses."""

from __future__ import annotations

from pathlib import Path

from tests.lab.deb_kernels import kernel, newest
from tests.lab.debian import FIRST_KERNEL, REPOSITORY, packages
from tests.lab.debs import Deb, built, publish
from tests.lab.host import Host
from tests.lab.settings import cache_directory
from tests.lab.signing import sign_release

# A newer kernel than the installed one, and what asks for it
NEW_KERNEL = "6.1.0-11-lab"


def pool() -> Path:
    """Packages that were built before, for all tests."""
    directory = cache_directory() / "debs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def offer(host: Host, *offered: Deb) -> None:
    """From now on the host's repository has these and what is installed already."""
    place = host.root / REPOSITORY.lstrip("/")
    publish(place, [*packages(), *offered], pool(), sign=sign_release)


def install(host: Host, *wanted: Deb) -> None:
    """By dpkg, as they are, from no repository."""
    for package in wanted:
        file = built(package, pool())
        place = host.root / "run" / file.name
        place.write_bytes(file.read_bytes())
    host.sh("dpkg -i " + " ".join(f"/run/{package.file_name}" for package in wanted))


def new_kernel(release: str = NEW_KERNEL) -> tuple[Deb, Deb]:
    """The packages of a newer kernel: an upgrade brings a new package beside the old one."""
    return kernel(release), newest(release, "2.0")


def version(host: Host, package: str) -> str:
    return host.sh(f"dpkg-query -W -f '${{Version}}' {package}")


__all__ = ("FIRST_KERNEL", "NEW_KERNEL", "install", "new_kernel", "offer", "pool", "version")
