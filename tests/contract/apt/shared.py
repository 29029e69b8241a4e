# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of these tests, and how the driver is asked."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.apt.driver import Apt
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Applied, PackagePlan, PackageRequest

from tests.contract.proofs import EVERYTHING, applied
from tests.lab.debs import Deb

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


CONF = "/etc/lab-app.conf"


def app(version: str) -> Deb:
    return Deb("lab-app", version, files={CONF: f"{version}\n".encode()}, conffiles=(CONF,))


OLD = (app("1.0-1"), Deb("lab-lib", "1.0-1", arch="amd64"), Deb("lab-more", "1.0-1"))
NEW = (
    app("2.0-1"),
    Deb("lab-lib", "1:0.5-1", arch="amd64"),
    Deb("lab-more", "2.0-1", fields=("Depends: lab-extra",)),
    Deb("lab-extra", "1.0-1"),
)


def driver(root: Root) -> Apt:
    return Apt(root, sleep=lambda _seconds: None)


def prepared(root: Root, *offered: Deb, installed: t.Sequence[Deb] = OLD) -> None:
    root.install(*installed)
    root.offer(*offered)


def pending(root: Root, request: PackageRequest = EVERYTHING, **options: t.Any) -> PackagePlan:
    return driver(root).pending(request, **{"refresh": True, **options})


def apply(
    root: Root, request: PackageRequest = EVERYTHING, plan: PackagePlan | None = None, before: str = ""
) -> tuple[Applied, Root]:
    """See ``proofs.applied``; the repository is out of reach of the snapshot."""
    fetched = ("srv", "var/cache/apt", "var/lib/apt/lists")
    return applied(driver, root, request, plan or pending(root, request), *fetched, before=before)
