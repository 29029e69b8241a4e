# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks of overlayfs on what container and source have alike: a layer would hide them, or obey them."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

from .test_containers import populate
from .world import World, view


@pytest.mark.parametrize("mark", ["metacopy", "origin", "of-the-future"])
@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("copy", ["snapshot", "plain"])
def test_marks_that_both_have(world: World, mark: str, kind: str, copy: str) -> None:
    populate(world.host)
    path = world.host / "usr/share/d/m"
    if kind == "link":
        path.symlink_to("f1")
    else:
        path.write_text("" if kind == "empty" else "z" * 5000)
    os.setxattr(path, f"trusted.overlay.{mark}", b"y", follow_symlinks=False)
    if copy == "plain":
        root = world.container()
        subprocess.run(["cp", "-a", f"{world.host}/.", str(root)], check=True)
    else:
        root = world.container(of=world.host)
    before = view(root)
    for check in (True, False):
        with pytest.raises(OvercError) as caught:
            world.run(check=check)
        assert caught.value.error_id == "overlay_unrepresentable"
        assert [found["path"] for found in caught.value.facts["paths"]] == ["/usr/share/d/m"]
    assert view(root) == before
    assert world.leftovers() == []
