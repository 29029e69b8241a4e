# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in every state of the table in the architecture that manual protection knows, on real hosts.

Each cell: looking and check mode announce exactly what the command then does and change nothing; a refusal and a no-op
change nothing either; and after a reboot the host runs what the cell says, complete. A run takes every state with one command,
the next day's run with another one; ``OVERC_SAMPLE=all`` takes every cell.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.integration.commands import COMMANDS, Result, assert_refused, assert_unchanged, call, steps
from tests.integration.disk_facts import (
    assert_backup_pair,
    assert_no_leftovers,
    assert_runs,
    booted,
    release_on_boot,
    snapshot_of_disk,
)
from tests.integration.host_states import STATES, host_in_state
from tests.lab import Host, Lab
from tests.sampling import one_of_each

MakeHost = Callable[..., Host]
R, U, B = "rootfs", "rootfs_upgrade", "rootfs_bakup"

UPGRADE = [
    *("download_packages", "create_root", "run_packages", "check_root", "keep_modules"),
    *("create_backup", "write_backup_files", "place_backup", "swap_backup_files"),
    *("place_root", "write_kernel", "set_default", "swap_kernel", "install_efi", "record", "drop_replaced"),
]
REPLACE = [*UPGRADE[:9], "cancel_kernel", "cancel_default", *UPGRADE[9:]]
ROLLBACK = ["write_kernel", "swap_kernel", "set_default", "install_efi", "record"]
CANCEL = [*ROLLBACK, "drop_replaced"]
RESTORE = ["create_root", "place_root", *CANCEL]


@dataclass(frozen=True)
class Cell:
    """What a command does in a state: refused with ``error``, or these steps; ``after`` is the state it leaves."""

    after: str
    error: str | None = None
    steps: tuple[str, ...] = ()
    boots: tuple[str, str] | None = None  # root and version after a reboot; None: as if the command had not run
    replaced: bool = False


def refused(state: str, error: str) -> Cell:
    return Cell(state, error)


def does(after: str, what: list[str], root: str, version: str, *, replaced: bool = False) -> Cell:
    return Cell(after, steps=tuple(what), boots=(root, version), replaced=replaced)


# state -> (its name, what boots next when nothing is done, cells of upgrade, rollback, confirm)
TABLE: dict[str, tuple[str, tuple[str, str], Cell, Cell, Cell]] = {
    "clean, current": ("clean", (R, "1.0"), Cell("clean"), refused("clean", "no_target"), Cell("clean")),
    "clean": (
        "clean", (R, "1.0"),
        does("staged", UPGRADE, U, "2.0"), refused("clean", "no_target"), Cell("clean"),
    ),
    "upgraded, current": (
        "clean", (U, "2.0"),
        Cell("clean"), does("staged", ROLLBACK, R, "1.0"), Cell("clean"),
    ),
    "upgraded": (
        "clean", (U, "2.0"),
        does("staged", UPGRADE, R, "3.0"), does("staged", ROLLBACK, R, "1.0"), Cell("clean"),
    ),
    "rolled back": (
        "clean", (R, "1.0"),
        does("staged", UPGRADE, U, "2.0"), Cell("clean"), Cell("clean"),
    ),
    "restored": (
        "clean", (R, "1.0"),
        does("staged", UPGRADE, U, "2.0"), Cell("clean"), Cell("clean"),
    ),
    "staged, same plan": (
        "staged", (U, "2.0"),
        Cell("staged"), does("clean", CANCEL, R, "1.0"), refused("staged", "not_booted"),
    ),
    "staged, more to do": (
        "staged", (U, "2.0"),
        does("staged", REPLACE, U, "3.0", replaced=True), does("clean", CANCEL, R, "1.0"),
        refused("staged", "not_booted"),
    ),
    "staged, nothing pending": (
        "staged", (U, "2.0"),
        Cell("staged"), does("clean", CANCEL, R, "1.0"), refused("staged", "not_booted"),
    ),
    "rollback staged": (
        "staged", (R, "1.0"),
        refused("staged", "rollback_staged"), Cell("staged"), refused("staged", "not_booted"),
    ),
    "backup boot": (
        "backup", (U, "2.0"),
        refused("backup", "backup_boot"), does("backup", RESTORE, R, "1.0"), refused("backup", "backup_boot"),
    ),
    "restore staged": (
        "backup", (R, "1.0"),
        refused("backup", "backup_boot"), Cell("backup"), refused("backup", "backup_boot"),
    ),
    "inconsistent": (
        "inconsistent", ("", ""),
        refused("inconsistent", "inconsistent"), refused("inconsistent", "inconsistent"),
        refused("inconsistent", "inconsistent"),
    ),
    "unsupported": (
        "unsupported", (R, "1.0"),
        refused("unsupported", "layout_unsupported"), refused("unsupported", "layout_unsupported"),
        refused("unsupported", "layout_unsupported"),
    ),
}  # fmt: skip


