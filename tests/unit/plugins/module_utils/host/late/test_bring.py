# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root brings declared paths over from another: what is kept of them, what is refused, and dying between any two calls."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.late import bring, wish
from ansible_collections.overc.system.plugins.module_utils.host.late.wish import Late
from ansible_collections.overc.system.plugins.module_utils.system import syscalls

LATE: t.Final = Late("new", "old", ("/srv/app", "/srv/one"))
NOW: t.Final = "2026-01-01T00:00:00Z"


class Died(BaseException):
    """As by a power cut: nobody catches it."""


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("old", "new"):
        (tmp_path / name / "srv/app/sub").mkdir(parents=True)
        (tmp_path / name / "srv/app/data").write_text(name)
        (tmp_path / name / "srv/one").write_text(name)
    (tmp_path / "new/srv/app/stale").write_text("new")
    os.link(tmp_path / "old/srv/app/data", tmp_path / "old/srv/app/sub/hard")
    (tmp_path / "old/srv/app/link").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "old/srv/app/sub/fifo", 0o640)
    (tmp_path / "old/srv/app/sub").chmod(0o2750)
    os.utime(tmp_path / "old/srv/app/sub", (1, 2))
    return tmp_path / "old", tmp_path / "new"


def seen(root: Path, top: str = "srv") -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted((root / top).rglob("*")):
        status = path.lstat()
        content = path.read_text() if stat.S_ISREG(status.st_mode) else path.is_symlink() and os.readlink(path)
        times = () if path.name == "srv" else (status.st_mtime_ns,)
        found[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_nlink, times, content)
    return found


def run(roots: tuple[Path, Path], late: Late = LATE) -> tuple[Late, list[Late]]:
    notes: list[Late] = []
    done = bring.bring_all(late, str(roots[0]), str(roots[1]), notes.append, NOW)
    bring.tidy(done, str(roots[1]))
    return done, notes


def test_all_that_a_copy_keeps(roots: tuple[Path, Path]) -> None:
    done, _notes = run(roots)
    assert (done.status, done.brought, done.finished) == (wish.DONE, LATE.paths, NOW)
    assert seen(roots[1]) == seen(roots[0])
    assert (roots[1] / "srv/app/data").stat().st_ino == (roots[1] / "srv/app/sub/hard").stat().st_ino
    assert (roots[0] / "srv/app/data").read_text() == "old"


def test_what_the_new_root_has_no_more_is_brought_too(roots: tuple[Path, Path]) -> None:
    (roots[1] / "srv/one").unlink()
    run(roots)
    assert seen(roots[1]) == seen(roots[0])


