# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts of a fleet that upgrades itself, for the report: read and checked as its hosts do."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import time
import typing as t

from ..module_utils.pull.files import redacted
from ..module_utils.pull.look import Look
from ..module_utils.pull.member import opened
from ..module_utils.pull.signing import SigningError, is_signed
from ..module_utils.pull.stores import Store, StoreError
from ..module_utils.pull.verdicts import GOOD, STATUSES, Verdict, host_of, principal

Entry = dict[str, t.Any]
_MOST: t.Final = 2000  # verdicts that are read
_SHOWN: t.Final = 50  # failures of one upgrade that are listed
_STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"


def collected(url: str, signers: str, token: str = "") -> Entry:
    """What is in a store: ``upgrades``, the newest first, and ``trouble``, why that is not all. ``signers``: the lines of the
    file of allowed signers; without them, everybody who can write to the store is believed.
    """
    found: Entry = {"place": redacted(url), "upgrades": [], "trouble": ""}
    with tempfile.TemporaryDirectory(prefix="overc-report-") as scratch:
        keys = os.path.join(scratch, "signers")
        with open(keys, "w", encoding="utf-8") as file:
            file.write(f"{signers.strip()}\n")

        def signed(ring: str, host: str, text: str, signature: str) -> bool:
            return is_signed(keys, principal(ring, host), text, signature)

        config = {"store": url, "token": token, "key_id": "", "region": ""}
        try:
            store = opened(config, os.path.join(scratch, "verdicts.git"), {})
            paths = store.paths(_MOST + 1)
            found.update(_read(store, paths[:_MOST], signed if signers.strip() else None))
        except (StoreError, SigningError) as error:
            return {**found, "trouble": f"The verdicts cannot be read: {redacted(str(error), [token])}"}
        if len(paths) > _MOST:
            found["trouble"] = f"There are more than {_MOST} verdicts; the others are not counted here."
    return found


def _read(store: Store, paths: t.Sequence[str], signed: t.Callable[[str, str, str, str], bool] | None) -> Entry:
    upgrades: dict[str, list[Verdict]] = {}
    ignored = 0
    now = int(time.time())
    for path in paths:
        parts = path.split("/")
        try:
            if len(parts) != 5 or parts[3] not in STATUSES:
                raise ValueError("no path of a verdict")
            upgrade, ring = (host_of(f"{part}.json") for part in parts[1:3])
            verdict = Look(store, upgrade, signed, now).one(ring, parts[3], host_of(parts[4]))
        except ValueError:
            ignored += 1
            continue
        if verdict is not None:
            upgrades.setdefault(upgrade, []).append(verdict)
    entries = [_upgrade(name, verdicts) for name, verdicts in upgrades.items()]
    return {"upgrades": sorted(entries, key=lambda entry: entry["newest"], reverse=True), "ignored": ignored}


def _upgrade(name: str, verdicts: t.Sequence[Verdict]) -> Entry:
    rank = {status: number for number, status in enumerate(STATUSES)}
    last: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        at = (verdict.ring, verdict.host)
        # Bad stays bad; a failed build heals
        better = {**rank, GOOD: 1, "failed": 2}
        if at not in last or better[verdict.status] < better[last[at].status]:
            last[at] = verdict
    rings: dict[str, dict[str, int]] = {}
    for verdict in last.values():
        counts = rings.setdefault(verdict.ring, dict.fromkeys(STATUSES, 0))
        counts[verdict.status] += 1
    failures = sorted(
        (one for one in last.values() if one.status != GOOD), key=lambda one: (rank[one.status], one.host)
    )
    return {
        "fingerprint": name,
        "newest": _stamp(max(verdict.at for verdict in verdicts)),
        "rings": rings,
        "failures": [
            {"host": one.host, "ring": one.ring, "status": one.status, "reason": one.reason, "at": _stamp(one.at)}
            for one in failures[:_SHOWN]
        ],
    }


def _stamp(at: int) -> str:
    try:
        return dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime(_STAMP)
    except (OverflowError, ValueError, OSError):
        return "-"


__all__ = ("collected",)
