# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security alone: the patches of zypper's that a repository names in its updateinfo.xml."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan, PackageRequest

from tests.contract.proofs import failing, told
from tests.contract.zypper.shared import apply, driver, pending
from tests.contract.zypper.test_edits import MULTI, put
from tests.lab.process import run

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root

SECURITY = PackageRequest(advisories="security")
PATCH = """\
<update from="lab" status="stable" type="{kind}" version="1"><id>{id}</id><title>t</title><severity>important</severity>
<issued date="2026-01-01 00:00:00"/><updated date="2026-01-01 00:00:00"/><rights>x</rights><release>1</release>
<pushcount>1</pushcount><summary>s</summary><description>Conflicts   : lab-epoch &lt; 9</description><solution>s</solution>
<references/><pkglist><collection short="x"><name>x</name>{packages}</collection></pkglist></update>
"""
PACKAGE = """\
<package name="{0}" version="{1}" release="1" epoch="{2}" arch="noarch" src="{0}-{1}-1.src.rpm">
<filename>{0}-{1}-1.noarch.rpm</filename>{3}</package>"""
REBOOT = "<reboot_suggested>True</reboot_suggested>"
RESTART = "<restart_suggested>True</restart_suggested>"


def fixed(name: str, version: str, *, epoch: int = 0, flag: str = "") -> str:
    return PACKAGE.format(name, version, epoch, flag)


def offer(root: Root, names: t.Iterable[str], patches: t.Mapping[str, tuple[str, str]]) -> None:
    """``patches``: name -> its kind, and what it is about."""
    root.offer(*names)
    repository = root.scratch / "above/srv/repo"
    text = "".join(PATCH.format(kind=kind, id=name, packages=about) for name, (kind, about) in patches.items())
    (repository / "updateinfo.xml").write_text(f"<?xml version='1.0'?>\n<updates>{text}</updates>\n")
    run(["modifyrepo_c", repository / "updateinfo.xml", repository / "repodata"])


def advised(plan: PackagePlan) -> dict[str, tuple[str, ...]]:
    return {change.name: change.advisories for change in plan.changes}


def test_security_and_nothing_else(root: Root) -> None:
    """All at once, also what is about zypper itself or asks for a reboot; done as planned; what was left is left again."""
    offer(
        root,
        ["lab-app-2.0", "lab-lib-2.0", "lab-extra-1.0", "lab-hold-2.0", "lab-epoch-2.0", "lab-conf-2.0", "lab-new-2.0"],
        {
            "LAB-2026:1": ("security", fixed("lab-app", "1.5") + fixed("lab-nowhere", "1.0")),
            "LAB-2026-2": ("security", fixed("lab-lib", "2.0", flag=REBOOT) + fixed("lab-app", "1.2")),
            "LAB-2026-3": ("security", fixed("lab-hold", "2.0", flag=RESTART)),
            "LAB-2026-4": ("recommended", fixed("lab-epoch", "2.0", epoch=1)),
            "LAB-2026-5": ("bugfix", fixed("lab-conf", "2.0")),
            "LAB-2026-6": ("security", fixed("lab-extra", "1.0")),
        },
    )
    plan = pending(root, SECURITY)
    assert told(plan) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-lib": ("1.0-1", "2.0-1"), "lab-hold": ("1.0-1", "2.0-1"),
        "lab-extra": (None, "1.0-1"),
    }  # fmt: skip
    assert advised(plan) == {
        "lab-app": ("LAB-2026-2", "LAB-2026:1"), "lab-lib": ("LAB-2026-2",), "lab-hold": ("LAB-2026-3",), "lab-extra": (),
    }  # fmt: skip
    assert (plan.held_back, plan.unadvised, plan.mode) == ((), (), None)
    applied, new = apply(root, SECURITY, plan)
    assert {change.name for change in applied.changes} == set(told(plan))
    assert (new.versions()["lab-epoch"], new.versions()["lab-conf"]) == ("9.0", "1.0")
    failing(lambda: pending(root, PackageRequest(advisories="security", mode="dup")), "bad_argument", "dup")
    offer(new, ["lab-app-2.0", "lab-conf-2.0"], {"LAB-2026:1": ("security", fixed("lab-app", "1.5"))})
    assert pending(new, SECURITY).changes == ()


def test_what_does_not_fit_is_left_out_and_told(root: Root) -> None:
    offer(
        root,
        ["lab-app-2.0", "lab-unsat-2.0", "lab-hold-2.0"],
        {
            "LAB-1": ("security", fixed("lab-app", "2.0")),
            "LAB-2": ("security", fixed("lab-unsat", "2.0")),
            "LAB-3": ("security", fixed("lab-hold", "2.0")),
        },
    )
    driver(root).refresh()
    root.sh("zypper --non-interactive addlock lab-hold")
    plan = pending(root, SECURITY)
    assert advised(plan) == {"lab-app": ("LAB-1",)}
    assert [sentence.split(" is left out: ")[0] for sentence in plan.held_back] == [
        "The patch LAB-2",
        "The patch LAB-3",
    ]
    assert "nowhere" in plan.held_back[0]
    assert "lab-hold" in plan.held_back[1]
    offer(root, ["lab-unsat-2.0"], {"LAB-2": ("security", fixed("lab-unsat", "2.0"))})
    alone = pending(root, SECURITY)
    assert (alone.changes, len(alone.held_back)) == ((), 1)


def test_a_patch_of_what_comes_beside_the_installed_one(root: Root) -> None:
    """As kernels do, all of whose versions count as one that is too old."""
    offer(root, ["lab-multi-2.0"], {"LAB-1": ("security", fixed("lab-multi", "2.0"))})
    root.write("/etc/zypp/zypp.conf", MULTI)
    put(root, "lab-multi-1.0")
    plan = pending(root, SECURITY)
    assert (told(plan), advised(plan)) == ({"lab-multi": (None, "2.0-1")}, {"lab-multi": ("LAB-1",)})
    _applied, new = apply(root, SECURITY, plan)
    assert sorted(new.sh("rpm -q --qf '%{VERSION} ' lab-multi").split()) == ["1.0", "2.0"]


def test_what_nobody_says_is_told(root: Root) -> None:
    root.offer("lab-app-2.0")
    plan = pending(root, SECURITY)
    assert (plan.changes, plan.unadvised) == ((), ("lab",))
    offer(root, ["lab-app-2.0"], {})
    assert pending(root, SECURITY).unadvised == ()
