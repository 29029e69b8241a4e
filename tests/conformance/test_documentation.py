# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example in the documentation is read by the program that it is for."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.lab.settings import REPOSITORY
from tests.unit.test_collection import MODULES, documented_options, load

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "roles").glob("*/README.md")),
]
# Definitions of something else than Ansible; ansible-builder reads this one in tests/release
_NOT_ANSIBLE = {"images"}


def fenced(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    return ["".join(line[len(indent) :] + "\n" for line in text.split("\n")) for indent, text in found]


def commands(page: Path) -> list[list[str]]:
    """Lines that begin a fenced or indented block's command, after a prompt or without one, without comments."""
    lines = [line for language in ("sh", "console") for block in fenced(page, language) for line in block.splitlines()]
    lines += re.findall(r"^    (?:\$ )?(\S.*)$", page.read_text(), re.MULTILINE)
    lines += re.findall(r"`((?:ansible(?:-playbook|-doc|-galaxy)?|make) [^`]+)`", page.read_text())
    words = (shlex.split(line, comments=True) for line in lines if line.startswith(("ansible", "make ")))
    return [found for found in words if len(found) > 1]


def playbook(text: str) -> list[dict[str, t.Any]] | None:
    """As plays, whatever part of one it is; None for what is not Ansible's."""
    content = yaml.safe_load(text)
    if isinstance(content, dict):
        return None if _NOT_ANSIBLE & set(content) else [{"hosts": "all", "vars": content, "tasks": []}]
    first = content[0]
    if "hosts" in first or "ansible.builtin.import_playbook" in first:
        return t.cast("list[dict[str, t.Any]]", content)
    return [{"hosts": "all", "gather_facts": False, "tasks": content}]


def test_examples_are_playbooks(tmp_path: Path) -> None:
    """In the pages, and of every module."""
    texts = {page.name + str(n): text for page in PAGES for n, text in enumerate(fenced(page, "ya?ml"))}
    texts |= {name: load(f"modules.{name}").EXAMPLES for name in MODULES}
    files = []
    for name, text in texts.items():
        plays = playbook(text)
        if plays is not None:
            files.append(tmp_path / f"{name}.yml")
            files[-1].write_text(yaml.safe_dump(plays, sort_keys=False))
    assert len(files) > len(MODULES)
    extra = "target=all __pull_run={}"
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", "-i", "h1,", "-e", extra, *files],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "ERROR" not in done.stdout


@pytest.mark.parametrize("only", ["--syntax-check", "--list-hosts", "--list-tasks", "--list-tags"])
def test_playbooks_can_be_looked_at(only: str) -> None:
    """Before anything runs: also the plays whose hosts only a run knows."""
    playbooks = sorted((REPOSITORY / "playbooks").glob("*.yml"))
    assert len(playbooks) > 5
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), only, "-i", "h1,", "-e", "target=all", *playbooks],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "ERROR" not in done.stdout


@pytest.mark.parametrize(
    "words", [words for page in PAGES for words in commands(page)], ids=lambda words: " ".join(words)[:90]
)
def test_commands_name_what_there_is(words: list[str]) -> None:
    program = words[0]
    if program == "make":
        rules = re.findall(r"^([a-z -]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        targets = {target for rule in rules for target in rule.split()}
        assert {word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)} <= targets
    elif program == "ansible-playbook" and words[1].startswith("overc.system."):
        assert (REPOSITORY / "playbooks" / f"{words[1].rpartition('.')[2]}.yml").exists()
    elif program == "ansible" and "-m" in words:
        module = words[words.index("-m") + 1]
        name = module.rpartition(".")[2]
        if not name.startswith("overc_"):
            return
        assert name in MODULES
        arguments = words[words.index("-a") + 1] if "-a" in words else ""
        given = json.loads(arguments) if arguments.startswith("{") else shlex.split(arguments)
        assert {argument.partition("=")[0] for argument in given} <= set(documented_options(name)) | {"ARGUMENTS"}
    elif program == "ansible-doc":
        assert words[-1].rpartition(".")[2] in MODULES


def test_migration_uses_options_that_exist() -> None:
    rows = [
        line.split("|")
        for line in (REPOSITORY / "docs/migration.md").read_text().splitlines()
        if line.startswith("| `overc")
    ]
    assert len(rows) > 8
    for row in rows:
        module, arguments = row[2].strip(" `"), row[3].strip(" `")
        if module != "the same":
            assert {word.partition("=")[0] for word in arguments.split()} <= set(documented_options(module)), row
