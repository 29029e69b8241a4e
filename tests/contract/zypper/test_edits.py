# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that come and go, with the upgrade or without it: planned, refused, and carried out as planned."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan, PackageRequest

from tests.contract.proofs import failing, told
from tests.contract.zypper.shared import ADDED, GOOD, apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def edit(*install: str, remove: tuple[str, ...] = (), **more: t.Any) -> PackageRequest:
    return PackageRequest(**{"install": install, "remove": remove, "upgrade": False, **more})


def put(root: Root, *names: str) -> None:
    """Installed, whatever the repository has."""
    for name in names:
        shutil.copy(root.pool / f"{name}.rpm", root.scratch / "above")
    root.sh(f"rpm -i {' '.join(f'/{name}.rpm' for name in names)} && rm /*.rpm")


def check(root: Root, request: PackageRequest, wanted: dict[str, tuple[str | None, str | None]]) -> Root:
    """That is planned, and it is what is done, with nothing else; returns the new root."""
    plan = pending(root, request)
    assert told(plan) == wanted
    applied, new = apply(root, request, plan)
    assert {change.name: (change.installed, change.available) for change in applied.changes} == wanted
    return new


def test_in_and_out_and_nothing_else(root: Root) -> None:
    """With what it needs, and without what needs it; what comes as a need is known as one; a second time it is no change."""
    root.offer(*GOOD, *ADDED)
    put(root, "lab-leaf-1.0")
    root.write("/etc/zypp/zypp.conf", "[main]\nsolver.cleandepsOnRemove = true\nsolver.allowVendorChange = true\n")
    request = edit("lab-in", remove=("lab-lib", "lab-nowhere"))
    new = check(
        root,
        request,
        {
            "lab-in": (None, "1.0-1"),
            "lab-dep": (None, "1.0-1"),
            "lab-lib": ("1.0-1", None),
            "lab-leaf": ("1.0-1", None),
        },
    )
    assert new.versions()["lab-app"] == "1.0"
    assert "lab-dep" in new.read("/var/lib/zypp/AutoInstalled")
    assert "lab-lib" in root.versions(), "only the new root is another one"
    assert driver(new).pending(request) == PackagePlan()


def test_with_the_upgrade_it_is_one_transaction(root: Root) -> None:
    """Of what goes nothing is upgraded, with what only that would need; something obsolete goes for what comes in its place."""
    root.offer(*GOOD, *ADDED)
    new = check(
        root,
        edit("lab-in", remove=("lab-lib",), upgrade=True),
        {
            "lab-app": ("1.0-1", "2.0-1"), "lab-epoch": ("9.0-1", "1:2.0-1"), "lab-conf": ("1.0-1", "2.0-1"),
            "lab-old": ("1.0-1", None), "lab-new": (None, "2.0-1"), "lab-lib": ("1.0-1", None),
            "lab-down": ("5.0-1", None), "lab-instead": (None, "1.0-1"),
            "lab-in": (None, "1.0-1"), "lab-dep": (None, "1.0-1"),
        },
    )  # fmt: skip
    assert not {"lab-lib", "lab-old", "lab-extra"} & set(new.versions())
    assert told(pending(root, edit("lab-in", upgrade=True)))["lab-extra"] == (None, "1.0-1")


def test_one_in_place_of_another(root: Root) -> None:
    """What needs either of the two stays."""
    root.offer("lab-other-1.0", "lab-one-1.0", "lab-either-1.0")
    put(root, "lab-one-1.0", "lab-either-1.0")
    check(root, edit("lab-other", remove=("lab-one",)), {"lab-other": (None, "1.0-1"), "lab-one": ("1.0-1", None)})


MULTI = "[main]\nmultiversion = provides:multiversion(lab)\n"


def test_versions_beside_one_another(root: Root) -> None:
    """As of kernels: a new one comes beside the others, and by name all of them go."""
    root.offer("lab-in-1.0", "lab-dep-1.0", "lab-multi-3.0")
    root.write("/etc/zypp/zypp.conf", MULTI)
    put(root, "lab-multi-1.0", "lab-multi-2.0")
    request = edit("lab-in", upgrade=True)
    plan = pending(root, request)
    assert told(plan) == {"lab-in": (None, "1.0-1"), "lab-dep": (None, "1.0-1"), "lab-multi": (None, "3.0-1")}
    _applied, new = apply(root, request, plan)
    assert sorted(new.sh("rpm -q --qf '%{VERSION} ' lab-multi").split()) == ["1.0", "2.0", "3.0"]
    shutil.rmtree(new.scratch)
    gone = pending(root, edit(remove=("lab-multi",)))
    assert [(change.name, change.installed) for change in gone.changes] == [
        ("lab-multi", "1.0-1"),
        ("lab-multi", "2.0-1"),
    ]
    _applied, new = apply(root, edit(remove=("lab-multi",)), gone)
    assert "lab-multi" not in new.versions()


