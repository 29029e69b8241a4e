# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names on the boot partition: one owner, and nobody else who spells them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot import names
from ansible_collections.overc.system.plugins.module_utils.boot.names import BootNames

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"


@pytest.mark.parametrize(
    ("role", "backup", "name"),
    [
        ("kernel", False, "bzImage"),
        ("kernel", True, "bzImage_bakup"),
        ("signature", False, "bzImage.p7b"),
        ("signature", True, "bzImage_bakup.p7b"),
        ("initrd", False, "initrd.img"),
        ("initrd", True, "initrd.img_bakup"),
    ],
)
def test_names_by_role(role: str, backup: bool, name: str) -> None:
    assert BootNames("bzImage", "initrd.img").of(role, backup=backup) == name
    assert role in names.FILE_ROLES


@pytest.mark.parametrize("backup", [False, True])
def test_no_initrd_has_no_name(backup: bool) -> None:
    assert BootNames("bzImage").of("initrd", backup=backup) is None


def test_nobody_else_spells_the_suffixes() -> None:
    """In code, that is: texts for people and the names of subvolumes are something else."""
    wrong = []
    for path in (PLUGINS / "module_utils").rglob("*.py"):
        if path.name == "names.py":
            continue
        tree = ast.parse(path.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                text = node.value.replace("rootfs_bakup", "")
                if names.BACKUP_SUFFIX in text or names.SIGNATURE_SUFFIX in text:
                    wrong.append(f"{path.name}:{node.lineno}: {text!r}")
    assert wrong == []
