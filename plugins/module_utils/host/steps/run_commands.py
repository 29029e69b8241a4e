# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that runs the administrator's own commands in the new root, after its packages."""

from __future__ import annotations

import shlex
import typing as t

from ...errors import OvercError, certain
from ...people import plural
from .build_root import hidden_places
from .new_root import NewRoot
from .places import default_kept
from .room import full_is_told

if t.TYPE_CHECKING:
    from .context import Apply

_MOST: t.Final = 64 << 10  # bytes of each output


def run_commands(at: Apply) -> bool:
    """Each in turn, as scripts of packages run; what one leaves running ends with it. Raises run_failed, tool_missing."""
    upgrade = certain(at.upgrade, "the upgrade that the plan was made for")
    root_mount = certain(at.facts.root_mount, "the mount of the root")
    hidden = (*upgrade.manager(at.runner).hides, *hidden_places(at.facts))
    ran: list[dict[str, t.Any]] = []
    new = NewRoot(at.runner, root_mount.source, at.made_root().id, at.lock_fds, hidden=hidden)
    with default_kept(at), new as inside, full_is_told(inside.path):
        for argv in upgrade.packages.run:
            done = inside.run_within(argv, upgrade.run_timeout, _MOST)
            facts = done.completed.facts()
            ran.append({"cmd": facts["cmd"], "rc": facts["rc"], "stdout": facts["stdout"], "stderr": facts["stderr"]})
            why = (
                f"did not end within {plural(upgrade.run_timeout, 'second')}"
                if done.timed_out
                else f"was ended by signal {-done.completed.rc}"
                if done.completed.rc < 0
                else f"exited with {done.completed.rc}"
            )
            if done.timed_out or done.completed.rc != 0:
                raise OvercError(
                    "run_failed",
                    f"{shlex.join(facts['cmd'])} {why} in the new root, which is not kept",
                    ran=ran,
                    **facts,
                )
            if done.cut:
                at.warnings.append(f"{shlex.join(facts['cmd'])} printed much; the last {_MOST >> 10} KiB are returned.")
    at.result["ran"] = ran
    return True


__all__ = ("run_commands",)
