# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build what is published, into build/release: ``scripts/release.py`` prints the path of the artefact.

It is built from a copy of the files that git knows. A version that is not in changelogs/changelog.yaml yet gets its
changelog there, from the fragments; so the artefact always has one, and the checkout stays as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "release"
TREE = PLACE / "tree" / "ansible_collections" / "overc" / "system"


def program(name: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name(name), *arguments], cwd=TREE, check=True, stdin=subprocess.DEVNULL)


def copy_tree() -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).exists():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name, follow_symlinks=False)
    # The changelog tool asks git for the modules; the repository around this copy ignores it
    subprocess.run(["git", "init", "--quiet"], cwd=TREE, check=True)


def build() -> Path:
    """The path of the new artefact. Raises CalledProcessError where a tool fails."""
    copy_tree()
    galaxy = yaml.safe_load((TREE / "galaxy.yml").read_text(encoding="utf-8"))
    program("antsibull-changelog", "lint")
    record = TREE / "changelogs" / "changelog.yaml"
    released = yaml.safe_load(record.read_text(encoding="utf-8"))["releases"] if record.exists() else {}
    if galaxy["version"] not in released:
        program("antsibull-changelog", "release", "--version", galaxy["version"])
    program("ansible-galaxy", "collection", "build", "--output-path", str(PLACE))
    return PLACE / f"{galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz"


if __name__ == "__main__":
    print(build())
