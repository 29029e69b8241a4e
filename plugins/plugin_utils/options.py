# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every public variable of the roles and playbooks, and what its value may be. Pure.

The roles' argument specifications are the documentation, and a test compares the two. Ansible validates by them and hands on
what was given: ``"false"`` stays text, and is true for every condition. So what a role uses is what is converted here.
"""

from __future__ import annotations

import difflib
import typing as t
from functools import partial

from ..module_utils.errors import OvercError
from ..module_utils.health.options import CHECKS_SPEC, checks_from
from ..module_utils.host.observe.layout import LAYOUT_SPEC
from .option_kinds import (
    FleetError,
    Kind,
    addresses,
    arguments,
    choice,
    commands,
    count,
    flag,
    flow,
    mapping,
    moment,
    number,
    percentage,
    ports,
    shown,
    steps,
    text,
    texts,
    window,
)

Values = dict[str, t.Any]


def nearest(name: str, known: t.Iterable[str], cutoff: float = 0.6) -> str:
    """The known name that was probably meant, empty if none is like it."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=cutoff)), "")


def _only(name: str, found: t.Mapping[str, t.Any], kinds: t.Mapping[str, Kind]) -> Values:
    """The keys of a mapping, each as its kind wants it."""
    for key in found:
        if key not in kinds:
            meant = nearest(key, kinds)
            others = f"Did you mean {meant}?" if meant else f"Known are {', '.join(kinds)}."
            raise FleetError(f"{name}: there is no key {shown(key)}. {others}")
    return {key: kinds[key](f"{name}.{key}", value) for key, value in found.items()}


_LAYOUT: t.Final[dict[str, Kind]] = {
    key: choice(*spec["choices"]) if "choices" in spec else number if spec["type"] == "int" else text
    for key, spec in LAYOUT_SPEC.items()
}
_HEALTH: t.Final[dict[str, Kind]] = {
    "units": flag,
    "services": texts,
    "ports": ports,
    "urls": addresses,
    "commands": commands,
    "tasks": text,
    "retries": number,
    "delay": number,
    "soak": number,
}
_CONTAINER: t.Final[dict[str, Kind]] = {
    "container": text,
    "directories": texts,
    "sources": texts,
    "state": choice("present", "absent"),
}


def layout(name: str, value: t.Any) -> Values:
    """Options of the layout, those that were given."""
    found = _only(name, mapping(name, value), _LAYOUT)
    return {key: entry for key, entry in found.items() if entry}


def health(name: str, value: t.Any) -> Values:
    """What is checked, those keys that were given; looked at as closely as the module does it."""
    found = _only(name, mapping(name, value), _HEALTH)
    defaults = {key: spec["default"] for key, spec in CHECKS_SPEC.items()}
    try:
        checks_from({**defaults, **found}, (), f"{name}.")
    except OvercError as error:
        raise FleetError(error.message) from None
    return found


def containers(name: str, value: t.Any) -> list[Values]:
    """The containers and what they share."""
    given = [value] if isinstance(value, dict) else value
    entries = ports(name, given)  # any list
    found = [_only(f"{name}[{at}]", mapping(f"{name}[{at}]", entry), _CONTAINER) for at, entry in enumerate(entries)]
    for at, entry in enumerate(found):
        for key in ("container", "directories"):
            if not entry.get(key):
                raise FleetError(f"{name}[{at}]: {key} is missing.")
    return found


def environment(name: str, value: t.Any) -> dict[str, str]:
    """Variables of an environment: what is no text there is written as YAML would write it."""
    found = mapping(name, value)
    return {
        key: str(entry).lower() if isinstance(entry, bool) else text(f"{name}.{key}", entry)
        for key, entry in found.items()
    }


_RING: t.Final[dict[str, Kind]] = {
    "name": text,
    "successes": number,
    "failures": number,
    "soak": number,
    "hosts": texts,
}


def rings(name: str, value: t.Any) -> list[Values]:
    """The rings of a fleet, the canary first."""
    found = flow(name, value) or []
    if not isinstance(found, (list, tuple)):
        raise FleetError(f"{name}: {shown(value)} is no list of rings.")
    return [_only(f"{name}[{index}]", mapping(f"{name}[{index}]", entry), _RING) for index, entry in enumerate(found)]


