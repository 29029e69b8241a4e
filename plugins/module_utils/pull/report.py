# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to servers that a host was told of, none of which leads it anywhere else."""

from __future__ import annotations

import http.client
import json
import time
import typing as t
import urllib.error
import urllib.request

_TIMEOUT: t.Final = 20  # seconds without anything from the server
LONGEST = 60.0  # seconds for a whole answer
_PIECE: t.Final = 1 << 14


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Headers with a token would go along to wherever a server points."""

    def redirect_request(self, *_args: t.Any, **_more: t.Any) -> None:
        return None


def request(
    method: str, url: str, headers: t.Mapping[str, str], data: bytes | None = None, *, limit: int = 1 << 16
) -> tuple[int, bytes]:
    """The status and at most ``limit`` bytes of the answer, also where that is an error.

    Raises OSError or ValueError where there is no answer; the text has no credentials, unless the server says some.
    """
    opener = urllib.request.build_opener(_NoRedirects)
    asked = urllib.request.Request(url, data, dict(headers), method=method)  # noqa: S310 - checked by the role
    try:
        with opener.open(asked, timeout=_TIMEOUT) as answer:
            return answer.status, _all_of(answer, limit)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _all_of(error, limit)
    except http.client.HTTPException as error:  # neither of the two
        raise OSError(f"no proper answer: {type(error).__name__}") from None


def _all_of(answer: t.Any, limit: int) -> bytes:
    """At most ``limit`` bytes. Raises OSError where a server says a little every now and then, without end."""
    until = time.monotonic() + LONGEST
    found = b""
    while len(found) < limit:
        piece: bytes = answer.read1(min(_PIECE, limit - len(found)))
        if not piece:
            if answer.length:  # so much was announced and did not come
                raise OSError("the answer breaks off")
            break
        found += piece
        if time.monotonic() > until:
            raise OSError(f"the answer has no end after {LONGEST:.0f} seconds")
    return found


def post(url: str, token: str, data: t.Any, pauses: t.Iterable[float]) -> str:
    """POST JSON, once after each pause in seconds, until somebody takes it. What went wrong, empty if taken."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    said = ""
    for pause in pauses:
        time.sleep(pause)
        try:
            status, _answer = request("POST", url, headers, json.dumps(data).encode("utf-8"))
        except (OSError, ValueError) as error:
            said = str(error)
        else:
            if 200 <= status < 300:
                return ""
            said = f"the server answers {status}"
    return said or "nobody was asked"


__all__ = ("post", "request")
