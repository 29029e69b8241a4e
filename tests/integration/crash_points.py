# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run is killed: right before and right after each step of each plan, and inside steps of several system calls.

The steps come from the planner itself, so a new step is a new point.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.overc.system.plugins.module_utils.btrfs.subvolumes import Subvolume
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import Layout
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands, model, repair
from ansible_collections.overc.system.plugins.module_utils.host.plan.trial import with_trial
from ansible_collections.overc.system.plugins.module_utils.host.store.journal import OpenJournal

CARRIED = "/etc/lab-carried"


@dataclass(frozen=True)
class Transaction:
    """One command from one state.

    ``start`` names the disk it starts from, ``seen`` are the releases that may boot after the kill, ``wanted`` is the
    one that runs at last.
    """

    name: str
    start: str
    module: str
    steps: tuple[str, ...]
    seen: frozenset[str]
    wanted: str
    args: dict[str, t.Any] = field(default_factory=dict, hash=False)
    from_backup: bool = False


@dataclass(frozen=True)
class Point:
    """``where`` is before, after, or ``<module>.<function>#<call>`` of a call inside the step, right after it."""

    step: str
    where: str

    def __str__(self) -> str:
        return f"{self.step}-{self.where}"


_PLAIN: t.Final = tuple(step for step in commands.UPGRADE_STEPS if step not in ("carry_over", "run_commands"))


def _replacing() -> tuple[str, ...]:
    # The only steps that are in no other plan of an upgrade
    known = {*commands.UPGRADE_STEPS, *commands.ROLLBACK_STEPS, *commands.RESTORE_STEPS}
    extra = tuple(step for step in model.STEPS if step.startswith("cancel_") and step not in known)
    where = _PLAIN.index("place_root")
    return (*_PLAIN[:where], *extra, *_PLAIN[where:])


UPGRADE: t.Final = "overc_host_upgrade"
ROLLBACK: t.Final = "overc_host_rollback"
TRANSACTIONS: t.Final = (
    Transaction("first", "clean", UPGRADE, _PLAIN, frozenset({"1.0", "2.0"}), "2.0"),
    Transaction(
        "second",
        "upgraded",
        UPGRADE,
        commands.UPGRADE_STEPS,
        frozenset({"2.0", "3.0"}),
        "3.0",
        {"carry_over": [CARRIED, "/etc"], "run": [["touch", "/var/lib/ran"]]},
    ),
    Transaction("replace", "staged", UPGRADE, _replacing(), frozenset({"1.0", "2.0", "3.0"}), "3.0"),
    Transaction("rollback", "upgraded", ROLLBACK, commands.ROLLBACK_STEPS, frozenset({"1.0", "2.0"}), "1.0"),
    Transaction(
        "cancel",
        "staged",
        ROLLBACK,
        commands.CANCEL_STEPS,
        frozenset({"1.0", "2.0"}),
        "1.0",
    ),
    Transaction(
        "restore", "upgraded", ROLLBACK, commands.RESTORE_STEPS, frozenset({"1.0", "2.0"}), "1.0", from_backup=True
    ),
)
BY_NAME: t.Final = {entry.name: entry for entry in TRANSACTIONS}

# On hosts with automatic protection. ``seen`` may boot after the kill, each of them as a whole, never a mixture.
CONFIRM: t.Final = "overc_host_confirm"
_BOTH: t.Final = frozenset({"1.0", "2.0"})
AUTOMATIC: t.Final = (
    Transaction("upgrade", "clean", UPGRADE, with_trial(_PLAIN, arm=True), _BOTH, "2.0"),
    Transaction("confirm", "trial", CONFIRM, commands.CONFIRM_STEPS, _BOTH, "2.0"),
    Transaction("rollback", "upgraded", ROLLBACK, with_trial(commands.ROLLBACK_STEPS, arm=True), _BOTH, "1.0"),
    Transaction("restore", "fallback", ROLLBACK, with_trial(commands.RESTORE_STEPS, arm=True), _BOTH, "1.0"),
    Transaction("give_up", "trial", ROLLBACK, with_trial(commands.ROLLBACK_STEPS, arm=True), _BOTH, "1.0"),
    Transaction("cancel", "staged", ROLLBACK, with_trial(commands.CANCEL_STEPS, arm=False, cancel=True), _BOTH, "1.0"),
    Transaction(
        "replace", "staged", UPGRADE, with_trial(_replacing(), arm=True), frozenset({"1.0", "2.0", "3.0"}), "3.0"
    ),
)

