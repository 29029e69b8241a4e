# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of overc_report: it writes on the controller, where no module is needed for that."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.overc.system.plugins.plugin_utils.look_record import is_idle, read_record

Result = dict[str, t.Any]
_NAME: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_STAMP: t.Final = re.compile(r"\d{8}T\d{6}Z")
# How many runs of one name are kept beside the last one
_KEPT: t.Final = 10


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
                    "page": text,
                }
            )
        except AnsibleError as error:
            raise AnsibleActionFail(str(error), result={"error_id": "bad_argument"}) from None
        if not _NAME.fullmatch(args["name"]):
            raise AnsibleActionFail(
                f"name: {args['name']!r} is no name of a file.", result={"error_id": "bad_argument"}
            )
        base = os.path.join(args["directory"], args["name"])
        files = {f"{base}.json": args["record"], f"{base}.html": args["page"]}
        result["files"] = list(files)
        try:
            if self._task.check_mode:
                changed = [not is_there(path, content) for path, content in files.items()]
            else:
                os.makedirs(args["directory"], mode=0o755, exist_ok=True)
                keep_older(base, args["record"])
                changed = [replace_file(path, content) for path, content in files.items()]
        except OSError as error:
            raise AnsibleActionFail(
                f"The report cannot be written to {error.filename}: {error.strerror}. Choose another directory, in a fleet run "
                "with fleet_report_dir, then run the same command again.",
                result={"error_id": "bad_argument"},
            ) from None  # Ansible would say it once more, as Python does
        return {**result, "changed": any(changed)}


def keep_older(base: str, record: str) -> None:
    """Put the files of another run that did something aside before they are replaced, and forget the oldest of those.

    A run that did nothing is of no use to anybody once there is a newer one. Raises OSError.
    """
    try:
        with open(f"{base}.json", encoding="utf-8", errors="replace") as stream:
            old = read_record(stream.read())
    except FileNotFoundError:
        return
    new = read_record(record)
    if old is None or new is None or old.get("command") == "report" or is_idle(old):
        return
    stamp = re.sub(r"[^0-9TZ]", "", str(old.get("started")))
    if old.get("started") == new.get("started") or not _STAMP.fullmatch(stamp):
        return
    for suffix in (".html", ".json"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(base + suffix, f"{base}-{stamp}{suffix}")
    directory, name = os.path.split(base)
    kept = sorted({_dated(entry, name) for entry in os.listdir(directory or ".")} - {""}, reverse=True)
    for stamp in kept[_KEPT:]:
        for suffix in (".html", ".json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{base}-{stamp}{suffix}")


def _dated(entry: str, name: str) -> str:
    """When the run was of which a file in the directory is; nothing where it is none of ``name``."""
    stamp = entry.removeprefix(f"{name}-").removesuffix(".html").removesuffix(".json")
    well = entry.startswith(f"{name}-") and entry.endswith((".html", ".json"))
    return stamp if well and _STAMP.fullmatch(stamp) else ""


def _encoded(content: str) -> bytes:
    return content.encode("utf-8", errors="replace")


def is_there(path: str, content: str) -> bool:
    """Whether a file has this very content. Raises OSError."""
    try:
        with open(path, "rb") as stream:
            return stream.read() == _encoded(content)
    except FileNotFoundError:
        return False


def replace_file(path: str, content: str) -> bool:
    """Put ``content`` into its place as a whole; False if it is there already. Raises OSError."""
    if is_there(path, content):
        return False
    descriptor, unfinished = tempfile.mkstemp(prefix=".report-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_encoded(content))
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return True


__all__ = ("ActionModule", "is_there", "keep_older", "replace_file")
