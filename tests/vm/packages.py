# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repositories of the guest: releases v1 to v3, and one repository for each upgrade that goes wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.process import run
from tests.lab.signing import sign_packages
from tests.vm.faults import FAULTS
from tests.vm.kernels import Kernel

_MACROS = {
    "_build_id_links": "none",
    "__os_install_post": "%{nil}",
    "_binary_payload": "w3.zstdio",
    "_buildhost": "lab",
    "_binaries_in_noarch_packages_terminate_build": "0",
}


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    files: dict[str, bytes]
    provides: tuple[str, ...] = ()
    # Kind, as a section of a spec file is called -> script
    scripts: dict[str, str] = field(default_factory=dict)


def base() -> Package:
    # rpm does not know what dpkg installed, and dnf takes its release version from this package
    files = ("/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/usr/bin/python3", "/usr/bin/env")
    return Package("vm-base", "1.0", {}, (*files, "system-release = 1", "system-release(releasever) = 1"))


def app(version: str) -> Package:
    """Enough files for a cut in the middle of them to be possible."""
    files = {f"/usr/share/vm-app/data/{number}": f"{version} {number}\n".encode() for number in range(100)}
    return Package("vm-app", version, {"/usr/share/vm-app/version": f"{version}\n".encode(), **files})


def trouble(version: str, script: str = "") -> Package:
    scripts = {"post": script} if script else {}
    return Package("vm-trouble", version, {"/usr/share/vm-trouble/version": f"{version}\n".encode()}, scripts=scripts)


def _spec(package: Package, tree: Path) -> str:
    lines = [
        f"Name: {package.name}", f"Version: {package.version}", "Release: 1", f"Summary: {package.name}",
        "License: MIT", "BuildArch: noarch", "AutoReqProv: no", *(f"Provides: {text}" for text in package.provides),
        "%description", "A package for virtual machines of the tests.",
        "%install", f"mkdir -p %{{buildroot}}\ncp -a {tree}/. %{{buildroot}}/",
        *(f"%{kind}\n{script}" for kind, script in package.scripts.items()),
        "%files", "%defattr(0644,root,root,0755)", *package.files, "",
    ]  # fmt: skip
    return "\n".join(lines)


def build(package: Package, scratch: Path, name: str) -> Path:
    """The rpm; ``name``: of its own place below ``scratch``."""
    top = scratch / "rpm" / name
    tree = top / "tree"
    tree.mkdir(parents=True)
    for path, content in package.files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (top / "package.spec").write_text(_spec(package, tree))
    macros = {**_MACROS, "_topdir": str(top), "_rpmdir": str(top / "out"), "_dbpath": str(top / "db")}
    defines = [word for key, value in macros.items() for word in ("--define", f"{key} {value}")]
    run(["rpmbuild", "-bb", "--quiet", *defines, top / "package.spec"])
    return next((top / "out").rglob("*.rpm"))


def build_repositories(target: Path, old: Kernel, new: Kernel, scratch: Path) -> None:
    """One directory with repository data for each release and each fault; equal packages are one file."""

    def kernel(version: str, files: dict[str, bytes]) -> Package:
        return Package("vm-kernel", version, files)

    def built(package: Package, name: str = "") -> Path:
        return build(package, scratch, name or f"{package.name}-{package.version}")

    first, calm = built(base()), built(trouble("1.0"))
    kernels = [built(kernel("1.0", old.files)), built(kernel("2.0", new.files))]
    apps = [built(app(f"{number}.0")) for number in (1, 2, 3)]
    repositories = {
        "v1": [first, calm, kernels[0], apps[0]],
        "v2": [first, calm, kernels[1], apps[1]],
        "v3": [first, calm, kernels[1], apps[2]],
    }
    for fault in FAULTS:
        spoiled = kernels[1]
        if fault.kernel is not None:
            spoiled = built(kernel("2.0", fault.kernel(new.files, old.files)), f"kernel-{fault.name}")
        restless = built(trouble("2.0", fault.script), f"trouble-{fault.name}") if fault.script else calm
        repositories[fault.repository] = [first, restless, spoiled, apps[1]]
    publish(target, repositories)


def publish(target: Path, repositories: dict[str, list[Path]]) -> None:
    """Sign these packages, and make a directory with repository data of each repository."""
    sign_packages(sorted({file for files in repositories.values() for file in files}))
    for name, files in repositories.items():
        (target / name).mkdir(parents=True)
        for file in files:
            os.link(file, target / name / file.name)
        run(["createrepo_c", "--quiet", target / name])
