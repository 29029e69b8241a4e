# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of one host, from what the modules answered. Pure functions of these answers."""

from __future__ import annotations

import re
import typing as t

Answer = t.Mapping[str, t.Any]
Entry = dict[str, t.Any]
_OUTPUT_LINES: t.Final = 40


def answered(result: Answer) -> bool:
    return "state" in result and not (result.get("unreachable") or result.get("silent"))


def output(result: Answer) -> str:
    """What a failed tool printed: the lines that tell why, where a module has chosen them, or the last ones."""
    if result.get("output") and isinstance(result["output"], list):
        return "\n".join(str(line) for line in result["output"])
    text = "\n".join(str(result[key]) for key in ("stderr", "stdout") if result.get(key))
    return "\n".join(text.splitlines()[-_OUTPUT_LINES:])


def reason(result: Answer) -> str:
    """Why a task failed, in one line: what it said, what the first failed item of its loop said, what it printed."""
    failed = [item for item in result.get("results") or () if item.get("failed")]
    if failed:
        return reason(failed[0])
    if could_not_run(result):
        return could_not_run(result)
    said = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "stdout")]
    said = [text for text in said if text and text != "non-zero return code"] or said[:1]
    return as_asked(" ".join(said[0].split()))[:500] if said[0] else "It failed without a message."


def could_not_run(result: Answer) -> str:
    """Why a module could not even be started, as Python said it at the end of its traceback; empty if it could.

    Ansible says only that there was no JSON.
    """
    lines = [line.strip() for line in str(result.get("module_stderr") or "").splitlines() if line.strip()]
    if not lines:
        return ""
    said = re.sub(r"^\w*(Error|Exception): (\[Errno \d+\] )?", "", lines[-1]).rstrip(".")
    return f"Ansible's modules cannot be run on the host: {said[:200]}."


# Options whose names no sentence would have for words, and those that a sentence calls an option
_NAMES: t.Final = re.compile(
    r"(?<![\w.])(carry_over|carry_late|state_policy|gpg_policy|hidden_policy|rejected_plans|update_cache|reboot_timeout|third_party_sources)\b"
    r"|\bthe option (exclude|packages|force)\b"
    r"|^(exclude|packages|release|pins|install|remove|run|run_creates|run_timeout|advisories"
    r"|upgrade_mode|allow_vendor_change)(?=: )"
)


def as_asked(text: str) -> str:
    """What a module said, with the names of the role's variables for those of its options: these are what people have set."""
    return _NAMES.sub(lambda found: f"host_upgrade_{found[1] or found[2] or found[3]}", text)


def first_line(text: t.Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0] if lines else ""


# What Ansible and ssh say around the reason why a host could not be reached: it names the host once more, so that no two
# hosts would have the same reason
_AROUND: t.Final = re.compile(
    r"^(Task failed: |Action failed: |The host (stopped answering|does not answer): )"
    r"|^Data could not be sent to remote host [\"'][^\"']*[\"']\. Make sure this host can be reached over (ssh|SSH): ?"
    r"|^Failed to connect to the host via (ssh|paramiko): ?|^\[Errno \d+\] "
)
_LOGIN: t.Final = re.compile(r"^(\S+)@\S+: (Permission denied.*)$")
_CONNECT: t.Final = re.compile(r"^ssh: connect to host \S+ port (\d+): ")
_NO_REASON: t.Final = ("mm_receive_fd:", "proxy dialer did not", "Warning: Permanently added")


# Before any module runs there: Ansible says so where it would go on to ask, and nobody is there to be asked
_PASSWORD: t.Final = re.compile(r"^(Incorrect|Missing) \S+ password")


def not_seen_because(info: Answer) -> str:
    """Why a look at a host that answered came to nothing."""
    said = could_not_run(info) or _AROUND.sub("", first_line(info.get("msg")))
    if _PASSWORD.match(said):
        return f"{said.rstrip('.')}; -K asks for it, ansible_become_password of the inventory says it."
    return said or "no answer"


