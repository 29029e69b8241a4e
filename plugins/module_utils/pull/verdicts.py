# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's verdict about one upgrade, as it lies in a store that anybody may have written to. Pure."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import asdict, dataclass

GOOD: t.Final = "good"  # upgraded, checked, confirmed
BAD: t.Final = "bad"  # rebooted into it and failed: final for this host and this upgrade
FAILED: t.Final = "failed"  # could not be built; may become good when it is tried again
STATUSES: t.Final = (BAD, FAILED, GOOD)
LARGEST: t.Final = 16 << 10  # bytes of a file in the store
_FORMAT: t.Final = 1
_REASON: t.Final = 300
_PLAIN: t.Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_ODD: t.Final = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_LONGEST: t.Final = 200


@dataclass(frozen=True)
class Verdict:
    """``at``: seconds since 1970; ``instance``: tells two hosts with one name apart; ``outcome``: as reports have it."""

    host: str
    ring: str
    fingerprint: str
    status: str
    at: int
    instance: str = ""
    outcome: str = ""
    reason: str = ""


def component(word: str) -> str:
    """A name as a part of a path, an address, a git reference and a principal; different names stay different.

    Raises ValueError where it is empty or too long.
    """
    plain = _PLAIN.fullmatch(word) and not word.endswith(".lock")
    found = word if plain else _ODD.sub(lambda odd: "".join(f"={byte:02X}" for byte in odd[0].encode("utf-8")), word)
    if not found or len(found) > _LONGEST:
        raise ValueError(f"{word[:50]!r} is no name that a verdict can have")
    return found


def directory(fingerprint: str, ring: str, status: str) -> str:
    """Where the verdicts of one kind about one upgrade are, in any store."""
    return f"v1/{component(fingerprint)}/{component(ring)}/{component(status)}"


def file_name(host: str) -> str:
    return f"{component(host)}.json"


def host_of(name: str) -> str:
    """The host that a file's name stands for. Raises ValueError where no host has such a file."""
    stem, dot, kind = name.rpartition(".")
    try:
        raw = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), stem.encode("ascii"))
        host = raw.decode("utf-8")
    except UnicodeError:
        host = ""
    if not dot or kind != "json" or file_name(host) != name:
        raise ValueError(f"{name[:50]!r} is no name of a verdict")
    return host


def principal(ring: str, host: str) -> str:
    """As whom a host signs: a key is good for one host of one ring."""
    return f"{component(ring)}/{component(host)}"


def written(verdict: Verdict) -> str:
    """The text that is signed."""
    reason = "".join(letter if letter.isprintable() else " " for letter in verdict.reason)[:_REASON]
    return json.dumps({**asdict(verdict), "reason": reason, "format": _FORMAT}, sort_keys=True)


def packed(text: str, signature: str) -> bytes:
    """The file in the store."""
    return json.dumps({"verdict": text, "signature": signature}, indent=1).encode("utf-8") + b"\n"


def unpacked(data: bytes) -> tuple[str, str]:
    """Text and signature of a file. Raises ValueError."""
    if len(data) > LARGEST:
        raise ValueError("it is too large")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no verdict")
    text, signature = found.get("verdict"), found.get("signature")
    if not isinstance(text, str) or not isinstance(signature, str):
        raise ValueError("it is no verdict")
    return text, signature


def understood(text: str, fingerprint: str, ring: str, status: str, host: str) -> Verdict:
    """The verdict of a text that was found where this one belongs. Raises ValueError, also for one from elsewhere."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
        raise ValueError("it is of another format")
    kept = {name: found.get(name, "") for name in Verdict.__dataclass_fields__}
    at = kept.pop("at")
    if not all(isinstance(value, str) for value in kept.values()) or isinstance(at, bool) or not isinstance(at, int):
        raise ValueError("it has values of another kind")
    if not 0 <= at < 1 << 40:
        raise ValueError("its time is none")
    wanted = {"fingerprint": fingerprint, "ring": ring, "status": status, "host": host}
    if any(kept[key] != value for key, value in wanted.items()):
        raise ValueError("it is about something else")
    kept["reason"] = "".join(letter if letter.isprintable() else " " for letter in kept["reason"])[:_REASON]
    kept["outcome"] = component(kept["outcome"])[:_REASON] if kept["outcome"] else ""
    return Verdict(at=at, **kept)


__all__ = (
    "BAD",
    "FAILED",
    "GOOD",
    "LARGEST",
    "STATUSES",
    "Verdict",
    "component",
    "directory",
    "file_name",
    "host_of",
    "packed",
    "principal",
    "understood",
    "unpacked",
    "written",
)