def look(host: Host, name: str) -> None:
    """``info``, ``update`` and every command in check mode change nothing; and what ``info`` says is what is there."""
    state, _boots, *cells = TABLE[name]
    before = snapshot_of_disk(host)
    info = call(host, "info")
    assert (info["state"], info["changed"], info["protection"]) == (state, False, "manual")
    assert info["booted"]["subvolume"] == booted(host)
    assert info["default"]["subvolume"] == before.default
    staged = before.default if booted(host) != before.default else None
    assert (info["staged"] or {}).get("subvolume") == staged
    assert (info["backup"] or {}).get("uuid") == before.uuid(B)
    assert all(set(entry) == {"id", "ok", "detail", "remedy"} for entry in info["requirements"])
    for command, cell in zip(("upgrade", "rollback", "confirm"), cells, strict=True):
        planned = call(host, command, check=True, diff=True)
        assert planned.get("error_id") == cell.error, planned["msg"]
        assert planned["changed"] is (bool(cell.steps) or notes_the_end(info, command))
        assert steps(planned) == list(cell.steps)
        assert {action["status"] for action in planned.get("actions", [])} <= {"planned"}
        assert ("diff" in planned) is bool(cell.steps)
    for check in (True, False):
        pending = call(host, "update", check=check)
        assert pending["state"] == state
        assert [entry["name"] for entry in pending["upgrades"]] in ([], [
            "lab-app", "lab-gui", "lab-kernel", "lab-lib", "lab-tool",
        ])  # fmt: skip
    assert call(host, "update")["changed"] is False
    assert_unchanged(before, host)


def notes_the_end(info: dict[str, t.Any], command: str) -> bool:
    """After a switch that nobody has called good, a confirmation is noted in the record, and that is all it does."""
    return command == "confirm" and info["state"] == "clean" and bool(info["unfinished"])


CELLS = one_of_each(TABLE, COMMANDS[2:])


@pytest.mark.parametrize(("name", "command"), CELLS, ids=[f"{command} when {name}" for name, command in CELLS])
def test_every_command_in_every_state(lab: Lab, make_host: MakeHost, name: str, command: str) -> None:
    host = host_in_state(lab, make_host, name)
    look(host, name)
    _state, boots, *cells = TABLE[name]
    cell = cells[COMMANDS.index(command) - 2]
    before, backup_before = snapshot_of_disk(host), release_on_boot(host, "bzImage_bakup")
    noted = notes_the_end(call(host, "info"), command)
    result = call(host, command)
    assert result["state"] == cell.after
    if cell.error:
        assert_refused(result, cell.error)
    else:
        assert (result["changed"], steps(result)) == (bool(cell.steps) or noted, list(cell.steps))
        assert "failed" not in result
    if not cell.steps and not noted:
        assert_unchanged(before, host)
    assert result.get("replaced", False) is cell.replaced
    assert_no_leftovers(host)
    if name == "inconsistent":
        return  # its kernel is nobody's: that it boots is not promised
    root, version = cell.boots or boots
    if cell.steps:
        assert result["default"] == root
        assert result["reboot_required"] is (cell.after != "clean")
    if command == "upgrade" and cell.steps:
        assert result["booted"] != root
        assert_backup_pair(host, host.rpm_version("lab-app") or "")
    elif backup_before:
        assert release_on_boot(host, "bzImage_bakup") == backup_before
    host.reboot()
    assert_runs(host, root, version)
    _assert_settled(host, cell)


