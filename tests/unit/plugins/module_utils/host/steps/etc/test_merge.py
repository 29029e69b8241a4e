# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three trees become one: whatever changed on one side is in it, and whatever changed on both is told and kept."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.guard import Piece
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.carried_over import (
    conflicts_of,
    note_of,
    sentence_of,
)
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc import merge as merging
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc.copies import BASE, drop_copies, keep, where
from ansible_collections.overc.system.plugins.module_utils.host.steps.etc.merge import Etc
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from ansible_collections.overc.system.plugins.module_utils.system import syscalls

from tests.sampling import rotating

Change = Callable[[Path], None]


class Local:
    """Runs for real."""

    def find(self, program: str) -> str | None:
        return shutil.which(program)

    def run(self, argv: Sequence[str], **_more: object) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def nothing(_path: Path) -> None:
    pass


def remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def text(content: str) -> Change:
    def change(path: Path) -> None:
        remove(path)
        path.write_text(content)

    return change


def mode(value: int) -> Change:
    return lambda path: path.chmod(value) if path.exists() and not path.is_symlink() else None


def link(target: str) -> Change:
    def change(path: Path) -> None:
        remove(path)
        path.symlink_to(target)

    return change


def tree(name: str) -> Change:
    def change(path: Path) -> None:
        if not path.is_dir() or path.is_symlink():
            remove(path)
            path.mkdir()
        (path / name).write_text(name)

    return change


# What may have become of one path on one side
CHANGES: t.Final[dict[str, Change]] = {
    "nothing": nothing,
    "removed": remove,
    "one": text("one"),
    "two": text("two"),
    "moded": mode(0o700),
    "link": link("/etc/shadow"),
    "other link": link("elsewhere"),
    "tree": tree("x"),
    "other tree": tree("y"),
}
BEFORE: t.Final = {"file": text("before"), "link": link("before"), "tree": tree("before"), "absent": nothing}


def make(tmp_path: Path, before: Change, here: Change, there: Change, name: str = "it") -> Etc:
    """A staged root that was made when ``before`` was so, and the running one."""
    for root, changes in (("base", ()), ("running", (here,)), ("staged", (there,))):
        etc = tmp_path / root / "etc"
        etc.mkdir(parents=True)
        for change in (before, *changes):
            change(etc / name)
    keep(t.cast("t.Any", Local()), str(tmp_path), "uuid", BASE, str(tmp_path / "base/etc"))
    return Etc(str(tmp_path), str(tmp_path / "running"), str(tmp_path / "staged"), "uuid")


def merge(etc: Etc) -> tuple[bool, list[dict[str, t.Any]]]:
    return etc.merge(t.cast("t.Any", Local()))


