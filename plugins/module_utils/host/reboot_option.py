# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options around the reboot: a module cannot survive the reboot of its own host, so the action plugin does that part."""

from __future__ import annotations

import typing as t

from ..errors import OvercError
from ..health.options import HEALTH_SPEC, health_from

if t.TYPE_CHECKING:
    from .session import Host

REBOOT_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "reboot": {"type": "bool", "default": False},
    "reboot_timeout": {"type": "int", "default": 600},
    "confirm": {"type": "bool", "default": True},
    "arm": {"type": "bool", "default": True},
    **HEALTH_SPEC,
}


def check_reboot_options(at: Host, params: t.Mapping[str, t.Any]) -> None:
    """Raises bad_argument, before anything is built, for health that nobody can ask for after the reboot.

    The action plugin takes ``reboot`` out before it runs the module; if it arrives here, nobody would reboot.
    """
    health_from(params)
    if params["reboot"] and not at.check_mode:
        raise OvercError(
            "bad_argument",
            "reboot: true needs the collection's action plugin, which was not found. Call the module by its full name "
            "(overc.system.…), or leave reboot out and reboot with ansible.builtin.reboot. Nothing was changed.",
        )


__all__ = ("REBOOT_SPEC", "check_reboot_options")
