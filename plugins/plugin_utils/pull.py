# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that upgrades itself decides, and says about itself: pure functions, see the role pull."""

from __future__ import annotations

import typing as t

from . import host_outcome, run_plan

Answer = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]


def verdict(answer: Answer, rejected: t.Collection[str]) -> Entry:
    """From the preflight: ``planned`` goes on, everything else is the outcome."""
    found = run_plan.verdict(answer)
    status = {"go": "planned"}.get(found["verdict"], found["verdict"])
    out: Entry = {
        key: found[key] for key in ("reason", "state", "booted", "error_id", "fingerprint", "upgrades") if key in found
    }
    if status == "planned" and out["fingerprint"] and out["fingerprint"] in rejected:
        reason = "This upgrade was tried on this host and taken back. It is offered again when it changes."
        return {**out, "status": "withheld", "reason": reason}
    return {**out, "status": status}


def staged(result: Answer, *, reboot: bool) -> Entry:
    """From the result of the role host_upgrade, which does not reboot here."""
    keys = ("status", "reason", "state", "error_id", "step", "booted_before", "upgrades", "fingerprint", "seconds")
    out = {key: result[key] for key in keys if result.get(key) not in (None, "")}
    return {
        "reason": "",
        **out,
        "host_seconds": out.pop("seconds", {}),
        "reboot": reboot and result["status"] == "staged",
    }


def verified(info: Answer, note: Answer, failure: str = "", back: Answer | None = None) -> Entry:
    """After the reboot. ``failure``: what is wrong with the system that came up; ``back``: the rollback's answer."""
    booted = info.get("booted") or {}
    new = booted.get("uuid") != note["booted_uuid"] and not note.get("returning")
    seen = {"state": info.get("state"), "booted_before": note["booted"], "booted_after": booted.get("subvolume")}
    out = {**seen, "fingerprint": note["fingerprint"]}
    if not failure and new:
        return {**out, "status": "upgraded", "reason": "", "confirmed": True}
    if not failure:
        reason = f"The new system did not work or was taken back; {booted.get('subvolume')} runs again."
        return {**out, "status": "rolled_back", "reason": reason}
    if not booted:
        return {**out, "status": "failed", "reason": failure}
    if new and back and host_outcome.answered(back) and not back.get("error_id") and back.get("reboot_required"):
        return {**out, "status": "failed", "reason": f"{failure} Going back to {note['booted']}.", "reboot": True}
    trouble = f" Going back failed: {back['msg']}" if new and back and back.get("msg") else ""
    return {**out, "status": "rollback_failed", "reason": f"{failure}{trouble}"}


__all__ = ("staged", "verdict", "verified")