def silence(text: t.Any) -> str:
    """Why a host could not be reached, as short as it can be said and equal where it is: ``Permission denied (publickey)
    for joe``. ``text`` is what Ansible says.
    """
    said = str(text or "").strip()
    while (shorter := _AROUND.sub("", said)) != said:
        said = shorter
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.strip().startswith(_NO_REASON)]
    told = _CONNECT.sub(r"port \1: ", lines[0].rstrip(".")) if lines else "no answer"
    return _LOGIN.sub(lambda found: f"{found[2].rstrip('.')} for {found[1]}", told)


def is_silent(info: Answer | None) -> bool:
    """Whether a host that was looked at did not answer."""
    return not info or bool(info.get("unreachable"))


def why_unseen(info: Answer) -> str:
    """Why a look at a host came to nothing."""
    return silence(info.get("msg")) if is_silent(info) else not_seen_because(info)


def _sentence(text: t.Any) -> str:
    return f"{str(text).strip().rstrip('.')}."


# What the module advises whoever called it alone: a role that goes back by itself has done it
_ADVICE: t.Final = (
    ". overc_host_rollback returns to the system before it.",
    "; if it does not, choose the entry of the system before it in the boot menu and run overc_host_rollback there.",
)


def _without_advice(said: t.Any) -> str:
    text = str(said or "")
    for advice in _ADVICE:
        text = text.removesuffix(advice) if text.endswith(advice) else text
    return text


def error_id_of(answer: Answer) -> str:
    return str(answer.get("error_id") or "")


def warnings_of(*answers: Answer) -> list[str]:
    """What modules warned of, each thing once."""
    said = [entry for answer in answers for entry in answer.get("warnings") or ()]
    texts = [str(entry.get("msg") or entry) if isinstance(entry, dict) else str(entry) for entry in said]
    return list(dict.fromkeys(as_asked(text) for text in texts))


def warned_before(info: Answer) -> list[str]:
    """What the transaction warned of to which a host owes what it runs or has staged, from what overc_host_info says."""
    for event in reversed(info.get("events") or ()):
        if event.get("operation") != "confirm":
            return warnings_of(event)
    return []


def brought_back_words(answer: Answer) -> str:
    """What a rollback brings back of who the host is, in words after a sentence; nothing where that is as it is now."""
    kinds = list(dict.fromkeys(str(entry.get("kind")) for entry in answer.get("brought_back") or ()))
    return f", and with it come back as they were there: {', '.join(kinds)}" if kinds else ""


def changes_of(upgrades: t.Any) -> list[dict[str, t.Any]]:
    keys = ("name", "arch", "installed", "available")
    return [{key: entry.get(key) for key in keys} for entry in upgrades or ()]


def apart(stage: Answer, switch: Answer) -> tuple[Answer, Answer]:
    """What staging and the reboot answered, also where one run of the module did both."""
    if switch or "reboot" not in stage:
        return stage, switch
    rebooted = stage["reboot"]
    seconds = round((stage.get("seconds") or 0) - (rebooted.get("seconds") or 0), 1)
    before = {"booted": rebooted.get("booted_before"), "staged_uuid": rebooted.get("staged_uuid"), "seconds": seconds}
    return {**stage, **before}, {**stage, "seconds": rebooted.get("seconds") or 0}


def to_be_finished(stage: Answer, puts_back: bool = False) -> bool:
    """Whether nothing is left to be done but what an earlier run did not come to.

    The host runs what that run switched it to and did not find good; or it is out of service, and this run ``puts_back``.
    """
    if stage.get("reboot_required") or "reboot" in stage:
        return False
    if stage.get("actions"):  # of these, only a cancelled upgrade is without a reboot after which it is put back
        return puts_back and bool(stage.get("out_of_service")) and stage.get("operation") == "cancel"
    if stage.get("unfinished") or stage.get("error_id") == "unconfirmed":
        return True
    return puts_back and bool(stage.get("out_of_service")) and not stage.get("error_id")


def left_out(answer: Answer) -> str:
    """One sentence on a host that an earlier run has left out of service; nothing for any other."""
    since = answer.get("out_of_service")
    return f"It is out of service since {since}, where an earlier run left it." if since else ""


