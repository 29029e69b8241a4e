# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of verdicts, made and checked by OpenSSH's own tool (8.1 or newer)."""

from __future__ import annotations

import os
import subprocess
import tempfile

from . import commands

NAMESPACE = "overc-verdict"
_TIMEOUT = 60  # seconds


class SigningError(Exception):
    """Why nothing can be signed, or nobody's signature be checked: one sentence."""


def sign(key: str, text: str) -> str:
    """The signature of a text by a private key without a passphrase. Raises SigningError."""
    done = _run(["-Y", "sign", "-q", "-f", key, "-n", NAMESPACE], text)
    if done.returncode != 0 or "BEGIN SSH SIGNATURE" not in done.stdout:
        raise SigningError(f"ssh-keygen cannot sign with {key}: {_last(done.stderr)}")
    return done.stdout


def is_signed(signers: str, principal: str, text: str, signature: str) -> bool:
    """Whether the file of allowed signers lets this principal sign so, and it did. Raises SigningError without a file."""
    try:
        os.stat(signers)
    except OSError as error:
        raise SigningError(f"the file of allowed signers {signers}: {error.strerror}.") from None
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="overc-pull-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        done = _run(["-Y", "verify", "-f", signers, "-I", principal, "-n", NAMESPACE, "-s", file.name], text)
    return done.returncode == 0


def _run(words: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        done = commands.run(["ssh-keygen", *words], data=text.encode("utf-8", "replace"), timeout=_TIMEOUT)
        output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)
    except subprocess.TimeoutExpired:
        raise SigningError(f"ssh-keygen did not end within {_TIMEOUT} seconds; has the key a passphrase?") from None
    except OSError as error:
        raise SigningError(f"ssh-keygen cannot be run: {error.strerror}.") from None


def _last(errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it does not say why"


__all__ = ("NAMESPACE", "SigningError", "is_signed", "sign")
