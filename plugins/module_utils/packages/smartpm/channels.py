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


def backend(channels: t.Mapping[str, t.Mapping[str, str]]) -> str | None:
    """``rpm`` or ``deb``, by the system channel that tells Smart what is installed; None without one."""
    for settings in channels.values():
        kind = _SYSTEM_TYPES.get(settings.get("type", ""))
        if kind is not None and not is_disabled(settings):
            return kind
    return None


def sources(channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """Aliases of the enabled channels that offer packages, sorted."""
    return tuple(
        sorted(
            alias
            for alias, settings in channels.items()
            if settings.get("type", "") not in _SYSTEM_TYPES and not is_disabled(settings)
        )
    )


def unsigned_channels(channels: t.Mapping[str, t.Mapping[str, str]], check_signatures: str) -> tuple[str, ...]:
    """Aliases of the sources whose packages would be installed without a signature check, sorted.

    RPM: ``check_signatures`` is what `config --show rpm-check-signatures` prints. Not set means that the build decides
    (1.5 as released does not check, OpenEmbedded's does), and the driver asks for it by an option. Debian packages carry no
    signature; the channel's lists do, and are checked where it names a fingerprint or a keyring.
    """
    if backend(channels) == "rpm":
        return sources(channels) if check_signatures.strip().lower() in _OFF else ()
    return tuple(
        alias for alias in sources(channels) if not any(channels[alias].get(key) for key in ("fingerprint", "keyring"))
    )


def is_disabled(settings: t.Mapping[str, str]) -> bool:
    return settings.get("disabled", "no").lower() in ("yes", "true", "1", "y", "t")


__all__ = ("backend", "is_disabled", "parse_channels", "sources", "unsigned_channels")
