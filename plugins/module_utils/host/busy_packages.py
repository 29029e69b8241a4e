# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is told or built of a root whose packages somebody is changing."""

from __future__ import annotations

import typing as t

from ..packages.choose import locks
from ..packages.locks import quiet

if t.TYPE_CHECKING:
    from .observe.facts import HostFacts
    from .session import Host


def refuse_busy_packages(host: Host, facts: HostFacts) -> None:
    """Raises locked while another program changes the packages of the running root: before anything is built of it."""
    with quiet(locks(host.runner, facts.manager.name), only_look=True):
        pass


__all__ = ("refuse_busy_packages",)
