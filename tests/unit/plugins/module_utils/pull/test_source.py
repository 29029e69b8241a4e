# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is laid out to be run is what was verified, with real repositories and signatures."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull.source import Source, SourceError

from tests.unit.plugins.module_utils.pull.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def source(repository: Repository, tmp_path: Path, **more: t.Any) -> Source:
    given: dict[str, t.Any] = {
        "store": str(tmp_path / "store.git"), "url": str(repository.path), "verify": True,
        "environment": repository.environment, "timeout": 60,
    }  # fmt: skip
    return Source(**{**given, **more})


def content(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_everything_of_a_commit_is_laid_out(repository: Repository, tmp_path: Path) -> None:
    (repository.path / "run").parent.mkdir(exist_ok=True)
    (repository.path / "run").write_text("#!/bin/sh\n")
    (repository.path / "run").chmod(0o755)
    (repository.path / "link").symlink_to("deep/er/a b")
    wanted = repository.commit({"local.yml": "x", "deep/er/a b": "y", "\N{SNOWMAN}": "z", "empty": ""})
    assert source(repository, tmp_path).obtain(str(tmp_path / "tree")) == wanted
    assert content(tmp_path / "tree") == {
        "run": "#!/bin/sh\n", "local.yml": "x", "deep/er/a b": "y", "\N{SNOWMAN}": "z", "empty": "",
    }  # fmt: skip
    assert os.readlink(tmp_path / "tree/link") == "deep/er/a b"
    assert stat.S_IMODE((tmp_path / "tree/run").stat().st_mode) == 0o755
    assert not (tmp_path / "tree/.git").exists()


@pytest.mark.parametrize("key", ["", "stranger"])
def test_nothing_is_laid_out_that_was_not_signed_by_a_trusted_key(
    repository: Repository, tmp_path: Path, key: str
) -> None:
    good = repository.commit({"local.yml": "good"})
    assert source(repository, tmp_path).obtain(str(tmp_path / "a")) == good
    bad = repository.commit({"local.yml": "bad"}, key)
    for revision in ("", bad):
        with pytest.raises(SourceError, match="no good signature"):
            source(repository, tmp_path).obtain(str(tmp_path / "b"), revision)
        assert not (tmp_path / "b").exists()
    assert source(repository, tmp_path).obtain(str(tmp_path / "c"), good) == good
    assert source(repository, tmp_path, verify=False).obtain(str(tmp_path / "d")) == bad


def test_a_signed_tag_of_an_unsigned_commit(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"local.yml": "released"}, "")
    repository.git(*repository.signing("trusted"), "tag", "-s", "-m", "release", "v1")
    repository.git(*repository.signing("stranger"), "tag", "-s", "-m", "release", "v2")
    found = source(repository, tmp_path, checkout="v1").obtain(str(tmp_path / "a"))
    assert content(tmp_path / "a") == {"local.yml": "released"}
    source(repository, tmp_path, checkout="v1").obtain(str(tmp_path / "b"), found)
    with pytest.raises(SourceError, match="no good signature"):
        source(repository, tmp_path, checkout="v2").obtain(str(tmp_path / "c"))


def test_an_older_commit_by_its_id(repository: Repository, tmp_path: Path) -> None:
    old = repository.commit({"local.yml": "old"})
    repository.commit({"local.yml": "new"})
    for number, checkout in enumerate((old, old[:10])):
        place = tmp_path / str(number)
        place.mkdir()
        assert source(repository, place, checkout=checkout).obtain(str(place / "tree")) == old
        assert content(place / "tree") == {"local.yml": "old"}


def test_hooks_filters_and_configuration_of_a_repository_are_not_run(repository: Repository, tmp_path: Path) -> None:
    script = f"#!/bin/sh\ntouch {tmp_path}/ran-$(basename $0)\ncat\n"
    repository.commit({"local.yml": "x", ".gitattributes": "* filter=evil\n", ".gitconfig": "[core]\n", "s": script})
    for hook in ("post-checkout", "post-merge", "reference-transaction"):
        for place in (repository.path / ".git/hooks", tmp_path / "store.git/hooks"):
            place.mkdir(parents=True, exist_ok=True)
            (place / hook).write_text(script)
            (place / hook).chmod(0o755)
    source(repository, tmp_path).obtain(str(tmp_path / "tree"))
    assert not list(tmp_path.glob("ran-*"))


def test_submodules_are_refused(repository: Repository, tmp_path: Path) -> None:
    head = repository.commit({"local.yml": "x"})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},roles/other")
    repository.git(*repository.signing("trusted"), "commit", "-q", "-S", "-m", "submodule")
    with pytest.raises(SourceError, match="submodule"):
        source(repository, tmp_path).obtain(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


def objects(store: Path) -> list[Path]:
    return [path for path in (store / "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize("harm", ["lost", "changed", "cut"])
@pytest.mark.parametrize("revision", [True, False])
def test_a_damaged_store_is_made_anew(repository: Repository, tmp_path: Path, harm: str, revision: bool) -> None:
    good = repository.commit({"local.yml": "good", "deep/other": "more"})
    source(repository, tmp_path).obtain(str(tmp_path / "a"))
    for path in objects(tmp_path / "store.git"):
        path.chmod(0o600)
        if harm == "lost":
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 255
            path.write_bytes(bytes(data if harm == "changed" else data[: len(data) // 2]))
    assert source(repository, tmp_path).obtain(str(tmp_path / "b"), good if revision else "") == good
    assert content(tmp_path / "b") == {"local.yml": "good", "deep/other": "more"}


def test_an_object_that_was_exchanged(repository: Repository, tmp_path: Path) -> None:
    """Git itself does not look again whether what is in its store hashes to its name."""
    good = repository.commit({"local.yml": "good"})
    source(repository, tmp_path).obtain(str(tmp_path / "a"))
    store, blob = tmp_path / "store.git", repository.git("rev-parse", "HEAD:local.yml")
    (tmp_path / "evil").write_text("evil")
    other = repository.git(f"--git-dir={store}", "hash-object", "-w", str(tmp_path / "evil"))
    for pack in [path for path in objects(store) if "pack" in path.parts]:
        shutil.move(pack, tmp_path / pack.name)
    for pack in tmp_path.glob("*.pack"):
        subprocess.run(["git", f"--git-dir={store}", "unpack-objects", "-q"], input=pack.read_bytes(), check=True)
    target = store / "objects" / blob[:2] / blob[2:]
    target.chmod(0o600)
    target.write_bytes((store / "objects" / other[:2] / other[2:]).read_bytes())
    source(repository, tmp_path).obtain(str(tmp_path / "b"), good)
    assert content(tmp_path / "b") == {"local.yml": "good"}


@pytest.mark.parametrize("url", ["/nowhere/site.git", "https://user:s3cret@127.0.0.1:9/site.git", "ext::touch /ran"])
def test_what_cannot_be_fetched_is_one_sentence_without_credentials(
    repository: Repository, tmp_path: Path, url: str
) -> None:
    with pytest.raises(SourceError) as found:
        source(repository, tmp_path, url=url).obtain(str(tmp_path / "tree"))
    assert "\n" not in str(found.value)
    assert "s3cret" not in str(found.value)
    assert not (tmp_path / "tree").exists()


def test_a_missing_branch_and_one_that_looks_like_an_option(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"local.yml": "x"})
    for checkout in ("nosuch", "--upload-pack=touch /ran", "deadbeef"):
        with pytest.raises(SourceError, match=r"cannot be fetched|failed"):
            source(repository, tmp_path, checkout=checkout).obtain(str(tmp_path / "tree"))
