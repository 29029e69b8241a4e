# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials of repositories never leave the host: taken out of whatever a tool says before anybody else sees it.

Package managers print the addresses of their repositories, user, password and tokens included, in progress lines and in
errors. A tool's output is filtered where it is taken over into a result (``Completed.facts``), and every result, message
and warning once more on its way out. Before that it is left alone, because it is parsed: a subvolume may be called
``token=x``. Journal, record and progress file hold no tool's words.
"""

from __future__ import annotations

import re
import typing as t

MASK: t.Final = "***"
# RFC 3986, 3.2.1: what stands before the last "@" of the authority. A password with a raw "/" in it is no valid address
# and is met all the same; a port is no user name. Smart names the files of its lists after their address, with "_" for "/".
_USER = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:(?://|__))(?:[^\s/@:\"'<>]+:(?!\d{1,5}(?:[/?#\s]|$))[^\s\"'<>]*@|[^\s/?#\"'<>]*@)"
)
# Parameters that the mirror lists of distributions are asked with. The value of any other may be a token.
_HARMLESS: t.Final = frozenset(
    {"repo", "arch", "basearch", "release", "releasever", "country", "protocol", "cc", "infra"}
)
_URL_QUERY = re.compile(r"(?P<url>[A-Za-z][A-Za-z0-9+.-]*:(?:/{2}|__)[^\s?\"'<>]*)\?(?P<query>[^\s\"'<>]+)")
_PARAMETER = re.compile(r"(?P<name>[^&;=#]+)=(?P<value>[^&;#]*)")
# "password = x" of a dumped configuration, "Authorization: Basic x" of a debug log
_SETTING = re.compile(
    r"(?P<key>(?<![?&;])\b(?:proxy_)?(?:password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[=:]\s*)(?P<value>\S+)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(?P<key>\bAuthorization:\s*(?:\w+\s+)?)\S+", re.IGNORECASE)


def _parameter(match: re.Match[str]) -> str:
    name, value = match.group("name"), match.group("value")
    return match.group(0) if not value or name.lower() in _HARMLESS else f"{name}={MASK}"


def _query(match: re.Match[str]) -> str:
    query = match.group("query")
    # A query without "=" is one opaque word
    return f"{match.group('url')}?{_PARAMETER.sub(_parameter, query) if '=' in query else MASK}"


def redact(text: str) -> str:
    """The text without credentials; everything else unchanged, line by line."""
    if "://" in text or ":__" in text:
        text = _USER.sub(lambda match: f"{match.group('scheme')}{MASK}@", text)
        text = _URL_QUERY.sub(_query, text)
    text = _SETTING.sub(lambda match: f"{match.group('key')}{MASK}", text)
    return _HEADER.sub(lambda match: f"{match.group('key')}{MASK}", text)


def redact_all(value: t.Any) -> t.Any:
    """``redact`` for every string in a result, at any depth; keys and all other types are kept."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(entry) for entry in value]
    return value


__all__ = ("MASK", "redact", "redact_all")
