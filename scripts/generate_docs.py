# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the pages of docs/, and the parts of modules, that are made from something else; a test checks that this was done.

``docs/benchmarks.md`` is made of the one file that ``make bench`` left in ``build``, as a whole, or stays as it is.
"""

from __future__ import annotations

import runpy
import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import page as benchmarks

ROOT = Path(__file__).resolve().parents[1]
ERRORS = ROOT / "docs" / "errors.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DEPENDENCIES = ROOT / "docs" / "dependencies.md"
_SOURCE = "plugins/module_utils/errors.py"
_ERRORS_HEAD = f"""\
# Error ids

Made by `scripts/generate_docs.py` from `{_SOURCE}`. Do not edit.

A module that refuses or fails returns `error_id`, one of these words, beside a `msg` for people. The words are stable.
Where a tool failed, what it printed is in `output`, and its exit code in `rc`. With `full: true`, or `-v`, all of it is in
`stdout` and `stderr`, and the steps that undid a transaction are in `undone`.

| `error_id` | meaning | what to do |
|---|---|---|
"""
_ELSE = "The message names what is to be mended; then the same command again."
_DEPENDENCIES_HEAD = """\
# What it depends on

Made by `scripts/generate_docs.py` from the lists in `scripts/` and `requirements/`. Do not edit.

The collection itself depends on nothing but ansible-core 2.19 or newer on the controller, and on the host on Python 3.9 or
newer (its standard library alone), btrfs-progs, util-linux, coreutils and a package manager (`dnf`, `dnf5`, `smart`, `apt` or
`zypper`). Everything below is needed only to develop, test, document or publish it.
"""
_KINDS = {
    "requirements/tools.txt": "Python packages of `make setup`",
    "requirements/release.txt": "Python packages of `make docs`, `make release` and `make test-release`",
    "tests/unit/requirements.txt": "Python packages that ansible-test adds",
    "scripts/packages.txt": "Debian packages of `make setup`",
    "scripts/packages-bench.txt": "Debian packages of `make bench`",
    "scripts/packages-release.txt": "Debian packages of `make test-release`",
    "meta/ee-bindep.txt": "Packages of an execution environment",
}


def errors_page() -> str:
    module = runpy.run_path(str(ROOT / _SOURCE))
    error_ids: dict[str, str] = module["ERROR_IDS"]
    steps: dict[str, str] = module["NEXT_STEPS"]
    known: dict[str, str] = runpy.run_path(str(ROOT / "scripts/error_steps.py"))["STEPS"]
    rows = (
        f"| `{name}` | {error_ids[name]} | {steps.get(name) or known.get(name, _ELSE)} |\n"
        for name in sorted(error_ids)
    )
    return _ERRORS_HEAD + "".join(rows)


def dependency_lists() -> list[str]:
    """Every list there is: a new one needs a heading in ``_KINDS``."""
    found = [*ROOT.glob("requirements/*.txt"), *ROOT.glob("scripts/packages*.txt"), *ROOT.glob("meta/ee-*.txt")]
    found += ROOT.glob("tests/**/requirements.txt")
    return sorted(str(path.relative_to(ROOT)) for path in found)


def dependencies(name: str) -> list[tuple[str, str]]:
    """(what, why) of one list; one that applies to all lines stands in a comment at the top of the list."""
    shared, found = "", []
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            shared = shared or line.lstrip("# ")
        elif line.strip():
            if name.startswith("scripts/"):
                what, _gap, why = line.partition(" ")
            elif name.startswith("meta/"):
                what, why = line.split(" ")[0], "the way to the hosts"
            else:
                what, _hash, why = line.partition("#")
            found.append((" ".join(what.split()), why.strip() or shared))
    return found


def dependencies_page() -> str:
    text = _DEPENDENCIES_HEAD
    for name in sorted(_KINDS, key=list(_KINDS).index):
        text += f"\n## {_KINDS[name]}\n\nFrom `{name}`.\n\n| what | why |\n|---|---|\n"
        text += "".join(f"| `{what}` | {why} |\n" for what, why in dependencies(name))
    return text


def modules() -> dict[Path, str]:
    """Every module with the texts that several of them share."""
    filled: t.Callable[[str], str] = runpy.run_path(str(ROOT / "scripts/return_texts.py"))["filled"]
    found = sorted((ROOT / "plugins/modules").glob("*.py"))
    return {path: filled(path.read_text(encoding="utf-8")) for path in found}


def contributing() -> str:
    """CONTRIBUTING.md with the plan of the house as it is."""
    filled: t.Callable[[str], str] = runpy.run_path(str(ROOT / "scripts/house.py"))["filled"]
    return filled(CONTRIBUTING.read_text(encoding="utf-8"))


def main() -> None:
    CONTRIBUTING.write_text(contributing(), encoding="utf-8")
    ERRORS.write_text(errors_page(), encoding="utf-8")
    DEPENDENCIES.write_text(dependencies_page(), encoding="utf-8")
    for path, text in modules().items():
        path.write_text(text, encoding="utf-8")
    benchmarks.write()


if __name__ == "__main__":
    main()
