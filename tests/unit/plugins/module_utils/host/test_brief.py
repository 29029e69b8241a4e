# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a result for people."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.brief import brief, brief_look

CHANGE = {"name": "app", "arch": "noarch", "installed": "1-1", "available": "2-1"}
DEPLOYMENT = {
    "subvolume": "rootfs", "id": 256, "uuid": "u", "created": "then", "recorded": True, "defects": [],
    "kernel": {"sha256": "s", "release": "1.0"},
}  # fmt: skip


def test_what_has_no_length_stays() -> None:
    plain = {
        "msg": "m",
        "changed": True,
        "state": "staged",
        "trial": None,
        "held_back": [],
        "repaired": [{"step": "a"}],
    }
    assert brief(plain) == plain


def test_packages_are_lines_and_not_more_than_a_screen() -> None:
    assert brief({"upgrades": [{**CHANGE, "size": 2048}]}) == {"changes": ["app 1-1 -> 2-1, 2.0 KiB"]}
    assert brief({"upgrades": [{**CHANGE, "installed": None}, {**CHANGE, "available": None}]}) == {
        "changes": ["app 2-1 (new)", "app 1-1 (removed)"]
    }
    assert len(brief({"upgrades": [CHANGE] * 21})["changes"]) == 21
    many = brief({"upgrades": [CHANGE] * 500})["changes"]
    assert (len(many), many[-1]) == (21, "and 480 more, listed with full=true")


def test_steps_are_told_where_they_are_only_planned() -> None:
    def steps(status: str) -> dict[str, t.Any]:
        return brief({"actions": [{"step": "record", "description": "record it", "status": status}]})

    assert steps("planned") == {"steps": ["record it"]}
    assert steps("done") == {}


def test_a_tool_that_succeeded_says_nothing() -> None:
    assert brief({"stdout": "all", "stderr": "is", "stdout_lines": ["well"], "rc": 0, "cmd": ["dnf"]}) == {}


def test_of_a_tool_that_failed_what_tells_why_is_shown_once() -> None:
    noise = "".join(f"  Upgrading        : package-{number}-fails  {number}/99\n" for number in range(99))
    said = {"error_id": "package_manager_failed", "rc": 1, "stderr": "Error: Transaction failed\n"}
    failed = brief(
        {**said, "stdout": noise + "no space left on device\n", "stdout_lines": [noise], "upgrades": [CHANGE]}
    )
    assert failed == {
        "error_id": "package_manager_failed",
        "rc": 1,
        "output": ["Error: Transaction failed", "no space left on device"],
    }
    assert (
        brief({**said, "stderr": "", "stdout": noise})["output"][-1] == "  Upgrading        : package-98-fails  98/99"
    )
    assert brief({"failed": True, "stdout": "Active: inactive\n\nbye"})["output"] == ["Active: inactive", "bye"]
    assert brief({"failed": True, "msg": "no"}) == {"failed": True, "msg": "no"}


def test_requirements_that_are_met_say_nothing() -> None:
    unmet = {"id": "space", "ok": False, "detail": "d", "remedy": "r"}
    found = brief({"requirements": [{"id": "root", "ok": True}, unmet], "protection_requirements": [unmet]})
    assert found == {"requirements": [unmet], "protection_requirements": [unmet]}


def test_sizes_are_words() -> None:
    found = [
        {"path": "/var/log", "bytes": 1 << 20, "complete": True},
        {"path": "/srv", "bytes": 5 << 30, "complete": False},
    ]
    assert brief({"state_at_risk": found}) == {"at_risk": ["/var/log (1.0 MiB)", "/srv (5.0 GiB or more)"]}


def test_a_deployment_is_its_name_its_uuid_and_its_kernel() -> None:
    short = {"subvolume": "rootfs", "uuid": "u", "kernel": {"release": "1.0"}}
    assert brief({"booted": DEPLOYMENT, "backup": None}) == {"booted": short, "backup": None}
    assert brief({"reboot": {"came_up": DEPLOYMENT, "seconds": 3}}) == {"reboot": {"came_up": short, "seconds": 3}}
    broken = {**DEPLOYMENT, "defects": ["no init"], "kernel": {"sha256": None, "release": None}}
    assert brief({"booted": broken})["booted"]["defects"] == ["no init"]