def _not_noted(service: Answer) -> list[str]:
    """A warning where a host is back in service and could not be told so: another run would put it back once more."""
    if not service or not (service.get("unreachable") or service.get("error_id") or service.get("failed")):
        return []
    said = first_line(service.get("msg")) or "no answer"
    return [
        f"It is back in service, which could not be noted on the host ({said}); the next run puts it back once more."
    ]


def upgraded(
    stage: Answer, switch: Answer, confirm: Answer, service: Answer | None = None, *, status: str, finish: bool = False
) -> Entry:
    """What became of a host whose upgrade went well; ``status`` for one that had something to do.

    ``service`` is what the host answered when it was back in service; ``finish``: only what an earlier run did not come to
    was done.
    """
    waited = bool(stage.get("reboot_required")) or "reboot" in stage or to_be_finished(stage)
    rest = ("planned" if status == "planned" else "undrained") if finish else "current"
    stage, switch = apart(stage, switch)
    return {
        "status": status if waited else rest,
        "reason": stage.get("msg") or "",
        "state": (confirm or switch or stage)["state"],
        "booted_before": stage.get("booted"),
        "booted_after": (switch or stage).get("booted"),
        "protection": stage.get("protection"),
        "upgrades": stage.get("upgrades") or [],
        "fingerprint": stage.get("fingerprint") or "",
        "state_at_risk": stage.get("state_at_risk") or [],
        "seconds": {"stage": stage.get("seconds") or 0, "reboot": switch.get("seconds") or 0},
        "ended": (switch or stage).get("ended"),
        "warnings": [*warnings_of(stage, switch, confirm), *_not_noted(service or {})],
    }


def returned(
    stage: Answer,
    switch: Answer,
    confirm: Answer,
    service: Answer | None = None,
    *,
    reboots: bool,
    check_mode: bool,
    finish: bool = False,
) -> Entry:
    """What became of a host whose rollback went well; ``service`` and ``finish`` as for ``upgraded``."""
    if not (stage.get("changed") or stage.get("reboot_required")):
        rest = ("planned" if check_mode else "undrained") if finish else "current"
        status = "returned" if to_be_finished(stage) else rest
    elif check_mode:
        status = "planned"
    elif stage.get("operation") == "cancel":
        status = "cancelled"
    else:
        status = "returned" if reboots else "staged"
    stage, switch = apart(stage, switch)
    return {
        "status": status,
        "reason": stage.get("msg") or "",
        "operation": stage.get("operation"),
        "brought_back": stage.get("brought_back") or [],
        "state": (confirm or switch or stage)["state"],
        "booted_before": stage.get("booted"),
        "booted_after": (switch or stage).get("booted"),
        "seconds": {"stage": stage.get("seconds") or 0, "reboot": switch.get("seconds") or 0},
        "ended": (switch or stage).get("ended"),
        "warnings": [*warnings_of(stage, switch, confirm), *_not_noted(service or {})],
    }


def failed_rollback(failure: Answer, stage: Answer, switch: Answer) -> Entry:
    """What became of a host whose rollback failed. It is not rolled back in turn: the host stays as it is."""
    stage, switch = apart(stage, switch)
    said = _sentence(f"{failure.get('step')}: {failure.get('msg')}")
    return {
        "status": "unreachable" if failure.get("silent") else "rollback_failed" if "state" in switch else "failed",
        "reason": f"{said} {_still_out(failure)}".strip(),
        "step": failure.get("step"),
        "error_id": error_id_of(failure),
        "output": failure.get("output") or "",
        "state": (switch or stage).get("state") or "unknown",
        "booted_before": stage.get("booted"),
        "booted_after": switch.get("booted"),
        "warnings": warnings_of(stage, switch),
    }


def _still_out(failure: Answer) -> str:
    return "It is out of service until the next run puts it back." if failure.get("out_of_service") else ""


def must_go_back(stage: Answer, switch: Answer, now: Answer) -> bool:
    """Whether what this run staged on the host is still there to be taken back.

    Only then: a host whose upgrade failed before that is as it was, and a rollback there would return to the deployment
    before the present one. ``stage`` and ``switch`` are the answers of the two module runs, ``now`` is overc_host_info.
    """
    if to_be_finished(stage) and not switch:
        return now.get("state") == "trial" or (now.get("state") == "clean" and bool(now.get("unfinished")))
    stage, switch = apart(stage, switch)
    uuids = {result.get("staged_uuid") for result in (stage, switch)} - {None, ""}
    state = now.get("state")
    if not uuids:
        return False
    if state == "staged":
        return (now.get("staged") or {}).get("uuid") in uuids
    if state in ("clean", "trial"):
        return (now.get("booted") or {}).get("uuid") in uuids
    return state in ("backup", "fallback") and "reboot" in switch


