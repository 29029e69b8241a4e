# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that signs the lab's packages: made once per checkout, known to every lab host."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import typing as t
from collections.abc import Sequence
from pathlib import Path

from tests.lab.process import locked, run
from tests.lab.settings import cache_directory

_NAME = "lab packages <lab@localhost>"


@contextlib.contextmanager
def _gpg_home() -> t.Iterator[Path]:
    """A short path, because gpg's agent puts a socket into it; the agent ends with it."""
    with tempfile.TemporaryDirectory(prefix="overc-gpg-", dir="/tmp") as home:
        try:
            yield Path(home)
        finally:
            run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def _gpg(home: Path, *arguments: str | Path) -> str:
    return run(["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--passphrase", "", *arguments])


def _secret_key() -> Path:
    directory = cache_directory() / "keys"
    secret, public = directory / "packages.sec", directory / "packages.asc"
    with locked(cache_directory() / "keys.lock"):
        if not secret.exists():
            directory.mkdir(parents=True, exist_ok=True)
            with _gpg_home() as home:
                _gpg(home, "--quick-generate-key", _NAME, "rsa2048", "sign", "never")
                public.write_text(_gpg(home, "--armor", "--export"))
                unfinished = secret.with_suffix(".part")
                unfinished.touch(0o600)
                unfinished.write_text(_gpg(home, "--armor", "--export-secret-keys"))
                unfinished.rename(secret)
    return secret


def public_key() -> Path:
    """What a host needs to know (``rpm --import``)."""
    return _secret_key().with_suffix(".asc")


def sign_packages(files: Sequence[Path]) -> None:
    """Add the signature to these packages, in place."""
    secret = _secret_key()
    with _gpg_home() as home:
        _gpg(home, "--import", secret)
        defines = {
            "__gpg": str(shutil.which("gpg")),  # Debian's rpm looks for gpg2
            "_gpg_name": _NAME,
            "_gpg_path": str(home),
            "_gpg_sign_cmd_extra_args": "--batch --no-tty",
        }
        words = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
        run(["rpmsign", *words, "--addsign", *files])


def sign_release(release: Path, target: Path) -> None:
    """Write ``target``, an InRelease: the text of ``release`` and its signature."""
    secret = _secret_key()
    with _gpg_home() as home:
        _gpg(home, "--import", secret)
        _gpg(home, "--yes", "--digest-algo", "SHA256", "--output", target, "--clear-sign", release)


__all__ = ("public_key", "sign_packages", "sign_release")
