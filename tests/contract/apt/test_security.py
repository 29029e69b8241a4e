# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades for security alone."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

from tests.contract.apt.shared import NEW, OLD, app, apply, pending, prepared
from tests.contract.proofs import failing, told
from tests.lab.debs import Deb, publish
from tests.lab.signing import sign_release

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


def secured(root: Root) -> None:
    """A distribution with a pocket for security, and a source of somebody else."""
    from tests.contract.apt_root import SOURCE

    secure = (
        app("1.1-1"),
        Deb("lab-more", "1.5-1", fields=("Depends: lab-extra",)),
        Deb("lab-stuck", "1.1-1", fields=("Depends: lab-lib (>= 2)",)),
    )
    usual = (*(deb for deb in NEW if deb.name != "lab-lib"), Deb("lab-lib", "2.0-1", arch="amd64"))
    root.install(*OLD, Deb("lab-stuck", "1.0-1"))
    root.offer(*usual)
    place = root.scratch / "above/srv/repo"
    publish(place, secure, root.pool, sign=sign_release, suite="lab-security", beside=True)
    publish(
        root.scratch / "above/srv/third", (Deb("lab-third", "1.0-1"),), root.pool, sign=sign_release, origin="Third"
    )
    root.write("/etc/apt/sources.list.d/lab.sources", SOURCE.replace("Suites: lab", "Suites: lab lab-security"))
    root.write("/etc/apt/sources.list.d/third.sources", SOURCE.replace("/srv/repo", "/srv/third"))


def test_only_what_the_security_pocket_has_is_upgraded(root: Root) -> None:
    """Its own version, although there is a newer one elsewhere; what is new and needed comes along from anywhere."""
    secured(root)
    request = PackageRequest(advisories="security")
    plan = pending(root, request)
    assert told(plan) == {
        "lab-app": ("1.0-1", "1.1-1"), "lab-extra": (None, "1.0-1"), "lab-more": ("1.0-1", "1.5-1"),
    }  # fmt: skip
    assert {c.name: c.channel for c in plan.changes} == {
        "lab-app": "Lab:lab-security", "lab-extra": "Lab:lab", "lab-more": "Lab:lab-security",
    }  # fmt: skip
    assert any(line.startswith("lab-stuck is kept back: ") for line in plan.held_back)
    assert plan.unadvised == ("file:/srv/third lab",)
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-app"] == "ii|1.1-1"
    assert new.versions()["lab-lib"] == "ii|1.0-1"

    root.write("/etc/apt/apt.conf.d/99default", 'APT::Default-Release "lab";\n')
    assert pending(root, request, refresh=False) == plan
    root.write("/etc/apt/preferences.d/own", "Package: lab-lib\nPin: release a=lab\nPin-Priority: 900\n")
    failing(lambda: pending(root, request, refresh=False), "packages_unsupported", "lab-lib", "exclude")


def test_without_a_security_pocket_nothing_is_known(root: Root) -> None:
    prepared(root, *NEW)
    plan = pending(root, PackageRequest(advisories="security"))
    assert (plan.changes, plan.unadvised) == ((), ("file:/srv/repo lab",))
