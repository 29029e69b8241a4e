# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade from the lists to the proof."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackagePlan, packages_digest

from tests.contract.apt.shared import CONF, NEW, OLD, apply, driver, pending, prepared
from tests.contract.proofs import told
from tests.lab.debs import Deb, built

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


def test_an_upgrade_from_lists_to_proof(root: Root) -> None:
    """Epochs, a new dependency, sizes, a kept conffile; nothing is left behind, and the running root does not change."""
    prepared(root, *NEW)
    assert driver(root).lists_age().seconds is None
    assert driver(root).refresh()
    assert not driver(root).refresh()
    assert driver(root).lists_age().within(600)
    plan = pending(root, refresh=False)
    assert told(plan) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"), "lab-lib": ("1.0-1", "1:0.5-1"),
        "lab-more": ("1.0-1", "2.0-1"),
    }  # fmt: skip
    sizes = {change.name: change.size for change in plan.changes}
    assert sizes["lab-lib"] == built(NEW[1], root.pool).stat().st_size
    assert all(sizes.values())
    assert {change.channel for change in plan.changes} == {"Lab:lab"}
    assert plan.held_back == ()
    assert plan.base == packages_digest(driver(root).installed())

    root.write(CONF, "mine\n")
    before = root.versions()
    applied, new = apply(root, plan=plan)
    assert {change.name: (change.installed, change.available) for change in applied.changes} == told(plan)
    assert new.versions() == {
        "lab-app": "ii|2.0-1",
        "lab-extra": "ii|1.0-1",
        "lab-lib": "ii|1:0.5-1",
        "lab-more": "ii|2.0-1",
    }
    assert new.read(CONF) == "mine\n"
    assert (
        applied.warnings[0]
        == f"{CONF} was changed on this host and is kept; what the package brings is {CONF}.dpkg-dist."
    )
    assert root.versions() == before
    assert new.run(["find", "/usr/sbin/policy-rc.d"]).rc != 0
    assert new.sh("ls /var/cache/apt/archives 2>/dev/null; true").strip() in ("", "lock\npartial")
    assert "no-download" in " ".join(applied.completed.argv)
    # Nobody is asked anything, and nothing is left for the next run
    assert pending(new, refresh=False).changes == () if (new.scratch / "above/srv").exists() else True


def test_nothing_pending(root: Root) -> None:
    prepared(root, *OLD)
    assert pending(root) == PackagePlan()
    applied, new = apply(root)
    assert applied.changes == ()
    assert new.versions() == root.versions()


def test_check_mode_leaves_the_host_as_it_is(root: Root) -> None:
    from tests.contract.apt_root import files_of

    prepared(root, *OLD)
    pending(root)
    root.offer(*NEW)
    root.write("/etc/apt/apt.conf.d/99hook", 'APT::Update::Post-Invoke-Success { "touch /var/lib/lab-hook"; };\n')
    before = files_of(root)
    scratch = root.sh("mktemp -d /run/overc-check-XXXX").strip()
    plan = pending(root, scratch=scratch)
    assert plan.lists_changed
    assert set(told(plan)) == {"lab-app", "lab-extra", "lab-lib", "lab-more"}
    assert driver(root).lists_age(scratch=scratch).seconds is not None
    assert files_of(root) == before
    root.sh(f"rm -r {scratch}; mkdir -m 700 {scratch}")
    driver(root).refresh()
    assert not pending(root, scratch=scratch).lists_changed


def test_removals_are_told_and_done(root: Root) -> None:
    prepared(root, Deb("lab-app", "2.0-1", fields=("Conflicts: lab-lib",)), installed=OLD[:2])
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1"), "lab-lib": ("1.0-1", None)}
    assert {change.name: change.arch for change in plan.changes}["lab-lib"] == "amd64"
    _applied, new = apply(root, plan=plan)
    assert new.versions()["lab-app"] == "ii|2.0-1"
    assert "ii" not in new.versions().get("lab-lib", "")
