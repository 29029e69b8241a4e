# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are trusted no more, and signed things that are brought back: real git, gpg and ssh-keygen."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull.source import Source, SourceError, Untrusted

from tests.unit.plugins.module_utils.pull.repository import Repository
from tests.unit.plugins.module_utils.pull.test_source import content


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


class Place:
    """A host that follows a repository and remembers what it took."""

    def __init__(self, repository: Repository, directory: Path) -> None:
        self.repository, self.directory = repository, directory
        self.taken: list[str] = []
        self.number = 0

    def take(self, revision: str = "", **more: t.Any) -> dict[str, str]:
        self.number += 1
        tree = self.directory / f"tree{self.number}"
        given: dict[str, t.Any] = {
            "store": str(self.directory / "store.git"), "url": str(self.repository.path), "verify": True,
            "environment": self.repository.environment, "timeout": 60, "taken": tuple(self.taken),
        }  # fmt: skip
        self.taken.insert(0, Source(**{**given, **more}).obtain(str(tree), revision))
        return content(tree)

    def refuses(self, why: str, **more: t.Any) -> None:
        with pytest.raises(Untrusted, match=why):
            self.take(**more)


@pytest.fixture
def place(repository: Repository, tmp_path: Path) -> Place:
    return Place(repository, tmp_path)


def trust(repository: Repository, *lines: str, revoked: str = "") -> None:
    """Root's git on the host trusts these keys, ``OPTIONS KEY`` each."""
    signers = [line.rsplit(" ", 1) if " " in line else ["", line] for line in lines]
    (repository.keys / "signers").write_text(
        "".join(
            f"admin@example.net {options} {(repository.keys / f'{key}.pub').read_text()}" for options, key in signers
        )
    )
    if revoked:
        krl = repository.keys / "krl"
        krl.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(krl), str(repository.keys / f"{revoked}.pub")], check=True)
        repository.git("config", "-f", str(repository.trust), "gpg.ssh.revocationFile", str(krl), here=False)


@pytest.mark.parametrize("date", ["", "2020-06-01T00:00:00Z"], ids=["now", "dated-back"])
@pytest.mark.parametrize("when", ["valid-before=20210101", "valid-after=20900101"])
def test_a_key_of_ssh_that_is_not_good_now(
    repository: Repository, place: Place, monkeypatch: pytest.MonkeyPatch, when: str, date: str
) -> None:
    """Git asks whether it was good when the commit says that it was made, and whoever signs may say anything there."""
    trust(repository, f'{when.replace("=", "=" + chr(34))}" trusted')
    if date:
        monkeypatch.setenv("GIT_COMMITTER_DATE", date if "before" in when else "2095-06-01T00:00:00Z")
    repository.commit({"local.yml": "x"})
    place.refuses("no good signature.*(expired|not yet valid)")


