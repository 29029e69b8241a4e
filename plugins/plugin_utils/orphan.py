# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A killed ansible-playbook leaves its workers running: each is a session of its own since ansible-core 2.19.

Such a worker has nobody to report to, and a second run may be at work already. A reboot would hit that other run, and so
would the reset of the connection that the two share. What goes on on the host goes on without it.
"""

from __future__ import annotations

import multiprocessing
import os


def is_orphan() -> bool:
    """Whether the process that started this worker is gone. False in a process that is no worker."""
    parent = multiprocessing.parent_process()
    return parent is not None and parent.pid != os.getppid()


def end_if_orphan() -> None:
    """Raises SystemExit where nobody is left for whom something could be done."""
    if is_orphan():
        raise SystemExit(1)


__all__ = ("end_if_orphan", "is_orphan")