def _die_at(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Whatever makes a difference on the disk is counted; the call with that number is carried out, and then nothing more."""
    calls: list[str] = []

    def dying(name: str, known: t.Callable[..., object]) -> t.Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            if len(calls) >= at:
                raise Died
            done = known(*args, **more)
            calls.append(name)
            if len(calls) == at:
                raise Died
            return done

        return call

    for place, name in (
        (syscalls, "rename"),
        (bring, "clone_tree"),
        (shutil, "rmtree"),
        (os, "unlink"),
        (os, "mkdir"),
        (os, "link"),
        (os, "symlink"),
        (os, "rename"),
    ):
        monkeypatch.setattr(place, name, dying(name, getattr(place, name)))
    return calls


@pytest.mark.parametrize("keep", [False, True])
def test_dying_after_any_call_and_doing_it_again(
    roots: tuple[Path, Path], keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, before = seen(roots[0]), seen(roots[1])
    at, finished = 0, False
    start = roots[1].with_name("start")
    os.rename(roots[1], start)
    while not finished:
        at += 1
        subprocess.run(["rm", "-rf", roots[1]], check=True)
        subprocess.run(["cp", "-a", start, roots[1]], check=True)
        noted = [replace(LATE, keep=keep)]
        with monkeypatch.context() as patch:
            _die_at(patch, at)
            try:
                done = bring.bring_all(noted[0], str(roots[0]), str(roots[1]), noted.append, NOW)
                bring.tidy(done, str(roots[1]))
                finished = True
            except Died:
                pass
        # Never half of anything at a path that somebody uses
        for path in ("srv/app", "srv/one"):
            now = {name: what for name, what in seen(roots[1]).items() if name == path or name.startswith(f"{path}/")}
            assert now in (
                {name: what for name, what in side.items() if name == path or name.startswith(f"{path}/")}
                for side in (wanted, before)
            ), (at, path, now)
        done = bring.bring_all(noted[-1], str(roots[0]), str(roots[1]), noted.append, NOW)
        bring.tidy(done, str(roots[1]))
        after = seen(roots[1])
        kept = {name: what for name, what in after.items() if ".overc-replaced" in name}
        assert {name: what for name, what in after.items() if name not in kept} == wanted, at
        assert bool(kept) is keep
        if keep:
            assert (roots[1] / "srv/app.overc-replaced/data").read_text() == "new"
            assert (roots[1] / "srv/one.overc-replaced").read_text() == "new"
            assert done.replaced == {path: f"{path}.overc-replaced" for path in LATE.paths}
    assert at > 10


def _gone(old: Path, _new: Path) -> None:
    (old / "srv/one").unlink()


def _link(old: Path, _new: Path) -> None:
    _gone(old, _new)
    (old / "srv/one").symlink_to("/etc/shadow")


def _new_link(_old: Path, new: Path) -> None:
    _gone(new, new)
    (new / "srv/one").symlink_to("/etc/shadow")


def _type(_old: Path, new: Path) -> None:
    _gone(new, new)
    (new / "srv/one").mkdir()


def _parent(old: Path, _new: Path) -> None:
    (old / "srv").rename(old / "other")
    (old / "srv").symlink_to("other")


def _new_parent(_old: Path, new: Path) -> None:
    _parent(new, new)


def _deep(old: Path, _new: Path) -> None:
    (old / "srv/app" / "/".join(["d"] * 250)).mkdir(parents=True)


REFUSED: t.Final = {
    "not there any more": _gone,
    "neither a directory nor a regular file": _link,
    "another type": _new_link,
    "of another type in the new": _type,
    "no plain directory in the system that ran before": _parent,
    "no plain directory in the new system": _new_parent,
    "more than 200 deep": _deep,
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_brought(roots: tuple[Path, Path], said: str) -> None:
    REFUSED[said](*roots)
    with pytest.raises(OvercError, match=said) as caught:
        run(roots)
    assert caught.value.error_id == "late_carry_failed"
    assert Path("/etc/shadow").read_text() != "old"


def test_the_file_of_wishes(tmp_path: Path) -> None:
    top = str(tmp_path)
    assert wish.read_late(top, "new") is None
    wish.forget_waiting(top, None)
    known = replace(LATE, copies={"/srv/app": "5"}, replaced={"/x": "/x.overc-replaced"}, keep=True)
    wish.write_late(top, known)
    assert wish.read_late(top, "new") == known
    wish.write_late(top, replace(LATE, uuid="done", status=wish.DONE))
    wish.forget_waiting(top, "new")
    assert set(wish.read_all(top, {"new", "done"})) == {"new", "done"}
    wish.forget_waiting(top, "another")
    assert set(wish.read_all(top, {"new", "done"})) == {"done"}
    wish.forget_gone(top, set())
    assert wish.read_all(top, {"new", "done"}) == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"uuid": "other", "source": "x", "paths": []}', '{"uuid": 5}', "\udcff"]
)
def test_a_damaged_file_is_never_taken_for_done(tmp_path: Path, text: str) -> None:
    wish.write_late(str(tmp_path), LATE)
    (tmp_path / ".overc/late/new.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OvercError):
        wish.read_late(str(tmp_path), "new")
    assert wish.read_all(str(tmp_path), {"new"})["new"].status == wish.FAILED
