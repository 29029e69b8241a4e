# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Smart's channels: which there are, which tell what is installed, and whose packages nobody checks. Pure."""

from __future__ import annotations

import re
import typing as t

_OFF: t.Final = ("false", "0", "none", "no", "''", "u''")
_SYSTEM_TYPES: t.Final = {"rpm-sys": "rpm", "deb-sys": "deb"}


def parse_channels(text: str) -> dict[str, dict[str, str]]:
    """stdout of `smart channel --show` -> alias: settings (transcripts channel-show*)."""
    channels: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        head = re.match(r"^\[(.+)\]$", line)
        if head is not None:
            current = channels.setdefault(head.group(1), {})
            continue
        key, equals, value = line.partition(" = ")
        if equals:
            current[key.strip()] = value.strip()
    return channels


def backends(channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """``rpm``, ``deb``: what the enabled system channels tell Smart of; more than one where two databases count."""
    kinds = {
        _SYSTEM_TYPES[settings["type"]]
        for settings in channels.values()
        if settings.get("type", "") in _SYSTEM_TYPES and not is_disabled(settings)
    }
    return tuple(sorted(kinds))


def sources(channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """Aliases of the enabled channels that offer packages, sorted."""
    return tuple(
        sorted(
            alias
            for alias, settings in channels.items()
            if settings.get("type", "") not in _SYSTEM_TYPES and not is_disabled(settings)
        )
    )


def without_lists(channels: t.Mapping[str, t.Mapping[str, str]], files: t.Iterable[str]) -> tuple[str, ...]:
    """Aliases of the sources whose lists are not among the file names of the directory ``channels``, sorted.

    Smart names each file ALIAS%%URL. A channel that reads a directory of packages has none; one of type rpm-md needs more
    than the index of its lists.
    """
    names = tuple(files)
    missing = []
    for alias in sources(channels):
        kind = channels[alias].get("type", "")
        own = [name for name in names if name.startswith(f"{alias}%%")]
        complete = any("primary" in name for name in own) if kind == "rpm-md" else bool(own)
        if not kind.endswith("-dir") and not complete:
            missing.append(alias)
    return tuple(missing)


def directories(channels: t.Mapping[str, t.Mapping[str, str]]) -> dict[str, str]:
    """The directories of packages that sources read anew at each command, by alias."""
    found = {}
    for alias in sources(channels):
        path = channels[alias].get("path", "")
        if channels[alias].get("type", "").endswith("-dir") and path.startswith("/"):
            found[alias] = path
    return found


def unsigned_channels(
    channels: t.Mapping[str, t.Mapping[str, str]], check_signatures: str, *, demanded: bool
) -> tuple[str, ...]:
    """Aliases of the sources whose packages nobody is known to check the signatures of, sorted.

    RPM: ``check_signatures`` is what `config --show rpm-check-signatures` prints. Not set means that the build decides
    (1.5 as released does not check, OpenEmbedded's does) and does not say how, so it counts only where the driver's own
    option makes it sure (``demanded``). Debian packages carry no signature; the channel's lists do, and are checked where
    it names a fingerprint or a keyring.
    """
    if backends(channels) == ("rpm",):
        said = check_signatures.strip().lower()
        return sources(channels) if said in _OFF or not (said or demanded) else ()
    return tuple(
        alias for alias in sources(channels) if not any(channels[alias].get(key) for key in ("fingerprint", "keyring"))
    )


def is_disabled(settings: t.Mapping[str, str]) -> bool:
    return settings.get("disabled", "no").lower() in ("yes", "true", "1", "y", "t")


__all__ = (
    "backends",
    "directories",
    "is_disabled",
    "parse_channels",
    "sources",
    "unsigned_channels",
    "without_lists",
)
