# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on one host: a private mount namespace, the lock, and what was interrupted repaired first."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ..btrfs import namespace
from ..errors import OvercError
from ..failures import as_error
from ..system.lock import HostLock
from .observe.facts import HostFacts, observe
from .observe.layout import Layout
from .observe.newer_kernel import newer_kernel
from .observe.state import HostState, derive
from .store.journal import discard_empty_journal

if t.TYPE_CHECKING:
    from ..runner import Runner


@dataclass
class Host:
    """One command on one host. ``lock_fds`` is filled while the lock is held."""

    runner: Runner
    layout: Layout
    check_mode: bool
    now: str
    lock_fds: tuple[int, ...] = ()
    warnings: list[str] = field(default_factory=list)
    repaired: list[dict[str, str]] = field(default_factory=list)
    state: str | None = None
    out_of_service: str | None = None
    newer_kernel: str | None = None

    def observe(self, *, full: bool = False) -> tuple[HostFacts, HostState]:
        """Facts and the state derived from them; ``full`` with digests and sizes."""
        facts = observe(self.runner, self.layout, digests=full, sizes=full)
        state = derive(facts)
        self.state, self.out_of_service = state.name, facts.record.out_of_service
        self.newer_kernel = newer_kernel(facts)
        return facts, state


Command = t.Callable[[Host], dict[str, t.Any]]


def run(
    runner: Runner, layout: Layout, name: str, command: Command, *, check_mode: bool, reads_only: bool = False
) -> dict[str, t.Any]:
    """Run one command in a private mount namespace and, unless it only looks, alone on the host.

    An interrupted transaction is repaired before a command that may change anything. Raises OvercError only.
    """
    host = Host(runner, layout, check_mode, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    try:
        namespace.enter()
        if check_mode or reads_only:
            result = command(host)
        else:
            with HostLock(name) as held:
                host.lock_fds = (held.fd,)
                _repair_first(host)
                result = command(host)
    except (OvercError, OSError, KeyboardInterrupt) as raised:
        error = as_error(raised, f"The command {name}")
        error.facts.setdefault("state", host.state)
        if host.out_of_service:
            error.facts.setdefault("out_of_service", host.out_of_service)
        if host.repaired:
            error.facts["repaired"] = host.repaired
        raise error from (None if error is raised else raised)
    if host.repaired:
        result["repaired"] = host.repaired
        result["changed"] = True
    result["warnings"] = [*host.warnings, *([host.newer_kernel] if host.newer_kernel else [])]
    return result


def _repair_first(host: Host) -> None:
    facts, _state = host.observe()
    if facts.damage:  # a journal that cannot be read is not an empty one: it stays for whoever looks into it
        return
    if facts.journal is None:
        if facts.top is not None:
            discard_empty_journal(facts.top)
        return
    if facts.journal.is_written:
        return  # by a run whose lock was taken away from it: the command is refused as on any busy host
    from . import transaction  # noqa: PLC0415 - all steps there are: costs milliseconds, and is hardly ever needed

    facts, _state = host.observe(full=True)
    host.repaired, warnings = transaction.repair(host.runner, facts, host.now)
    host.warnings += warnings


__all__ = (
    "Command",
    "Host",
    "run",
)
