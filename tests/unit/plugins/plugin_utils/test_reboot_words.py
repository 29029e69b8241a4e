# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result says after a reboot."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.plugin_utils.reboot_words import (
    confirmed,
    keep_facts,
    lost_words,
    problem,
    unconfirmed,
    without_output,
)

RIGHT = {"uuid": "new", "subvolume": "rootfs_upgrade"}
LATE = {"failed": True, "msg": "Timed out"}
FALLBACK = {"state": "fallback", "trial": {"reason": "no kernel"}}
# Such a host has no backup and no normal entry that anything could be restored to
ENTRIES = {**FALLBACK, "boot_method": "loader-entry"}


@pytest.mark.parametrize(
    ("reboot", "info", "booted", "said"),
    [
        ({}, {"state": "clean"}, RIGHT, None),
        (LATE, {"msg": "no route"}, {}, "did not come back within 60 seconds"),
        ({}, {"msg": "Host key verification failed."}, {}, "answers with another ssh host key"),
        (LATE, {"msg": "Host key verification failed."}, {}, "answers with another ssh host key"),
        (LATE, {"state": "clean"}, RIGHT, "The reboot failed (Timed out)"),
        ({}, {"msg": "no python"}, {}, "is back, but cannot be looked at: no python"),
        ({}, FALLBACK, {"uuid": "old", "subvolume": "b"}, "returned to its backup by itself"),
        (
            {},
            ENTRIES,
            {"uuid": "old", "subvolume": "b"},
            "returned to the deployment before it by itself",
        ),
        ({}, ENTRIES, {"uuid": "old", "subvolume": "b"}, "overc_host_rollback removes what failed"),
        ({}, {"state": "backup"}, {"uuid": "old", "subvolume": "b"}, "not as the staged deployment (new)"),
    ],
)
def test_what_is_not_as_it_should_be(
    reboot: dict[str, t.Any], info: dict[str, t.Any], booted: dict[str, t.Any], said: str | None
) -> None:
    found = problem(reboot, info, booted, "new", 60, "rootfs_upgrade")
    assert found is None if said is None else found is not None and said in found


def test_a_confirmation_is_better_than_what_was_known_before() -> None:
    before = {
        "state": "staged",
        "operation": "upgrade",
        "reboot": {},
        "actions": [1],
        "stdout": "done",
        "booted": "rootfs",
    }
    answer = {
        "state": "clean",
        "booted": "rootfs_upgrade",
        "deployment": RIGHT,
        "actions": [2],
        "ansible_facts": {"a": 1},
    }
    result = confirmed(before, answer)
    assert (result["state"], result["actions"], result["reboot"]["came_up"]) == ("clean", [1, 2], RIGHT)
    keep_facts(result, {"ansible_facts": {"b": 2}})
    assert result["ansible_facts"] == {"a": 1, "b": 2}
    assert "stdout" not in without_output(result)


@pytest.mark.parametrize(
    ("state", "said"), [("trial", "its next start is the system before it"), ("clean", "could not be confirmed")]
)
def test_a_system_that_came_up_and_is_not_confirmed(state: str, said: str) -> None:
    result = unconfirmed({"state": state, "stdout": "5 packages upgraded"}, {"error_id": "locked", "msg": "busy."})
    assert result["failed"]
    assert said in result["msg"]
    assert "stdout" not in result


def test_what_a_reboot_loses() -> None:
    lost: dict[str, t.Any] = {"missing_in": "r", "paths": [], "counts": {"bookkeeping": 4}, "packages": []}
    assert lost_words(None) is lost_words({}) is lost_words(lost) is None
    paths = [{"path": f"/etc/{number}", "kind": "configuration", "change": "removed"} for number in range(9)]
    lost.update(paths=paths, counts={"configuration": 20, "bookkeeping": 4}, packages=["p-1"])
    said = str(lost_words(lost))
    assert said.endswith("/etc/7 (removed) and 12 more; packages installed meanwhile: p-1")
    lost.update(paths=paths[:1], counts={"configuration": 1}, packages=[])
    assert lost_words(lost) == "the reboot loses what r does not have: /etc/0 (removed)"