def seen(path: Path) -> t.Any:
    """All of a tree but its times; None if there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    what: t.Any = None
    if stat.S_ISREG(found.st_mode):
        what = path.read_bytes()
    elif stat.S_ISLNK(found.st_mode):
        what = os.readlink(path)
    elif stat.S_ISDIR(found.st_mode):
        what = {name: seen(path / name) for name in sorted(os.listdir(path))}
    return (found.st_mode, found.st_uid, found.st_gid, what)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(("here", "there"), rotating(list(itertools.product(CHANGES, CHANGES)), 4))
def test_every_pair_of_changes(tmp_path: Path, before: str, here: str, there: str) -> None:
    etc = make(tmp_path, BEFORE[before], CHANGES[here], CHANGES[there])
    was, ours, theirs = (seen(tmp_path / root / "etc/it") for root in ("base", "running", "staged"))
    untouched = seen(tmp_path / "running")
    changed, conflicts = merge(etc)
    result = seen(tmp_path / "staged/etc/it")
    if ours in (was, theirs):
        assert (changed, conflicts, result) == (False, [], theirs)
    elif theirs == was:
        assert (changed, conflicts, result) == (True, [], ours)
    elif conflicts:
        assert {entry["path"].split("/")[2] for entry in conflicts} == {"it"}
        for entry in conflicts:  # both are there
            if entry["kept"]:
                assert seen(tmp_path / "staged" / entry["kept"].lstrip("/")) == seen(
                    tmp_path / "running" / entry["path"].lstrip("/")
                )
            else:
                mine = seen(tmp_path / "running" / entry["path"].lstrip("/"))
                assert mine is None or (entry["what"] and stat.S_ISDIR(mine[0]))
        if not any(isinstance(side, tuple) and stat.S_ISDIR(side[0]) for side in (was, ours, theirs)):
            assert result is None if theirs is None else result[3] == theirs[3]
    else:  # parts of it changed here, others there
        assert changed
        assert result not in (was, theirs)
    assert seen(tmp_path / "running") == untouched
    assert os.listdir(tmp_path / "staged") == ["etc"]
    # Once more is nothing, and says the same; and what comes after it is right as well
    assert merge(etc) == (False, conflicts)
    assert seen(tmp_path / "staged/etc/it") == result
    CHANGES["removed"](tmp_path / "running/etc/it")
    BEFORE[before](tmp_path / "running/etc/it")
    if seen(tmp_path / "running/etc/it") == was:
        merge(etc)
        assert seen(tmp_path / "staged/etc/it") == theirs


class Died(BaseException):
    pass


@pytest.mark.parametrize("number", range(1, 9))
def test_cut_off_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """After each call that writes: the staged /etc is the one before or the whole new one, and the next run is right."""
    etc = make(tmp_path, tree("before"), tree("here"), tree("there"))
    (tmp_path / "running/etc/both").write_text("here")
    (tmp_path / "staged/etc/both").write_text("there")
    before = seen(tmp_path / "staged/etc")
    calls: list[object] = []

    def dying(known: t.Any) -> t.Any:
        def call(*args: t.Any, **more: t.Any) -> t.Any:
            if len(calls) >= number:
                raise Died
            done = known(*args, **more)
            calls.append(args)
            return done

        return call

    with monkeypatch.context() as patched:
        for module, names in ((merging, ("copy_tree", "_carry_out", "_remove")), (syscalls, ("rename", "syncfs"))):
            for name in names:
                patched.setattr(module, name, dying(getattr(module, name)))
        with pytest.raises(Died):
            merge(etc)
    now = seen(tmp_path / "staged/etc")
    if now != before:
        assert (tmp_path / "staged/etc/it/here").exists()
        assert (tmp_path / "staged/etc/overc/carried-over.json").exists()
    merge(etc)
    assert sorted(os.listdir(tmp_path / "staged/etc/it")) == ["before", "here", "there"]
    assert (tmp_path / "staged/etc/both").read_text() == "there"
    assert (tmp_path / "staged/etc/overc/not-carried-over/uuid/both").read_text() == "here"
    assert os.listdir(tmp_path / "staged") == ["etc"]


def test_our_own_files_and_the_fstab(tmp_path: Path) -> None:
    piece = Piece("etc/overc/trial-guard", b"new guard", 0o755)
    etc = make(tmp_path, text("subvol=a\n"), text("subvol=a\nmine\n"), text("subvol=b\n"), "fstab")
    for root in ("base", "running"):
        (tmp_path / root / "etc/overc").mkdir()
        (tmp_path / root / "etc/overc/trial-guard").write_text("old guard")
    etc = Etc(etc.top, etc.running, etc.staged, etc.uuid, (piece,), {"fstab": lambda text: text.replace(b"=a", b"=b")})
    assert merge(etc) == (True, [])
    assert (tmp_path / "staged/etc/fstab").read_text() == "subvol=b\nmine\n"
    assert (tmp_path / "staged/etc/overc/trial-guard").read_text() == "new guard"


def test_after_an_upgrade_before(tmp_path: Path) -> None:
    """What an earlier merge wrote down is in the new root as well, and no conflict."""
    etc = make(tmp_path, text("x"), text("y"), nothing)
    for root in ("base", "running", "staged"):
        (tmp_path / root / "etc/overc/not-carried-over/older").mkdir(parents=True)
        (tmp_path / root / "etc/overc/carried-over.json").write_text(
            '{"uuid": "older", "conflicts": [{"path": "/etc/z"}]}'
        )
    shutil.rmtree(tmp_path / "running/etc/overc/not-carried-over")
    assert merge(etc) == (True, [])
    assert (note_of(etc.staged)["uuid"], conflicts_of(etc.staged, "uuid")) == ("uuid", [])


def test_too_deep(tmp_path: Path) -> None:
    etc = make(tmp_path, nothing, nothing, nothing)
    running = str(tmp_path / "running/etc")
    subprocess.run(["mkdir", "-p", f"{running}/{'/'.join('d' * 1500)}"], check=True)
    with pytest.raises(OvercError, match="deep"):
        merge(etc)
    with pytest.raises(OvercError, match="deep"):
        keep(t.cast("t.Any", Local()), str(tmp_path), "other", BASE, running)
    subprocess.run(["rm", "-r", f"{running}/d"], check=True)
    assert merge(etc) == (False, [])


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    etc = make(tmp_path, nothing, text("x"), nothing)
    drop_copies(str(tmp_path), keep=("other",))
    assert not os.path.exists(where(str(tmp_path), "uuid", BASE))
    with pytest.raises(OvercError, match="force: true"):
        merge(etc)
    assert seen(tmp_path / "staged/etc/it") is None


def test_a_link_instead_of_etc(tmp_path: Path) -> None:
    etc = make(tmp_path, nothing, text("x"), nothing)
    shutil.move(tmp_path / "staged/etc", tmp_path / "elsewhere")
    (tmp_path / "staged/etc").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OvercError, match="no directory"):
        merge(etc)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_what_is_told(tmp_path: Path) -> None:
    etc = make(tmp_path, text("x"), text("y"), text("z"))
    _changed, conflicts = merge(etc)
    assert conflicts == [
        {
            "path": "/etc/it",
            "here": "changed",
            "upgrade": "changed",
            "what": None,
            "kept": "/etc/overc/not-carried-over/uuid/it",
        }
    ]
    assert conflicts_of(etc.staged, "uuid") == conflicts
    assert conflicts_of(etc.staged, "another") == []
    assert "/etc/it" in str(sentence_of(conflicts))
    (tmp_path / "staged/etc/overc/carried-over.json").write_text("[1]")
    assert (note_of(etc.staged), conflicts_of(etc.staged, "uuid")) == ({}, [])


@pytest.mark.parametrize(
    "more", [{"what": 1}, {"kept": ["x"]}, {"here": None}, {"upgrade": {}}, {"path": 1}, None], ids=str
)
def test_a_note_that_is_anybodys(tmp_path: Path, more: dict[str, t.Any] | None) -> None:
    """What was written by others, or by another version, is what it should be or is not told at all."""
    known = {"path": "/etc/it", "here": "changed", "upgrade": "changed", "what": None, "kept": None}
    note = tmp_path / "etc/overc/carried-over.json"
    note.parent.mkdir(parents=True)
    wrong: t.Any = {"path": "/etc/other"} if more is None else {**known, **more}
    note.write_text(json.dumps({"uuid": "uuid", "conflicts": [wrong, known, 1]}))
    found = conflicts_of(str(tmp_path), "uuid")
    assert found == [known]
    assert sentence_of(found)


def test_a_mode_of_accounts_that_both_changed(tmp_path: Path) -> None:
    """The new root keeps the upgrade's, and that is told as of any other file."""
    etc = make(tmp_path, text("a:x:1:\n"), mode(0o640), mode(0o600), name="shadow")
    _changed, conflicts = merge(etc)
    assert [(found["path"], found["what"]) for found in conflicts] == [("/etc/shadow", "its mode, owner or attributes")]
    assert stat.S_IMODE((tmp_path / "staged/etc/shadow").stat().st_mode) == 0o600
    assert merge(etc) == (False, conflicts)
