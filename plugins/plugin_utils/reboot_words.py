# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result says after a reboot: pure functions of what the modules answered before and after it."""

from __future__ import annotations

import typing as t

from ..module_utils.host.words import after_reboot, left_behind_line

# What a confirmed deployment's answer says better than what was known before its reboot
_CONFIRMED: t.Final = (
    "state",
    "booted",
    "default",
    "next_boot",
    "backup",
    "staged",
    "staged_uuid",
    "reboot_required",
    "trial",
    "unfinished",
    "out_of_service",
    "passed",
)
# How much of what would be lost is named
_NAMED: t.Final = 8
_OUTPUT: t.Final = ("stdout", "stdout_lines", "stderr", "stderr_lines", "rc", "cmd")

# As ssh says it
_OTHER_KEY: t.Final = "Host key verification failed"

Result = dict[str, t.Any]


def lost_words(left_behind: t.Mapping[str, t.Any] | None) -> str | None:
    """What a reboot loses of what was written meanwhile, in one line; None if it loses nothing."""
    found = left_behind or {}
    number = sum(count for kind, count in (found.get("counts") or {}).items() if kind != "bookkeeping")
    paths = [left_behind_line(entry) for entry in (found.get("paths") or ())[:_NAMED]]
    if not paths:
        return None
    more = [f"{number - len(paths)} more"] if number > len(paths) else []
    packages = list(found.get("packages") or ())
    with_packages = f"; packages installed meanwhile: {', '.join(packages[:_NAMED])}" if packages else ""
    said = ", ".join(paths) + "".join(f" and {text}" for text in more)
    return f"the reboot loses what {found.get('missing_in')} does not have: {said}{with_packages}"


def keep_facts(result: Result, answer: t.Mapping[str, t.Any]) -> None:
    """What was found out about it anew is for the tasks that follow as well."""
    if answer.get("ansible_facts"):
        result["ansible_facts"] = {**(result.get("ansible_facts") or {}), **answer["ansible_facts"]}


def without_output(result: Result) -> Result:
    """What the package manager said when it succeeded says nothing about what failed after the reboot."""
    return {key: value for key, value in result.items() if key not in _OUTPUT}


def confirmed(result: Result, answer: Result) -> Result:
    """The right system came up, works, and is permanent; ``answer`` is that of the confirmation."""
    result["actions"] = [*result.get("actions", []), *answer.get("actions", [])]
    result["reboot"]["came_up"] = answer["deployment"]
    keep_facts(result, answer)
    now: Result = {key: answer[key] for key in _CONFIRMED if key in answer}
    return {**result, **now, "msg": after_reboot({**result, **now})}


def unconfirmed(result: Result, answer: Result) -> Result:
    """The right system came up, and does not work or cannot be made permanent."""
    trouble = str(answer.get("msg")).rstrip(".")
    if answer.get("error_id") != "unhealthy":
        trouble = f"It came up, but could not be confirmed: {trouble}"
    if result.get("state") == "trial":
        trouble += ". It is not confirmed, so its next start is the system before it"
    said = {key: value for key, value in answer.items() if key not in ("changed", "invocation", "state", "warnings")}
    trouble += ". overc_host_rollback returns to the system before it."
    return {**without_output(result), **said, "failed": True, "msg": trouble}


def problem(reboot: Result, info: Result, booted: Result, wanted: str, timeout: int, name: str) -> str | None:
    """One sentence on what is not as it should be, and what to do next; None if the right system came up."""
    now = f"{booted.get('subvolume')} ({booted.get('uuid')})"
    if not booted and _OTHER_KEY in str(info.get("msg")):
        return (
            f"The host answers with another ssh host key: {name} brought its own one along. Compare it on the host's "
            "console, accept it (ssh-keygen -R and connect once), and run again."
        )
    if reboot.get("failed") and not booted:
        # Where the default subvolume decides, the menu has no entry for the system before it
        back = (
            "add rootflags=subvol= with the root before it to an entry in the boot menu (docs/adopt.md, 'My host is openSUSE')"
            if "/.snapshots/" in name
            else "choose the entry of the system before it in the boot menu"
        )
        return (
            f"The host did not come back within {timeout} seconds ({reboot.get('msg')}). {name} was to "
            f"boot; if it does not, {back} and run overc_host_rollback there."
        )
    if reboot.get("failed"):
        return f"The reboot failed ({reboot.get('msg')}). The host answers, runs {now} and is in state {info['state']}."
    if not booted:
        return f"The host was rebooted and is back, but cannot be looked at: {info.get('msg')}"
    if booted.get("uuid") != wanted and info["state"] == "fallback":
        why = (info.get("trial") or {}).get("reason") or "it did not say why"
        own_entries = info.get("boot_method") in ("grub-entry", "loader-entry", "snapper")
        back = "the deployment before it" if own_entries else "its backup"
        then = "removes what failed" if own_entries else "restores that to the normal entry"
        return (
            f"The trial of {name} failed ({why}), and the host returned to {back} by itself. It runs "
            f"{now}. overc_host_rollback {then}; the plan is remembered and not tried again."
        )
    if booted.get("uuid") != wanted:
        return (
            f"The host came back as {now}, not as the staged deployment ({wanted}). "
            f"It is in state {info['state']}. Find out why on its console; overc_host_info shows what is there, "
            "overc_host_rollback cancels or restores, whichever fits."
        )
    return None


__all__ = ("confirmed", "keep_facts", "lost_words", "problem", "unconfirmed", "without_output")
