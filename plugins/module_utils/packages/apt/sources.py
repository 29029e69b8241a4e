# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's sources: which there are, and which are used without a check of signatures. Pure.

apt checks no signature of a package: it trusts what the signed InRelease of its source leads to. What a source's options say
has to be read where they are written: `apt-get indextargets` tells what apt concluded, and says TRUSTED of a properly
signed source, too (transcripts indextargets, trusted-indextargets).
"""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass

# Options with which an unsigned, badly signed or weakly signed source is used all the same (sources.list(5))
_WEAKENING: t.Final = ("trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure")
_TRUE: t.Final = ("yes", "true", "1", "on", "with", "enable")  # apt, StringToBool
_FALSE: t.Final = ("no", "false", "0", "off", "without", "disable")
_NAME: t.Final = re.compile(r"^[A-Za-z0-9_.-]+\.(?:list|sources)$")


class UnreadableSources(ValueError):
    """A file of sources that is not understood; the message says where."""


@dataclass(frozen=True)
class Source:
    """One address and suite that packages come from. ``weakened``: the options that have it used without a check."""

    uri: str
    suite: str
    weakened: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.uri} {self.suite}"


def counts(path: str) -> bool:
    """Whether apt reads a file in ``sources.list.d`` by that name."""
    return _NAME.match(posixpath.basename(path)) is not None


def parse_sources(path: str, text: str) -> tuple[Source, ...]:
    """The enabled sources of binary packages in one file. Raises UnreadableSources."""
    return tuple(_stanzas(path, text) if path.endswith(".sources") else _lines(path, text))


_ONE_LINE: t.Final = re.compile(r"^(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>\S.*)$")


def _lines(path: str, text: str) -> t.Iterator[Source]:
    for written in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", written).strip()
        if not line:
            continue
        match = _ONE_LINE.match(line)
        words = _address(match.group("rest")) if match else []
        if match is None or len(words) < 2:
            raise UnreadableSources(f"{path}: {line}")
        if match.group("type") == "deb":
            options = dict(_option(word) for word in (match.group("options") or "").split())
            yield Source(words[0], words[1], _weakened(path, options))


def _address(text: str) -> list[str]:
    """The words of a line; the name of a disc, in brackets, may have blanks in it."""
    return re.findall(r"cdrom:\[[^]]*\]\S*|\S+", text)


def _option(word: str) -> tuple[str, str]:
    key, _equals, value = word.partition("=")
    return key.rstrip("+-").lower(), value


def _stanzas(path: str, text: str) -> t.Iterator[Source]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        current = ""
        for line in stanza.splitlines():
            key, colon, value = line.partition(":")
            if line[:1] in (" ", "\t") and current:
                fields[current] += " " + line.strip()
            elif colon and line[:1] not in (" ", "\t"):
                current = key.strip().lower()
                fields[current] = value.strip()
            elif line.strip():
                raise UnreadableSources(f"{path}: {line}")
        if fields and "deb" in fields.get("types", "").split() and not _is(path, fields, "enabled", "no"):
            weakened = _weakened(path, {key.rstrip("+-"): value for key, value in fields.items()})
            uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
            if not uris or not suites:
                raise UnreadableSources(f"{path}: no URIs or no Suites in a stanza")
            yield from (Source(uri, suite, weakened) for uri in uris for suite in suites)


def _is(path: str, fields: t.Mapping[str, str], key: str, wanted: str) -> bool:
    value = fields.get(key, "").lower()
    if value not in (*_TRUE, *_FALSE, ""):
        raise UnreadableSources(f"{path}: {key} is {value}")
    return value in (_TRUE if wanted == "yes" else _FALSE)


def _weakened(path: str, options: t.Mapping[str, str]) -> tuple[str, ...]:
    return tuple(key for key in _WEAKENING if _is(path, options, key, "yes"))


__all__ = ("Source", "UnreadableSources", "counts", "parse_sources")