def test_a_fake_signature_of_a_good_key_beside_that_of_an_expired_one(
    repository: Repository, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(repository, 'valid-before="20210101" trusted', "stranger")
    good = repository.commit({"local.yml": "good"}, "stranger")
    signature = repository.git("cat-file", "commit", good)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-06-01T00:00:00Z")
    repository.git(*repository.signing("trusted"), "commit", "-q", "-S", "--allow-empty", "-m", signature)
    place.refuses("expired")
    repository.git(*repository.signing("trusted"), "tag", "-s", "-m", signature.replace("\n ", "\n"), "v1")
    place.refuses("expired", checkout="v1")


def test_a_key_of_ssh_that_was_revoked(repository: Repository, place: Place) -> None:
    """What it signed before is not run any more either, and holds back nobody who goes on from elsewhere."""
    trust(repository, "trusted", "stranger")
    start = repository.commit({"local.yml": "start"})
    assert place.take() == {"local.yml": "start"}
    repository.commit({"local.yml": "evil"}, "stranger")
    assert place.take() == {"local.yml": "evil"}
    trust(repository, "trusted", "stranger", revoked="stranger")
    place.refuses("its key was revoked")
    with pytest.raises(Untrusted, match="revoked"):
        place.take(place.taken[0])
    repository.git("reset", "-q", "--hard", start)
    repository.commit({"local.yml": "mended"})
    assert place.take() == {"local.yml": "mended"}


def test_what_is_older_or_from_elsewhere_is_not_taken(repository: Repository, place: Place) -> None:
    old = repository.commit({"local.yml": "old"})
    second = repository.commit({"local.yml": "second"})
    third = repository.commit({"local.yml": "third"})
    assert place.take() == {"local.yml": "third"}
    assert place.take() == {"local.yml": "third"}
    for turned in (second, old):
        repository.git("reset", "-q", "--hard", turned)
        place.refuses("not built upon.*pull_checkout")
    repository.git("checkout", "-q", "-b", "dev", second)
    dev = repository.commit({"local.yml": "dev"})
    repository.git("branch", "-f", "main", dev)
    repository.git("checkout", "-q", "main")
    place.refuses("not built upon")
    repository.git("checkout", "-q", "--orphan", "elsewhere")
    root = repository.commit({"local.yml": "elsewhere"})
    repository.git("branch", "-f", "main", root)
    repository.git("checkout", "-q", "main")
    place.refuses("not built upon")
    repository.git("reset", "-q", "--hard", third)
    assert place.take() == {"local.yml": "third"}
    # Somebody's unsigned work in between is what the signature of the newest covers; a merge comes after both
    repository.commit({"local.yml": "unsigned"}, "")
    repository.git(*repository.signing("trusted"), "merge", "-q", "-S", "--no-ff", "-X", "theirs", "-m", "m", "dev")
    assert place.take() == {"local.yml": "dev"}
    assert place.take(checkout=old) == {"local.yml": "old"}, "an id says what is meant"


def test_a_lost_store_does_not_forget_what_was_taken(repository: Repository, place: Place) -> None:
    old = repository.commit({"local.yml": "old"})
    repository.commit({"local.yml": "new"})
    place.take()
    subprocess.run(["rm", "-rf", str(place.directory / "store.git")], check=True)
    repository.git("reset", "-q", "--hard", old)
    place.refuses("not built upon")
    subprocess.run(["rm", "-rf", str(place.directory / "store.git")], check=True)
    repository.git("reset", "-q", "--hard", place.taken[0])
    repository.commit({"local.yml": "newer"})
    assert place.take() == {"local.yml": "newer"}


@pytest.mark.parametrize(
    "first", ["gpgsig-sha256 -----BEGIN PGP SIGNATURE-----", "gpgsigs -----BEGIN SSH SIGNATURE-----"]
)
def test_another_header_before_the_signature_of_an_expired_key(
    repository: Repository, place: Place, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Git judges the signature that is for the kind of its ids, and passes over the header of the other kind."""
    trust(repository, 'valid-before="20210101" trusted')
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-06-01T00:00:00Z")
    repository.commit({"local.yml": "x"})
    content = repository.git("cat-file", "commit", "HEAD").replace("\ngpgsig ", f"\n{first}\n \n x\ngpgsig ", 1)
    made = place.directory / "made"
    made.write_text(f"{content}\n")
    forged = repository.git("hash-object", "-t", "commit", "-w", str(made))
    repository.git("update-ref", "refs/heads/main", forged)
    place.refuses("no good signature.*expired")


def test_a_shallow_store_is_no_proof_that_something_else_was_taken(repository: Repository, place: Place) -> None:
    """Fetched without its history while nothing was to be verified: what was taken before that lies further back."""
    repository.commit({"local.yml": "1"})
    place.take()
    repository.commit({"local.yml": "2"})
    repository.commit({"local.yml": "3"})
    place.take(verify=False)
    del place.taken[0]
    assert place.take() == {"local.yml": "3"}
    old = repository.git("rev-parse", "HEAD~1")
    repository.commit({"local.yml": "4"})
    assert place.take() == {"local.yml": "4"}
    repository.git("reset", "-q", "--hard", old)
    place.refuses("not built upon")


@pytest.mark.parametrize("what", ["between", "taken"])
def test_a_store_that_lost_part_of_its_history_is_made_anew(repository: Repository, place: Place, what: str) -> None:
    """That the way to what was taken cannot be gone does not say that there is none."""
    taken = repository.commit({"local.yml": "1"})
    place.take()
    middle = repository.commit({"local.yml": "2"})
    newest = repository.commit({"local.yml": "3"})
    place.take(taken=(taken,))
    place.taken[:] = [taken]
    lost = middle if what == "between" else taken
    store = place.directory / "store.git"
    kept = subprocess.run(
        ["git", "-C", store, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {taken, middle, newest} <= set(kept)
    fresh = place.directory / "loose.git"
    subprocess.run(["git", "init", "-q", "--bare", fresh], check=True)
    for pack in (store / "objects" / "pack").glob("*.pack"):
        subprocess.run(["git", "-C", fresh, "unpack-objects", "-q"], input=pack.read_bytes(), check=True)
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.chmod(0o600)
            file.unlink()
    subprocess.run(["cp", "-rn", f"{fresh}/objects", store], check=True)
    (store / "objects" / lost[:2] / lost[2:]).unlink()
    assert place.take() == {"local.yml": "3"}


def test_a_signed_tag_under_another_name(repository: Repository, place: Place) -> None:
    repository.commit({"local.yml": "1"})
    repository.git(*repository.signing("trusted"), "tag", "-s", "-m", "release", "v1")
    repository.commit({"local.yml": "2"})
    repository.git("update-ref", "refs/tags/v2", repository.git("rev-parse", "refs/tags/v1"))
    place.refuses("the signed tag 'v1' as 'v2'", checkout="v2")
    for checkout in ("v1", "tags/v1", "refs/tags/v1"):
        assert place.take(checkout=checkout) == {"local.yml": "1"}


@pytest.fixture
def gpg(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[..., str]]:
    """Makes a key that root's gpg knows, and has the repository sign with it; without words, runs gpg."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        os.chmod(home, 0o700)
        monkeypatch.setenv("GNUPGHOME", home)
        repository.environment["GNUPGHOME"] = home
        repository.trust.write_text("")

        def run(*words: str, given: str = "") -> str:
            done = subprocess.run(
                ["gpg", "--batch", "-q", *words], input=given, capture_output=True, text=True, check=True
            )
            return done.stdout

        yield run
        subprocess.run(["gpgconf", "--kill", "all"], check=False)


def make_key(gpg: t.Callable[..., str], repository: Repository, name: str, *more: str) -> str:
    gpg("--passphrase", "", *more, "--quick-gen-key", f"{name} <{name}@example.net>", "ed25519", "sign", "2y")
    listed = gpg("--list-keys", "--with-colons", f"{name}@example.net")
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    repository.git("config", "user.signingKey", fingerprint)
    return fingerprint


def sign(repository: Repository, text: str) -> None:
    (repository.path / "local.yml").write_text(text)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-S", "-m", text)


def test_keys_of_gpg(repository: Repository, place: Place, gpg: t.Callable[..., str]) -> None:
    make_key(gpg, repository, "old", "--faked-system-time", "20200101T000000!")
    repository.git("config", "gpg.program", str(faked(place.directory, "20200601T000000!")))
    sign(repository, "expired")
    repository.git("config", "--unset", "gpg.program")
    place.refuses("the key [0-9A-F]+ has expired")
    fingerprint = make_key(gpg, repository, "good")
    sign(repository, "good")
    assert place.take() == {"local.yml": "good"}
    home = Path(os.environ["GNUPGHOME"])
    revocation = (home / f"openpgp-revocs.d/{fingerprint}.rev").read_text().replace("\n:-----", "\n-----")
    gpg("--import", given=revocation)
    place.refuses("the key [0-9A-F]+ was revoked")
    make_key(gpg, repository, "next")
    sign(repository, "next")
    assert place.take() == {"local.yml": "next"}
    gpg("--yes", "--delete-secret-and-public-key", make_key(gpg, repository, "gone"))
    with pytest.raises(SourceError, match="no good signature"):
        place.take(place.taken[1])


def faked(directory: Path, when: str) -> Path:
    program = directory / "gpg-then"
    program.write_text(f'#!/bin/sh\nexec gpg --faked-system-time {when} "$@"\n')
    program.chmod(0o755)
    return program
