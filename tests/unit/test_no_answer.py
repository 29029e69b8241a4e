# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that gives no answer, under the functions of overlays and pull mode that decide by what is there."""

from __future__ import annotations

import errno
import os
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.overlay import claimants, copied, lxc, names, site
from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot import work
from ansible_collections.overc.system.plugins.module_utils.pull.stores import DirectoryStore, StoreError

BAD = "no-answer"


@pytest.fixture(
    params=[errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE], ids=lambda number: errno.errorcode[number]
)
def disk(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever has ``no-answer`` in its name fails like that."""

    def failing(name: str) -> Callable[..., t.Any]:
        real = getattr(os, name)

        def call(path: t.Any, *args: t.Any, **more: t.Any) -> t.Any:
            if isinstance(path, (str, os.PathLike)) and BAD in os.fspath(path):
                raise OSError(request.param, os.strerror(request.param), path)
            return real(path, *args, **more)

        return call

    for name in ("stat", "lstat", "open", "listdir", "scandir"):
        monkeypatch.setattr(os, name, failing(name))
    return tmp_path


def _destroyed(disk: Path) -> object:
    places = work.Places(units=str(disk / "units"))
    return work.is_destroyed(places, str(disk), BAD)


def _pending(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list names the container, at this very place."""
    place = work._place(str(disk))
    monkeypatch.setattr(work, "read", lambda _path: f'{{"place": "{place}"}}'.encode())


ASKED: dict[str, Callable[[Path], object]] = {
    "a directory of containers": lambda disk: claimants.places([str(disk / BAD)]),
    "the containers in it": lambda disk: site.containers(str(disk / BAD)),
    "another name of a directory": lambda disk: names.below(f"/{BAD}/here", str(disk)),
    "the directory itself": lambda disk: names.below("/usr/bin", str(disk / BAD)),
    "what a configuration includes": lambda disk: lxc.with_includes(f"lxc.include = {disk / BAD}"),
    "who runs": lambda disk: copied.owner_runs(str(disk / BAD)),
}


@pytest.mark.parametrize("what", ASKED)
def test_it_is_no_absence(disk: Path, what: str) -> None:
    with pytest.raises(OSError, match=r"\S") as raised:
        ASKED[what](disk)
    assert raised.value.errno not in (errno.ENOENT, errno.ENOTDIR)


def test_a_container_is_not_destroyed_because_nobody_can_look(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pending(disk, monkeypatch)
    with pytest.raises(OSError, match=r"\S"):
        _destroyed(disk)


def test_a_part_of_the_verdicts_is_not_all_of_them(disk: Path) -> None:
    (disk / "v1" / BAD).mkdir(parents=True)
    with pytest.raises(StoreError, match=BAD):
        DirectoryStore(str(disk)).paths(10)


def test_a_store_that_gives_no_answer(disk: Path) -> None:
    (disk / BAD).mkdir()
    with pytest.raises(StoreError, match="v1"):
        DirectoryStore(str(disk / BAD)).names("v1", 10)
