# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which upgrades there are, by the lists alone, and which of them a plan leaves out. Pure."""

from __future__ import annotations

import fnmatch
import json
import typing as t

from .. import rpmdb

if t.TYPE_CHECKING:
    from ..contract import PackageChange, PackageRequest
    from ..transaction_table import Transaction


class Offer(t.NamedTuple):
    """A newer version of an installed package, and the repository that has it."""

    name: str
    version: str
    repository: str


def parse_offers(text: str) -> tuple[Offer, ...]:
    """Output of `dnf5 check-upgrade --json`, sorted. Raises ValueError."""
    try:
        listed = json.loads(text).get("upgrades", [])
        return tuple(
            sorted(
                {
                    Offer(str(each["name"]), rpmdb.without_zero_epoch(str(each["evr"])), str(each["repository"]))
                    for each in listed
                }
            )
        )
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def left_out(
    offers: t.Iterable[Offer],
    request: PackageRequest,
    transaction: Transaction,
    planned: t.Iterable[PackageChange],
) -> tuple[Offer, ...]:
    """The offers that were asked for, and that are neither planned nor told of as left out by the resolver."""
    changes = list(planned)
    told = {(change.name, change.available) for change in changes}
    told |= {(row.name, row.version) for row, _why in transaction.held_back}
    going = {change.name for change in changes if change.available is None}
    return tuple(
        offer
        for offer in offers
        if (offer.name, offer.version) not in told and offer.name not in going
        if not matches(offer.name, request.exclude)
        if not request.packages or matches(offer.name, request.packages)
    )


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


__all__ = ("Offer", "left_out", "matches", "parse_offers")
