# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published: built, looked through, installed into a clean tree, and used from there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import release
import yaml  # type: ignore[import-untyped]

from tests.integration.documented_examples import other_languages
from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY
from tests.release.test_matrix import Ansible, live, without_ansible

PROGRAMS = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [PROGRAMS / command[0], *command[1:]],
        cwd=cwd,
        env={**without_ansible(), "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.fixture(scope="module")
def artefact() -> Path:
    return release.build()


@pytest.fixture(scope="module")
def installed(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory outside of the checkout with nothing in it but the collection."""
    place = tmp_path_factory.mktemp("user")
    run("ansible-galaxy", "collection", "install", "--offline", "-p", place / "collections", artefact, cwd=place)
    return place


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return {member.name for member in opened.getmembers() if not member.isdir()}


def test_it_holds_what_a_user_needs_and_nothing_else(artefact: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    tracked = set(listed.splitlines())
    shipped = ("LICENSES/", "docs/", "meta/", "playbooks/", "plugins/", "roles/")
    singles = {"CHANGELOG.md", "LICENSE", "README.md", "REUSE.toml", ".ansible-lint", "changelogs/config.yaml"}
    made = {"MANIFEST.json", "FILES.json", "changelogs/changelog.yaml"}
    assert names(artefact) == {name for name in tracked if name.startswith(shipped)} | singles | made


def test_the_checkout_builds_the_same(artefact: Path, tmp_path: Path) -> None:
    """As the README says it; whatever make has left in the checkout must not get in."""
    run("ansible-galaxy", "collection", "build", "--output-path", tmp_path, cwd=REPOSITORY)
    assert names(artefact) - names(tmp_path / artefact.name) == {"changelogs/changelog.yaml"}
    assert not names(tmp_path / artefact.name) - names(artefact)


def test_changelog(artefact: Path) -> None:
    with tarfile.open(artefact) as opened:
        page = opened.extractfile("CHANGELOG.md")
        assert page is not None
        text = page.read().decode()
    version = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text())["version"]
    assert f"## v{version}" in text.replace("\\", "")
    assert "New Modules" in text or version != "0.1.0"


def test_galaxy_importer_finds_nothing(artefact: Path, tmp_path: Path) -> None:
    settings = tmp_path / "galaxy-importer.cfg"
    settings.write_text("[galaxy-importer]\nrun_ansible_lint = True\nrun_ansible_test = False\nlog_level_main = INFO\n")
    said = run("python", "-m", "galaxy_importer.main", artefact, cwd=tmp_path, GALAXY_IMPORTER_CONFIG=str(settings))
    assert "Importer processing completed successfully" in said
    words = ("WARNING", "ERROR", "Traceback")
    assert not [line for line in said.splitlines() if line.startswith(words)]


def test_ansible_builder_takes_the_execution_environment(installed: Path, tmp_path: Path) -> None:
    said = run("ansible-builder", "introspect", installed / "collections", cwd=tmp_path)
    assert "openssh-clients" in said
    page = (REPOSITORY / "docs/fleet.md").read_text()
    definition = next(part for part in page.split("```") if "base_image" in part).removeprefix("yaml\n")
    (tmp_path / "execution-environment.yml").write_text(definition)
    assert "Complete!" in run("ansible-builder", "create", "-c", tmp_path / "context", cwd=tmp_path)
    assert (tmp_path / "context" / "Containerfile").exists() or (tmp_path / "context" / "Dockerfile").exists()


@pytest.mark.parametrize("prefix", ["overc.system.", ""], ids=["full", "short"])
def test_a_host_lives_with_the_installed_collection(prefix: str, installed: Path, lab: Lab, host: Host) -> None:
    """By full name with no more than a collections path; by short name with the two lines that the README gives."""
    settings = installed / f"ansible-{prefix or 'short'}.cfg"
    lines = ["[defaults]", "collections_path = collections"]
    if not prefix:
        lines.append(other_languages()["README.md#ini1"].replace("~/.ansible/collections/", "collections/"))
    settings.write_text("\n".join(lines) + "\n")
    ansible = Ansible(PROGRAMS, lab, host, "auto_silent", cwd=installed, config=settings)
    assert str(installed) in run("ansible-doc", "-t", "module", "overc.system.overc_host_info", cwd=installed,
                                 ANSIBLE_CONFIG=str(settings))  # fmt: skip
    live(ansible, host, prefix)
