# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health against real sockets and real programs; the units of a real init are asked in tests/integration."""

from __future__ import annotations

import os
import socket
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.health import ask as health
from ansible_collections.overc.system.plugins.module_utils.health.options import CHECKS_SPEC, checks_from
from ansible_collections.overc.system.plugins.module_utils.runner import Completed, run_to_its_end

DEFAULTS: t.Final = {**{name: option["default"] for name, option in CHECKS_SPEC.items()}, "units": False}


class Programs:
    """Runs them, and counts."""

    def __init__(self) -> None:
        self.ran = 0

    def find(self, program: str) -> str | None:
        return program

    def run(self, argv: t.Sequence[str], **_more: t.Any) -> Completed:
        self.ran += 1
        rc, out, err = run_to_its_end(argv, dict(os.environ), ())
        return Completed(tuple(argv), rc, out.decode(), err.decode())


class Init:
    """An OpenRC of which ``crashed`` is known."""

    def __init__(self, crashed: str, rc: int = 0) -> None:
        self._crashed, self._rc = crashed, rc

    def find(self, program: str) -> str | None:
        return program

    def run(self, argv: t.Sequence[str], **_more: t.Any) -> Completed:
        return Completed(tuple(argv), self._rc, self._crashed, "")


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(health, "time", SimpleNamespace(sleep=found.append))
    return found


def ask(runner: t.Any = None, failed_before: t.Sequence[str] = (), **options: t.Any) -> list[str]:
    return health.check(runner or Programs(), checks_from({**DEFAULTS, **options}, failed_before))


def refused(**options: t.Any) -> OvercError:
    with pytest.raises(OvercError) as caught:
        ask(retries=options.pop("retries", 0), **options)
    assert caught.value.error_id == "unhealthy"
    return caught.value


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: t.Any) -> None:
        pass


@pytest.fixture
def site() -> t.Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_nothing_asked_is_nothing_wrong() -> None:
    assert ask() == []


def test_addresses(site: str) -> None:
    assert ask(urls=[f"{site}/200", {"url": f"{site}/503", "status": 503}]) == ["Declared addresses answer"]
    error = refused(urls=[f"{site}/404"])
    assert error.facts["check"] == "Declared addresses answer"
    assert error.message == f"{site}/404 answers 404, not 200."


def test_what_does_not_speak_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _peer = server.accept()
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert "does not answer" in refused(urls=[f"http://127.0.0.1:{port}/"]).message
        thread.join()
    assert "does not answer" in refused(urls=[f"http://127.0.0.1:{port}/"]).message
    assert "does not answer" in refused(urls=["http://[/"]).message


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ask(ports=[port]) == ["Declared ports are open"]
    assert f"Port {port} is not open on 127.0.0.1" in refused(ports=[port]).message
    assert "is not open on ..a" in refused(ports=[{"port": 1, "host": "..a"}]).message


def test_commands_have_no_shell(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert ask(commands=[f"touch '{made}; ls'"], retries=0) == ["Declared commands succeed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made; ls"]
    error = refused(commands=["ls /nonexistent"])
    assert error.message.startswith("ls /nonexistent failed with code 2: ls:")
    assert error.facts["rc"] == 2
    assert "failed with code 127" in refused(commands=["-no-such-program"]).message


def test_a_command_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_COMMAND", 0.2)
    monkeypatch.setattr(health, "_PATIENCE", 0.2)
    for command in ("sleep 60", "sh -c 'trap : TERM; while :; do sleep 1; done'"):
        assert "had not ended after 0.2 seconds" in refused(commands=[command]).message


def test_each_check_has_its_tries(slept: list[float]) -> None:
    runner = Programs()
    refused(runner=runner, commands=["true", "false"], retries=3, delay=7)
    assert runner.ran == 1 + 4
    assert slept == [7, 7, 7]


def test_what_works_at_last_works(tmp_path: Path) -> None:
    runner = Programs()
    (tmp_path / "in the way").mkdir()
    threading.Timer(0.2, (tmp_path / "in the way").rmdir).start()
    assert ask(runner, commands=[f"mkdir '{tmp_path}/in the way'"], retries=10_000) == ["Declared commands succeed"]
    assert runner.ran > 1


def test_units_that_had_failed_before_are_not_held_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _path: False)
    assert ask(Init("a\n"), ["a"], units=True) == ["No unit failed that had not failed before"]
    assert refused(runner=Init("a\nb x\n"), failed_before=["a"], units=True).message == "Failed: b."
    assert "is not known: rc-status ended with 1" in refused(runner=Init("", 1), units=True).message


def test_services_of_another_init(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _path: False)
    assert ask(Init(""), services=["sshd"]) == ["Declared services run"]
    assert refused(runner=Init("", 3), services=["sshd", "x.service"]).message == "Not running: sshd, x.service."
