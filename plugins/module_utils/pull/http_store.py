# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts in any HTTP store that knows GET and PUT, and in one that speaks as S3 does."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import html
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from .files import redacted
from .report import request
from .stores import StoreError
from .verdicts import LARGEST

_LISTING: t.Final = 4 << 20  # bytes of a listing
_IDLE: t.Final = 5  # pages in a row without anything new
_KEY: t.Final = re.compile(r"<Key>([^<]*)</Key>")


@dataclass(frozen=True)
class HttpStore:
    """``token``: sent as a bearer token. It cannot be listed, so its rings name their hosts."""

    url: str
    token: str = ""

    def _place(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{urllib.parse.quote(path)}"

    def _ask(self, method: str, url: str, data: bytes | None = None, limit: int = LARGEST + 1) -> tuple[int, bytes]:
        try:
            return request(method, url, self._headers(method, url, data), data, limit=limit)
        except (OSError, ValueError) as error:
            raise StoreError(f"the store does not answer: {redacted(str(error), [self.token])}") from None

    def _headers(self, _method: str, _url: str, data: bytes | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**headers, "Content-Type": "application/json"} if data is not None else headers

    def get(self, path: str) -> bytes | None:
        status, data = self._ask("GET", self._place(path))
        if status in (404, 410):
            return None
        if status != 200:
            raise StoreError(f"the store answers {status} to GET {path}.")
        return data

    def put(self, path: str, data: bytes) -> None:
        status, _answer = self._ask("PUT", self._place(path), data)
        if not 200 <= status < 300:
            raise StoreError(f"the store answers {status} to PUT {path}.")

    def names(self, directory: str, limit: int) -> list[str]:  # noqa: ARG002 - what every store is asked
        raise StoreError("a plain HTTP store cannot be listed: let the ring name its hosts, or use one like S3.")

    def paths(self, limit: int) -> list[str]:
        return self.names("v1", limit)


@dataclass(frozen=True)
class S3Store(HttpStore):
    """``url``: endpoint, bucket and perhaps a prefix. ``token``: the secret of ``key_id``; without one, nothing is signed."""

    key_id: str = ""
    region: str = "us-east-1"

    def _headers(self, method: str, url: str, data: bytes | None) -> dict[str, str]:
        now = dt.datetime.now(dt.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return signature(method, url, data or b"", now, (self.key_id, self.token), self.region) if self.key_id else {}

    def names(self, directory: str, limit: int) -> list[str]:
        return [name for name in self._below(directory, limit) if "/" not in name]

    def paths(self, limit: int) -> list[str]:
        return [f"v1/{name}" for name in self._below("v1", limit)]

    def _below(self, directory: str, limit: int) -> list[str]:
        parts = urllib.parse.urlsplit(self.url)
        bucket, _slash, inner = parts.path.strip("/").partition("/")
        prefix = f"{inner.strip('/')}/{directory}/".lstrip("/")
        wanted = {"list-type": "2", "max-keys": str(min(limit, 1000)), "prefix": prefix}
        query = "&".join(f"{key}={urllib.parse.quote(value, safe='')}" for key, value in sorted(wanted.items()))
        found: list[str] = []
        seen: set[str] = set()
        more, idle = "", 0
        while len(found) < limit:  # a server may choose small pages, but each has something new of what was asked for
            place = f"{parts.scheme}://{parts.netloc}/{bucket}?{more}{query}"
            status, data = self._ask("GET", place, limit=_LISTING)
            if status != 200 or b"<ListBucketResult" not in data:
                raise StoreError(f"the store answers {status} and no list to the question for {directory}.")
            if len(data) >= _LISTING:
                raise StoreError(f"the list of {directory} is longer than {_LISTING} bytes a page.")
            text = data.decode("utf-8", "replace")
            keys = [html.unescape(key) for key in _KEY.findall(text)]
            fresh = [
                name for name in (key[len(prefix) :] for key in keys if key.startswith(prefix)) if name not in seen
            ]
            found += fresh
            seen.update(fresh)
            token = re.search(r"<NextContinuationToken>([^<]+)</NextContinuationToken>", text)
            if token is None:
                break
            idle = 0 if fresh else idle + 1
            if idle > _IDLE:
                raise StoreError(f"the list of {directory} has no end.")
            more = f"continuation-token={urllib.parse.quote(html.unescape(token[1]), safe='')}&"
        return found[:limit]


def signature(
    method: str,
    url: str,
    data: bytes,
    now: str,
    key: tuple[str, str],
    region: str,
    headers: t.Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a request as S3 wants them signed (version 4). ``now``: 20261201T040000Z; ``key``: id and secret."""
    parts = urllib.parse.urlsplit(url)
    digest = hashlib.sha256(data).hexdigest()
    signed = {
        "host": parts.netloc.rpartition("@")[2],
        "x-amz-content-sha256": digest,
        "x-amz-date": now,
        **(headers or {}),
    }
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    pairs = sorted(pair if "=" in pair else f"{pair}=" for pair in parts.query.split("&") if pair)
    asked = f"{method}\n{parts.path or '/'}\n{'&'.join(pairs)}\n{lines}\n{names}\n{digest}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    secret = f"AWS4{key[1]}".encode()
    for part in (*scope.split("/"), text):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    said = f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope},SignedHeaders={names},Signature={secret.hex()}"
    return {**{name: value for name, value in signed.items() if name != "host"}, "Authorization": said}


__all__ = ("HttpStore", "S3Store", "signature")
