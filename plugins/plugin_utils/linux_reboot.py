# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible.builtin.reboot, told what it would otherwise find out with modules of its own, and telling what it sees meanwhile."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.reboot import ActionModule as StockReboot

from .orphan import end_if_orphan
from .waiting import Waiting, cause

# The path is that of who logged in, which need not have sbin; what busybox has is reboot
REBOOT: t.Final = (
    "/bin/sh -c 'PATH=$PATH:/sbin:/usr/sbin:/usr/local/sbin; "
    "if command -v shutdown >/dev/null 2>&1; then exec shutdown -r now Ansible; fi; exec reboot'"
)

# Exit codes of what was ended by a signal (HUP, INT, KILL, TERM), or by the end of its connection
_ENDED: t.Final = (129, 130, 137, 143, 255)

Result = dict[str, t.Any]


class LinuxReboot(StockReboot):
    """ansible.builtin.reboot, for a host of which is known that it runs Linux, and of which is told what is seen of it."""

    waiting: Waiting | None = None

    def get_distribution(self, task_vars: Result) -> dict[str, str]:  # noqa: ARG002
        return {"name": "linux", "version": "", "family": "linux"}

    def get_system_boot_time(self, distribution: dict[str, str]) -> str:
        end_if_orphan()  # here, because it is the first thing of every attempt to reach the host
        try:
            found = str(super().get_system_boot_time(distribution))  # type: ignore[no-untyped-call]
        except Exception as error:
            self._saw(cause(error))
            raise
        self._saw("it has not gone down yet")
        return found

    def _saw(self, what: str) -> None:
        if self.waiting is not None:
            self.waiting.last = what

    def _low_level_execute_command(self, cmd: str, *args: t.Any, **more: t.Any) -> t.Any:
        """On a terminal the command that shuts the host down is ended with its session; whether the host really went down is
        looked at afterwards.
        """
        answer: t.Any = super()._low_level_execute_command(cmd, *args, **more)
        if "shutdown" in cmd and answer.get("rc") in _ENDED:
            answer["rc"] = 0
        return answer

    def run_test_command(self, distribution: dict[str, str], **_more: t.Any) -> None:
        """The module that looks at what came up is the test."""


__all__ = ("REBOOT", "LinuxReboot")
