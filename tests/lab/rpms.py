# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the repositories of the lab: real packages by rpmbuild, real metadata by createrepo_c."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.packages import Package, all_packages
from tests.lab.process import locked, run, say
from tests.lab.settings import MIB, PACKAGE, cache_directory, digest, scratch_directory
from tests.lab.signing import public_key, sign_packages

BIG_MIB = 200
# Answers like a repository whose metadata was damaged; the one that is not there at all needs no preparation.
CORRUPT, MISSING = "corrupt", "missing"

_MACROS = {
    "_build_id_links": "none",
    "__os_install_post": "%{nil}",
    "_binary_payload": "w3.gzdio",
    "_buildhost": "lab",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
}


def spec_of(package: Package, tree: Path) -> str:
    listed = []
    for path in package.files:
        kind = "%config(noreplace) " if path in package.config else ""
        mode = "0755" if path in package.executable else "0644"
        listed.append(f"{kind}%attr({mode},root,root) {path}")
    scriptlets = [f"%{name}\n{body}" for name, body in package.scriptlets.items()]
    return "\n".join([
        f"Name: {package.name}",
        f"Version: {package.version}",
        "Release: 1",
        f"Summary: {package.name} of the lab",
        "License: MIT",
        "BuildArch: noarch",
        "AutoReqProv: no",
        *package.header,
        "%description",
        "A package that exists only in the lab.",
        "%install",
        f"mkdir -p %{{buildroot}}\ncp -a {tree}/. %{{buildroot}}/",
        *scriptlets,
        "%files",
        *listed,
        "",
    ])  # fmt: skip


def _build(package: Package, scratch: Path) -> Path:
    """One package; returns the file. Every build has its own top directory, so they may run side by side."""
    top = scratch / f"{package.name}-{package.version}"
    tree = top / "tree"
    tree.mkdir(parents=True)
    for path, content in package.files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    spec = top / "package.spec"
    spec.write_text(spec_of(package, tree))
    macros = {**_MACROS, "_topdir": str(top), "_rpmdir": str(top / "out"), "_dbpath": str(top / "db")}
    defines = [word for key, value in macros.items() for word in ("--define", f"{key} {value}")]
    run(["rpmbuild", "-bb", "--quiet", *defines, spec], env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return next((top / "out").rglob("*.rpm"))


def _build_into(target: Path, packages: Sequence[Package], room_mib: int) -> None:
    with tempfile.TemporaryDirectory(prefix="overc-rpm-", dir=scratch_directory(2 * room_mib * MIB)) as name:
        scratch = Path(name)
        with ThreadPoolExecutor(max_workers=4) as pool:
            files = list(pool.map(lambda p: _build(p, scratch), packages))
        sign_packages([file for package, file in zip(packages, files, strict=True) if package.signed])
        for package, file in zip(packages, files, strict=True):
            for repository in package.repositories:
                (target / repository).mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target / repository)
    for made in sorted({repository for package in packages for repository in package.repositories}):
        run(["createrepo_c", "--quiet", target / made])


def build_repositories(target: Path, big_mib: int = BIG_MIB) -> None:
    _build_into(target, all_packages(big_mib), big_mib)
    broken = target / CORRUPT / "repodata"
    broken.mkdir(parents=True)
    (broken / "repomd.xml").write_text("<?xml version='1.0'?>\n<repomd><data type='primary'>\n")


def repositories(big_mib: int = BIG_MIB) -> Path:
    """The directory that is served by HTTP, built when its ingredients changed."""
    key = digest(*(PACKAGE / f"{n}.py" for n in ("rpms", "packages", "kernel", "signing")), public_key(), str(big_mib))
    target = cache_directory() / f"repo-{key}"
    with locked(cache_directory() / "repo.lock"):
        if target.exists():
            return target
        say("building the package repositories ...")
        unfinished = target.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        build_repositories(unfinished, big_mib)
        unfinished.rename(target)
    return target


def add_repositories(packages: Sequence[Package], room_mib: int) -> None:
    """More repositories beside the others, for who needs them; nothing happens where they are there already."""
    target = repositories()
    with locked(cache_directory() / "repo.lock"):
        missing = [p for p in packages if any(not (target / name / "repodata").exists() for name in p.repositories)]
        if missing:
            _build_into(target, missing, room_mib)
