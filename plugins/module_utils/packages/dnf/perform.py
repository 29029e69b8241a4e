# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call of DNF that does what was asked for: resolved, downloaded or carried out, by its settings and options."""

from __future__ import annotations

import contextlib
import typing as t

from ...runner import Completed
from ..memory_file import in_memory
from . import edits

if t.TYPE_CHECKING:
    from ..contract import PackageRequest
    from .tool import DnfTool


def perform(
    dnf: DnfTool,
    settings: t.Mapping[str, str],
    options: t.Sequence[str],
    request: PackageRequest,
    wanted: edits.Edits,
    pass_fds: t.Sequence[int] = (),
) -> Completed:
    """An upgrade, or with what is to come and to go a script for `dnf shell`; no call where nothing is asked for.

    A new deployment by force is made all the same then, and DNF without a name would upgrade everything in it.
    """
    if not wanted.script and (request.is_void or not request.upgrade):
        return Completed((), 0, "", "")
    with contextlib.ExitStack() as files:
        excluded = [f"--exclude={name}" for name in request.exclude]
        if not wanted.script:
            security = ["--security"] if request.advisories else []
            # "--" keeps a name from being taken for an option
            command = ["upgrade", *security, *excluded, "--", *request.named]
        else:
            fd, path = files.enter_context(in_memory(wanted.script))
            pass_fds, settings = (*pass_fds, fd), {**settings, **edits.SETTINGS}
            command = [*excluded, "shell", path]
        return dnf.run(settings, *options, *command, pass_fds=pass_fds)


__all__ = ("perform",)
