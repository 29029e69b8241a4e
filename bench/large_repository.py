# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository as large as that of a distribution: what a package manager takes its time for is the number of packages that it
has to know, not that of those it installs. Only the metadata is there; nobody gets any of these packages.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import typing as t
from pathlib import Path

from tests.lab.process import locked
from tests.lab.rpms import repositories
from tests.lab.settings import cache_directory

NAME: t.Final = "large"
PACKAGES: t.Final = 50_000
_COMMON: t.Final = "http://linux.duke.edu/metadata/common"
_RPM: t.Final = "http://linux.duke.edu/metadata/rpm"


def _package(number: int) -> str:
    """One of many, with a few dependencies among them, as packages of a distribution have."""
    name = f"large-{number:05}"
    needs = "".join(
        f'<rpm:entry name="large-{other:05}"/>' for other in sorted({number // 2, number // 3, number // 7} - {number})
    )
    digest = hashlib.sha256(name.encode()).hexdigest()
    return (
        f'<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="0" ver="1.{number % 50}" rel="1"/>'
        f'<checksum type="sha256" pkgid="YES">{digest}</checksum><summary>Package {number} of a large repository</summary>'
        f"<description>It does for number {number} what others of its kind do for theirs.</description><packager/><url/>"
        f'<time file="1700000000" build="1700000000"/><size package="10000" installed="20000" archive="20000"/>'
        f'<location href="{name}.rpm"/><format><rpm:license>MIT</rpm:license><rpm:vendor/><rpm:group>Unspecified</rpm:group>'
        f'<rpm:buildhost>lab</rpm:buildhost><rpm:sourcerpm/><rpm:header-range start="0" end="1"/><rpm:provides>'
        f'<rpm:entry name="{name}" flags="EQ" epoch="0" ver="1.{number % 50}" rel="1"/></rpm:provides>'
        f"<rpm:requires>{needs}</rpm:requires><file>/usr/bin/{name}</file></format></package>\n"
    )


def metadata(count: int) -> dict[str, bytes]:
    """The files of ``repodata`` by their names."""
    primary = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="{_COMMON}" xmlns:rpm="{_RPM}" packages="{count}">\n'
        + "".join(map(_package, range(count)))
        + "</metadata>\n"
    ).encode()
    packed = gzip.compress(primary, mtime=0)
    sums = {what: hashlib.sha256(data).hexdigest() for what, data in (("packed", packed), ("open", primary))}
    repomd = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo" '
        f'xmlns:rpm="{_RPM}"><revision>1700000000</revision><data type="primary">'
        f'<checksum type="sha256">{sums["packed"]}</checksum><open-checksum type="sha256">{sums["open"]}</open-checksum>'
        f'<location href="repodata/primary.xml.gz"/><timestamp>1700000000</timestamp><size>{len(packed)}</size>'
        f"<open-size>{len(primary)}</open-size></data></repomd>\n"
    ).encode()
    return {"primary.xml.gz": packed, "repomd.xml": repomd}


def add(count: int = PACKAGES) -> str:
    """The repository beside those of the lab, and its name, for ``Host.enable_repo``; made where it is not there yet."""
    target = path(count)
    with locked(cache_directory() / "repo.lock"):
        if not (target / "repodata/repomd.xml").exists():
            beside = target.with_name(f"{target.name}.new")
            shutil.rmtree(beside, ignore_errors=True)
            (beside / "repodata").mkdir(parents=True)
            for file, data in metadata(count).items():
                (beside / "repodata" / file).write_bytes(data)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(beside, target)
    return target.name


def path(count: int = PACKAGES) -> Path:
    return repositories() / f"{NAME}-{count}"


__all__ = ("NAME", "PACKAGES", "add", "metadata", "path")
