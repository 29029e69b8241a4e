# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snippets of the boot loader specification, of which Fedora's GRUB makes its menu: read, and changed line by line.

Facts: grub-core/commands/blscfg.c and util/grub.d/10_linux.in of Fedora's GRUB. Where a key stands twice, the first one counts,
and the first line without a value ends a snippet.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ...system.presence import is_directory, is_plain_file, text_of
from .config import parse_grub_config

# Below /boot, where GRUB looks for them; the variable blsdir in its block names another place
DIRECTORY: t.Final = "loader/entries"
PLACE_VARIABLE: t.Final = "blsdir"
_RUNS: t.Final = re.compile(r"^\s*blscfg\b", re.MULTILINE)
_SAVED: t.Final = re.compile(r"""^\s*set\s+default=["']?\$\{?saved_entry\}?""", re.MULTILINE)


def runs_snippets(menu: str) -> bool:
    """Whether a grub.cfg makes its entries of snippets, and has none of its own that boots Linux."""
    return bool(_RUNS.search(menu)) and not any(entry.kernel for entry in parse_grub_config(menu))


def obeys_saved_entry(menu: str) -> bool:
    """Whether ``saved_entry`` of GRUB's own block says what a grub.cfg boots by default."""
    return bool(_SAVED.search(menu))


@dataclass(frozen=True)
class Snippet:
    """``id``: the name of its file without ``.conf``, by which GRUB knows it."""

    id: str
    text: str

    def value(self, key: str) -> str | None:
        for line in self.text.splitlines():
            name, _, rest = line.strip().partition(" ")
            if name == key and rest.strip():
                return rest.strip()
        return None

    @property
    def kernel(self) -> str | None:
        """The file name of its kernel."""
        named = self.value("linux")
        return named.rpartition("/")[2] if named else None

    @property
    def subvolume(self) -> str | None:
        """The root subvolume that its options name, None where they leave that to a variable of GRUB, or to nobody."""
        flags = [word for word in (self.value("options") or "").split() if word.startswith("rootflags=")]
        named = [
            flag for word in flags[-1:] for flag in word[len("rootflags=") :].split(",") if flag.startswith("subvol=")
        ]
        return named[-1][len("subvol=") :].lstrip("/") if named else None

    def with_options(self, options: str) -> Snippet:
        """A copy with these options, all else as it was."""
        lines = [line for line in self.text.splitlines() if not re.match(r"\s*options(?:\s|$)", line)]
        place = next((n for n, line in enumerate(lines) if re.match(r"\s*(?:linux|initrd)\s", line)), len(lines) - 1)
        while place + 1 < len(lines) and re.match(r"\s*initrd\s", lines[place + 1]):
            place += 1
        return Snippet(
            self.id, "".join(f"{line}\n" for line in (*lines[: place + 1], f"options {options}", *lines[place + 1 :]))
        )


def read_snippets(boot: str) -> tuple[Snippet, ...]:
    """Those in a /boot, by name. Raises OSError."""
    directory = os.path.join(boot, DIRECTORY)
    names = sorted(os.listdir(directory)) if is_directory(directory) else []
    paths = [(name, os.path.join(directory, name)) for name in names if name.endswith(".conf") and name[0] != "."]
    return tuple(Snippet(name[: -len(".conf")], text_of(path) or "") for name, path in paths if is_plain_file(path))


def new_snippet(identity: str, title: str, release: str, initrd: str, kernel: str, options: str) -> Snippet:
    """One like those that Fedora's kernel-install writes."""
    lines = (
        f"title {title}", f"version {release}", f"linux /{kernel}", f"initrd /{initrd}", f"options {options}",
        "grub_users $grub_users", "grub_arg --unrestricted", "grub_class fedora",
    )  # fmt: skip
    return Snippet(identity, "".join(f"{line}\n" for line in lines))


__all__ = (
    "DIRECTORY",
    "PLACE_VARIABLE",
    "Snippet",
    "new_snippet",
    "obeys_saved_entry",
    "read_snippets",
    "runs_snippets",
)