def test_what_is_there_or_not_is_no_change(root: Root) -> None:
    root.offer(*GOOD, *ADDED)
    assert pending(root, edit("lab-app", "lab-lib.noarch", remove=("lab-in",))) == PackagePlan()
    assert told(pending(root, edit("lab-epoch.noarch", upgrade=True)))["lab-epoch"] == ("9.0-1", "1:2.0-1")


@pytest.mark.parametrize(
    "name",
    [
        "lab-nowhere",
        "lab-virtual",
        "lab-in-0.9",
        "lab-in.i686",
        "lab:lab-in",
        "lab-in:noarch",
        "lab-in-1.0.rpm",
        "LAB-IN",
    ],
)
def test_only_exact_names(root: Root, name: str) -> None:
    root.offer(*GOOD, *ADDED)
    error = failing(lambda: pending(root, edit("lab-dep", name)), "package_unknown", name)
    assert error.facts["packages"] == [name]


def test_what_does_not_fit_is_refused_in_its_words(root: Root) -> None:
    root.offer(*GOOD, *ADDED)
    failing(
        lambda: pending(root, edit("lab-against")), "package_manager_failed", "lab-against", "conflicts", "lab-hold"
    )
    failing(lambda: pending(root, edit("lab-pinned", upgrade=True)), "package_manager_failed", "lab-pinned")
    assert told(pending(root, edit("lab-against", remove=("lab-hold",)))) == {
        "lab-against": (None, "1.0-1"), "lab-hold": ("1.0-1", None),
    }  # fmt: skip
    # For the host to decide whether that may go
    assert told(pending(root, edit("lab-instead"))) == {"lab-instead": (None, "1.0-1"), "lab-down": ("5.0-1", None)}


def test_locks_count(root: Root) -> None:
    root.offer(*GOOD, *ADDED)
    put(root, "lab-leaf-1.0")
    for locked, request in (
        ("lab-in", edit("lab-in")),
        ("lab-dep", edit("lab-in")),
        ("lab-hold", edit(remove=("lab-hold",))),
        ("lab-leaf", edit(remove=("lab-lib",))),
    ):
        root.sh(f"zypper --non-interactive addlock {locked}")
        words = ("Locked", locked) if locked in (*request.install, *request.remove) else ()
        failing(lambda request=request: pending(root, request), "package_manager_failed", *words)  # type: ignore[misc]
        root.sh(f"zypper --non-interactive removelock {locked}")
    excluded = edit(remove=("lab-hold",), exclude=("lab-h*",))
    failing(lambda: pending(root, excluded), "package_manager_failed", "excluded: lab-hold")


def test_another_vendor_comes_only_where_it_may(root: Root) -> None:
    root.offer("lab-vendor-2.0", *ADDED)
    assert "lab-vendor" not in told(pending(root, edit("lab-in", upgrade=True)))
    plan = pending(root, edit("lab-in", upgrade=True, vendor_change=True))
    assert (told(plan)["lab-vendor"], plan.other_vendor) == (("1.0-1", "2.0-1"), ("lab-vendor",))


def test_with_a_distribution_upgrade(root: Root) -> None:
    """To what the repositories have, also older: what a dup does, with what comes and goes beside it."""
    root.offer(*GOOD, *(name for name in ADDED if name != "lab-instead-1.0"), "lab-down-4.0")
    pure = pending(root, PackageRequest(mode="dup"))
    assert told(pure)["lab-down"] == ("5.0-1", "4.0-1")
    request = edit("lab-in", remove=("lab-hold",), upgrade=True, mode="dup")
    wanted = {
        **told(pure), "lab-in": (None, "1.0-1"), "lab-dep": (None, "1.0-1"), "lab-hold": ("1.0-1", None),
    }  # fmt: skip
    check(root, request, wanted)
    assert pending(root, request).mode == "dup"
    less = edit(remove=("lab-lib",), upgrade=True, mode="dup")
    assert told(pending(root, less)) == {
        **{name: versions for name, versions in told(pure).items() if name != "lab-extra"}, "lab-lib": ("1.0-1", None),
    }  # fmt: skip
    assert told(pending(root, edit("lab-dep", mode="dup"))) == {"lab-dep": (None, "1.0-1")}
