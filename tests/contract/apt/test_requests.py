# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for: which packages are upgraded, come and go."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan, PackageRequest

from tests.contract.apt.shared import NEW, OLD, app, apply, pending, prepared
from tests.contract.proofs import failing, told
from tests.lab.debs import Deb

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


def test_names(root: Root) -> None:
    """No word of a name is an instruction, and a package that others need stays known as such."""
    prepared(root, *NEW)
    pending(root)
    for name in ("lab-app-", "lab-app=2.0-1", "lab.a", "lab-extra", "lab-app/lab", "-y"):
        failing(lambda name=name: pending(root, PackageRequest((name,)), refresh=False), "package_unknown", name)
    root.sh("apt-mark auto lab-app")
    request = PackageRequest(("lab-a*", "lab-app"))
    plan = pending(root, request, refresh=False)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-more"] == "ii|1.0-1"
    assert new.sh("apt-mark showauto lab-app").split() == ["lab-app"]
    assert told(pending(root, PackageRequest(("lab-more",)), refresh=False)) == {
        "lab-extra": (None, "1.0-1"), "lab-more": ("1.0-1", "2.0-1"),
    }  # fmt: skip


def test_exclusions(root: Root) -> None:
    """Also of a package that is not there yet; what needs it is kept back with the reason, in the plan and in the run."""
    prepared(root, *NEW)
    root.write("/etc/apt/preferences.d/own", "Package: lab-app\nPin: release *\nPin-Priority: 990\n")
    root.write("/etc/apt/preferences", "Package: lab-lib\nPin: release *\nPin-Priority: -1\n")
    request = PackageRequest((), ("lab-a*", "lab-extra"))
    plan = pending(root, request)
    assert told(plan) == {}, "the host's own preferences count as well"
    (sentence,) = plan.held_back
    assert sentence.startswith("lab-more is kept back: ")
    assert "Depends: lab-extra" in sentence
    root.write("/etc/apt/preferences", "")
    plan = pending(root, request)
    assert told(plan) == {"lab-lib": ("1.0-1", "1:0.5-1")}
    _applied, new = apply(root, request, plan)
    assert {name: version for name, version in new.versions().items() if "|1.0-1" in version}.keys() == {
        "lab-app", "lab-more",
    }  # fmt: skip
    assert new.read("/etc/apt/preferences") == ""


def test_what_is_kept_back_is_told_with_its_reason(root: Root) -> None:
    broken = Deb("lab-more", "2.0-1", fields=("Depends: lab-nowhere",))
    prepared(root, app("2.0-1"), NEW[1], broken)
    root.sh("apt-mark hold lab-lib")
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    reasons = {sentence.split()[0]: sentence for sentence in plan.held_back}
    assert reasons.keys() == {"lab-lib", "lab-more"}
    assert "on hold" in reasons["lab-lib"]
    assert "Depends: lab-nowhere" in reasons["lab-more"]
    named = PackageRequest(("lab-app", "lab-lib", "lab-more"))
    by_name = pending(root, named, refresh=False)
    assert by_name.changes == plan.changes
    assert {sentence.split()[0] for sentence in by_name.held_back} == {"lab-lib", "lab-more"}
    _applied, new = apply(root, named, by_name)
    assert new.versions() == {"lab-app": "ii|2.0-1", "lab-lib": "hi|1.0-1", "lab-more": "ii|1.0-1"}


@pytest.mark.parametrize("never", [False, True])
def test_phased_updates_are_equal_in_plan_and_run(root: Root, never: bool) -> None:
    phased = Deb("lab-lib", "2.0-1", arch="amd64", listed=("Phased-Update-Percentage: 0",))
    prepared(root, app("2.0-1"), phased)
    if never:
        root.write("/etc/apt/apt.conf.d/99phased", 'APT::Get::Never-Include-Phased-Updates "true";\n')
    plan = pending(root)
    assert set(told(plan)) == ({"lab-app"} if never else {"lab-app", "lab-lib"})
    assert [sentence.split()[0] for sentence in plan.held_back] == (["lab-lib"] if never else [])
    _applied, new = apply(root, plan=plan)
    assert new.versions()["lab-lib"] == ("ii|1.0-1" if never else "ii|2.0-1")


def test_packages_come_and_go_and_nothing_else(root: Root) -> None:
    """What is needed comes along, what cannot be without goes along, what nobody needs any more stays."""
    more = (Deb("lab-user", "1.0-1", fields=("Depends: lab-more",)),)
    new = (Deb("lab-wanted", "1.0-1", fields=("Depends: lab-extra",)),)
    prepared(root, *NEW, *new, installed=(*OLD, *more))
    request = PackageRequest(install=("lab-wanted", "lab-app"), remove=("lab-more", "lab-absent"), upgrade=False)
    plan = pending(root, request)
    assert told(plan) == {
        "lab-extra": (None, "1.0-1"), "lab-wanted": (None, "1.0-1"), "lab-more": ("1.0-1", None), "lab-user": ("1.0-1", None),
    }  # fmt: skip
    _applied, done = apply(root, request, plan)
    assert done.versions() == {
        "lab-app": "ii|1.0-1", "lab-lib": "ii|1.0-1", "lab-extra": "ii|1.0-1", "lab-wanted": "ii|1.0-1",
    }  # fmt: skip
    assert "lab-wanted" in done.sh("apt-mark showmanual")
    # All that is pending with it, where that is wanted; and nothing where it is so already
    both = pending(root, PackageRequest(install=("lab-wanted",), remove=("lab-lib",)), refresh=False)
    assert told(both) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"), "lab-lib": ("1.0-1", None),
        "lab-more": ("1.0-1", "2.0-1"), "lab-wanted": (None, "1.0-1"),
    }  # fmt: skip
    there = PackageRequest(install=("lab-app:amd64", "lab-lib"), remove=("lab-absent",), upgrade=False)
    assert pending(root, there, refresh=False) == PackagePlan()


def test_a_name_means_the_package_of_that_name(root: Root) -> None:
    """apt would take them for a pattern, for what provides them, for an order to remove, or for an architecture of its own."""
    prepared(root, Deb("lab-server", "1.0-1", fields=("Provides: lab-virtual",)), Deb("lab-xyz", "1.0-1"))
    pending(root)
    for name in ("lab.xyz", "lab-virtual", "lab-app-", "lab-xyz+", "lab-nowhere", "lab-xyz:i386", "lab-server-"):
        request = PackageRequest(install=(name,), upgrade=False)
        failing(lambda: pending(root, request, refresh=False), "package_unknown", name.partition(":")[0])  # noqa: B023


def test_what_apt_itself_keeps_is_not_removed(root: Root) -> None:
    prepared(root)
    pending(root, PackageRequest(), refresh=True)
    request = PackageRequest(remove=("dpkg",), upgrade=False)
    failing(lambda: pending(root, request, refresh=False), "package_needed", "dpkg")
    # What these need, and what that needs: apt only says that it cannot resolve it
    base = root.sh("dpkg-query -W -f '${Package}\\n' 'gcc-*-base'").split()[0]
    for name, user in (("libc6", "dpkg"), (base, "libgcc-s1")):
        request = PackageRequest(remove=(name, "lab-app"), upgrade=False)
        error = failing(lambda: pending(root, request, refresh=False), "package_needed", name)  # noqa: B023
        assert user in error.facts["packages"]
    # One that nobody needs so goes
    assert "lab-lib" in told(pending(root, PackageRequest(remove=("lab-lib",), upgrade=False), refresh=False))
