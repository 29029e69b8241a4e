# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own files of tasks, loaded before the first host is touched: what Ansible finds wrong with one when it is needed
ends the whole run, with hosts drained and on a system that nobody looked at.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError
from ansible.playbook.task import Task

from .option_kinds import FleetError, shown

_FILES: t.Final = ("include_tasks", "import_tasks")
_ROLES: t.Final = ("include_role", "import_role")
_BLOCKS: t.Final = ("block", "rescue", "always")
# Where a task says itself how its delegate is to be reached
_OWN_WAYS: t.Final = ("connection", "remote_user", "port", "vars")
_DEEPEST: t.Final = 20


class Loader(t.Protocol):
    """The part of Ansible's DataLoader that is needed."""

    def load_from_file(self, file_name: str) -> t.Any: ...


def check_file(name: str, path: str, loader: Loader) -> list[str]:
    """The hosts that tasks of this file are delegated to, as they are written. Raises FleetError, which names the variable
    ``name``, if the file cannot be loaded.
    """
    if not os.path.isabs(path):
        raise FleetError(f"{name}: {shown(path)} is no absolute path of a file of tasks.")
    found: list[str] = []
    _file(name, path, loader, found, 0)
    return list(dict.fromkeys(found))


def _file(name: str, path: str, loader: Loader, found: list[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise FleetError(f"{name}: {path} includes itself.")
    if not os.path.isfile(path):
        raise FleetError(f"{name}: there is no file {path}.")
    try:
        tasks = loader.load_from_file(path)
    except (AnsibleError, OSError, UnicodeError) as error:
        raise FleetError(f"{name}: {path} cannot be loaded: {_line(error)}") from None
    if tasks is None:
        return
    if not isinstance(tasks, list):
        raise FleetError(f"{name}: {path} is no list of tasks.")
    _tasks(name, path, tasks, loader, found, depth)


def _tasks(name: str, path: str, tasks: list[t.Any], loader: Loader, found: list[str], depth: int) -> None:
    for task in tasks:
        if not isinstance(task, dict):
            raise FleetError(f"{name}: {path}: {shown(task)} is no task.")
        inner = [part for part in _BLOCKS if part in task]
        for part in inner:
            _tasks(name, path, task[part] or [], loader, found, depth)
        delegate = task.get("delegate_to")
        if isinstance(delegate, str) and not any(way in task for way in _OWN_WAYS):
            found.append(delegate)
        if not inner:
            _task(name, path, task, loader, found, depth)


def _task(name: str, path: str, task: dict[str, t.Any], loader: Loader, found: list[str], depth: int) -> None:
    action = next((key for key in task if key.rpartition(".")[2] in (*_FILES, *_ROLES)), "")
    if action.rpartition(".")[2] in _ROLES:
        return
    if action:
        given = task[action]
        file = given.get("file") if isinstance(given, dict) else given
        if isinstance(file, str) and "{{" not in file and "=" not in file:
            _file(name, os.path.join(os.path.dirname(path), file), loader, found, depth + 1)
        return
    try:
        Task.load(dict(task), loader=loader)
    except AnsibleError as error:
        raise FleetError(f"{name}: {path}: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


__all__ = ("Loader", "check_file")
