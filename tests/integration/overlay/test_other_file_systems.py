# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not on one btrfs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay.manage import manage
from ansible_collections.overc.system.plugins.module_utils.overlay.plan import Wanted

from .world import World


def test_not_on_btrfs(ext4: Path) -> None:
    containers = ext4 / "containers"
    (containers / "c1/rootfs/usr").mkdir(parents=True, exist_ok=True)
    with pytest.raises(OvercError) as caught:
        manage(Wanted("c1", str(containers), ("/usr",), ("essential",), "present", "auto", str(ext4)))
    assert caught.value.error_id == "overlay_unsupported"
    assert "btrfs" in caught.value.message


def test_source_on_another_file_system(world: World, ext4: Path) -> None:
    (world.container() / "usr").mkdir()
    world.host = ext4
    (ext4 / "usr").mkdir(exist_ok=True)
    with pytest.raises(OvercError) as caught:
        world.run()
    assert caught.value.error_id == "overlay_unsupported"
