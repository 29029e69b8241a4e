# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a commit or tag may be run: signed by a key that this host trusts now, and asked for under its own name.

Git judges a signature of ssh by the date that the commit says it has. Whoever got hold of a key that has expired since can
write any date there, so that the key is good now is asked as well. With gpg, git itself refuses expired keys.
"""

from __future__ import annotations

import subprocess
import tempfile
import typing as t

from . import commands

# Runs git in a store: its words, and the output as bytes
Git = t.Callable[..., "subprocess.CompletedProcess[bytes]"]
_SSH: t.Final = b"-----BEGIN SSH SIGNATURE-----"
_TIMEOUT: t.Final = 60  # seconds
# What gpg says in its own language for programs, the worst first -> in words
_GPG: t.Final[dict[str, str]] = {
    "BADSIG": "the signature does not belong to it",
    "REVKEYSIG": "the key {0} was revoked",
    "EXPKEYSIG": "the key {0} has expired",
    "EXPSIG": "the signature of the key {0} has expired",
    "NO_PUBKEY": "the key {0} is not known here",
    "GOODSIG": "the key {0} is known here, and not trusted as much as gpg.minTrustLevel wants",
}


def untrusted(git: Git, kind: str, revision: str) -> str:
    """Why a ``commit`` or ``tag`` is not signed by a key that this host trusts now; empty if it is.

    ``revision`` is a full id. Raises what ``git`` raises, and OSError.
    """
    done = git(f"verify-{kind}", "--raw", revision)
    errors = done.stderr.decode("utf-8", "replace")
    signature = signature_of(kind, git("cat-file", kind, revision).stdout, len(revision))
    if done.returncode != 0:
        return _in_words(errors, signature)
    return _not_now(git, signature) if signature.startswith(_SSH) else ""


def misnamed(git: Git, checkout: str, revision: str) -> str:
    """Why a signed tag is not the one that was asked for; empty if it is. Only its content says what its signer called it."""
    lines = git("cat-file", "tag", revision).stdout.split(b"\n\n", 1)[0].splitlines()
    name = next((line[4:].decode("utf-8", "replace") for line in lines if line.startswith(b"tag ")), "")
    wanted = checkout
    for prefix in ("refs/", "tags/"):
        wanted = wanted.removeprefix(prefix)
    if name == wanted:
        return ""
    return f"the repository hands out the signed tag {name!r} as {checkout or 'its newest commit'!r}"


def signature_of(kind: str, content: bytes, digits: int = 40) -> bytes:
    """The signature that git judges: a header of a commit, the end of a tag; empty if there is none.

    A commit may have headers for ids of both kinds; the one for ids of as many ``digits`` as its own is what counts.
    """
    if kind == "tag":
        start = max(content.rfind(b"\n" + _SSH), content.rfind(b"\n-----BEGIN PGP SIGNATURE-----"))
        return content[start + 1 :] if start >= 0 else b""
    header = b"gpgsig " if digits == 40 else b"gpgsig-sha256 "
    found: list[bytes] = []
    within = False
    for line in content.split(b"\n\n", 1)[0].split(b"\n"):
        if within and line.startswith(b" "):
            found.append(line[1:])
            continue
        within = line.startswith(header)
        if within:
            found.append(line[len(header) :])
    return b"\n".join(found) + b"\n" if found else b""


def _in_words(errors: str, signature: bytes) -> str:
    said = {
        words[1]: words[2:] for words in map(str.split, errors.splitlines()) if words[:1] == ["[GNUPG:]"] and words[1:]
    }
    for word, why in _GPG.items():
        if word in said:
            return why.format(said[word][0] if said[word] else "")
    lines = [line.strip() for line in errors.splitlines() if line.strip() and not line.startswith("[GNUPG:]")]
    told = [line for line in lines if _of_its_time(line) or line.startswith(("error:", "fatal:"))]
    if told:
        return told[0].removeprefix("error:").removeprefix("fatal:").strip()[:300]
    if not signature:
        return "it is not signed"
    if signature.startswith(_SSH):
        if any("No principal matched" in line for line in lines):
            return "its key is none of gpg.ssh.allowedSignersFile"
        return "its key was revoked (gpg.ssh.revocationFile), or the signature does not belong to it"
    return (lines or ["git does not say why"])[0][:300]


def _not_now(git: Git, signature: bytes) -> str:
    configured = git("config", "--type=path", "--get", "gpg.ssh.allowedSignersFile")
    signers = configured.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
    with tempfile.NamedTemporaryFile(prefix="overc-pull-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        try:
            command = ["ssh-keygen", "-Y", "find-principals", "-s", file.name, "-f", signers]
            done = commands.run(command, cwd="/", timeout=_TIMEOUT)  # as git, which takes a relative path from there
        except subprocess.TimeoutExpired:
            return f"ssh-keygen did not say within {_TIMEOUT} seconds whether its key is good now"
        except OSError as error:
            return f"ssh-keygen cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    told = [line for line in lines if _of_its_time(line)] or lines or ["ssh-keygen does not say why"]
    return f"its key is not good now: {told[0][:300]}"


def _of_its_time(line: str) -> bool:
    return "has expired" in line or "not yet valid" in line


__all__ = ("misnamed", "signature_of", "untrusted")
