# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module overc_host_health as it is. Whoever waits for its retries is told, where a playbook shows how far its hosts are."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.overc.system.plugins.plugin_utils.secrets import told_without, vaulted
from ansible_collections.overc.system.plugins.plugin_utils.waiting import Told

Result = dict[str, t.Any]


class ActionModule(ActionBase):
    module: t.ClassVar[str] = "overc.system.overc_host_health"
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        variables = task_vars or {}
        shows = boolean(variables.get("overc_background", False), strict=False)

        def say(text: str) -> None:
            if shows:
                Display().display(f"{variables.get('inventory_hostname', 'host')}: {text}", stderr=True)

        secrets = vaulted(variables)
        # Ansible's modules write into the host's log with what they were called; a check may have a token in it
        quiet = {**variables, "ansible_no_target_syslog": True} if secrets else task_vars
        with Told(say) as told:
            told.say("is asked whether it works", aloud=False)
            answer = self._execute_module(
                module_name=self.module, task_vars=quiet, wrap_async=bool(self._task.async_val)
            )
        return {**result, **told_without(answer, secrets)}


__all__ = ("ActionModule",)
