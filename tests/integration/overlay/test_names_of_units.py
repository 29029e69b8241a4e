# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount units of odd and of long paths: what is not refused before is what systemd loads, and a file can be called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.table import SystemdTable
from ansible_collections.overc.system.plugins.module_utils.system.mount_unit import unit_name

from .world import World

# Each is put at the beginning, into the middle and at the end of a name
PIECES = [
    *(chr(code) for code in range(1, 128) if chr(code) != "/"),
    *("ü", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufdd0", "\ufffe", "\uffff", "\U0001f600", "\U0010fffe"),
    *("\udcff", "\udcc3", "\udced\udca0\udc80"),
]
OPTIONS = "lowerdir=/l,upperdir=/u,workdir=/w"


def test_what_is_accepted_is_loaded(tmp_path: Path) -> None:
    table = SystemdTable("/opt/container/c1", "c1", str(tmp_path))
    accepted, refused = dict[str, str](), list[str]()
    for piece in PIECES:
        for directory in (f"/opt/{piece}x", f"/opt/x{piece}x", f"/opt/x{piece}"):
            try:
                table.check(directory)
            except OvercError as error:
                assert error.error_id == "bad_argument"
                refused.append(piece)
            else:
                accepted[str(tmp_path / unit_name(table.root + directory))] = directory
                table.commit(directory, OPTIONS)
    assert {"\r", "\n", " ", "%", "\udcff", "\uffff"} <= set(refused)
    assert {"ü", ";", "#", "=", "$", "-", ".", "\x01", "\U0001f600"} <= {path[5:-1] for path in accepted.values()}
    # Named one by one it reads the same unit again for each: what they say in one go is by their file
    argv = ["systemd-analyze", "verify", "--man=no", *accepted]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, errors="replace")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("lxc", [True, False])
@pytest.mark.parametrize(
    ("name", "directory"),
    [("n" * 255, "/usr"), ("n" * 230, "/usr"), ("c1", "/" + "d" * 255), ("c1", "/" + "/".join(["e" * 200] * 15))],
    ids=["container", "service", "directory", "path"],
)
def test_long_names(world: World, name: str, directory: str, lxc: bool) -> None:
    """Refused in check mode as when it is done, or done."""
    for root in (world.host, world.container(name, lxc=lxc)):
        (root / directory[1:]).mkdir(parents=True)
        (root / directory[1:] / "f").write_bytes(b"x" * 5000)
    answers = []
    for how in ({"check": True}, {"apply": "boot", "check": True}, {}):
        try:
            answers.append(world.run(container=name, directories=(directory,), **how)["changed"])
        except OvercError as error:
            assert error.error_id == "bad_argument"
            answers.append(False)
    assert answers == [lxc] * 3
    if lxc:
        assert world.run("absent", container=name, directories=(directory,))["changed"]
    assert world.leftovers(name) == []


def test_the_longest_name_that_fits(world: World) -> None:
    root = world.container(lxc=False)
    longest = 255 - len(".overc-new") - 1
    name = "d" * (longest - len(unit_name(f"{root}/")) - 1)
    for place in (world.host, root):
        for directory in (name, f"{name}d"):
            (place / directory).mkdir()
            (place / directory / "f").write_bytes(b"x" * 5000)
    with pytest.raises(OvercError, match="no file can have"):
        world.run(directories=(f"/{name}d",), check=True)
    assert world.run(directories=(f"/{name}",))["changed"]
    world.run("absent", directories=(f"/{name}",))
    assert world.leftovers() == []