# Between the system calls of one step: (transaction, step, module.function, how often it was called)
INSIDE: t.Final = (
    ("second", "place_root", "syscalls.rename", 1),
    ("first", "place_root", "syscalls.rename", 1),
    ("second", "place_backup", "syscalls.rename", 1),
    ("second", "set_default", "subvolumes._btrfs", 1),  # set, and not yet synced
    ("second", "write_kernel", "partition.sha256_of", 1),
    ("second", "swap_kernel", "os.rename", 1),
    ("second", "swap_backup_files", "os.rename", 1),
    ("second", "drop_replaced", "subvolumes.delete", 1),
    ("second", "drop_replaced", "subvolumes.delete", 2),
    ("second", "record", "os.fsync", 1),
    ("replace", "cancel_kernel", "partition.swap_in", 1),
    ("restore", "place_root", "syscalls.rename", 1),
    ("cancel", "drop_replaced", "subvolumes.delete", 1),
    ("rollback", "swap_kernel", "os.rename", 1),
    ("cancel", "swap_kernel", "os.rename", 1),
    ("restore", "swap_kernel", "os.rename", 1),
    ("rollback", "set_default", "subvolumes._btrfs", 1),
)
AUTOMATIC_INSIDE: t.Final = (
    ("upgrade", "arm_fallback", "os.pwrite", 1),
    ("upgrade", "arm_trial", "os.pwrite", 1),
    ("upgrade", "install_guard", "os.rename", 1),
    ("confirm", "confirm", "os.pwrite", 1),
    ("rollback", "arm_trial", "os.pwrite", 1),
    ("restore", "arm_trial", "os.pwrite", 1),
    ("give_up", "arm_trial", "os.pwrite", 1),
    ("cancel", "disarm", "os.pwrite", 1),
)

# While packages are installed: as soon as this file of the new root has this text in it
IN_PACKAGES: t.Final = {
    "files": ("/usr/share/lab-app/version", "2.0"),
    "scriptlet": ("/var/log/lab-app.post", "post 2.0"),
    "late": ("/usr/share/lab-tool/version", "2.0"),
}


def points(steps: t.Iterable[str]) -> list[Point]:
    return [Point(step, where) for step in steps for where in ("before", "after")]


def steps_and_calls() -> list[tuple[Transaction, Point]]:
    """With manual protection: around each step of each command, and between the calls of some."""
    around = [(transaction, point) for transaction in TRANSACTIONS for point in points(transaction.steps)]
    return around + [(BY_NAME[name], Point(step, f"{call}#{count}")) for name, step, call, count in INSIDE]


def with_packages() -> list[tuple[Transaction, Point]]:
    """Those of the points around steps where packages are installed, for hosts with other package managers."""
    upgrades = [transaction for transaction in TRANSACTIONS if transaction.module == UPGRADE]
    return [(transaction, point) for transaction in upgrades for point in points(transaction.steps)]


def automatic() -> list[tuple[Transaction, Point]]:
    """With automatic protection: around each step of each command, and between the calls of some."""
    around = [(transaction, point) for transaction in AUTOMATIC for point in points(transaction.steps)]
    named = {transaction.name: transaction for transaction in AUTOMATIC}
    return around + [(named[name], Point(step, f"{call}#{count}")) for name, step, call, count in AUTOMATIC_INSIDE]


