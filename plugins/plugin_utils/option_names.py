# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that look like ours and are not: a misspelt option is as if it had never been given. Pure."""

from __future__ import annotations

import typing as t

from .option_kinds import FleetError
from .options import nearest, public

# What belongs to nobody else
_OURS: t.Final[dict[str, tuple[str, ...]]] = {
    "bootloader": ("bootloader_",),
    "fleet": ("fleet_",),
    "host_rollback": ("host_upgrade_", "host_rollback_", "host_update_"),
    "host_update": ("host_upgrade_", "host_rollback_", "host_update_"),
    "host_upgrade": ("host_upgrade_", "host_rollback_", "host_update_"),
    "overlay": ("overlay_",),
    "pull": ("pull_", "host_upgrade_", "host_rollback_", "host_update_"),
}
# Inventories have variables of their own that begin so: only one that is nearly ours, or that was given for this very run
_SHARED: t.Final = ("host_", "overc_")
_NEARLY: t.Final = 0.85
# What roles and playbooks set themselves, or hand to one another
INTERNAL: t.Final = frozenset({
    "bootloader_answer", "bootloader_options", "bootloader_result",
    "fleet_bad", "fleet_command", "fleet_gate", "fleet_known", "fleet_next", "fleet_options", "fleet_plan",
    "fleet_record", "fleet_revert", "fleet_asked", "fleet_wanted", "fleet_went",
    # of the playbook report, which takes none of the options of runs
    "fleet_verdict_signers", "fleet_verdicts", "fleet_verdicts_token",
    "host_rollback_answers", "host_rollback_confirm", "host_rollback_failure", "host_rollback_options",
    "host_rollback_others", "host_rollback_own_checks", "host_rollback_result", "host_rollback_stage",
    "host_rollback_switch", "host_rollback_at",
    "host_update_answer", "host_update_options", "host_update_result",
    "host_upgrade_answers", "host_upgrade_at", "host_upgrade_back", "host_upgrade_confirm", "host_upgrade_failure",
    "host_upgrade_finish", "host_upgrade_finished",
    "host_rollback_finish", "host_rollback_finished",
    "host_upgrade_now", "host_upgrade_options", "host_upgrade_others", "host_upgrade_own_checks",
    "host_upgrade_result", "host_upgrade_stage", "host_upgrade_switch", "host_upgrade_unhealthy",
    "host_upgrade_undrain_failed", "host_upgrade_warnings",
    "overc_finishes", "overc_fleet_run",
    "overlay_answers", "overlay_directories", "overlay_installed", "overlay_options", "overlay_removed",
    "overlay_result",
    "pull_attempt", "pull_back", "pull_carry_over", "pull_config", "pull_drained", "pull_failure", "pull_gate", "pull_info",
    "pull_interrupted", "pull_key", "pull_note",
    "pull_options", "pull_outcome", "pull_places", "pull_ring_config", "pull_systemd",
    "pull_wanted",
    "pull_program", "pull_removed", "pull_result", "pull_run", "pull_staged", "pull_target", "pull_timer", "pull_units",
    "pull_verdict", "pull_verified",
})  # fmt: skip


def unknown(roles: t.Iterable[str], given: t.Iterable[str], extra: t.Iterable[str] = ()) -> list[tuple[str, str]]:
    """Variables among ``given`` that look like options of these roles and are none, with the name that was probably meant.

    ``extra`` are those that were given for this very run (-e).
    """
    known = set(public())
    ours = {prefix for role in roles for prefix in _OURS[role]}
    run = set(extra)
    found = []
    for name in sorted(given):
        if name in known or name in INTERNAL:
            continue
        if name.startswith(tuple(ours)):
            found.append((name, nearest(name, known)))
        elif name.startswith(_SHARED):
            meant = nearest(name, known, 0.6 if name in run else _NEARLY)
            if meant or name in run:
                found.append((name, meant))
    return found


def refuse_unknown(roles: t.Iterable[str], given: t.Iterable[str], extra: t.Iterable[str] = ()) -> None:
    """Raises FleetError with all of them."""
    found = unknown(roles, given, extra)
    if found:
        said = [f"{name}{f' (did you mean {meant}?)' if meant else ''}" for name, meant in found]
        raise FleetError(f"There is no option {', '.join(said)}. Nothing was changed.")


__all__ = ("INTERNAL", "refuse_unknown", "unknown")
