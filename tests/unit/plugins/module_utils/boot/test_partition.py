# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the boot partition are replaced whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot import partition
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.system import syscalls

NEW = b"new kernel" * 1000
DIGEST = hashlib.sha256(NEW).hexdigest()


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/bzImage").write_bytes(b"old kernel")
    (tmp_path / "source").write_bytes(NEW)
    return tmp_path / "boot"


def test_writing_beside_leaves_the_present_file_alone(boot: Path) -> None:
    partition.write_beside(str(boot.parent / "source"), str(boot), "bzImage", DIGEST)
    assert (boot / "bzImage").read_bytes() == b"old kernel"
    partition.swap_in(str(boot), ["bzImage"])
    assert (boot / "bzImage").read_bytes() == NEW
    assert [entry.name for entry in boot.iterdir()] == ["bzImage"]


def test_what_reads_back_differently_is_removed_and_reported(boot: Path) -> None:
    with pytest.raises(OvercError) as caught:
        partition.write_beside(str(boot.parent / "source"), str(boot), "bzImage", "0" * 64)
    assert caught.value.error_id == "boot_write_failed"
    assert [entry.name for entry in boot.iterdir()] == ["bzImage"]


def test_a_planted_link_is_replaced_not_followed(boot: Path) -> None:
    victim = boot.parent / "victim"
    victim.write_text("precious")
    (boot / "bzImage.overc-new").symlink_to(victim)
    partition.write_beside(str(boot.parent / "source"), str(boot), "bzImage", DIGEST)
    assert victim.read_text() == "precious"


def test_a_source_that_is_a_link_is_refused(boot: Path) -> None:
    (boot.parent / "link").symlink_to("source")
    with pytest.raises(OvercError):
        partition.write_beside(str(boot.parent / "link"), str(boot), "bzImage", DIGEST)


def test_swapping_again_is_harmless(boot: Path) -> None:
    partition.swap_in(str(boot), ["bzImage", "bzImage.p7b"])
    assert (boot / "bzImage").read_bytes() == b"old kernel"


def test_only_our_own_unfinished_files_are_removed(boot: Path) -> None:
    assert not partition.remove_new(str(boot), "bzImage")
    (boot / "bzImage.overc-new").touch()
    assert partition.remove_new(str(boot), "bzImage")
    assert [entry.name for entry in boot.iterdir()] == ["bzImage"]


def test_nothing_is_called_unchanged_that_was_replaced(boot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sync comes before the renames, the second after them."""
    results = iter([None, OSError(5, "Input/output error")])

    def syncfs(_path: str) -> None:
        result = next(results)
        if result is not None:
            raise result

    monkeypatch.setattr(syscalls, "syncfs", syncfs)
    partition.write_beside(str(boot.parent / "source"), str(boot), "bzImage", DIGEST)
    with pytest.raises(OvercError) as caught:
        partition.swap_in(str(boot), ["bzImage"])
    assert (boot / "bzImage").read_bytes() == NEW
    assert "as it was" not in caught.value.message