def failed_upgrade(
    failure: Answer, stage: Answer, switch: Answer, now: Answer, back: Answer, unhealthy: str, rollback: bool
) -> Entry:
    """What became of a host whose upgrade failed: ``back`` is the rollback's answer, ``unhealthy`` what failed then."""
    wanted, finishing = must_go_back(stage, switch, now), to_be_finished(stage)
    stage, switch = apart(stage, switch)
    rebooted = "reboot" in switch or finishing
    # Only to be put back into service, and what it runs does not pass its checks
    left_there = failure.get("at") == "finish" and not finishing
    gone_back = answered(back) and not back.get("error_id")
    what_now = ""
    if not answered(now):
        status = "unreachable"
        what_now = "If it does not come back, choose the entry of the system before it in its boot menu and run a rollback there."
    elif left_there:
        status = "drained"
        what_now = "It runs what it ran before; an earlier run had left it out of service, and there it stays."
    elif failure.get("at") == "undrain":
        status = "drained"
        what_now = "The new system runs and passed its checks; only putting the host back into service failed."
    elif wanted and not rollback:
        status = "failed"
        what_now = f"It was left as it is, in state {now.get('state')}, because going back is switched off."
    elif wanted and not gone_back:
        status = "rollback_failed"
        what_now = f"Going back failed: {_sentence(back.get('msg') or 'the host does not answer')}"
    elif rebooted and not wanted:
        status = "rollback_failed"
        what_now = f"It was not brought back: the host is in state {now.get('state')}."
    elif unhealthy:
        status = "rollback_failed"
        what_now = f"It is back on the system it had, and does not work there either: {_sentence(unhealthy)}"
    elif failure.get("withheld"):
        status = "withheld"
    else:
        status = "rolled_back" if rebooted else "failed"
        runs = "It is back on the system it had." if rebooted else "It was not rebooted, and runs the system it had."
        what_now = runs if gone_back else ""
    where = back if wanted and gone_back else {}
    said = _sentence(f"{failure.get('step')}: {_without_advice(failure.get('msg'))}")
    # Who may be sent users again: whoever runs a system that it is to stay on
    in_service = answered(now) and (gone_back or not wanted) and not (rebooted and not wanted) and not left_there
    stays = "" if in_service or status == "drained" else _still_out(failure)
    return {
        "status": status,
        "reason": " ".join(part for part in (said, what_now, stays) if part),
        "in_service": in_service,
        "step": failure.get("step"),
        "error_id": error_id_of(failure),
        "output": failure.get("output") or "",
        "state": where.get("state") or now.get("state") or "unknown",
        "booted_before": stage.get("booted"),
        "booted_after": where.get("booted") or (now.get("booted") or {}).get("subvolume"),
        "protection": stage.get("protection") or "",
        "upgrades": changes_of(stage.get("upgrades")),
        "fingerprint": stage.get("fingerprint") or "",
        "rejects_plan": rebooted and not finishing and status != "drained",
        "warnings": warnings_of(stage, switch, back),
        "seconds": {
            "stage": stage.get("seconds") or 0,
            "reboot": switch.get("seconds") or 0,
            "rollback": back.get("seconds") or 0,
        },
    }


__all__ = (
    "Answer",
    "Entry",
    "answered",
    "apart",
    "as_asked",
    "brought_back_words",
    "changes_of",
    "could_not_run",
    "error_id_of",
    "failed_rollback",
    "failed_upgrade",
    "first_line",
    "is_silent",
    "left_out",
    "must_go_back",
    "not_seen_because",
    "output",
    "reason",
    "returned",
    "silence",
    "to_be_finished",
    "upgraded",
    "warned_before",
    "warnings_of",
    "why_unseen",
)
