# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the overlay modules have in common: the one place where errors become results."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..errors import OvercError, with_next_step
from ..redact import redact_all
from ..system.workers import translate


def run_overlay_module(
    spec: t.Mapping[str, t.Any],
    command: t.Callable[[AnsibleModule], dict[str, t.Any]],
    *,
    required_if: t.Sequence[tuple[str, t.Any, tuple[str, ...]]] = (),
) -> None:
    """Build the module, run the command, exit. No exception leaves here as a traceback."""
    module = AnsibleModule(argument_spec=dict(spec), required_if=list(required_if), supports_check_mode=True)
    try:
        result = command(module)
    except Exception as error:  # noqa: BLE001 - the last line of defence against a traceback
        module.fail_json(**failure(error))
    if not getattr(module, "_diff", False):
        result.pop("diff", None)
    module.exit_json(**result)


def failure(error: Exception) -> dict[str, t.Any]:
    """The arguments of fail_json: nothing that went wrong reaches the user as a traceback."""
    if isinstance(error, OSError):
        error = translate(error, "looking at the container")
    if not isinstance(error, OvercError):
        error = OvercError("internal", f"{type(error).__name__}: {error}. Please report this as a defect.")
    message = with_next_step(error.error_id, error.message)
    shown: dict[str, t.Any] = redact_all({**error.facts, "msg": message})
    return {"changed": False, **shown, "error_id": error.error_id}


__all__ = ("failure", "run_overlay_module")
