# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's effective configuration: where it keeps things, and what it does not insist upon."""

from __future__ import annotations

import posixpath
import re
import shlex
import typing as t
from dataclasses import dataclass

from ...errors import OvercError
from ..tool import not_configured
from .settings import ENVIRONMENT
from .sources import Source, UnreadableSources, counts, parse_sources

if t.TYPE_CHECKING:
    from ...runner import Runner

_PATHS: t.Final = {
    "lists": "Dir::State::lists/d",
    "state": "Dir::State/d",
    "archives": "Dir::Cache::archives/d",
    "sourcelist": "Dir::Etc::sourcelist/f",
    "sourceparts": "Dir::Etc::sourceparts/d",
    "preferences": "Dir::Etc::preferences/f",
    "preferenceparts": "Dir::Etc::preferencesparts/d",
    "etc": "Dir::Etc/d",
}
# With any of these apt installs what no signature leads to, whatever source it comes from
_WEAKENING: t.Final = {
    "unauthenticated": "APT::Get::AllowUnauthenticated/b",
    "insecure": "Acquire::AllowInsecureRepositories/b",
    "weak": "Acquire::AllowWeakRepositories/b",
    "downgrade": "Acquire::AllowDowngradeToInsecureRepositories/b",
    "forced": "APT::Get::force-yes/b",
}
_PHASING: t.Final = {"never": "APT::Get::Never-Include-Phased-Updates/b"}
_RELEASE: t.Final = {"default": "APT::Default-Release"}
_PREFERENCE: t.Final = re.compile(r"^[A-Za-z0-9_-]+$|^[A-Za-z0-9_.-]+\.pref$")
LOCKS: t.Final = ("/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock")


@dataclass(frozen=True)
class Configuration:
    """Absolute paths without a slash at the end. ``weakened``: some setting has unsigned packages installed.
    ``never_phased``: the host's own wish for updates that are being phased in. ``default_release``: the suite that packages are
    taken from where nothing else is said, "" for none.
    """

    lists: str
    state: str
    archives: str
    sourcelist: str
    sourceparts: str
    preferences: str
    preferenceparts: str
    etc: str
    weakened: bool = False
    never_phased: bool = False
    default_release: str = ""


def parse(text: str) -> Configuration:
    """Output of `apt-config shell` for all of the above. Raises ValueError."""
    settings = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    missing = [name for name in _PATHS if not settings.get(name, "").startswith("/")]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    return Configuration(
        **{name: settings[name].rstrip("/") or "/" for name in _PATHS},
        weakened=any(settings.get(name) == "true" for name in _WEAKENING),
        never_phased=settings.get("never") == "true",
        default_release=settings.get("default", ""),
    )


def ask(runner: Runner) -> Configuration:
    """The configuration of the root behind ``runner``. Raises package_manager_failed where it cannot be told."""
    asked = [word for pair in {**_PATHS, **_WEAKENING, **_PHASING, **_RELEASE}.items() for word in pair]
    shown = runner.run(["apt-config", "shell", *asked], env=ENVIRONMENT)
    try:
        if shown.rc == 0:
            return parse(shown.stdout)
    except ValueError:
        pass
    raise not_configured(
        "apt does not tell how it is configured, so neither its sources nor its lists are known", shown
    )


def source_files(runner: Runner, known: Configuration) -> dict[str, str]:
    """Path -> text of each file of sources that apt reads. Raises repository_failed where one cannot be read."""
    listing = runner.run(["find", "-L", known.sourcelist, known.sourceparts, "-maxdepth", "1", "-type", "f"])
    found = [path for path in listing.stdout.splitlines() if path == known.sourcelist or counts(path)]
    return {path: _text(runner, path, "sources") for path in sorted(found)}


def preference_files(runner: Runner, known: Configuration) -> dict[str, str]:
    """Path -> text of each file of pins that apt reads. Raises repository_failed where one cannot be read."""
    listing = runner.run(["find", "-L", known.preferences, known.preferenceparts, "-maxdepth", "1", "-type", "f"])
    return {
        path: _text(runner, path, "pins")
        for path in sorted(listing.stdout.splitlines())
        if path == known.preferences or _PREFERENCE.match(posixpath.basename(path))
    }


def _text(runner: Runner, path: str, what: str) -> str:
    shown = runner.run(["cat", path])
    if shown.rc != 0:
        raise OvercError("repository_failed", f"apt's {what} cannot be read: {path}", **shown.facts())
    return shown.stdout


def sources(runner: Runner, known: Configuration) -> tuple[Source, ...]:
    """All enabled sources of binary packages. Raises repository_failed where they cannot be read."""
    result: list[Source] = []
    for path, text in source_files(runner, known).items():
        try:
            result += parse_sources(path, text)
        except UnreadableSources as error:
            raise OvercError("repository_failed", f"apt's sources cannot be read: {error}") from None
    return tuple(result)


def unchecked(known: Configuration, found: t.Iterable[Source], *, demanded: bool = False) -> tuple[str, ...]:
    """Names of the sources that packages are installed from without a signature to check, sorted.

    ``demanded``: the run itself overrides the global settings; a source's own options win over it.
    """
    everything = known.weakened and not demanded
    return tuple(sorted({source.name for source in found if everything or source.weakened}))


__all__ = (
    "LOCKS",
    "Configuration",
    "ask",
    "parse",
    "preference_files",
    "source_files",
    "sources",
    "unchecked",
)
