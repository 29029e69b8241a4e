# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt tells of the lists that it has: whose they are, and which release they call themselves."""

from __future__ import annotations

import typing as t

from .security import Pocket

if t.TYPE_CHECKING:
    from .commands import Commands


def origins(commands: Commands) -> dict[str, str]:
    """Address of a source without a slash at its end -> the Origin in its Release, as far as that was ever fetched."""
    rows = _targets(commands, "$(REPO_URI)|$(ORIGIN)")
    return {uri.rstrip("/"): origin for uri, origin in rows if origin}


def code_names(commands: Commands, settings: str) -> frozenset[str]:
    """What the releases in the lists call themselves that apt finds with these settings."""
    return frozenset(name for _uri, name in _targets(commands, "$(REPO_URI)|$(CODENAME)", settings) if name)


def pockets(commands: Commands, settings: str) -> tuple[Pocket, ...]:
    """The enabled sources as they call themselves in the lists that apt finds with these settings, without repetitions."""
    form = "$(REPO_URI)\t$(RELEASE)\t$(ORIGIN)\t$(LABEL)\t$(SUITE)\t$(CODENAME)|"
    found = []
    for text, _nothing in _targets(commands, form, settings):
        uri, release, *words = text.split("\t")
        found.append(Pocket(f"{uri.rstrip('/')} {release}", *("" if word.startswith("$(") else word for word in words)))
    return tuple(dict.fromkeys(found))


def _targets(commands: Commands, form: str, settings: str = "") -> list[tuple[str, str]]:
    """Pairs that apt tells of its lists; what its version does not know it prints as it was asked."""
    shown = commands.apt_get("indextargets", "--format", form, settings=settings)
    rows = [line.rpartition("|") for line in shown.stdout.splitlines()] if shown.rc == 0 else []
    return [(uri, "" if value.startswith("$(") else value) for uri, _bar, value in rows]


__all__ = ("code_names", "origins", "pockets")
