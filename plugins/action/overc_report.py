# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_report: it writes on the controller, where no module is needed for that."""

from __future__ import annotations

import os
import re
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.overc.system.plugins.plugin_utils import record_file, report_files

Result = dict[str, t.Any]
_NAME: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class ActionModule(ActionBase):
    module: t.ClassVar[str] = "overc.system.overc_report"
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        text = {"type": "str", "required": True}
        try:
            _checked, args = self.validate_argument_spec(  # type: ignore[no-untyped-call]
                argument_spec={
                    "directory": {"type": "path", "required": True},
                    "name": text,
                    "record": text,
                    "changes": {"type": "bool", "default": False},
                }
            )
        except AnsibleError as error:
            raise _bad(str(error)) from None
        if not _NAME.fullmatch(args["name"]):
            raise _bad(f"name: {args['name']!r} is no name of a file.")
        record = record_file.read(args["record"])
        if record is None:
            raise _bad("record: it is no record of a run.")
        base = os.path.join(args["directory"], args["name"])
        result["files"] = [f"{base}.json", f"{base}.html"]
        try:
            if self._task.check_mode:
                changed = bool(args["changes"]) or not report_files.is_written(base, args["record"])
            else:
                os.makedirs(args["directory"], mode=0o755, exist_ok=True)
                changed = report_files.add(base, record) if args["changes"] else report_files.write(base, record)
        except OSError as error:
            raise _bad(
                f"The report cannot be written to {error.filename}: {error.strerror}. Choose another directory, in a fleet run "
                "with fleet_report_dir, then run the same command again."
            ) from None  # Ansible would say it once more, as Python does
        return {**result, "changed": changed}


def _bad(message: str) -> AnsibleActionFail:
    return AnsibleActionFail(message, result={"error_id": "bad_argument"})


__all__ = ("ActionModule",)