@dataclass(frozen=True)
class Interrupted:
    """A transaction killed at a point, and the steps of the repair that follows."""

    transaction: Transaction
    at: Point
    committed: bool
    # Its repair has no step that another one of the list does not have
    like_others: bool = False

    @property
    def name(self) -> str:
        return f"{self.transaction.name}-{self.at}"

    @property
    def steps(self) -> tuple[str, ...]:
        """What the planner says to facts of this kind."""
        steps = self.transaction.steps
        operation = "upgrade" if self.transaction.module == UPGRADE else self.transaction.name
        target = "base" if operation == "cancel" else "prior" if operation == "rollback" else None
        context = model.Context(
            operation=t.cast("t.Any", operation),
            base="base",
            base_name="rootfs",
            root_name="rootfs_upgrade",
            backup_name="rootfs_bakup",
            target=target,
            root_prior="prior",
            kernel="bzImage",
            replaces_staged=self.transaction.name == "replace",
        )
        made = target or "made"
        roots = (
            Subvolume(256, "rootfs", "base", None, 5, 10),
            Subvolume(257, "rootfs_upgrade", made if made != "base" else "prior", None, 5, 10),
        )
        default = next(entry.id for entry in roots if (entry.uuid == made) == self.committed)
        begun = steps[: steps.index(self.at.step) + 1]
        journal = OpenJournal(operation, "", context.as_dict(), steps, begun, begun[:-1])
        facts = replace(HostFacts(layout=Layout()), subvolumes=roots, default_id=default, journal=journal)
        return repair.plan_repair(facts).steps


INTERRUPTED: t.Final = (
    Interrupted(BY_NAME["second"], Point("place_backup", "after"), committed=False, like_others=True),
    Interrupted(BY_NAME["second"], Point("set_default", "before"), committed=False),
    Interrupted(BY_NAME["second"], Point("set_default", "after"), committed=True),
    Interrupted(BY_NAME["replace"], Point("set_default", "before"), committed=False),
    Interrupted(BY_NAME["rollback"], Point("swap_kernel", "after"), committed=False),
    Interrupted(BY_NAME["restore"], Point("write_kernel", "after"), committed=False),
    Interrupted(BY_NAME["restore"], Point("set_default", "after"), committed=True, like_others=True),
)


def repairs(*, everything: bool) -> list[tuple[Interrupted, Point]]:
    """Points of the repairs; without ``everything`` those of a repair that is like another one are left out."""
    chosen = [entry for entry in INTERRUPTED if everything or not entry.like_others]
    return [(interrupted, point) for interrupted in chosen for point in points(interrupted.steps)]


_KILL: t.Final = """\
import os
from ansible_collections.overc.system.plugins.module_utils.boot import partition
from ansible_collections.overc.system.plugins.module_utils.btrfs import subvolumes
from ansible_collections.overc.system.plugins.module_utils.host import transaction
from ansible_collections.overc.system.plugins.module_utils.system import syscalls
point = {point!r}
def die():
    os.kill(os.getpid(), 9)
def hook(when, step):
    if (when, step) == point:
        die()
"""
_KILL_INSIDE: t.Final = """
def hook(when, step):
    if (when, step) != ("before", point[1]):
        return
    place, name = {call!r}.split(".")
    module = {{"os": os, "subvolumes": subvolumes, "syscalls": syscalls, "partition": partition}}[place]
    whole, calls = getattr(module, name), []
    def half(*args, **options):
        result = whole(*args, **options)
        calls.append(name)
        if len(calls) == {count}:
            die()
        return result
    setattr(module, name, half)
"""


def kill_at(point: Point) -> str:
    """Python that makes the module kill itself there."""
    if "#" in point.where:
        call, _divider, count = point.where.partition("#")
        text = _KILL.format(point=("inside", point.step)) + _KILL_INSIDE.format(call=call, count=int(count))
    else:
        text = _KILL.format(point=(point.where, point.step))
    return text + "transaction.step_hook = hook\n"


def kill_in_packages(path: str, text: str) -> str:
    """Python that makes the module die as soon as this file of the new root has this text in it."""
    return (
        _KILL.format(point=("before", "run_packages"))
        + f"""
import threading, time
def watch():
    while True:
        for name in ("rootfs", "rootfs_upgrade"):
            try:
                with open("/run/overc-system/top/" + name + ".overc-new" + {path!r}) as stream:
                    if {text!r} in stream.read():
                        die()
            except OSError:
                pass
        time.sleep(0.001)
def hook(when, step):
    if (when, step) == point:
        threading.Thread(target=watch, daemon=True).start()
    elif when == "after" and step == "run_packages":
        die()
transaction.step_hook = hook
"""
    )
