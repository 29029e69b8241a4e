# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles hand to their modules, made of the options of one host. Pure.

Two dozen templates in a task cost a controller ten times what the task does otherwise: each of them is compiled anew for each
host. So the tasks of the roles only say for which role they are.
"""

from __future__ import annotations

import typing as t

from .host_outcome import Answer, Entry
from .options import complete

# Options of host_upgrade that its module is asked with whenever it is, also before anything is changed
_ASKED: t.Final = (
    "update_cache",
    "packages",
    "exclude",
    "upgrade",
    "install",
    "remove",
    "run",
    "run_timeout",
    "run_creates",
    "advisories",
    "upgrade_mode",
    "allow_vendor_change",
    "release",
    "third_party_sources",
    "pins",
    "force",
    "carry_over",
    "carry_late",
    "state_policy",
    "gpg_policy",
    "skip_if_unavailable",
)
# What check mode cannot foresee, and what is known only when a wave begins
_BUILT: t.Final = ("hidden_policy", "rejected_plans")
# Nothing is what the module takes where it is not told
_OR_NOTHING: t.Final = ("run_creates", "advisories", "release")


def module_health(health: t.Mapping[str, t.Any] | None) -> Entry:
    """What a module can ask by itself: without own tasks and the soak, which are for the role."""
    return {key: value for key, value in (health or {}).items() if key not in ("tasks", "soak")}


def own_checks(options: Answer) -> bool:
    """Whether a new system is only found good by what the module cannot do, because others do it or because it takes time."""
    health = options.get("health") or {}
    return bool(health.get("tasks")) or (health.get("soak") or 0) > 0 or bool(options.get("undrain_tasks"))


def looking(role: str, given: Answer) -> Entry:
    """Arguments for the look before anything is changed; ``given`` are the options that were given for the host."""
    options = complete(role, given)
    return {**options["layout"], **(_of(options, _ASKED) if role == "host_upgrade" else {})}


def building(role: str, options: Answer, *, check_mode: bool = False) -> Entry:
    """Arguments for the run that builds and boots the new system, or returns to the old one. ``options``: all of the role's."""
    asked = _of(options, (*_ASKED, *_BUILT)) if role == "host_upgrade" else {"carry_late": options["carry_late"]}
    reboots = bool(options["reboot"])
    return {
        **asked,
        # Armed right before the reboot; what is only staged is rebooted by somebody else
        "arm": not reboots,
        "reboot": reboots and not options["drain_tasks"] and not check_mode,
        "reboot_timeout": options["reboot_timeout"],
        "confirm": not own_checks(options),
        "health": module_health(options["health"]),
    }


def _of(options: Answer, names: t.Iterable[str]) -> Entry:
    return {name: options[name] for name in names if options[name] or name not in _OR_NOTHING}


__all__ = ("building", "looking", "module_health", "own_checks")