def test_nothing_left_behind_takes_no_lines() -> None:
    nothing: dict[str, t.Any] = {"root": "rootfs", "paths": [], "packages": [], "problem": None, "counts": {}}
    something = {**nothing, "paths": [{"path": "/etc/passwd", "kind": "accounts", "change": "changed"}]}
    assert brief({"left_behind": nothing}) == {"left_behind": None}
    assert brief({"left_behind": something}) == {"left_behind": {"root": "rootfs", "paths": ["/etc/passwd (changed)"]}}
    assert brief({"left_behind": {**nothing, "problem": "cannot tell"}})["left_behind"] is not None


def test_what_is_left_behind_fits_a_screen() -> None:
    paths = [{"path": f"/etc/{number}", "kind": "configuration", "change": "added"} for number in range(100)]
    counts = {"configuration": 4000, "bookkeeping": 9}
    shown = brief({"left_behind": {"root": "r", "paths": paths, "packages": ["p"] * 50, "counts": counts}})[
        "left_behind"
    ]
    assert len(shown["paths"]) == len(shown["packages"]) == 21
    assert shown["paths"][-1] == "and 3980 more, listed with full=true"
    assert shown["packages"][-1] == "and 30 more, listed with full=true"
    conflicts = [{"path": "/etc/a", "what": None}, {"path": "/etc/passwd", "what": "ann: changed"}]
    assert brief({"carry_conflicts": conflicts})["carry_conflicts"] == ["/etc/a", "/etc/passwd (ann: changed)"]


def place(name: str) -> dict[str, t.Any]:
    return {**DEPLOYMENT, "subvolume": name, "uuid": name}


LOOK: dict[str, t.Any] = {
    "changed": False, "msg": "m", "state": "clean", "waiting_for": None, "booted": place("a"), "default": place("a"),
    "next_boot": place("a"), "staged": None, "previous": place("b"), "backup": place("c"), "protection": "manual", "trial": None,
    "unfinished": None, "out_of_service": None, "known_bad": [], "package_manager": "dnf", "events": [{}] * 9,
    "last_event": {"fingerprint": "f" * 64, "from": "b", "operation": "upgrade", "outcome": "done", "time": "then", "to": "a"},
    "free_space": {"root": 2483810304, "boot": 115218432}, "left_behind": None, "contradictions": [], "interrupted": None,
    "holder": None, "state_at_risk": [{"path": f"/var/{number}", "bytes": 4096, "complete": True} for number in range(50)],
    "requirements": [{"id": str(number), "ok": True, "detail": "d"} for number in range(30)],
    "protection_requirements": [{"id": "x", "ok": False, "detail": "d", "remedy": "r"}] * 9,
}  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"state": "staged", "waiting_for": "upgrade", "staged": place("b"), "default": place("b"), "next_boot": place("b"),
         "previous": None},
        {"state": "staged", "waiting_for": "upgrade", "staged": place("b"), "default": place("a"), "next_boot": place("c"),
         "previous": None, "protection": "automatic"},
        {"state": "backup", "booted": place("c"), "previous": None},
        {"booted": None, "default": None, "next_boot": None, "previous": None, "backup": None, "last_event": None,
         "free_space": {"root": None, "boot": None}},
    ],
    ids=["clean", "staged", "not armed", "backup", "nothing"],
)  # fmt: skip
def test_a_look_fits_a_screen(more: dict[str, t.Any]) -> None:
    """As ``ansible`` prints it, the line with the host's name and its end among them."""
    found = {**LOOK, **more}
    shown = brief_look(found)
    assert len(json.dumps(shown, indent=4).splitlines()) < 40
    assert (shown["state"], shown["requirements"]) == (found["state"], [])
    shown_places = {
        shown[key]["subvolume"] for key in shown if isinstance(shown[key], dict) and "subvolume" in shown[key]
    }
    names = ("booted", "default", "next_boot", "staged", "previous", "backup")
    assert shown_places == {found[key]["subvolume"] for key in names if found[key]}, "each of them, once"
    assert set(shown) - {"at_risk", "free"} <= set(found), "no other names than with full=true"


def test_a_look_leaves_out_nothing_that_is_wrong() -> None:
    wrong = {"id": "x", "ok": False, "detail": "d", "remedy": "r"}
    holder, trial = {"pid": 1}, {"outcome": "running", "seconds_left": 0}
    more = {"requirements": [wrong], "contradictions": ["c"], "holder": holder, "trial": trial, "known_bad": ["f"]}
    shown = brief_look({**LOOK, **more})
    assert {key: shown[key] for key in more} == more
    assert shown["free"] == "110 MiB on boot, 2.3 GiB on root"
    refused = {"error_id": "not_root", "failed": True, "msg": "m", "contradictions": []}
    assert brief_look(refused) == refused
