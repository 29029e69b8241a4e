# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's network: a namespace with a bridge and the package server, and one namespace per host.

Nothing of it appears in the machine's own network: whoever wants in enters the namespace.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from tests.lab.linux import CLONE_NEWNET, setns
from tests.lab.process import LabError, alive, run, start_background, started_at, wait_for
from tests.lab.settings import GATEWAY, HTTP_PORT, NETWORK, PREFIX

NETNS_DIRECTORY = Path("/run/netns")
_T = t.TypeVar("_T")


def address(index: int) -> str:
    """The address of a lab's n-th host, counted from 1."""
    return f"{NETWORK}.{index // 250 + 1}.{index % 250 + 1}"


def exists(netns: str) -> bool:
    return (NETNS_DIRECTORY / netns).exists()


def inside(netns: str, action: Callable[[], _T]) -> _T:
    """Run the action in a thread that is in that network namespace; sockets made there stay there."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            number = os.open(NETNS_DIRECTORY / netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                setns(number, CLONE_NEWNET)
            finally:
                os.close(number)
            outcome.append(action())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def create(netns: str) -> None:
    if exists(netns):
        return
    run(["ip", "netns", "add", netns])
    commands = ["link set lo up", "link add br0 type bridge", f"addr add {GATEWAY}/{PREFIX} dev br0", "link set br0 up"]
    run(["ip", "-n", netns, "-batch", "-"], stdin="\n".join(commands))


def hardware_address(host_address: str) -> str:
    """A machine keeps its network card: with a new one, who knew the old would not reach it for half a minute (ARP)."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x00" + socket.inet_aton(host_address))


def add_host(netns: str, host_netns: str, port: str, host_address: str) -> None:
    """Both ends are made inside namespaces, so the machine never sees them."""
    delete(host_netns)
    run(["ip", "netns", "add", host_netns])
    peer = f"peer name eth0 address {hardware_address(host_address)} netns {host_netns}"
    commands = [f"link add {port} type veth {peer}", f"link set {port} master br0 up"]
    run(["ip", "-n", netns, "-batch", "-"], stdin="\n".join(commands))
    commands = [
        "link set lo up",
        f"addr add {host_address}/{PREFIX} dev eth0",
        "link set eth0 up",
        f"route add default via {GATEWAY}",
    ]
    run(["ip", "-n", host_netns, "-batch", "-"], stdin="\n".join(commands))


def set_link(netns: str, port: str, up: bool) -> None:
    run(["ip", "-n", netns, "link", "set", port, "up" if up else "down"])


def delete(netns: str) -> None:
    if exists(netns):
        run(["ip", "netns", "delete", netns])


def start_http(netns: str, directory: Path, log: Path) -> tuple[int, int]:
    """Serve the repositories; returns the process as (pid, start time)."""
    server = [sys.executable, "-m", "http.server", "--bind", GATEWAY, "--directory", str(directory), str(HTTP_PORT)]
    pid = start_background(["nsenter", f"--net={NETNS_DIRECTORY / netns}", *server], log, Path("/"))
    started = started_at(pid)
    if started is None:
        raise LabError(f"the package server did not start, see {log}")
    wait_for(lambda: _listens(netns), "the package server", timeout=20)
    return pid, started


def _listens(netns: str) -> bool:
    return inside(netns, lambda: _connects(GATEWAY, HTTP_PORT))


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def stop_process(pid: int, started: int) -> None:
    if alive(pid, started):
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not alive(pid, started), f"process {pid} to end", timeout=10)


def wait_banner(netns: str, host: str, timeout: float) -> None:
    """Until an sshd greets; one thread, one namespace switch, however long it takes."""

    def greets() -> bool:
        try:
            with socket.create_connection((host, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait() -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if greets():
                return True
            time.sleep(0.02)
        return False

    if not inside(netns, wait):
        raise LabError(f"no sshd answered at {host} within {timeout:g} s")
