# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the role pull that concern rings: looked at before anything is installed. Pure."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ..module_utils.pull.verdicts import component
from .option_kinds import FleetError

Entry = dict[str, t.Any]
_NUMBERS: t.Final = {"successes": 1, "failures": 0, "soak": 0}
_DEFAULTS: t.Final = {
    "verdicts": "", "verdicts_key_id": "", "verdicts_region": "us-east-1", "verdicts_unsigned": False,
    "verdict_signers": [], "verdict_key": "", "ring": "", "rings": [],
}  # fmt: skip
_LOOPBACK: t.Final = ("localhost", "127.0.0.1", "::1")


def config_of(given: t.Mapping[str, t.Any], host: str, *, token: bool) -> Entry:
    """What a host has to know, empty without rings. ``given``: options of the role, converted; ``token``: is there one.

    Raises FleetError.
    """
    options = {**_DEFAULTS, **given}
    store = options["verdicts"]
    if not store:
        if options["rings"] or options["ring"]:
            raise FleetError("pull_rings: rings need a place for their verdicts; say where (pull_verdicts).")
        return {}
    rings = [_ring(number, entry) for number, entry in enumerate(options["rings"] or [], 1)]
    names = [ring["name"] for ring in rings]
    if len(set(names)) != len(names):
        raise FleetError("pull_rings: two rings have the same name.")
    mine = options["ring"]
    if mine not in names:
        raise FleetError(f"pull_ring: {mine!r} is none of pull_rings ({', '.join(names) or 'which is empty'}).")
    own = rings[names.index(mine)]["hosts"]
    if own and host not in own:
        raise FleetError(f"pull_ring: {host} is not among the hosts of ring {mine}.")
    _store(store, rings, token=token)
    signers = [str(line) for line in options["verdict_signers"] or []]
    if bool(signers) == bool(options["verdicts_unsigned"]):
        raise FleetError(
            "pull_verdict_signers: say whose verdicts count, or with pull_verdicts_unsigned that no host can write for "
            "another one in this store."
        )
    try:
        component(host)
    except ValueError as error:
        raise FleetError(f"pull_ring: {error}.") from None
    kept = {key: options[f"verdicts_{key}"] for key in ("key_id", "region")}
    kept["key"] = options["verdict_key"]
    return {**kept, "store": store, "ring": mine, "host": host, "rings": rings, "signers": signers}


def _ring(number: int, entry: t.Mapping[str, t.Any]) -> Entry:
    name = entry.get("name")
    if not name:
        raise FleetError(f"pull_rings: entry {number} has no name.")
    try:
        component(name)
    except ValueError as error:
        raise FleetError(f"pull_rings: {error}.") from None
    found: Entry = {key: entry.get(key, default) for key, default in _NUMBERS.items()}
    hosts = list(dict.fromkeys(entry.get("hosts") or []))
    if hosts and len(hosts) < found["successes"]:
        raise FleetError(f"pull_rings: ring {name} has {len(hosts)} hosts and needs {found['successes']} successes.")
    if not found["successes"]:
        raise FleetError(f"pull_rings: ring {name}: of no success nobody learns anything; successes is at least 1.")
    return {**found, "name": name, "hosts": hosts}


def _store(store: str, rings: t.Sequence[Entry], *, token: bool) -> None:
    found = re.fullmatch(r"(?:(git|s3)\+)?(?:([a-z]+)://.+|(/.*))", store)
    if found is None or (found[2] and found[2] not in ("http", "https") and found[1] != "git"):
        raise FleetError("pull_verdicts: it is a directory (/...), https://..., s3+https://ENDPOINT/BUCKET or git+URL.")
    if found[2] in ("http", "https"):
        address = urllib.parse.urlsplit(store.partition("+")[2] if found[1] else store)
        if found[1] != "git" and (address.username or address.password):
            raise FleetError("pull_verdicts: credentials have no place in an address; see pull_verdicts_token.")
        if token and found[2] == "http" and address.hostname not in _LOOPBACK:
            raise FleetError("pull_verdicts: a token would be readable on its way; use https.")
        if found[1] is None and not all(ring["hosts"] for ring in rings):
            raise FleetError(
                "pull_rings: a plain HTTP store cannot be listed, so each ring has to name its hosts (or use s3+https://)."
            )


__all__ = ("config_of",)
