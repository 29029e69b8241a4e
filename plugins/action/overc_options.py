# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_options: what was asked for is known on the controller, and no host is needed to look at it."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.options import ROLES
from ansible_collections.overc.system.plugins.plugin_utils.role_options import asked

Result = dict[str, t.Any]


class ActionModule(ActionBase):
    module: t.ClassVar[str] = "overc.system.overc_options"
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec={"role": {"type": "str", "required": True, "choices": sorted(ROLES)}}
        )
        try:
            found = asked(args["role"], task_vars or {}, self._templar, self._loader)
        except FleetError as error:
            # No exception: whoever asks for all hosts sees to it that one of them does not end the run (failed_when)
            return {**result, "failed": True, "changed": False, "msg": str(error), "error_id": "bad_argument"}
        # With -v Ansible shows all of a result
        hidden = {"_ansible_no_log": True} if "shown" in found else {}
        return {**result, "changed": False, **found, **hidden}


__all__ = ("ActionModule",)
