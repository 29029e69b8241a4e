# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is no success."""

from __future__ import annotations

import shutil
import time
import typing as t

import pytest

from tests.contract.proofs import DIRECTORY, EVERYTHING, failing
from tests.contract.zypper.shared import GOOD, apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def test_a_script_that_fails(root: Root) -> None:
    """Everything is installed, exit code 107; and a script that fails before: 8."""
    root.offer("lab-app-2.0", "lab-bad-2.0")
    error = failing(lambda: apply(root), "package_manager_failed", "%post(lab-bad-2.0-1.noarch) scriptlet failed")
    assert {change["name"] for change in error.facts["changes"]} == {"lab-app", "lab-bad"}
    shutil.rmtree(root.scratch.parent / "new", ignore_errors=True)
    root.offer("lab-app-2.0", "lab-pre-2.0")
    failing(lambda: apply(root), "package_manager_failed", "lab-pre")


def test_a_process_that_a_script_leaves(root: Root) -> None:
    """Its namespace ends it; nobody waits for it."""
    root.offer("lab-hang-2.0")
    begun = time.monotonic()
    _applied, new = apply(root)
    assert new.versions()["lab-hang"] == "2.0"
    assert time.monotonic() - begun < 25


def test_a_package_that_is_gone_or_damaged(root: Root) -> None:
    root.offer("lab-app-2.0")
    plan = pending(root)
    root.sh("mv /srv/repo/lab-app-2.0.rpm /srv/kept")
    failing(lambda: apply(root, plan=plan), "repository_failed", "not found on medium")
    root.sh("head -c 2000 /srv/kept > /srv/repo/lab-app-2.0.rpm")
    failing(lambda: apply(root, plan=plan), "package_untrusted", "lab-app-2.0-1")


def test_packages_changed_since_the_plan(root: Root) -> None:
    root.offer("lab-app-2.0")
    failing(lambda: apply(root, before="rpm -e lab-down"), "locked", "after the upgrade was planned")


@pytest.mark.parametrize("why", ["gone", "no repository", "disabled", "one of two"])
def test_repositories_that_cannot_be_read(root: Root, why: str) -> None:
    """Nothing is never said to be pending where nobody could look."""
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0")
    driver(root).refresh()
    if why == "gone":
        root.sh("rm -r /srv/repo")
    elif why == "no repository":
        root.sh("rm /etc/zypp/repos.d/lab.repo")
    elif why == "disabled":
        root.sh("sed -i s/enabled=1/enabled=0/ /etc/zypp/repos.d/lab.repo")
    else:
        root.write("/etc/zypp/repos.d/gone.repo", REPOSITORY.replace("lab", "gone").replace("/srv/repo", "/srv/gone"))
    failing(lambda: pending(root), "repository_failed")
    if why != "gone":
        failing(lambda: pending(root, refresh=False), "repository_failed")


def test_no_space(root: Root) -> None:
    """On the place that the packages are fetched to."""
    root.offer(*GOOD)
    plan = pending(root)
    root.prefixes["zypper"] = [
        "sh",
        "-c",
        f'mount -t tmpfs -o size=4k tmpfs {DIRECTORY}/cache/packages; exec "$@"',
        "sh",
    ]
    root.sh(f"rm -rf {DIRECTORY}; mkdir -p -m 700 {DIRECTORY}/cache/packages")
    root.sh(f"rmdir {DIRECTORY}/cache/packages {DIRECTORY}/cache")
    root.prefixes["zypper"][2] = f"mkdir -p {DIRECTORY}/cache/packages; {root.prefixes['zypper'][2]}"
    root.prefixes["stat"] = root.prefixes["zypper"]
    failing(lambda: driver(root).download(EVERYTHING, plan, DIRECTORY), "no_space")


def test_another_one_at_work(root: Root) -> None:
    """It is told with its number and name."""
    root.offer("lab-app-2.0")
    driver(root).refresh()
    root.prefixes["zypper"] = ["sh", "-c", 'mount -t tmpfs none /run; echo $$ > /run/zypp.pid; "$@"', "holder"]
    error = failing(lambda: pending(root, refresh=False), "locked", "holds zypper's lock")
    assert error.facts["holder"]["pid"] > 0
    assert error.facts["holder"]["command"]
