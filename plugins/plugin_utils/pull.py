# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that upgrades itself decides, and says about itself: pure functions, see the role pull."""

from __future__ import annotations

import json
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


def gated(outcome: Answer, answer: Answer) -> Entry:
    """An outcome that may go on, after the rings were asked; ``answer``: of the task that ran the host's program."""
    if not answer:  # there are no rings, or nothing to ask
        return dict(outcome)
    try:
        said = json.loads(answer.get("stdout") or "")
        word, reason, ignored = said["decision"], str(said["reason"]), said.get("ignored") or []
    except (ValueError, KeyError, TypeError):
        detail = host_outcome.first_line(answer.get("stderr") or answer.get("msg")) or "no answer"
        word, reason, ignored = "wait", f"The rings cannot be asked, so this host waits: {detail}", []
    kept = {**outcome, **({"verdicts_ignored": ignored} if ignored else {})}
    if word == "go":
        return kept
    kept.pop("reboot", None)
    return {**kept, "status": "withheld" if word == "withheld" else "waiting", "reason": reason}


# Also said by the program, see module_utils/pull/program.py
_SHUT: t.Final = "The maintenance window closed before the reboot; the next one will do."


def staged(result: Answer, *, reboot: bool, window: bool = True) -> Entry:
    """From the result of the role host_upgrade, which does not reboot here; ``window``: whether it was open then."""
    keys = ("status", "reason", "state", "error_id", "step", "booted_before", "upgrades", "fingerprint", "seconds")
    out = {key: result[key] for key in keys if result.get(key) not in (None, "")}
    seconds = out.pop("seconds", {})
    return {
        "reason": "",
        **out,
        "host_seconds": seconds,
        "reboot": reboot and window and result["status"] == "staged",
        **({"reason": _SHUT} if reboot and not window and result["status"] == "staged" else {}),
    }


def abandoned(result: Answer, failure: str, back: Answer) -> Entry:
    """A run that failed before the reboot; ``back``: the answer to cancelling what was staged, if that was to be done."""
    out = {key: result[key] for key in ("state", "booted_before", "upgrades", "fingerprint") if result.get(key)}
    if not back or back.get("skipped"):
        return {**out, "status": "failed", "reason": failure}
    if host_outcome.answered(back) and not back.get("error_id"):
        return {**out, "status": "failed", "reason": f"{failure} The new system was cancelled.", "state": back["state"]}
    said = back.get("msg") or "no answer"
    reason = f"{failure} The new system stays staged, because it could not be cancelled: {said}"
    return {**out, "status": "rollback_failed", "reason": reason}


def interrupted(info: Answer, note: Answer) -> bool:
    """Whether the host restarted while its new system was being built, so that nothing is known about that."""
    booted = info.get("booted") or {}
    return note.get("stage") == "building" and booted.get("uuid") == note["booted_uuid"]


def out_of_service(outcome: Answer, failure: Answer) -> Entry:
    """An outcome after which the host could not be put back into service: its note stays, the next run tries again."""
    reason = f"{outcome['reason']} It could not be put back into service: {host_outcome.reason(failure)}".strip()
    return {**outcome, "status": "failed", "reason": reason, "again": True, "tried": outcome["status"]}


def verified(info: Answer, note: Answer, failure: str = "", back: Answer | None = None) -> Entry:
    """After the reboot. ``failure``: what is wrong with the system that came up; ``back``: the rollback's answer."""
    booted = info.get("booted") or {}
    new = booted.get("uuid") != note["booted_uuid"] and not note.get("returning")
    seen = {"state": info.get("state"), "booted_before": note["booted"], "booted_after": booted.get("subvolume")}
    out = {**seen, "fingerprint": note["fingerprint"]}
    if not failure and interrupted(info, note):
        reason = (
            "The host restarted while its new system was being built; the old one runs on, the next run begins anew."
        )
        return {**out, "status": "postponed", "reason": reason}
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


__all__ = ("abandoned", "gated", "interrupted", "out_of_service", "staged", "verdict", "verified")
