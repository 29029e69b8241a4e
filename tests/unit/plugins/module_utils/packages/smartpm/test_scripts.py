# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What package scripts print is not what Smart says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    PackageRequest,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_host import Replay, driver, world
from tests.unit.smart_recordings import RECORDS, recorded


# --- what package scripts print is not what Smart says -----------------------------------------------------------------
@pytest.mark.parametrize(
    "words",
    [
        "error: cannot reach the daemon, never mind",
        "error: No space left on device",
        "error: no valid signature found",
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'x'",
        "error: /channels/ is not a directory",
        "warning: %s is odd",
    ],
)
def test_words_of_a_script_are_no_failure(words: str) -> None:
    before, after, plan = world("rpm-oe", "upgrade-yes")
    done = recorded("rpm-oe", "upgrade-yes")
    noisy = Completed(done.argv, 0, done.stdout, f"Output from overc-demo-1.1-1@noarch:\n{words}\n")
    runner = Replay("rpm-oe", [before, after], dry=Completed((), 0, done.stdout, ""), upgrade=noisy)
    assert driver(runner).apply(PackageRequest(), plan, "/run/packages").changes


def test_a_failure_is_not_explained_by_a_scripts_words() -> None:
    """The morty build says "Unknown error" at the end; rpm's own log names the script."""
    before, _after, plan = world("rpm-oe", "upgrade-yes")
    stderr = (
        "Output from overc-demo-1.1-1@noarch:\nerror: No space left on device\n"
        "error: %prein(overc-demo-1.1-1.noarch) scriptlet failed, exit status 4\nerror: Unknown error\n"
    )
    dry = Completed((), 0, RECORDS["rpm-oe", "upgrade-yes"]["stdout"], "")
    runner = Replay("rpm-oe", [before, before], dry=dry, upgrade=Completed((), 1, "", stderr))
    with pytest.raises(OvercError, match=r"%prein\(overc-demo") as caught:
        driver(runner).apply(PackageRequest(), plan, "/run/packages")
    assert caught.value.error_id == "package_manager_failed"


def test_a_script_that_fails_unseen_is_found_in_rpms_log() -> None:
    """With a C library of 2018 or later Smart prints nothing of it and ends with 0."""

    class Silent(Replay):
        def run(self, argv: t.Sequence[str], **options: t.Any) -> Completed:
            if argv[0] == "cat":
                return Completed(
                    tuple(argv), 0, "warning: %post(overc-demo-1.1-1.noarch) scriptlet failed, exit 3\n", ""
                )
            return super().run(argv, **options)

    before, after, plan = world("rpm-oe", "upgrade-yes")
    dry = Completed((), 0, RECORDS["rpm-oe", "upgrade-yes"]["stdout"], "")
    runner = Silent("rpm-oe", [before, after], dry=dry, upgrade=Completed((), 0, "", ""))
    with pytest.raises(OvercError, match=r"%post\(overc-demo"):
        driver(runner).apply(PackageRequest(), plan, "/run/packages")
    upgrade = next(call for call in runner.calls if "upgrade" in call and "dry-run=true" not in call)
    assert "rpm-log-file=/var/tmp/overc-rpm-log.1" in upgrade
    assert {"rpm-justdb=false", "rpm-noscripts=false", "commit=true"} <= set(upgrade)
    assert ("rm", "-f", "/var/tmp/overc-rpm-log.1") in runner.calls
