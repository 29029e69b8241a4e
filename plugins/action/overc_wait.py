# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_wait. ansible.builtin.pause waits once for all hosts, and ends a play whose hosts do not go in step."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.values import whole_number
from ansible_collections.overc.system.plugins.plugin_utils.orphan import end_if_orphan
from ansible_collections.overc.system.plugins.plugin_utils.waiting import Told

Result = dict[str, t.Any]
_STEP: t.Final = 1.0


class ActionModule(ActionBase):
    module: t.ClassVar[str] = "overc.system.overc_wait"
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec={
                "seconds": {"type": "raw", "required": True},
                "since": {"type": "float", "required": True},
                "what": {"type": "str", "default": "is left to run for a while"},
            }
        )
        try:
            seconds = whole_number("seconds", args["seconds"])
        except OvercError as error:
            raise AnsibleActionFail(error.message, result={"error_id": "bad_argument"}) from None
        # Never longer than that, also where the clock was set meanwhile
        left = min(seconds, max(0.0, args["since"] + seconds - time.time()))
        end = time.monotonic() + left
        host = (task_vars or {}).get("inventory_hostname", "host")
        with Told(lambda text: Display().display(f"{host}: {text}", stderr=True)) as told:
            told.say(args["what"], left, aloud=False)
            while not self._task.check_mode and time.monotonic() < end:
                time.sleep(min(_STEP, max(0.0, end - time.monotonic())))
                end_if_orphan()
        return {**result, "changed": False, "waited": round(left, 1)}


__all__ = ("ActionModule",)
