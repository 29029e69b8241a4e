# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host works: its units, services, ports, addresses and commands, asked on the host itself.

Each check is tried again until it passes or its tries are used up. The first one that does not pass ends the whole.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import time
import typing as t
import urllib.error
from functools import partial

from ansible.module_utils.urls import open_url

from ..errors import OvercError
from ..system.failed_units import SYSTEMD, look
from ..system.presence import is_directory

if t.TYPE_CHECKING:
    from ..runner import Runner
    from .options import Address, Checks, Port

# Seconds
_BOOT: t.Final = 120
_CONNECT: t.Final = 5
_ANSWER: t.Final = 10
_COMMAND: t.Final = 300
# What does not end when it is asked to is killed so much later
_PATIENCE: t.Final = 10
# How timeout(1) of coreutils says that it ended the command; where it had to kill it, it dies in the same way
_TIMED_OUT: t.Final = (124, -signal.SIGKILL)

# How much of the journal of units that do not work is shown
_JOURNAL_LINES: t.Final = 20


class _Failure(Exception):
    """What was found; ``facts`` is a tool's own output, ``units`` are those whose state and journal say more."""

    def __init__(self, message: str, units: t.Sequence[str] = (), **facts: t.Any) -> None:
        super().__init__(message)
        self.units = units
        self.facts = facts


Check = tuple[str, t.Callable[[], None]]


def check(runner: Runner, checks: Checks) -> list[str]:
    """The names of the checks that were made and passed. Raises unhealthy with ``check``, the one that did not pass."""
    wanted = _wanted(runner, checks)
    for name, attempt in wanted:
        _persist(runner, name, attempt, checks)
    return list(dict.fromkeys(name for name, _attempt in wanted))


def _wanted(runner: Runner, checks: Checks) -> list[Check]:
    wanted: list[Check] = []
    if checks.units:
        wanted.append(("No unit failed that had not failed before", partial(_units, runner, checks.failed_before)))
    if checks.services:
        wanted.append(("Declared services run", partial(_services, runner, checks.services)))
    wanted += [("Declared ports are open", partial(_port, port)) for port in checks.ports]
    wanted += [("Declared addresses answer", partial(_address, address)) for address in checks.urls]
    wanted += [("Declared commands succeed", partial(_command, runner, words)) for words in checks.commands]
    return wanted


def _persist(runner: Runner, name: str, attempt: t.Callable[[], None], checks: Checks) -> None:
    """``retries`` tries after the first one."""
    for left in range(checks.retries, -1, -1):
        try:
            attempt()
        except _Failure as failure:
            if not left:
                facts = {**_told(runner, failure.units), **failure.facts}
                raise OvercError("unhealthy", str(failure), check=name, **facts) from None
        else:
            return
        time.sleep(checks.delay)


def _told(runner: Runner, units: t.Sequence[str]) -> dict[str, str]:
    """What systemd says of units that do not work, and the end of their journal."""
    if not units or not is_directory(SYSTEMD):
        return {}
    said = [runner.run(["systemctl", "status", "--no-pager", "--full", "--lines=0", "--", *units]).stdout]
    if runner.find("journalctl") is not None:
        journal = ["journalctl", "--no-pager", "--quiet", "--boot", f"--lines={_JOURNAL_LINES}"]
        said.append(runner.run([*journal, *(f"--unit={unit}" for unit in units)]).stdout)
    return {"stdout": "\n".join(text.strip() for text in said if text.strip())}


def _units(runner: Runner, failed_before: t.Collection[str]) -> None:
    """The boot first comes to its end; what had failed before is not held against the host."""
    if is_directory(SYSTEMD):
        # Its exit code tells of failed units as well, and those are looked at below
        waited = runner.run(
            ["timeout", f"--kill-after={_PATIENCE}", str(_BOOT), "systemctl", "is-system-running", "--wait"]
        )
        if waited.rc in _TIMED_OUT:
            raise _Failure(f"The boot has not come to its end within {_BOOT} seconds.")
    units, problem = look(runner)
    if problem:
        raise _Failure(f"Which units have failed is not known: {problem}.")
    new = [unit for unit in units if unit not in failed_before]
    if new:
        raise _Failure(f"Failed: {', '.join(new)}.", new)


def _services(runner: Runner, services: t.Sequence[str]) -> None:
    missing = [name for name in services if not _runs(runner, name.removesuffix(".service"))]
    if missing:
        units = [f"{name.removesuffix('.service')}.service" for name in missing]
        raise _Failure(f"Not running: {', '.join(missing)}.", units)


def _runs(runner: Runner, name: str) -> bool:
    if is_directory(SYSTEMD):
        asked = runner.run(["systemctl", "show", "--property=SubState", "--", f"{name}.service"])
        return asked.stdout.strip() == "SubState=running"
    return runner.run(["rc-service" if runner.find("rc-service") else "service", name, "status"]).rc == 0


def _port(port: Port) -> None:
    try:
        socket.create_connection(port, timeout=_CONNECT).close()
    except (OSError, UnicodeError) as error:
        raise _Failure(f"Port {port.port} is not open on {port.host} ({error}).") from None


def _address(address: Address) -> None:
    """Asked as ansible.builtin.uri does, proxies of the environment included."""
    try:
        with contextlib.closing(
            open_url(
                address.url,
                timeout=_ANSWER,
                validate_certs=address.validate_certs,
                follow_redirects="safe",
            )
        ) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except Exception as error:  # noqa: BLE001 - http.client, ssl and idna have errors of their own for what is no HTTP
        raise _Failure(f"{address.url} does not answer ({type(error).__name__}: {error}).") from None
    if status != address.status:
        raise _Failure(f"{address.url} answers {status}, not {address.status}.")


def _command(runner: Runner, words: tuple[str, ...]) -> None:
    answer = runner.run(["timeout", f"--kill-after={_PATIENCE}", str(_COMMAND), *words])
    if answer.rc == 0:
        return
    shown = " ".join(words)
    if answer.rc in _TIMED_OUT:
        raise _Failure(f"{shown} was killed, or had not ended after {_COMMAND} seconds.", **answer.facts())
    said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    raise _Failure(f"{shown} failed with code {answer.rc}{': ' + said[-1] if said else ''}.", **answer.facts())


__all__ = ("check",)
