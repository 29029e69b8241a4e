# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into a store for as many verdicts as decide whether it is a host's turn, and no more."""

from __future__ import annotations

import typing as t

from .rings import Ring, Seen, counts
from .stores import Store, StoreError
from .verdicts import BAD, FAILED, GOOD, Verdict, directory, file_name, host_of, understood, unpacked

# Whether a text was signed by this host of this ring: (ring, host, text, signature)
Signed = t.Callable[[str, str, str, str], bool]
SCAN: t.Final = 1000  # entries of one directory that are looked at


class Look:
    """One look at one upgrade. ``signed`` is None where everybody who can write to the store is trusted.

    ``ignored`` counts what is no verdict: in a store that anybody may write to, that must not stop a fleet.
    """

    def __init__(self, store: Store, fingerprint: str, signed: Signed | None, now: int) -> None:
        self.store = store
        self.fingerprint = fingerprint
        self.signed = signed
        self.now = now
        self.ignored: list[str] = []

    def at(self, rings: t.Sequence[Ring], mine: str) -> dict[str, Seen]:
        """What the rings said, as far as it matters to a host of the ring ``mine``."""
        seen: dict[str, Seen] = {}
        before = True
        for ring in rings:
            before = before and ring.name != mine
            seen[ring.name] = self._ring(ring, successes=ring.successes if before else 0)
        return seen

    def one(self, ring: str, status: str, host: str) -> Verdict | None:
        """The verdict of one host, None if there is none. Raises StoreError, and ValueError for what is no verdict."""
        data = self.store.get(f"{directory(self.fingerprint, ring, status)}/{file_name(host)}")
        if data is None:
            return None
        text, signature = unpacked(data)
        found = understood(text, self.fingerprint, ring, status, host)
        if self.signed is not None and not self.signed(ring, host, text, signature):
            raise ValueError("its signature is not that host's")
        return found

    def _ring(self, ring: Ring, *, successes: int) -> Seen:
        try:
            bad = self._some(ring, BAD, ring.failures + 1, lambda _found: True)
            failed = self._some(ring, FAILED, ring.failures + 1, lambda found: not self._recovered(found))
            good = self._some(ring, GOOD, successes, lambda found: counts(found, ring.soak, self.now))
        except StoreError as error:
            return Seen(trouble=str(error))
        return Seen(good=tuple(good), bad=tuple(bad), failed=tuple(failed))

    def _recovered(self, failed: Verdict) -> bool:
        """Whether a host that could not build an upgrade once has managed since."""
        try:
            return self.one(failed.ring, GOOD, failed.host) is not None
        except ValueError:
            return False

    def _some(self, ring: Ring, status: str, enough: int, matter: t.Callable[[Verdict], bool]) -> list[Verdict]:
        if not enough:
            return []
        hosts = list(dict.fromkeys(ring.hosts)) or self._listed(ring, status)
        found: list[Verdict] = []
        for host in hosts[:SCAN] if not ring.hosts else hosts:
            try:
                verdict = self.one(ring.name, status, host)
            except ValueError as error:
                self._ignore(ring, status, host, str(error))
                continue
            if verdict is not None and matter(verdict):
                found.append(verdict)
            if len(found) == enough:
                return found
        if len(hosts) > SCAN and not ring.hosts and status != GOOD:
            raise StoreError(f"more than {SCAN} entries are in its directory {status}, and few of them are verdicts")
        return found

    def _listed(self, ring: Ring, status: str) -> list[str]:
        hosts = []
        for name in self.store.names(directory(self.fingerprint, ring.name, status), SCAN + 1):
            try:
                hosts.append(host_of(name))
            except ValueError as error:
                self._ignore(ring, status, name, str(error))
        return hosts

    def _ignore(self, ring: Ring, status: str, name: str, why: str) -> None:
        # Who trusts everybody who can write has half a file there, or a broken disk: that is no "no"
        if self.signed is None and status != GOOD:
            raise StoreError(f"{name[:100]} in its directory {status} is no verdict: {why}")
        self.ignored.append(f"{ring.name}/{status}/{name[:100]}: {why}")


__all__ = ("SCAN", "Look", "Signed")
