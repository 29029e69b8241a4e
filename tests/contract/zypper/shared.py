# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of these tests, and how the driver is asked."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.contract import Applied, PackagePlan, PackageRequest
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.driver import Zypper

from tests.contract.proofs import EVERYTHING, applied
from tests.lab.packages import Package

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


DUP = PackageRequest(mode="dup")
CONF = "/etc/lab-conf.conf"
UNSIGNED = ("unsigned",)


def package(name: str, version: str, *header: str, vendor: str = "lab", **more: t.Any) -> Package:
    files = {f"/usr/share/{name}/version": f"{version}\n".encode(), **more.pop("files", {})}
    return Package(name, version, header=(f"Vendor: {vendor}", *header), files=files, **{"repositories": (), **more})


def conf(version: str) -> Package:
    return package("lab-conf", version, files={CONF: f"{version}\n".encode()}, config=frozenset({CONF}))


def beside(version: str) -> Package:
    """Of these, as of kernels, one version may be installed beside the other."""
    files = {f"/usr/share/lab-multi-{version}": b"x"}
    header = ("Vendor: lab", "Provides: multiversion(lab)")
    return Package("lab-multi", version, header=header, files=files, repositories=())


OLD = (
    package("lab-base", "1.0", "Provides: /bin/sh"),
    *(
        package(f"lab-{name}", "1.0")
        for name in ("app", "lib", "old", "unsat", "vendor", "bad", "pre", "hold", "nosig", "hang")
    ),
    package("lab-down", "5.0"),
    package("lab-epoch", "9.0"),
    conf("1.0"),
)
NEW = (
    *(package(f"lab-{name}", "2.0") for name in ("app", "hold")),
    package("lab-lib", "2.0", "Requires: lab-extra"),
    package("lab-extra", "1.0"),
    package("lab-new", "2.0", "Obsoletes: lab-old < 2"),
    package("lab-unsat", "2.0", "Requires: nowhere"),
    package("lab-vendor", "2.0", vendor="somebody else"),
    package("lab-down", "4.0"),
    package("lab-epoch", "2.0", "Epoch: 1"),
    package("lab-bad", "2.0", scriptlets={"post": "echo '<these> & \x1b[1mwords'; exit 7"}),
    package("lab-pre", "2.0", scriptlets={"pre": "exit 3"}),
    package("lab-nosig", "2.0", repositories=UNSIGNED),
    package("lab-hang", "2.0", scriptlets={"post": "setsid sleep 30 & exit 0"}),
    conf("2.0"),
    *(beside(version) for version in ("1.0", "2.0", "3.0")),
    package("lab-in", "0.9"),
    package("lab-in", "1.0", "Requires: lab-dep"),
    package("lab-dep", "1.0"),
    package("lab-leaf", "1.0", "Requires: lab-lib"),
    package("lab-either", "1.0", "Requires: lab-choice"),
    package("lab-one", "1.0", "Provides: lab-choice"),
    package("lab-other", "1.0", "Provides: lab-choice", "Conflicts: lab-one"),
    package("lab-against", "1.0", "Conflicts: lab-hold"),
    package("lab-instead", "1.0", "Obsoletes: lab-down < 9", "Provides: lab-virtual"),
    package("lab-pinned", "1.0", "Requires: lab-app = 1.0"),
)
GOOD = ("lab-app-2.0", "lab-lib-2.0", "lab-extra-1.0", "lab-new-2.0", "lab-epoch-2.0", "lab-conf-2.0")


ADDED = (
    "lab-in-0.9",
    "lab-in-1.0",
    "lab-dep-1.0",
    "lab-leaf-1.0",
    "lab-against-1.0",
    "lab-instead-1.0",
    "lab-pinned-1.0",
)


def driver(root: Root) -> Zypper:
    return Zypper(root, sleep=lambda _seconds: None)


def pending(root: Root, request: PackageRequest = EVERYTHING, **options: t.Any) -> PackagePlan:
    return driver(root).pending(request, **{"refresh": True, **options})


def apply(
    root: Root, request: PackageRequest = EVERYTHING, plan: PackagePlan | None = None, before: str = ""
) -> tuple[Applied, Root]:
    """See ``proofs.applied``; the repository is out of reach of the snapshot."""
    return applied(driver, root, request, plan or pending(root, request), "srv", "var/cache/zypp", before=before)
