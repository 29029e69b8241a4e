# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployments of a host where each has a boot entry of its own: as they are shown, and which of them stay for ever."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ..btrfs import subvolumes
from ..errors import OvercError
from .plan.entries.refusals import entry_defects
from .store.record import Deployment, write_record

if t.TYPE_CHECKING:
    from ..runner import Runner
    from .observe.facts import HostFacts
    from .session import Host

_EXCLUSIVE: t.Final = re.compile(r"^\s*\d+\s+(?P<alone>\d+)\s+(?:\d+|-)\s", re.MULTILINE)


def deployments_of(runner: Runner, facts: HostFacts, *, sizes: bool) -> list[dict[str, t.Any]]:
    """The newest first; none on a host with two fixed entries. ``sizes``: also the bytes that each holds alone, which means
    that every file is looked at.
    """
    boot = facts.entry_boot
    found = []
    for entry in boot.menu.entries if boot is not None else ():
        known = facts.record.deployments.get(entry.uuid)
        subvolume = facts.of_entry(entry.id)
        path = f"{facts.top}/{entry.subvolume}"
        found.append(
            {
                "id": entry.id,
                "subvolume": entry.subvolume,
                "uuid": entry.uuid,
                "kernel": {"release": entry.release, "sha256": known.files.get("kernel") if known else None},
                "created": subvolumes.created(path) if subvolume else None,
                "confirmed": known.confirmed if known else None,
                "pinned": bool(known and known.pinned),
                "asked": list(known.asked) if known else [],
                "default": boot is not None and entry.id == boot.default,
                "booted": facts.booted is not None and facts.booted.uuid == entry.uuid,
                "size_alone": _alone(runner, path) if sizes and subvolume else None,
                "defects": list(entry_defects(facts, boot, entry)) if boot is not None else [],
            }
        )
    return found


def _alone(runner: Runner, path: str) -> int | None:
    """Bytes that only this subvolume refers to, by ``btrfs filesystem du``; None where it cannot be told."""
    done = runner.run(("btrfs", "filesystem", "du", "--summarize", "--raw", path))
    match = _EXCLUSIVE.search(done.stdout) if done.rc == 0 else None
    return int(match["alone"]) if match else None


def pin(host: Host, pinned: t.Sequence[int], unpinned: t.Sequence[int]) -> bool:
    """Let deployments stay however many newer ones there are, or no longer. True if that was different before.

    Raises bad_argument, no_target.
    """
    if not pinned and not unpinned:
        return False
    facts, _state = host.observe()
    boot, top = facts.entry_boot, facts.top
    if boot is None or top is None:
        raise OvercError(
            "bad_argument", "pin, unpin: deployments have ids only where each has a boot entry of its own."
        )
    if set(pinned) & set(unpinned):
        raise OvercError("bad_argument", "pin, unpin: the same deployment cannot be in both.")
    record = facts.record
    for number in (*pinned, *unpinned):
        entry = boot.menu.of(number)
        if entry is None:
            raise OvercError("no_target", f"There is no deployment {number} on this host; overc_host_info lists them.")
        known = record.deployments.get(entry.uuid) or Deployment(entry.uuid, "adopted", number=number)
        record = record.with_deployments(replace(known, pinned=number in pinned))
    if record == facts.record:
        return False
    if not host.check_mode:
        write_record(top, record)
    return True


__all__ = ("deployments_of", "pin")
