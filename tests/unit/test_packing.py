# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ansible-galaxy collection build`` packs: what is listed in galaxy.yml, whatever else lies about in a checkout."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from distlib.manifest import Manifest  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("LICENSES/", "docs/", "meta/", "playbooks/", "plugins/", "roles/")
SINGLES = {"CHANGELOG.md", "LICENSE", "README.md", "REUSE.toml", ".ansible-lint", "changelogs/config.yaml"}
# What people and programs leave in a checkout, and what must never be given to others
STRAY = (
    "overc-report/report.json",
    "overc-report/upgrade.html",
    "inventory.ini",
    "hosts.yml",
    "group_vars/all/vault.yml",
    "host_vars/web1.yml",
    "plugins/inventory.ini",
    "roles/host_upgrade/id_ed25519",
    "docs/notes.txt",
    "playbooks/group_vars/all.yml",
    "playbooks/.vault_pass",
    "plugins/modules/__pycache__/overc_report.cpython-313.pyc",
    "README.md~",
)


def packed(directory: Path) -> set[str]:
    galaxy: dict[str, t.Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert galaxy["manifest"]["omit_default_directives"] is True
    assert "build_ignore" not in galaxy
    manifest = Manifest(str(directory))
    for directive in galaxy["manifest"]["directives"]:
        manifest.process_directive(directive)
    return {str(Path(path).relative_to(directory)) for path in manifest.sorted()}


def test_what_git_knows_of_it_and_nothing_else(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = listed.splitlines()
    for name in (*tracked, *STRAY):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert packed(tmp_path) == {name for name in tracked if name.startswith(SHIPPED)} | SINGLES


def test_the_licence_is_a_file_of_its_own() -> None:
    """A manifest takes no links."""
    assert not (ROOT / "LICENSE").is_symlink()
    assert (ROOT / "LICENSE").read_bytes() == (ROOT / "LICENSES/GPL-3.0-or-later.txt").read_bytes()
