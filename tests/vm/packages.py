# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repositories of the guest: releases v1 to v3, and one repository for each upgrade that goes wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass
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
    post: str = ""


def _base() -> Package:
    # rpm does not know what dpkg installed, and dnf takes its release version from this package
    files = ("/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/usr/bin/python3", "/usr/bin/env")
    return Package("vm-base", "1.0", {}, (*files, "system-release = 1", "system-release(releasever) = 1"))


def _app(version: str) -> Package:
    """Enough files for a cut in the middle of them to be possible."""
    files = {f"/usr/share/vm-app/data/{number}": f"{version} {number}\n".encode() for number in range(100)}
    return Package("vm-app", version, {"/usr/share/vm-app/version": f"{version}\n".encode(), **files})


def _trouble(version: str, script: str = "") -> Package:
    return Package("vm-trouble", version, {"/usr/share/vm-trouble/version": f"{version}\n".encode()}, post=script)


def _spec(package: Package, tree: Path) -> str:
    lines = [
        f"Name: {package.name}", f"Version: {package.version}", "Release: 1", f"Summary: {package.name}",
        "License: MIT", "BuildArch: noarch", "AutoReqProv: no", *(f"Provides: {text}" for text in package.provides),
        "%description", "A package for virtual machines of the tests.",
        "%install", f"mkdir -p %{{buildroot}}\ncp -a {tree}/. %{{buildroot}}/",
        *([f"%post\n{package.post}"] if package.post else []),
        "%files", "%defattr(0644,root,root,0755)", *package.files, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _build(package: Package, scratch: Path, name: str) -> Path:
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
        return _build(package, scratch, name or f"{package.name}-{package.version}")

    base, calm = built(_base()), built(_trouble("1.0"))
    kernels = [built(kernel("1.0", old.files)), built(kernel("2.0", new.files))]
    apps = [built(_app(f"{number}.0")) for number in (1, 2, 3)]
    repositories = {
        "v1": [base, calm, kernels[0], apps[0]],
        "v2": [base, calm, kernels[1], apps[1]],
        "v3": [base, calm, kernels[1], apps[2]],
    }
    for fault in FAULTS:
        spoiled = kernels[1]
        if fault.kernel is not None:
            spoiled = built(kernel("2.0", fault.kernel(new.files, old.files)), f"kernel-{fault.name}")
        trouble = built(_trouble("2.0", fault.script), f"trouble-{fault.name}") if fault.script else calm
        repositories[fault.repository] = [base, trouble, spoiled, apps[1]]
    sign_packages(sorted({file for files in repositories.values() for file in files}))
    for name, files in repositories.items():
        (target / name).mkdir(parents=True)
        for file in files:
            os.link(file, target / name / file.name)
        run(["createrepo_c", "--quiet", target / name])
