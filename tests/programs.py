# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs each module may start on a host. Whatever else is started there is a finding.

Programs that run in the new root, and what packages' scriptlets start there, are the package manager's business.
"""

from __future__ import annotations

import typing as t

_LOOK: t.Final = frozenset({"btrfs"})
# Which units have failed; rc-status where OpenRC is the init
_INIT: t.Final = frozenset({"systemctl"})
# What the drivers ask the running system with; python3 is DNF's own interpreter
_DNF: t.Final = frozenset({"cat", "cp", "dnf", "find", "head", "mkdir", "python3", "readlink", "rpm"})
# Started by find, and by DNF itself
_BELOW_DNF: t.Final = frozenset({"dnf-3", "gpg", "gpg-agent", "gpgconf", "sha256sum", "stat"})

# timeout starts what is declared as a check; journalctl says why a unit does not run
_HEALTH: t.Final = _INIT | {"timeout", "journalctl"}

PROGRAMS: t.Final[dict[str, frozenset[str]]] = {
    "overc_bootloader": _LOOK | _INIT,
    # rpm tells where its database is
    "overc_host_info": _LOOK | {"rpm"},
    "overc_host_confirm": _LOOK | _HEALTH | {"rpm"},
    "overc_host_health": _HEALTH,
    # a restore makes its snapshot under the locks of the package manager
    "overc_host_rollback": _LOOK | _INIT | {"rpm", "python3", "head", "readlink"},
    "overc_host_service": _LOOK | {"rpm"},
    "overc_host_update": _LOOK | _DNF,
    # cp copies the modules of kernels; setpriv and unshare lead into the new root; sshd only looks at its configuration, to know
    # whether it could start before, where that of the new root could not
    "overc_host_upgrade": _LOOK | _INIT | _DNF | {"setpriv", "sshd"},
    # They work on the controller and start nothing
    "overc_report": frozenset(),
    "overc_options": frozenset(),
    "overc_wait": frozenset(),
    "overc_overlay": frozenset(),
    "overc_overlay_boot": frozenset(),
    "overc_overlay_info": _LOOK,
}
# What those start in turn
INDIRECT: t.Final[dict[str, frozenset[str]]] = {
    "overc_host_update": _BELOW_DNF,
    "overc_host_upgrade": _BELOW_DNF | {"unshare"},
}
# The package manager there, the one program that a scriptlet of the lab's packages calls, and the dynamic loader of the new
# init, which only lists what it would load (host/steps/complete.py); it has the name that the init asks for. sshd -t only looks
# whether it would start, and mkdir makes the directory that its unit would make for it (host/steps/login.py)
IN_THE_NEW_ROOT: t.Final = frozenset(
    {
        "dnf",
        "env",
        "gpg",
        "head",
        "ld-linux-x86-64.so.2",
        "mkdir",
        "python3",
        "readlink",
        "rpm",
        "rpmdb",
        "rpmkeys",
        "sh",
        "sshd",
        "stat",
    }
)

__all__ = ("INDIRECT", "IN_THE_NEW_ROOT", "PROGRAMS")
