# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real repository with real keys, and root's configuration of git that trusts one of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Repository:
    """``commit`` signs with the trusted key, with another one ("stranger"), or not at all ("")."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "site"
        self.keys = directory / "keys"
        self.keys.mkdir(parents=True)
        for name in ("trusted", "stranger"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.keys / name)], check=True
            )
        signers = self.keys / "signers"
        signers.write_text("admin@example.net " + (self.keys / "trusted.pub").read_text())
        # The stranger's own git would take the stranger's signature; ours is told by root's configuration
        self.trust = self.keys / "gitconfig"
        self.trust.write_text(f'[gpg]\n\tformat = ssh\n[gpg "ssh"]\n\tallowedSignersFile = {signers}\n')
        self.environment = {"GIT_CONFIG_GLOBAL": str(self.trust), "GIT_CONFIG_SYSTEM": "/dev/null"}
        self.git("init", "-q", "-b", "main", str(self.path), here=False)

    def git(self, *words: str, here: bool = True) -> str:
        environment = {
            **os.environ, **self.environment, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "admin@example.net",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "admin@example.net",
        }  # fmt: skip
        place = ["-C", str(self.path)] if here else []
        done = subprocess.run(["git", *place, *words], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def signing(self, key: str) -> list[str]:
        return ["-c", f"user.signingKey={self.keys / key}"] if key else []

    def commit(self, files: dict[str, str], key: str = "trusted") -> str:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        sign = ["-S"] if key else ["--no-gpg-sign"]
        self.git(*self.signing(key), "commit", "-q", "--allow-empty", "-m", "site", *sign)
        return self.git("rev-parse", "HEAD")
