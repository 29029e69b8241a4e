# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode says is what comes, also after a run that was cut off; and a failure after something was done says so."""

from __future__ import annotations

import errno
import os
import signal
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import manage
from ansible_collections.overc.system.plugins.module_utils.overlay.table import LxcTable
from ansible_collections.overc.system.plugins.module_utils.system.workers import apart

from .test_crash import killed, prepare, steps
from .world import World, told

EVERYWHERE = [
    (kind, *place)
    for kind in ("create", "reshare", "stop")
    for place in steps(kind)
    if place[1] in ("compare", "materialise", "commit_mount", "commit_unmount", "empty_directory", "record")
]
NUMBERS = ("operation", "status", "reason", "entries_shared", "bytes_shared", "bytes_freed", "whiteouts")


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(("kind", "when", "step"), EVERYWHERE)
def test_check_mode_after_a_run_that_was_cut_off(world: World, kind: str, when: str, step: str, state: str) -> None:
    """Check mode repairs nothing, but says what the run will find when it has."""
    prepare(world, kind)

    def observer(at: str, name: str) -> None:
        if (at, name) == (when, step):
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(killed(world, kind, observer))
    foretold, done = (world.run(state, check=check) for check in (True, False))
    for name in NUMBERS:
        assert foretold["directories"][0][name] == done["directories"][0][name], name
    assert foretold["changed"] == done["changed"]
    assert bool(foretold["repaired"]) == bool(done["repaired"])


def two(world: World) -> Path:
    """c1 with /usr and /opt, of which /opt cannot be shared."""
    root = prepare(world, "create")
    for place in (world.host, root):
        (place / "opt").mkdir()
        (place / "opt/file").write_bytes(b"x" * 5000)
    return root


def test_a_refusal_in_check_mode_has_done_nothing(world: World) -> None:
    root = two(world)
    os.mknod(root / "opt/white", 0o020000, os.makedev(0, 0))
    with pytest.raises(OvercError) as caught:
        world.run(directories=("/usr", "/opt"), check=True)
    shown = told(caught.value)
    assert not shown["changed"]
    assert "Done before" not in shown["msg"]
    assert shown["msg"].endswith("This would be done before that: /usr: shared.")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_failure_after_all_was_done_says_changed(world: World, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    prepare(world, "create" if state == "present" else "stop")

    def fails(*_arguments: t.Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(manage, "_unqueue", fails)  # as a disk that answers no more
        with pytest.raises(OvercError) as caught:
            world.run(state)
    shown = told(caught.value)
    assert (shown["changed"], shown["reached"]) == (True, "switched")
    assert not world.run(state)["changed"]


def test_a_failure_among_lines_that_are_put_back_tells_of_those_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two(world)
    world.run(directories=("/usr", "/opt"))
    (root.parent / "fstab").write_text("")
    commit = LxcTable.commit

    def fails(table: LxcTable, directory: str, options: str | None) -> None:
        if "opt" in (root.parent / "fstab").read_text():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        commit(table, directory, options)

    with monkeypatch.context() as patch:
        patch.setattr(LxcTable, "commit", fails)
        with pytest.raises(OvercError) as caught:
            world.run(directories=("/usr", "/opt"))
    shown = told(caught.value)
    assert shown["changed"]
    assert "the line of /opt, which the table of mounts had lost, was put back" in shown["msg"]
    assert world.run(directories=("/usr", "/opt"))["repaired"]


def test_a_process_that_was_killed_is_no_answer() -> None:
    with pytest.raises(OvercError, match="was killed while trying"):
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL), doing="trying")


def test_whoever_lost_its_parent_does_not_go_on_in_its_place(tmp_path: Path) -> None:
    """The parent is killed while it waits; the child's answer goes nowhere, and that must not make it the parent."""
    went_on = tmp_path / "went-on"
    pid = os.fork()
    if pid == 0:
        parent = os.getpid()

        def orphaned() -> None:
            os.kill(parent, signal.SIGKILL)

        try:
            apart(orphaned, doing="trying")
        finally:
            went_on.write_text("")
            os._exit(0)
    os.waitpid(pid, 0)
    assert not went_on.exists()
