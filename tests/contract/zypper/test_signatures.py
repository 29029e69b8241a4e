# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who checks signatures, and of what."""

from __future__ import annotations

import shutil
import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

from tests.contract.proofs import DIRECTORY, failing, told
from tests.contract.zypper.shared import apply, driver, pending

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root


def test_unsigned_packages(root: Root) -> None:
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0", "lab-nosig-2.0")
    assert driver(root).unchecked() == ()
    failing(lambda: apply(root), "package_untrusted", "lab-nosig-2.0-1.noarch (lab)", "unsigned")
    root.write("/etc/zypp/repos.d/lab.repo", REPOSITORY.replace("gpgcheck=1", "gpgcheck=0"))
    assert driver(root).unchecked() == ("lab",)
    failing(lambda: apply(root, PackageRequest(signed=True)), "package_untrusted", "lab-nosig")
    _applied, new = apply(root)
    assert new.versions()["lab-nosig"] == "2.0"
    shutil.rmtree(new.scratch)
    request = PackageRequest(signed=True, exclude=("lab-nosig",))
    assert apply(root, request)[1].versions()["lab-app"] == "2.0"


def test_what_cannot_be_looked_at_is_not_signed(root: Root) -> None:
    """No package where it was fetched to, or not all of them: nothing is installed from elsewhere instead."""
    root.offer("lab-app-2.0", "lab-hold-2.0")
    request = PackageRequest(signed=True)
    plan = pending(root, request)
    root.sh(f"rm -rf {DIRECTORY}; mkdir -m 700 {DIRECTORY}")
    driver(root).download(request, plan, DIRECTORY)
    for lost in ("lab-hold-2.0.rpm", "*"):
        root.sh(f"rm -r {DIRECTORY}/cache/packages/lab/{lost}")
        failing(lambda: driver(root).apply(request, plan, DIRECTORY), "package_untrusted", "lab-hold")


def test_general_settings_count(root: Root) -> None:
    """A zypp.conf that turns checks off shows in what is unchecked."""
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0")
    plain = REPOSITORY.replace("gpgcheck=1\nrepo_gpgcheck=0\n", "")
    root.write("/etc/zypp/repos.d/lab.repo", plain)
    assert driver(root).unchecked() == ()
    root.write("/etc/zypp/zypp.conf", "[main]\ngpgcheck = off\n")
    assert driver(root).unchecked() == ("lab",)


def test_signed_lists_and_keys(root: Root) -> None:
    """A key that nobody let the host know is never taken over, also where its repository names it."""
    from tests.contract.zypper_root import KEY, REPOSITORY

    root.write("/etc/zypp/repos.d/lab.repo", REPOSITORY.replace("repo_gpgcheck=0\n", ""))
    root.offer("lab-app-2.0")
    unsigned = failing(lambda: pending(root), "package_untrusted", "Repository 'lab' is invalid")
    assert "rpm --import" not in unsigned.message
    root.offer("lab-app-2.0", sign=True)
    assert list(told(pending(root))) == ["lab-app"]
    root.sh("rpm -e gpg-pubkey; rm -rf /var/cache/zypp")
    failing(lambda: pending(root), "package_untrusted", f"rpm --import file:{KEY}")
    assert "gpg-pubkey" not in root.sh("rpm -qa")