def _assert_settled(host: Host, cell: Cell) -> None:
    """After the reboot nothing is left to do, and saying so changes nothing."""
    if cell.error == "layout_unsupported":
        return
    before = snapshot_of_disk(host)
    info = call(host, "info")
    assert (info["state"], info["staged"], info["contradictions"]) == ("clean", None, [])
    if cell.boots and "create_root" in cell.steps:
        assert call(host, "upgrade", check=True)["changed"] is (
            cell.boots[1] != "3.0" and "run_packages" not in cell.steps
        )
    assert_unchanged(before, host)


INTERRUPTED: t.Final = {
    # state -> (repaired forward?, version that boots after the repair alone)
    "interrupted early": (False, R, "1.0"),
    "interrupted before the switch": (False, R, "1.0"),
    "interrupted after the switch": (True, U, "2.0"),
    "interrupted rollback": (True, R, "1.0"),
}


def look_at_interrupted(host: Host, name: str) -> None:
    """Looking repairs nothing."""
    before = snapshot_of_disk(host)
    info = call(host, "info")
    assert info["state"] == "interrupted"
    assert info["interrupted"]["operation"] == ("rollback" if "rollback" in name else "upgrade")
    for command in COMMANDS[1:]:
        planned = call(host, command, check=True)
        assert "failed" not in planned
        assert planned["changed"] is True
    assert_unchanged(before, host)


REPAIRS = one_of_each(INTERRUPTED, COMMANDS[1:])


@pytest.mark.parametrize(("name", "command"), REPAIRS, ids=[f"{command} when {name}" for name, command in REPAIRS])
def test_any_command_repairs_first(lab: Lab, make_host: MakeHost, name: str, command: str) -> None:
    host = host_in_state(lab, make_host, name)
    look_at_interrupted(host, name)
    forward, root, version = INTERRUPTED[name]
    planned = call(host, command, check=True)
    result = call(host, command)
    if command != "update":
        assert steps(planned) == [action["step"] for action in result["repaired"]]
    assert_no_leftovers(host)
    expected = _after_repair(name, command, forward=forward)
    assert result.get("error_id") == expected, result["msg"]
    moved = {
        ("upgrade", False): (U, "2.0"),
        ("rollback", True): (R, "1.0"),
    }
    if expected is None and name != "interrupted rollback":
        root, version = moved.get((command, forward), (root, version))
    host.reboot()
    assert_runs(host, root, version)
    assert call(host, "info")["state"] == "clean"


def _after_repair(name: str, command: str, *, forward: bool) -> str | None:
    """The error id of the repaired state's own cell."""
    if command == "update":
        return None
    if name == "interrupted rollback":
        return {"upgrade": "rollback_staged", "confirm": "not_booted"}.get(command)
    if forward:
        return {"confirm": "not_booted"}.get(command)
    return {"rollback": "no_target"}.get(command)


def test_all_states_are_tried() -> None:
    assert set(STATES) == {*TABLE, *INTERRUPTED}


def test_result_has_the_same_keys_in_check_mode(host: Host) -> None:
    """What a play reads from a check run is there in the real run, and the other way round."""
    host.release("v2")
    only_real = {"packages", "stdout", "stderr", "rc", "cmd", "carried_over", "warnings", "_stderr"}
    for command in ("upgrade", "rollback"):
        planned: Result = call(host, command, check=True)
        real: Result = call(host, command)
        assert set(real) - only_real == set(planned) - only_real
        assert [set(a) for a in real["actions"]] == [set(a) for a in planned["actions"]]
        for key in ("changed", "state", "default", "staged", "reboot_required"):
            assert real[key] == planned[key], key
        assert (planned["predicted"], real["predicted"]) == (True, False)
        assert planned["msg"] == f"this would be so: {real['msg']}"
