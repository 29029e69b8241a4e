# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart leaves out, without a word, because a channel of higher priority offers something else.

Smart never goes from a package of a channel with a higher priority to one of a lower, however new. What it would do if all
channels were equal, it is asked itself, with a copy of its data directory in which they are.
"""

from __future__ import annotations

import typing as t

from .channels import is_disabled
from .errors import failure, unsuccessful

if t.TYPE_CHECKING:
    from ..contract import PackageChange
    from .plan import Plan
    from .tool import Smart


def weighted(channels: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """Aliases of the channels to change for all to be equal, sorted; none where they are equal already."""
    weights = {
        alias: settings.get("priority", "0").strip() or "0"
        for alias, settings in channels.items()
        if not is_disabled(settings)
    }
    if len(set(weights.values())) < 2:
        return ()
    return tuple(sorted(alias for alias, weight in weights.items() if weight != "0"))


def make_equal(smart: Smart, where: t.Sequence[str], aliases: t.Iterable[str]) -> None:
    """Take the priority from these channels of a copy. Raises what Smart fails with."""
    for alias in aliases:
        completed = smart.run(*where, "channel", "--set", alias, "priority=0", "-y")
        if completed.rc != 0 or failure(completed) is not None:
            raise unsuccessful(completed, "comparing the channels without their priorities")


def hidden(unweighted: Plan, planned: t.Iterable[PackageChange]) -> tuple[tuple[str, str], ...]:
    """(name, version) of what comes in only where all channels are equal; ``planned`` is what will come in."""
    known = {(change.name, change.available) for change in planned}
    return tuple(sorted({(p.name, p.version) for p in unweighted.upgrading if (p.name, p.version) not in known}))


def sentences(found: t.Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(
        f"{name} {version} is known but left out: a channel of higher priority offers this package too."
        for name, version in found
    )


__all__ = ("hidden", "make_equal", "sentences", "weighted")