# Role (or playbook) -> its options, without the prefix -> kind
ROLES: t.Final[dict[str, dict[str, Kind]]] = {
    "bootloader": {
        "layout": layout,
        "state": choice("present", "absent"),
        "adopt_custom_cfg": choice("refuse", "append"),
        "panic_timeout": number,
        "boot_timeout": number,
        "confirm_deadline": number,
        "required": flag,
    },
    "fleet": {
        "exclude": t.cast("Kind", lambda name, value: value if isinstance(value, (list, str)) else text(name, value)),
        "canary": count,
        "serial": steps,
        "max_fail_percentage": percentage,
        "soak": number,
        "unready": choice("stop", "skip"),
        "rollback_done": flag,
        "rejected_plans": texts,
        "withhold_rejected": flag,
        "window": window,
        "not_after": moment,
        "report_dir": text,
    },
    "host_rollback": {
        "carry_late": texts,
        "layout": layout,
        "reboot": flag,
        "reboot_timeout": number,
        "drain_tasks": text,
        "undrain_tasks": text,
        "health": health,
        "fail": flag,
    },
    "host_update": {"layout": layout, "cache_valid_time": number},
    "host_upgrade": {
        "layout": layout,
        "update_cache": flag,
        "skip_if_unavailable": flag,
        "packages": texts,
        "exclude": texts,
        "upgrade": flag,
        "install": texts,
        "remove": texts,
        "run": arguments,
        "run_timeout": number,
        "run_creates": text,
        "advisories": text,
        "upgrade_mode": choice("auto", "update", "dup"),
        "allow_vendor_change": flag,
        "release": text,
        "third_party_sources": choice("refuse", "keep", "rewrite", "disable"),
        "pins": choice("refuse", "keep", "rewrite", "disable"),
        "force": flag,
        "carry_over": texts,
        "carry_late": texts,
        "state_policy": choice("report", "refuse"),
        "gpg_policy": choice("require", "report"),
        "hidden_policy": choice("refuse", "report"),
        "rejected_plans": texts,
        "reboot": flag,
        "reboot_timeout": number,
        "drain_tasks": text,
        "undrain_tasks": text,
        "health": health,
        "health_before": choice("require", "ignore"),
        "rollback": flag,
        "fail": flag,
    },
    "overlay": {
        "state": choice("present", "absent"),
        "containers_dir": text,
        "containers": containers,
        "apply": choice("auto", "now", "boot"),
        "essential_root": text,
        "state_policy": choice("refuse", "report"),
        "wait": flag,
    },
    "pull": {
        "state": choice("present", "absent"),
        "url": text,
        "checkout": text,
        "directory": text,
        "playbook": text,
        "inventory": text,
        "arguments": texts,
        "environment": environment,
        "program_directory": text,
        "schedule": text,
        "random_delay": text,
        "window": window,
        "reboot": flag,
        "timeout": number,
        "report_url": text,
        "report_token": text,
        "verdicts": text,
        "verdicts_token": text,
        "verdicts_key_id": text,
        "verdicts_region": text,
        "verdicts_unsigned": flag,
        "verdict_signers": texts,
        "verdict_key": text,
        "ring": text,
        "rings": rings,
    },
}
# Where a role takes an option from if it is not given: what its defaults do, for whoever looks at the options before the role
# is run
FALLBACKS: t.Final[dict[str, tuple[str, ...]]] = {
    **{f"{role}_layout": ("overc_layout",) for role, options in ROLES.items() if "layout" in options},
    **{
        f"host_rollback_{option}": (f"host_upgrade_{option}",)
        for option in ("reboot_timeout", "drain_tasks", "undrain_tasks", "health")
    },
}
# What a role uses where an option is not given: for whoever works with the options of many hosts without running the role for
# each of them. Only of the roles that fleets are run with; a test compares them with the roles' own.
DEFAULTS: t.Final[dict[str, Values]] = {
    "host_rollback": {
        "layout": {},
        "carry_late": [],
        "reboot": True,
        "reboot_timeout": 600,
        "drain_tasks": "",
        "undrain_tasks": "",
        "health": {},
        "fail": True,
    },
    "host_upgrade": {
        "layout": {},
        "update_cache": True,
        "skip_if_unavailable": False,
        "packages": [],
        "exclude": [],
        "upgrade": True,
        "install": [],
        "remove": [],
        "run": [],
        "run_timeout": 600,
        "run_creates": "",
        "advisories": "",
        "upgrade_mode": "auto",
        "allow_vendor_change": False,
        "release": "",
        "third_party_sources": "refuse",
        "pins": "refuse",
        "force": False,
        "carry_over": [],
        "carry_late": [],
        "state_policy": "report",
        "gpg_policy": "require",
        "hidden_policy": "refuse",
        "rejected_plans": [],
        "reboot": True,
        "reboot_timeout": 600,
        "drain_tasks": "",
        "undrain_tasks": "",
        "health": {},
        "health_before": "require",
        "rollback": True,
        "fail": True,
    },
}
# For all of them
COMMON: t.Final[dict[str, Kind]] = {"overc_layout": layout, "overc_background": flag, "overc_silence_fails": flag}


def convert(role: str, option: str, value: t.Any, name: str = "") -> t.Any:
    """The value that a role uses. Raises FleetError, which names the variable: ``name`` if it was given by another one."""
    return ROLES[role][option](name or f"{role}_{option}", value)


def complete(role: str, asked: t.Mapping[str, t.Any]) -> Values:
    """Every option of a role of ``DEFAULTS``, from those that were given, converted, and whatever lies beside them."""
    return {option: asked.get(option, default) for option, default in DEFAULTS[role].items()}


def public() -> dict[str, Kind]:
    """Every public variable by its full name."""
    named = {f"{role}_{option}": kind for role, options in ROLES.items() for option, kind in options.items()}
    return {**named, **COMMON}


def converter(name: str) -> t.Callable[[t.Any], t.Any]:
    """The conversion of one public variable."""
    return partial(public()[name], name)


__all__ = (
    "COMMON",
    "DEFAULTS",
    "FALLBACKS",
    "ROLES",
    "complete",
    "convert",
    "converter",
    "nearest",
    "public",
)
