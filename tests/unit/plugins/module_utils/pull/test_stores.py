# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every store keeps the same promises, tried on real servers, directories and repositories."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull import report
from ansible_collections.overc.system.plugins.module_utils.pull.git_store import GitStore
from ansible_collections.overc.system.plugins.module_utils.pull.http_store import HttpStore, S3Store, signature
from ansible_collections.overc.system.plugins.module_utils.pull.source import Source
from ansible_collections.overc.system.plugins.module_utils.pull.stores import DirectoryStore, Store, StoreError
from ansible_collections.overc.system.plugins.module_utils.pull.verdicts import LARGEST

from tests.unit.plugins.module_utils.pull.object_store import ObjectStore, serving

PLACE = "v1/f/canary/good"
KINDS = ("directory", "http", "s3", "git")


def make(kind: str, tmp_path: Path, server: ObjectStore | None = None) -> Store:
    if kind == "directory":
        (tmp_path / "shared/v1").mkdir(parents=True, exist_ok=True)
        return DirectoryStore(str(tmp_path / "shared"))
    if kind == "git":
        origin = tmp_path / "origin.git"
        if not origin.exists():
            subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
        place = str(tmp_path / f"verdicts-{os.urandom(4).hex()}.git")
        return GitStore(place, Source(store=place, url=str(origin), timeout=60))
    assert server is not None
    if kind == "http":
        return HttpStore(f"{server.url}/some/where/")
    return S3Store(f"{server.url}/bucket/some/where", token="s3cret", key_id="KEY")  # noqa: S106 - a test's


@pytest.fixture(params=KINDS)
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[t.Callable[[], Store]]:
    """Each call is another host with the same store."""
    with serving(tmp_path / "served", lists=True) as server:
        yield lambda: make(request.param, tmp_path, server)


def test_what_is_put_is_what_others_get(maker: t.Callable[[], Store]) -> None:
    mine, other = maker(), maker()
    assert other.get(f"{PLACE}/a.json") is None
    for data in (b"one\n", b"\0\xff" * 100, b"two"):
        mine.put(f"{PLACE}/a.json", data)
        assert mine.get(f"{PLACE}/a.json") == data
        assert maker().get(f"{PLACE}/a.json") == data
    mine.put(f"{PLACE}/=C3=A4.json", b"odd")
    mine.put("v1/f/canary/bad/b.json", b"elsewhere")
    mine.put("v1/g/canary/good/c.json", b"elsewhere")
    other.put(f"{PLACE}/d.json", b"other")
    if type(mine) is HttpStore:  # not S3Store  # pylint: disable=unidiomatic-typecheck
        asks: list[t.Callable[[], t.Any]] = [lambda: mine.names(PLACE, 10), lambda: mine.paths(10)]
        for ask in asks:
            with pytest.raises(StoreError, match="cannot be listed"):
                ask()
        return
    everything = [
        f"{PLACE}/=C3=A4.json",
        f"{PLACE}/a.json",
        f"{PLACE}/d.json",
        "v1/f/canary/bad/b.json",
        "v1/g/canary/good/c.json",
    ]
    assert sorted(maker().paths(10)) == sorted(everything)
    assert len(maker().paths(2)) == 2
    assert sorted(maker().names(PLACE, 10)) == ["=C3=A4.json", "a.json", "d.json"]
    assert len(maker().names(PLACE, 2)) == 2
    assert maker().names("v1/f/none/good", 10) == []


def test_large_files_are_not_taken_for_short_ones(maker: t.Callable[[], Store]) -> None:
    store = maker()
    store.put(f"{PLACE}/a.json", b"x" * (LARGEST + 500))
    assert len(maker().get(f"{PLACE}/a.json") or b"") in (0, LARGEST + 1)


@pytest.mark.parametrize("mount_point", [True, False])
def test_a_directory_that_is_not_mounted_is_no_empty_one(tmp_path: Path, mount_point: bool) -> None:
    store = DirectoryStore(str(tmp_path / "nowhere"))
    if mount_point:
        (tmp_path / "nowhere").mkdir()
    asks: list[t.Callable[[], t.Any]] = [
        lambda: store.get("a"), lambda: store.put("a", b""), lambda: store.names("a", 1),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(StoreError, match="no directory"):
            ask()
    assert (tmp_path / "nowhere").exists() is mount_point
    assert list(tmp_path.rglob("*.json")) == []


def test_links_and_pipes_in_a_directory(tmp_path: Path) -> None:
    store = make("directory", tmp_path)
    place = tmp_path / "shared/v1/f/canary/good"
    place.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (place / "link.json").symlink_to(tmp_path / "secret")
    os.mkfifo(place / "pipe.json")
    (place / "directory.json").mkdir()
    for name in ("link", "pipe", "directory"):
        with pytest.raises(StoreError):
            store.get(f"{PLACE}/{name}.json")
    store.put(f"{PLACE}/link.json", b"mine")
    assert (tmp_path / "secret").read_text() == "secret"
    (place / ".half").write_text("{")
    assert ".half" not in store.names(PLACE, 10)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 500, 503])
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_server_that_does_not_say_no_is_not_taken_for_no(tmp_path: Path, kind: str, status: int) -> None:
    with serving(tmp_path / "served", lists=True) as server, serving(tmp_path / "thief") as thief:
        server.status, server.elsewhere = status, f"{thief.url}/x"
        store = make(kind, tmp_path, server)
        asks: list[t.Callable[[], t.Any]] = [lambda: store.get("a"), lambda: store.put("a", b"")]
        if kind == "s3":
            asks.append(lambda: store.names("a", 5))
        for ask in asks:
            with pytest.raises(StoreError, match=str(status)) as found:
                ask()
            assert "s3cret" not in str(found.value)
        assert thief.asked == [], "nothing follows a redirect, least of all a token"


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_nobody_answers(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path / "served") as server:
        store = make(kind, tmp_path, server)
    with pytest.raises(StoreError, match="does not answer"):
        store.get("a")


