# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that look like ours and are not: a misspelt option is as if it had never been given. Pure."""

from __future__ import annotations

import re
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
# What roles give back, what the playbook report takes, and what is handed on. What else is set begins with two underscores
INTERNAL: t.Final = frozenset({
    "bootloader_result", "host_rollback_result", "host_update_result", "host_upgrade_result", "overlay_result", "pull_result",
    "fleet_verdict_signers", "fleet_verdicts", "fleet_verdicts_token",
    "fleet_command", "pull_target",
})  # fmt: skip

# Of these, what people may give for a run: of the rest, a playbook would take it for its own
_TAKEN: t.Final = frozenset({"fleet_verdict_signers", "fleet_verdicts", "fleet_verdicts_token", "pull_target"})


def unknown(
    roles: t.Collection[str], given: t.Iterable[str], extra: t.Iterable[str] = (), made_of: str = ""
) -> list[tuple[str, str]]:
    """Variables among ``given`` that look like options of these roles and are none, with the name that was probably meant.

    ``extra`` are those that were given for this very run (-e). Where a fleet is run, our names without their beginning
    (``reboot``) are not taken there either, unless one of ours is made of them: ``made_of`` is the text of all templates.
    """
    known = set(public())
    run = set(extra)
    ours = {prefix for role in roles for prefix in _OURS[role]}
    found = []
    for name in sorted(given):
        if name in known or (name in INTERNAL and (name not in run or name in _TAKEN)):
            continue
        if name.startswith(tuple(ours)):
            found.append((name, "" if name in INTERNAL else nearest(name, known)))
        elif name.startswith(_SHARED):
            meant = nearest(name, known, 0.6 if name in run else _NEARLY)
            if meant or name in run:
                found.append((name, meant))
        elif name in run and "fleet" in roles:
            candidates = [whole for role in roles if (whole := f"{role}_{name}") in known]
            if candidates and not re.search(rf"\b{re.escape(name)}\b", made_of):
                found.append((name, " or ".join(candidates)))
    return found


def refuse_unknown(
    roles: t.Collection[str], given: t.Iterable[str], extra: t.Iterable[str] = (), made_of: str = ""
) -> None:
    """Raises FleetError with all of them."""
    found = unknown(roles, given, extra, made_of)
    if found:
        said = [f"{name}{f' (did you mean {meant}?)' if meant else ''}" for name, meant in found]
        raise FleetError(f"There is no option {', '.join(said)}. Nothing was changed.")


def refuse_cut_off(extra: t.Mapping[str, t.Any]) -> None:
    """Raises FleetError for what Ansible took off a value given with -e: ``fleet_exclude=h1, h2`` ends at the blank."""
    rest = extra.get("_raw_params")
    if rest:
        raise FleetError(
            f"-e: {str(rest)!r} belongs to no variable, because a value ends at a blank. "
            "Write lists without blanks (a,b), or quote the value inside (-e \"name='a b'\"). Nothing was changed."
        )


__all__ = ("INTERNAL", "refuse_cut_off", "refuse_unknown", "unknown")
