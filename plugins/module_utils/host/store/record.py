# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered between runs: whose subvolumes are ours, which kernel belongs to which, what waits for a reboot.

One JSON file on the top-level tree, replaced atomically. It never says which state the host is in (that is derived from
facts); it says what a subvolume's uuid means. A subvolume without an entry is not ours and is never deleted.
"""

from __future__ import annotations

import errno
import json
import os
import typing as t
from dataclasses import asdict, dataclass, field, replace

from ...errors import OvercError
from ...system import syscalls
from ...system.own_dirs import STATE_DIR, create_state_dir, state_dir
from ...system.presence import bytes_in, open_at_once
from ...values import build, decimal, load_object, texts
from ..late.wish import forget_waiting

_NAME: t.Final = "record.json"
_VERSION: t.Final = 1
_EVENTS: t.Final = 50
_START_OVER: t.Final = "Move it away to start over: subvolumes made before then count as not ours and are kept."
# What is there is no file, or none that was ever written here: nothing that a disk's error would explain
_NO_RECORD: t.Final = (errno.EISDIR, errno.EFBIG, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True)
class Deployment:
    """A root subvolume (by uuid, which no rename changes) and the boot files that belong to it (name role -> sha256).

    ``origin``: adopted (found, then upgraded from), upgrade, restore or backup. ``base`` is the uuid of the subvolume it
    was made from, ``previous`` that of the deployment a rollback returns to. ``kept_modules`` are the kernel releases
    whose modules were put in so that the kernel before boots it too.

    ``asked`` is what was asked for beside an upgrade, a line each.

    Where it has a boot entry of its own, ``number`` is that entry's; ``confirmed``: since when it is known to work;
    ``pinned``: it is kept however many newer ones there are; ``sealed``: the generation of its subvolume when it was staged.
    """

    uuid: str
    origin: str
    files: t.Mapping[str, str] = field(default_factory=dict)
    release: str | None = None
    base: str | None = None
    previous: str | None = None
    fingerprint: str | None = None
    kept_modules: tuple[str, ...] = ()
    made: str | None = None
    number: int | None = None
    confirmed: str | None = None
    pinned: bool = False
    sealed: int | None = None
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pending:
    """A switch that waits for its reboot: upgrade, rollback or restore, to the deployment with this uuid.

    With automatic protection it waits until it is confirmed. ``since`` is when it was staged.
    """

    operation: str
    uuid: str
    fingerprint: str | None = None
    since: str | None = None


@dataclass(frozen=True)
class Record:
    """The whole file. ``events`` are the last transactions, newest last.

    ``unfinished`` is the last switch that was made, until somebody has found good what came up. ``out_of_service`` is since
    when a run has the host out of service: it is written before the first task that takes it out. ``last_number`` is the
    highest number that a deployment ever had.
    """

    deployments: t.Mapping[str, Deployment] = field(default_factory=dict)
    pending: Pending | None = None
    events: tuple[t.Mapping[str, t.Any], ...] = ()
    known_bad: tuple[str, ...] = ()
    unfinished: Pending | None = None
    out_of_service: str | None = None
    last_number: int = 0

    def with_deployments(self, *added: Deployment, dropped: t.Collection[str] = ()) -> Record:
        """A copy with these entries added or replaced, and those uuids forgotten."""
        kept = {uuid: entry for uuid, entry in self.deployments.items() if uuid not in dropped}
        kept.update({entry.uuid: entry for entry in added})
        return replace(self, deployments=kept)

    def with_known_bad(self, fingerprint: str | None) -> Record:
        """A copy that remembers a plan which did not come up; the oldest are forgotten."""
        if not fingerprint:
            return self
        others = [entry for entry in self.known_bad if entry != fingerprint]
        return replace(self, known_bad=(*others, fingerprint)[-_EVENTS:])

    def with_event(self, event: t.Mapping[str, t.Any]) -> Record:
        """A copy with one more event; the oldest are forgotten."""
        return replace(self, events=(*self.events, event)[-_EVENTS:])


def parse_record(data: bytes) -> Record:
    """Raises inconsistent for a damaged file: without it, nothing may be deleted or switched."""
    try:
        raw = load_object(data)
        if raw["version"] != _VERSION:
            raise ValueError(f"version {raw['version']!r:.40}")
        if not isinstance(raw["deployments"], dict) or not isinstance(raw["events"], list):
            raise ValueError("deployments or events of another kind")
        if not all(isinstance(event, dict) for event in raw["events"]):
            raise ValueError("an event of another kind")
        return Record(
            deployments={uuid: build(Deployment, entry) for uuid, entry in raw["deployments"].items()},
            pending=build(Pending, raw["pending"]) if raw["pending"] else None,
            events=tuple(raw["events"]),
            known_bad=texts(raw["known_bad"], "known_bad"),
            unfinished=build(Pending, raw["unfinished"]) if raw.get("unfinished") else None,
            out_of_service=str(raw["out_of_service"]) if raw.get("out_of_service") else None,
            last_number=decimal(str(raw.get("last_number", 0))) or 0,
        )
    except (ValueError, KeyError) as error:
        raise OvercError(
            "inconsistent",
            f"The record {STATE_DIR}/{_NAME} in the top-level tree cannot be read ({error}). {_START_OVER}",
        ) from None


def format_record(record: Record) -> bytes:
    """The inverse of ``parse_record``."""
    return json.dumps(
        {
            "version": _VERSION,
            "deployments": {uuid: asdict(entry) for uuid, entry in record.deployments.items()},
            "pending": asdict(record.pending) if record.pending else None,
            "events": [dict(event) for event in record.events],
            "known_bad": list(record.known_bad),
            "unfinished": asdict(record.unfinished) if record.unfinished else None,
            "out_of_service": record.out_of_service,
            **({"last_number": record.last_number} if record.last_number else {}),
        },
        indent=1,
    ).encode()


def read_record(top: str) -> Record:
    """The record of this host, an empty one if there is none."""
    try:
        with open(os.path.join(state_dir(top), _NAME), "rb", opener=open_at_once) as stream:
            return parse_record(bytes_in(stream))
    except FileNotFoundError:
        return Record()
    except OSError as error:
        then = _START_OVER if error.errno in _NO_RECORD else "Find out why: dmesg tells."
        raise OvercError(
            "inconsistent",
            f"The record {STATE_DIR}/{_NAME} in the top-level tree cannot be read ({error.strerror}). {then}",
        ) from None


def write_record(top: str, record: Record) -> None:
    """Replace the record, durably. What a root was to bring over that does not wait any more is forgotten with it."""
    syscalls.write_durably(os.path.join(create_state_dir(top), _NAME), format_record(record))
    forget_waiting(top, record.pending.uuid if record.pending else None)


__all__ = ("Deployment", "Pending", "Record", "format_record", "parse_record", "read_record", "write_record")
