# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site into build/docs: pages from docs/, reference from the sources. Warnings are errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "build" / "docs-source"
SITE = ROOT / "build" / "docs"
# Where Ansible's own documentation explains what the reference refers to
ANSIBLE = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
REPOSITORY = "https://github.com/overc/ansible-overc-system/blob/main/"


def _relinked(text: str, folder: Path) -> str:
    """Links between files of the repository become links between pages, or lead to the repository."""

    def link(match: re.Match[str]) -> str:
        target, hash_, anchor = match[1].partition("#")
        if "://" in target or not target:
            return match[0]
        path = os.path.relpath((folder / target).resolve(), ROOT)
        parts = Path(path).parts
        if parts[0] == "docs" and path.endswith(".md"):
            page = parts[1]
        elif parts[0] == "roles" and parts[-1] == "README.md":
            page = f"role_{parts[1]}.md"
        elif path == "README.md":
            page = "readme.md"
        elif path == "CONTRIBUTING.md":
            page = "contributing.md"
        elif path.endswith((".svg", ".png")):
            page = Path(path).name
        else:
            page = REPOSITORY + path
        return f"]({page}{hash_}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


def collect() -> None:
    shutil.rmtree(SOURCES, ignore_errors=True)
    SOURCES.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "site" / "conf.py", SOURCES)
    pages = {path: path.name for path in (ROOT / "docs").glob("*.md")}
    roles = (path for path in (ROOT / "roles").glob("*/README.md") if "Private" not in path.read_text(encoding="utf-8"))
    pages |= {path: f"role_{path.parent.name}.md" for path in roles}
    pages |= {ROOT / "README.md": "readme.md", ROOT / "CONTRIBUTING.md": "contributing.md"}
    for path, name in pages.items():
        (SOURCES / name).write_text(_relinked(path.read_text(encoding="utf-8"), path.parent), encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.svg"):
        shutil.copy(picture, SOURCES)


def write_inventory(reference: Path) -> None:
    """What Sphinx would fetch from Ansible's site, for the labels that are used."""
    places = dict(ANSIBLE)
    for page in reference.glob("*.rst"):
        for name in re.findall(
            r"ansible_collections\.ansible\.builtin\.(\w+)_module", page.read_text(encoding="utf-8")
        ):
            label = f"ansible_collections.ansible.builtin.{name}_module"
            places[label] = f"collections/ansible/builtin/{name}_module.html"
    lines = "".join(f"{label} std:label -1 {place} {label}\n" for label, place in sorted(places.items()))
    head = (
        b"# Sphinx inventory version 2\n# Project: ansible\n# Version: 2\n# The remainder is compressed using zlib.\n"
    )
    (SOURCES / "ansible.inv").write_bytes(head + zlib.compress(lines.encode()))


def run(name: str, *arguments: str | Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".collections")
    subprocess.run([Path(sys.executable).with_name(name), *arguments], cwd=ROOT, env=environment, check=True)


def main() -> None:
    collect()
    reference = SOURCES / "collections"
    reference.mkdir()
    run(
        "antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error",
        "--dest-dir", reference, "overc.system",
    )  # fmt: skip
    write_inventory(reference)
    shutil.rmtree(SITE, ignore_errors=True)
    run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "-b", "html", SOURCES, SITE)
    print(f"{SITE}/index.html")


if __name__ == "__main__":
    main()
