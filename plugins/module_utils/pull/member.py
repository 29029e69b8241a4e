# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as a member of its ring: asks whether it is its turn, and tells the others how it went."""

from __future__ import annotations

import hashlib
import time
import typing as t

from .files import read, redacted, remove, write
from .git_store import GitStore
from .http_store import HttpStore, S3Store
from .look import Look
from .rings import WAIT, Decision, Ring, decide
from .signing import SigningError, is_signed, sign
from .source import Source
from .stores import DirectoryStore, Store, StoreError
from .verdicts import BAD, FAILED, GOOD, STATUSES, Verdict, directory, file_name, packed, principal, written

MACHINE_ID: t.Final = "/etc/machine-id"
_GIT: t.Final = "git+"
_S3: t.Final = "s3+"

Entry = dict[str, t.Any]


def opened(config: Entry, place: str, environment: t.Mapping[str, str]) -> Store:
    """The store of a configuration; ``place`` is for what git needs on this host."""
    url = config["store"]
    if url.startswith(_GIT):
        return GitStore(place, Source(store=place, url=url[len(_GIT) :], environment=environment, timeout=300))
    if url.startswith(_S3):
        secret, key_id, region = config["token"], config["key_id"], config["region"]
        return S3Store(url[len(_S3) :], token=secret, key_id=key_id, region=region)
    if url.startswith(("http://", "https://")):
        return HttpStore(url, token=config["token"])
    return DirectoryStore(url)


def judged(phase: str, outcome: t.Mapping[str, t.Any], *, reboots: bool) -> str:
    """What the outcome of a run says about its upgrade: good, bad, failed; empty for nothing."""
    status = outcome.get("status")
    if not outcome.get("fingerprint") or outcome.get("again"):
        return ""
    if phase == "verify":
        if status == "upgraded":
            return GOOD
        return BAD if status in ("rolled_back", "rollback_failed") or (status == "failed" and reboots) else ""
    return FAILED if status in ("failed", "rollback_failed") else ""


class Member:
    """``config``: the part ``rings`` of the configuration; ``state``: a directory of ours."""

    def __init__(self, config: Entry, state: str, environment: t.Mapping[str, str] | None = None) -> None:
        self.config = config
        self.pending = f"{state}/verdict.json"
        self.store = opened(config, f"{state}/verdicts.git", environment or {})
        self.rings = [Ring(**{**ring, "hosts": tuple(ring.get("hosts") or ())}) for ring in config["rings"]]

    def shown(self, text: str) -> str:
        return redacted(text, [self.config["token"]])

    def _signed(self) -> t.Callable[[str, str, str, str], bool] | None:
        if not self.config["signers"]:
            return None

        def check(ring: str, host: str, text: str, signature: str) -> bool:
            return is_signed(self.config["signers"], principal(ring, host), text, signature)

        return check

    def gate(self, fingerprint: str) -> Entry:
        """Whether this host may take an upgrade: ``decision``, ``reason``, ``ignored`` entries, ``trouble`` of the store."""
        now = int(time.time())
        look = Look(self.store, fingerprint, self._signed(), now)
        try:
            seen = look.at(self.rings, self.config["ring"])
            found = decide(self.rings, self.config["ring"], seen, now)
            if found.word == "go":
                found = self._nobody_else(look) or found
        except (SigningError, StoreError, OSError) as error:
            seen = {}
            found = Decision(WAIT, f"The verdicts of the rings cannot be read, so this host waits: {error}")
        trouble = not seen or any(of.trouble for of in seen.values())
        ignored = [self.shown(entry) for entry in look.ignored[:20]]
        return {"decision": found.word, "reason": self.shown(found.reason), "ignored": ignored, "trouble": trouble}

    def _nobody_else(self, look: Look) -> Decision | None:
        """A wait, if another machine writes under this host's name: one of the two would judge for the other."""
        ring, host = self.config["ring"], self.config["host"]
        for status in STATUSES:
            try:
                found = look.one(ring, status, host)
            except ValueError:
                continue  # not signed by this host's key, so not the other one's work either
            if found is not None and found.instance != instance():
                return Decision(
                    WAIT,
                    f"Another machine has written a verdict as {host} of ring {ring}. Give each host a name of its own; "
                    "if this one was installed anew, remove that verdict.",
                )
        return None

    def judge(self, status: str, outcome: t.Mapping[str, t.Any]) -> str:
        """Write a verdict down, and tell the others; what went wrong with that, empty if nothing."""
        verdict = Verdict(
            host=self.config["host"],
            ring=self.config["ring"],
            fingerprint=outcome["fingerprint"],
            status=status,
            at=int(time.time()),
            instance=instance(),
            outcome=str(outcome.get("status") or ""),
            reason=self.shown(str(outcome.get("reason") or "")),
        )
        if status == BAD and self._told(verdict.fingerprint):
            return ""  # with the reason of the system that failed, which says more than that of the one it went back to
        place = f"{directory(verdict.fingerprint, verdict.ring, status)}/{file_name(verdict.host)}"
        write(self.pending, {"path": place, "verdict": written(verdict)})
        return self.publish()

    def _told(self, fingerprint: str) -> bool:
        look = Look(self.store, fingerprint, self._signed(), int(time.time()))
        try:
            found = look.one(self.config["ring"], BAD, self.config["host"])
        except (SigningError, StoreError, OSError, ValueError):
            return False
        return found is not None and bool(found.instance) and found.instance == instance()

    def publish(self) -> str:
        """Tell the others what they were not told yet; what went wrong with that, empty if nothing."""
        waiting = read(self.pending, {})
        if not waiting:
            return ""
        try:
            signature = sign(self.config["key"], waiting["verdict"]) if self.config["signers"] else ""
            data = packed(waiting["verdict"], signature)
            self.store.put(waiting["path"], data)
            # A store that writes in place may have half of it
            if self.store.get(waiting["path"]) != data:
                return "The store does not have the verdict that it took."
        except (SigningError, StoreError, OSError) as error:
            return self.shown(f"The verdict could not be handed in: {error}")
        remove(self.pending)
        return ""


def instance() -> str:
    """Tells this machine from another one with the same name, without telling its identity."""
    try:
        with open(MACHINE_ID, "rb") as file:
            return hashlib.sha256(b"overc-verdict " + file.read(64)).hexdigest()[:16]
    except OSError:
        return ""


__all__ = ("Member", "instance", "judged", "opened")
