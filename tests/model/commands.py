# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the product, as far as they decide: the real planner says what each of them would do in a world."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import HostState
from ansible_collections.overc.system.plugins.module_utils.host.plan.commands import (
    UpgradeWish,
    plan_confirm,
    plan_rollback,
    plan_upgrade,
)
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange, PackagePlan

from .effects.at_work import fresh


@dataclass(frozen=True)
class Packages:
    """What an upgrade installs. ``kernel`` is the label of the one that comes with it, None where none does."""

    plan: PackagePlan
    kernel: str | None = None


@dataclass(frozen=True)
class Command:
    """``offer`` is what is pending when it is given: packages with a kernel, without one, or nothing. ``to``: the id of the
    deployment that a rollback is to return to, None for the previous one.
    """

    name: str
    module: str
    offer: t.Literal["kernel", "plain", "nothing"] = "nothing"
    arm: bool = True
    force: bool = False
    to: int | None = None

    @property
    def only_automatic(self) -> bool:
        """Whether it differs from another command only on hosts with automatic protection."""
        return not self.arm

    def packages(self) -> Packages:
        return Packages(_OFFERS[self.offer], fresh("k") if self.offer == "kernel" else None)

    def _wish(self) -> UpgradeWish:
        """Late carry is asked for with ``force``, which makes a new root from every state that an upgrade can begin in."""
        return UpgradeWish(force=self.force, arm=self.arm, carry_late=("/srv",) if self.force else None)

    def plan(self, facts: HostFacts, state: HostState) -> Plan | OvercError:
        """What the product plans, or its refusal."""
        try:
            if self.module == "overc_host_upgrade":
                return plan_upgrade(facts, state, _OFFERS[self.offer], self._wish())
            if self.module == "overc_host_rollback":
                return plan_rollback(facts, state, arm=self.arm, to=self.to)
            return plan_confirm(facts, state)
        except OvercError as error:
            return error


# One fingerprint for both: whether a staged plan is replaced by another one is asked with ``force``. There is a command in it,
# so that its step is among those that are cut off
_SOMETHING: t.Final = PackagePlan((PackageChange("app", "noarch", "1.0-1", "2.0-1", "lab", 1),), run=(("true",),))
_OFFERS: t.Final = {"kernel": _SOMETHING, "plain": _SOMETHING, "nothing": PackagePlan()}
UPGRADE, ROLLBACK, CONFIRM = "overc_host_upgrade", "overc_host_rollback", "overc_host_confirm"

COMMANDS: t.Final = (
    Command("upgrade", UPGRADE, "kernel"),
    Command("upgrade without a kernel", UPGRADE, "plain"),
    Command("upgrade, nothing pending", UPGRADE),
    Command("upgrade, arm: false", UPGRADE, "kernel", arm=False),
    Command("upgrade, force: true", UPGRADE, "kernel", force=True),
    Command("upgrade without a kernel, force: true", UPGRADE, "plain", force=True),
    Command("rollback", ROLLBACK),
    Command("rollback, arm: false", ROLLBACK, arm=False),
    Command("confirm", CONFIRM),
)

__all__ = ("COMMANDS", "ROLLBACK", "Command", "Packages")
