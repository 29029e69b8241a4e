# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root needs to bring declared paths over when it first starts: a unit, and a program in one file.

Below /usr and not in /etc: they are no configuration, are in the root for one boot, and a merge of /etc knows nothing of them.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ...boot import guard
from ...boot.grub.protection import TRIAL_ARGUMENT
from ...boot.init import find_program
from ...errors import OvercError
from ...system import own_archive
from ...system.presence import is_there
from ...system.rooted_path import plain_parent

PROGRAM: t.Final = "usr/lib/overc/late-carry.pyz"
SCRIPT: t.Final = "usr/lib/overc/late-carry"
UNIT: t.Final = "overc-late-carry.service"
_UNITS: t.Final = "usr/lib/systemd/system"
_WANTS: t.Final = f"{_UNITS}/sysinit.target.wants/{UNIT}"
PYTHONS: t.Final = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")
_MODE: t.Final = 0o755

# Before whatever is mounted by fstab, and before whoever keeps something in /var: this is not only for services
_UNIT_TEXT: t.Final = """\
# Made by the collection overc.system for the first start of this root. It removes itself when it is done.
[Unit]
Description=Bring declared paths over from the system that ran before
DefaultDependencies=no
ConditionPathExists=/{script}
After=systemd-remount-fs.service
Before=local-fs-pre.target local-fs.target sysinit.target shutdown.target
Before=systemd-journal-flush.service systemd-random-seed.service systemd-sysusers.service systemd-tmpfiles-setup.service
Before=systemd-machine-id-commit.service systemd-update-done.service systemd-update-utmp.service ldconfig.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/bin/sh /{script}
"""
# A trial that did not bring what it was to bring is no good: whoever is left to decide is the boot loader
_SCRIPT_TEXT: t.Final = """\
#!/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{python} -I /{program} && exit 0
read -r line </proc/cmdline
case " $line " in *" {argument} "*) ;; *) exit 1 ;; esac
sync &
sleep 2
systemctl --force --force reboot
reboot -f
echo b >/proc/sysrq-trigger
exit 1
"""


def install(root: str, python: str | None) -> bool:
    """Put the pieces into a root; ``python``: what interprets this now. False if all were there.

    Raises late_carry_failed where that root could not run them.
    """
    if not is_there(os.path.join(root, "usr/lib/systemd/systemd")) and not is_there(
        os.path.join(root, "lib/systemd/systemd")
    ):
        raise OvercError("late_carry_failed", "carry_late needs systemd in the new root, and there is none.")
    return guard.install(root, _pieces(_python_of(root, python)))


def _python_of(root: str, python: str | None) -> str:
    for path in (python, *PYTHONS):
        if path and path.startswith("/") and find_program(root, path) is not None:
            return path
    raise OvercError(
        "late_carry_failed",
        f"carry_late needs a Python in the new root, and there is none at {python or PYTHONS[0]} or {', '.join(PYTHONS)}.",
    )


def _pieces(python: str) -> tuple[guard.Piece, ...]:
    values = {
        "script": SCRIPT,
        "program": PROGRAM,
        "argument": TRIAL_ARGUMENT,
        "python": "'" + python.replace("'", "'\\''") + "'",
    }
    archive = own_archive.archive("host.late.program", "host.late.wish", "program.main()")
    # What wants the unit comes last: without it nothing of this does anything
    return (
        guard.Piece(PROGRAM, archive),
        guard.Piece(SCRIPT, _SCRIPT_TEXT.format(**values).encode("utf-8", "surrogateescape"), _MODE),
        guard.Piece(f"{_UNITS}/{UNIT}", _UNIT_TEXT.format(**values).encode()),
        guard.Piece(_WANTS, link=f"../{UNIT}"),
    )


def remove(root: str) -> bool:
    """Take them out again, what wants the unit first; False if none was there. Raises OSError."""
    changed = False
    for path in (_WANTS, f"{_UNITS}/{UNIT}", SCRIPT, PROGRAM):
        parent = plain_parent(root, path)
        if parent is None:
            continue
        try:
            os.unlink(os.path.join(parent, os.path.basename(path)))
        except FileNotFoundError:
            continue
        changed = True
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(root, os.path.dirname(PROGRAM)))
    return changed


__all__ = ("PROGRAM", "PYTHONS", "SCRIPT", "UNIT", "install", "remove")
