# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain HTTP store with GET and PUT, and one that lists as S3 does. Standard library only: lab hosts run it as well.

``python3 object_store.py DIRECTORY PORT ADDRESS`` serves a directory.
"""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
import typing as t
import urllib.parse
from pathlib import Path
from xml.sax.saxutils import escape


class Handler(http.server.BaseHTTPRequestHandler):
    server: ObjectStore

    def _path(self) -> Path:
        return self.server.root / urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")

    def _answer(self, status: int, data: bytes = b"") -> None:
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(data)

    def _fails(self) -> bool:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        if self.server.status:
            self._answer(self.server.status, self.server.body)
        return bool(self.server.status)

    def do_GET(self) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if self._fails():
            return
        path = self._path()
        if self.server.lists and query.get("list-type") == "2":
            self._list(query)
        elif path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self._answer(404)

    def _list(self, query: dict[str, str]) -> None:
        bucket = self._path()
        keys = sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())
        keys = [key for key in keys if key.startswith(query["prefix"]) and key > query.get("continuation-token", "")]
        page = keys[: min(int(query["max-keys"]), self.server.page)]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(page) < len(keys) else ""
        found = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in page)
        self._answer(200, f"<?xml version='1.0'?><ListBucketResult>{found}{more}</ListBucketResult>".encode())

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._fails():
            return
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[: self.server.keeps])
        self._answer(200)

    def log_message(self, *_args: object) -> None:
        pass


class ObjectStore(http.server.ThreadingHTTPServer):
    """``status`` and ``body`` answer everything; ``keeps``: so many bytes of a file are kept; ``page``: keys of a listing."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0, address: str = "127.0.0.1", *, lists: bool = False) -> None:
        super().__init__((address, port), Handler)
        self.root, self.lists = root, lists
        self.status, self.body, self.elsewhere = 0, b"", ""
        self.keeps: int | None = None
        self.page = 1000
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serving(root: Path, *, lists: bool = False) -> t.Iterator[ObjectStore]:
    root.mkdir(exist_ok=True)
    server = ObjectStore(root, lists=lists)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    ObjectStore(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]).serve_forever()
