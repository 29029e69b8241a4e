# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.plan.removals import (
    gone,
    refuse_needed,
    refuse_unasked,
    say_needed,
)
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    PackageChange,
    PackagePlan,
    PackageRequest,
)


def plan(*goes: str, comes: tuple[str, ...] = ()) -> PackagePlan:
    return PackagePlan(
        (
            *(PackageChange(name, "amd64", "1", None) for name in goes),
            *(PackageChange(name, "amd64", None, "1") for name in comes),
        )
    )


def test_what_comes_back_under_its_name_is_not_gone() -> None:
    """An older one of several versions goes, or another architecture takes its place."""
    assert gone(plan("kernel", "b", "a", comes=("kernel", "new")).changes) == ("a", "b")


def test_what_the_host_needs_stays() -> None:
    with pytest.raises(OvercError, match=r"init-package would be removed.*/sbin/init") as caught:
        refuse_needed(plan("init-package", "other"), {"/sbin/init": "init-package", "/usr/bin/python3": "python3"})
    assert (caught.value.error_id, caught.value.facts["packages"]) == ("package_needed", ["init-package"])
    refuse_needed(plan("other"), {"/sbin/init": "init-package"})
    refuse_needed(plan("init-package", comes=("init-package",)), {"/sbin/init": "init-package"})


def test_what_an_upgrade_takes_by_itself_is_told() -> None:
    """It may come under another name; only the new root shows."""
    owners = {"/usr/sbin/sshd": "ssh-server", "/bin/sh": "shell"}
    said = say_needed(plan("ssh-server", "other", comes=("ssh-server-new",)), owners)
    assert said is not None
    assert said.startswith("The upgrade removes ssh-server, and the host cannot do without /usr/sbin/sshd:")
    assert say_needed(plan("other"), owners) is None
    assert say_needed(plan("shell", comes=("shell",)), owners) is None


def test_an_installation_pushes_nothing_out_that_nobody_named() -> None:
    request = PackageRequest(install=("new",), remove=("old",))
    with pytest.raises(OvercError, match="Installing new would remove victim") as caught:
        refuse_unasked(request, plan("old", "dependent", "victim", comes=("new",)), plan("old", "dependent"))
    assert (caught.value.error_id, caught.value.facts["packages"]) == ("removal_unasked", ["victim"])
    refuse_unasked(request, plan("old", "dependent", comes=("new",)), plan("old", "dependent"))
    refuse_unasked(PackageRequest(install=("new",), remove=("victim",)), plan("victim", comes=("new",)), plan())
