# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files of a new root have to be labelled for SELinux, and whether that can be done on this host."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...system import selinux

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ...system.mount_table import Mount

PROGRAM: t.Final = "setfiles"


@dataclass(frozen=True)
class Labelling:
    """Of a host with a loaded policy. ``lacks``: what labelling needs and is not there. ``later``: its next start enforces it."""

    mode: selinux.Mode
    lacks: tuple[str, ...] = ()
    later: bool = False

    @property
    def is_needed(self) -> bool:
        return self.mode == "enforcing" or self.later

    @property
    def detail(self) -> str:
        mode = f"{self.mode} until the next start" if self.later and self.mode == "permissive" else self.mode
        if self.lacks:
            return f"SELinux is {mode}, and files of a new root cannot be labelled: {' and '.join(self.lacks)}"
        return f"SELinux is {mode}, and files of a new root are labelled by its policy"


def observe_labelling(runner: Runner, mounted: t.Sequence[Mount]) -> Labelling | None:
    """None where no policy is loaded. Raises OSError."""
    mode = selinux.mode(mounted)
    if mode is None:
        return None
    lacks = [] if runner.find(PROGRAM) else [f"there is no program {PROGRAM}"]
    name = selinux.policy_type("/")
    if name is None:
        lacks.append("there is no /etc/selinux/config")
    elif selinux.file_contexts("/") is None:
        lacks.append(f"there is no file_contexts of the policy {name!r} below /etc/selinux")
    elif selinux.binary_policy("/") is None:
        lacks.append(f"there is no policy/policy.* of the policy {name!r} below /etc/selinux")
    return Labelling(mode, tuple(lacks), selinux.will_enforce("/"))


__all__ = ("PROGRAM", "Labelling", "observe_labelling")