def test_a_login_page_is_no_listing(tmp_path: Path) -> None:
    with serving(tmp_path / "served", lists=True) as server:
        server.status, server.body = 200, b"<html>please log in</html>"
        with pytest.raises(StoreError, match="no list"):
            make("s3", tmp_path, server).names(PLACE, 5)


def test_a_long_listing_comes_in_pages(tmp_path: Path) -> None:
    with serving(tmp_path / "served", lists=True) as server:
        server.page = 7
        store = make("s3", tmp_path, server)
        for number in range(20):
            store.put(f"{PLACE}/h{number:02}.json", b"x")
        assert store.names(PLACE, 1000) == [f"h{number:02}.json" for number in range(20)]
        assert len(store.names(PLACE, 10)) == 10


def test_git_that_is_not_there_and_objects_of_other_kinds(tmp_path: Path) -> None:
    place = str(tmp_path / "a.git")
    nowhere = GitStore(place, Source(store=place, url="https://user:s3cret@127.0.0.1:9/x.git", timeout=60))
    asks: list[t.Callable[[], t.Any]] = [
        lambda: nowhere.get(f"{PLACE}/a.json"), lambda: nowhere.put(f"{PLACE}/a.json", b"x"),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(StoreError) as found:
            ask()
        assert "s3cret" not in str(found.value)
    store = make("git", tmp_path)
    origin = f"--git-dir={tmp_path / 'origin.git'}"
    tree = subprocess.run(
        ["git", origin, "mktree"], input="", capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(["git", origin, "update-ref", f"refs/overc/{PLACE}/tree.json", tree], check=True)
    assert store.get(f"{PLACE}/tree.json") == b""


# The examples of the documentation of S3's signature, version 4
SECRET = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(("url", "headers", "wanted"), [
    ("https://examplebucket.s3.amazonaws.com/test.txt", {"range": "bytes=0-9"},
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", {},
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ("https://examplebucket.s3.amazonaws.com/?lifecycle", {},
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
])  # fmt: skip
def test_requests_are_signed_as_documented(url: str, headers: dict[str, str], wanted: str) -> None:
    found = signature("GET", url, b"", "20130524T000000Z", SECRET, "us-east-1", headers)
    assert found["Authorization"].endswith(f"Signature={wanted}")
    assert SECRET[1] not in str(found)


LISTING = b"<ListBucketResult><Contents><Key>%s</Key></Contents><NextContinuationToken>x</NextContinuationToken></ListBucketResult>"


@pytest.mark.parametrize("key", [b"elsewhere", b"", f"{PLACE}/h1.json".encode()])
def test_a_listing_without_end_is_no_listing(tmp_path: Path, key: bytes) -> None:
    """Page after page of what was not asked for, or of the same: nobody waits for its end."""
    with serving(tmp_path / "served", lists=True) as server:
        server.status, server.body = 200, LISTING % key
        with pytest.raises(StoreError, match="no end"):
            make("s3", tmp_path, server).names(PLACE, 1000)


def test_a_listing_that_is_too_long_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    with serving(tmp_path / "served", lists=True) as server:
        server.status, server.body = 200, b"<ListBucketResult>" + b" " * (5 << 20)
        with pytest.raises(StoreError, match="longer than"):
            make("s3", tmp_path, server).names(PLACE, 1000)


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_a_server_that_says_a_little_every_now_and_then(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the answer never ends: a host that is out of service does not wait for that."""
    monkeypatch.setattr(report, "LONGEST", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = HttpStore(url) if kind == "http" else S3Store(f"{url}/bucket")
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            store.get("a")
        assert time.monotonic() - began < 5


def drip(listener: socket.socket) -> None:
    connection, _address = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _byte in range(200):
            connection.sendall(b"x")
            time.sleep(0.1)
