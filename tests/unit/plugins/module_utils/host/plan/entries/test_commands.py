# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in every state, where each deployment has a boot entry of its own."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.in_place import InPlace
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host import words
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.observe.newer_kernel import newer_kernel, shown
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import boots_next, derive
from ansible_collections.overc.system.plugins.module_utils.host.plan.commands import (
    plan_confirm,
    plan_rollback,
    plan_upgrade,
)
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Plan
from ansible_collections.overc.system.plugins.module_utils.host.plan.wish import UpgradeWish
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange, PackagePlan

from tests.unit import entry_factory as hosts
from tests.unit.entry_factory import name, uuid
from tests.unit.host_factory import NOTHING, PENDING

OTHER: t.Final = PackagePlan((PackageChange("lab-app", "noarch", "1.0-1", "3.0-1", "lab", 1),))
COMMIT: t.Final = ("arm_trial", "choose", "disarm")


def upgrade(facts: HostFacts, packages: PackagePlan = OTHER, **wish: t.Any) -> Plan:
    return plan_upgrade(facts, derive(facts), packages, UpgradeWish(**wish))


def rollback(facts: HostFacts, **more: t.Any) -> Plan:
    return plan_rollback(facts, derive(facts), **more)


def confirm(facts: HostFacts) -> Plan:
    return plan_confirm(facts, derive(facts))


def refused(act: t.Callable[[], Plan]) -> str:
    with pytest.raises(OvercError) as caught:
        act()
    return caught.value.error_id


STATES: t.Final = {
    "clean": hosts.settled,
    "staged": hosts.staged,
    "trial": hosts.trial,
    "fallback": hosts.fallback,
    "elsewhere": hosts.elsewhere,
}


@pytest.mark.parametrize("state", STATES)
def test_the_state_and_what_boots_next(state: str) -> None:
    facts = STATES[state]()
    assert derive(facts).name == state
    following = boots_next(facts, derive(facts))
    assert following is not None
    wanted = {"clean": 2, "staged": 2, "trial": 1, "fallback": 1, "elsewhere": 2}[state]
    assert following.path == name(wanted)


def test_other_hosts_in_these_states() -> None:
    assert derive(hosts.host()).name == "clean"
    assert derive(hosts.unarmed()).name == "staged"
    assert (derive(hosts.rollback_staged()).name, derive(hosts.rollback_staged()).waiting) == ("staged", "rollback")
    assert (derive(hosts.given_up()).name, derive(hosts.given_up()).waiting) == ("staged", "rollback")
    assert (derive(hosts.manual_staged()).name, derive(hosts.manual_staged()).waiting) == ("staged", "upgrade")


def test_a_default_that_ran_is_not_taken_for_a_staged_one() -> None:
    """With manual protection it ran since it was staged; somebody who now runs an older one must not cancel it."""
    facts = hosts.manual_staged()
    ran = replace(facts, subvolumes=(*facts.subvolumes[:2], hosts.subvolume(2, generation=11)))
    assert derive(ran).name == "elsewhere"


def test_a_root_that_is_gone_is_nobodys_default() -> None:
    facts = hosts.elsewhere()
    gone = with_choice(replace(facts, subvolumes=facts.subvolumes[:2]), t.cast("t.Any", facts.entry_boot))
    assert derive(gone).name == "elsewhere"
    assert rollback(gone).steps == ("record", "choose")


UPGRADED: t.Final = (
    *("download_packages", "create_root", "prepare_root", "run_packages", "check_root", "install_guard", "name_root"),
    *("write_entry_files", "write_menu", "record", "arm_trial"),
)


def test_an_upgrade_of_a_clean_host() -> None:
    plan = upgrade(hosts.host())
    assert plan.context is not None
    assert plan.steps == UPGRADED
    assert (plan.context.root_name, plan.context.number, plan.context.base) == (name(1), 1, uuid(0))
    assert upgrade(hosts.host(), NOTHING).steps == ()
    assert upgrade(hosts.host(), carry_over=("/etc/x",)).steps[6] == "carry_over"


def in_place(facts: HostFacts, **values: str) -> HostFacts:
    """Its distribution's menu has started a newer kernel than the entry of what runs would; ``values``: what the block says."""
    boot = t.cast("t.Any", facts.entry_boot)
    newer = InPlace("9-lab", 1, "9-lab", "0-lab")
    return with_choice(facts, replace(boot, values={**boot.values, **values}, in_place=newer))


def test_what_runs_by_a_newer_kernel_is_brought_up_to_date_before_it_is_named() -> None:
    place = UPGRADED.index("record")
    assert upgrade(in_place(hosts.host())).steps == (*UPGRADED[:place], "update_entry", *UPGRADED[place:])
    assert upgrade(in_place(hosts.host(), overc_default="0")).steps == UPGRADED
    elsewhere = rollback(in_place(hosts.elsewhere()))
    assert elsewhere.steps == ("update_entry", "record", "choose")


def test_a_newer_kernel_in_place_is_told_where_nothing_brings_the_entry_up_to_date() -> None:
    assert newer_kernel(hosts.host()) is None
    assert newer_kernel(in_place(hosts.host())) is None
    assert "9-lab" in (newer_kernel(in_place(hosts.host(), overc_default="0")) or "")
    boot = t.cast("t.Any", in_place(hosts.host()).entry_boot)
    unbooted = with_choice(hosts.host(), replace(boot, in_place=InPlace(None, 0, "9-lab", "0-lab")))
    assert "overc_bootloader" in (newer_kernel(unbooted) or "")
    assert shown(unbooted) == {"release": "9-lab", "entry": "0-lab", "runs": None}


@pytest.mark.parametrize("harm", [{"read_only": True}, {"init": None}, {"has": frozenset()}])
def test_what_is_staged_and_would_not_boot_any_more_is_made_anew(harm: dict[str, t.Any]) -> None:
    for facts in (hosts.staged(), hosts.unarmed()):
        assert upgrade(facts, PENDING).steps[:1] != ("download_packages",)
        broken = replace(facts, roots={**facts.roots, name(2): replace(facts.roots[name(2)], **harm)})
        plan = upgrade(broken, PENDING)
        assert plan.replaced
        assert "create_root" in plan.steps
        with pytest.raises(OvercError, match="would not boot") as caught:
            upgrade(broken, NOTHING)
        assert caught.value.error_id == "inconsistent"


def test_a_number_is_never_used_again() -> None:
    facts = hosts.host()
    later = replace(facts, record=replace(facts.record, last_number=7))
    assert upgrade(later).context.number == 8  # type: ignore[union-attr]


def test_the_name_of_somebody_else_is_left_alone() -> None:
    facts = hosts.host()
    for taken in (name(1), f"{name(1)}.overc-new"):
        stranger = replace(hosts.subvolume(9), path=taken)
        assert refused(lambda: upgrade(replace(facts, subvolumes=(*facts.subvolumes, stranger)))) == "inconsistent"  # noqa: B023


def test_an_upgrade_in_every_state() -> None:
    assert refused(lambda: upgrade(hosts.trial())) == "unconfirmed"
    assert refused(lambda: upgrade(hosts.elsewhere())) == "not_default"
    assert refused(lambda: upgrade(hosts.rollback_staged())) == "rollback_staged"
    assert refused(lambda: upgrade(hosts.given_up())) == "rollback_staged"
    assert refused(lambda: upgrade(hosts.fallback(), PENDING)) == "known_bad"
    assert upgrade(hosts.staged(), PENDING).steps == ()
    assert upgrade(hosts.unarmed(), PENDING).steps == ("arm_trial",)
    assert upgrade(hosts.unarmed(), PENDING, arm=False).steps == ()
    replaced = upgrade(hosts.staged())
    assert replaced.replaced
    assert replaced.context is not None
    assert (replaced.context.number, replaced.context.dropped) == (3, (uuid(2),))
    again = upgrade(hosts.fallback())
    assert again.context is not None
    assert (again.context.dropped, again.context.failed and again.context.failed["bad"]) == ((uuid(2),), True)
    assert upgrade(hosts.fallback(), PENDING, force=True).steps == (*UPGRADED, "prune")


def test_where_grub_cannot_write_the_default_is_chosen_at_once() -> None:
    facts = hosts.host((0, 1), runs=1, automatic=False, overc_default="1")
    steps = upgrade(facts).steps
    assert steps[-1] == "choose"
    assert "install_guard" not in steps
    cancel = rollback(hosts.manual_staged())
    assert cancel.steps == ("choose", "record", "prune")
    assert cancel.context is not None
    assert (cancel.context.number, cancel.context.dropped) == (1, (uuid(2),))


def test_a_rollback_in_every_state() -> None:
    back = rollback(hosts.settled())
    assert back.context is not None
    assert (back.steps, back.context.target) == (("install_guard", "record", "arm_trial"), uuid(1))
    assert rollback(hosts.settled(), arm=False).steps == ("install_guard", "record", "disarm")
    assert refused(lambda: rollback(hosts.host())) == "no_target"
    cancel = rollback(hosts.staged())
    assert cancel.context is not None
    assert (cancel.operation, cancel.steps, cancel.context.dropped) == (
        "cancel",
        ("disarm", "record", "prune"),
        (uuid(2),),
    )
    given_up = rollback(hosts.trial())
    assert given_up.context is not None
    assert (given_up.steps, given_up.context.target) == (("record", "disarm"), uuid(1))
    assert given_up.context.failed is not None
    failed = rollback(hosts.fallback())
    assert failed.context is not None
    assert (failed.operation, failed.context.dropped) == ("cancel", (uuid(2),))
    here = rollback(hosts.elsewhere())
    assert here.context is not None
    assert (here.steps, here.context.target, here.context.number) == (("record", "choose"), uuid(0), 0)
    assert rollback(hosts.rollback_staged()).steps == ()
    assert rollback(hosts.given_up()).steps == ()


def test_a_rollback_is_never_rolled_back() -> None:
    """What led here was a way back already, also where its run was cut off and repaired since."""
    facts = hosts.settled()

    def after(*events: tuple[str, int]) -> HostFacts:
        told = tuple({"operation": operation, "to": name(to), "outcome": "repaired"} for operation, to in events)
        return replace(facts, record=replace(facts.record, events=told))

    assert rollback(after(("upgrade", 2))).steps
    assert rollback(after(("upgrade", 3), ("rollback", 2))).steps == ()
    assert rollback(after(("upgrade", 3), ("rollback", 2), ("upgrade", 4))).steps == ()
    assert rollback(after(("upgrade", 2), ("upgrade", 3), ("cancel", 2))).steps == ()
    assert rollback(after(("upgrade", 3), ("cancel", 2), ("upgrade", 2))).steps
    assert rollback(after(("upgrade", 3), ("rollback", 2)), to=1).steps


def test_a_rollback_to_any_deployment() -> None:
    for automatic, steps in ((True, ("disarm", "record")), (False, ("choose", "record"))):
        waits = hosts.host(
            (0, 1), runs=1, pending=hosts.BACK, automatic=automatic, overc_default="1" if automatic else "0"
        )
        stays = rollback(waits, to=1)
        assert (stays.operation, stays.steps, stays.context and stays.context.dropped) == ("cancel", steps, ())
    # The same again, right before the reboot: what waits is armed, or waits already
    for facts in (
        hosts.rollback_staged(),
        hosts.host((0, 1), runs=1, pending=hosts.BACK, automatic=False, overc_default="0"),
    ):
        assert rollback(facts, to=0).steps == rollback(facts).steps
    waits = hosts.host((0, 1), runs=1, pending=hosts.BACK, overc_default="1")
    assert rollback(waits, to=0).steps == rollback(waits).steps == ("arm_trial",)
    # What runs is to boot next: so what was staged does not
    assert rollback(hosts.staged(), to=1) == rollback(hosts.staged())
    there = rollback(hosts.settled(), to=0)
    assert there.context is not None
    assert there.context.target == uuid(0)
    assert rollback(hosts.settled(), to=2).steps == ()
    assert rollback(hosts.given_up(), to=2).steps == ()
    assert refused(lambda: rollback(hosts.settled(), to=9)) == "no_target"
    assert refused(lambda: rollback(hosts.staged(), to=0)) == "not_booted"
    assert refused(lambda: rollback(hosts.trial(), to=0)) == "unconfirmed"
    assert rollback(hosts.trial(), to=1).steps == ("record", "disarm")
    assert rollback(hosts.elsewhere(), to=1).steps == ("install_guard", "record", "arm_trial")


@pytest.mark.parametrize("waits", ["upgrade", "rollback", "given up", "fallback"])
def test_what_a_refusal_says_to_do_first_does_something(waits: str) -> None:
    facts, runs = {
        "upgrade": (hosts.staged(), 1),
        "rollback": (hosts.host((0, 1), runs=1, pending=hosts.BACK, overc_default="1"), 1),
        "given up": (hosts.given_up(), 2),
        "fallback": (hosts.fallback(), 1),
    }[waits]
    with pytest.raises(OvercError) as caught:
        rollback(facts, to=9)
    said = str(caught.value)
    if waits == "given up":
        assert "Reboot the host" in said
    elif waits == "rollback":
        assert f"with to: {runs}," in said
        assert rollback(facts, to=runs).steps
    else:
        assert "without 'to'" in said
        assert rollback(facts).steps


@pytest.mark.parametrize("broken", ["modules", "file", "gone"])
def test_no_rollback_to_what_would_not_boot(broken: str) -> None:
    facts = hosts.settled()
    boot = t.cast("t.Any", facts.entry_boot)
    if broken == "modules":
        roots = {**facts.roots, name(1): replace(facts.roots[name(1)], modules=frozenset({"other"}))}
        facts = replace(facts, roots=roots)
    elif broken == "file":
        facts = with_choice(facts, replace(boot, missing=frozenset({"/overc/files/i1"})))
    else:
        facts = replace(facts, subvolumes=(facts.subvolumes[0], facts.subvolumes[2]))
    assert refused(lambda: rollback(facts)) == "no_target"


def test_no_upgrade_while_the_default_has_lost_its_kernel_or_its_modules() -> None:
    """A way back is not refused for that."""
    facts = hosts.settled()
    boot = t.cast("t.Any", facts.entry_boot)
    roots = {**facts.roots, name(2): replace(facts.roots[name(2)], modules=frozenset({"other"}))}
    for broken in (
        replace(facts, roots=roots),
        with_choice(facts, replace(boot, missing=frozenset({"/overc/files/k2"}))),
    ):
        with pytest.raises(OvercError) as caught:
            upgrade(broken)
        assert caught.value.error_id == "kernel_broken"
        assert "deployment 2" in caught.value.message
        assert rollback(broken).steps


def test_a_confirmation_in_every_state() -> None:
    done = confirm(hosts.trial())
    assert done.context is not None
    assert (done.steps, done.context.number) == (("confirm", "record", "prune"), 2)
    assert confirm(hosts.settled()).steps == ()
    assert refused(lambda: confirm(hosts.staged())) == "not_booted"
    assert refused(lambda: confirm(hosts.fallback())) == "backup_boot"
    assert refused(lambda: confirm(hosts.elsewhere())) == "not_default"


def _tried(keep: int, **pins: bool) -> tuple[str, ...]:
    pending = replace(hosts.UPGRADE, uuid=uuid(5))
    numbers = (0, 1, 2, 3, 4, 5)
    facts = hosts.host(
        numbers, runs=5, pending=pending, unconfirmed=(5,), on_trial=True, keep=keep, overc_default="4", overc_try=""
    )
    pinned = {uuid(n): hosts.deployment(n, pinned=True) for n in numbers if pins.get(f"n{n}")}
    plan = confirm(replace(facts, record=replace(facts.record, deployments={**facts.record.deployments, **pinned})))
    assert plan.context is not None
    return plan.context.dropped


def test_what_is_kept() -> None:
    """The newest that are good, the pinned ones, and what the distribution's own menu boots."""
    assert _tried(2) == (uuid(1), uuid(2), uuid(3))
    assert _tried(1) == (uuid(1), uuid(2), uuid(3), uuid(4))
    assert _tried(4) == (uuid(1),)
    assert _tried(100) == ()
    assert _tried(2, n1=True) == (uuid(2), uuid(3))


def test_what_grub_itself_was_installed_from_stays() -> None:
    facts = hosts.staged()
    boot = replace(t.cast("t.Any", facts.entry_boot), begins_in=frozenset({2}))
    plan = rollback(with_choice(facts, boot))
    assert plan.context is not None
    assert plan.context.dropped == ()


def test_new_roots_are_named_after_the_installed_one_whatever_became_of_it() -> None:
    facts = hosts.host()
    boot = t.cast("t.Any", facts.entry_boot)
    later = replace(boot.menu.of(0), subvolume="@rootfs.overc-3")
    plan = upgrade(with_choice(facts, replace(boot, menu=boot.menu.with_entry(later))))
    assert plan.context is not None
    assert plan.context.root_name == "@rootfs.overc-1"


def test_only_what_is_recorded_as_ours_goes() -> None:
    facts = hosts.staged()
    stranger = replace(facts, record=replace(facts.record, deployments={}))
    plan = rollback(stranger)
    assert plan.context is not None
    assert plan.context.dropped == ()


@pytest.mark.parametrize("state", STATES)
def test_nothing_boots_before_it_is_recorded(state: str) -> None:
    """What a plan commits to comes after everything else was written, except where something is given up."""
    facts = STATES[state]()
    plans = []
    acts: tuple[t.Callable[[], Plan], ...] = (
        lambda: upgrade(facts, force=True),
        lambda: rollback(facts),
        lambda: confirm(facts),
    )
    for act in acts:
        try:
            plans.append(act())
        except OvercError:
            continue
    for plan in plans:
        # What was to be tried is taken back right before the record where something else takes its place
        taken_back = "create_root" in plan.steps and "disarm" in plan.steps
        assert not taken_back or plan.steps[plan.steps.index("disarm") + 1] == "record"
        commits = [step for step in plan.steps if step in COMMIT and not (taken_back and step == "disarm")]
        assert len(commits) <= 1
        if commits and plan.operation != "cancel":
            assert plan.steps.index("record") < plan.steps.index(commits[0])
            assert set(plan.steps[plan.steps.index(commits[0]) + 1 :]) <= {"prune"}


@pytest.mark.parametrize("state", [*STATES, "host", "unarmed", "manual_staged"])
def test_no_entry_is_called_the_normal_one_or_the_backup(state: str) -> None:
    """There are only deployments."""
    facts: HostFacts = getattr(hosts, {"clean": "settled"}.get(state, state))()
    acts: tuple[t.Callable[[], Plan], ...] = (
        lambda: upgrade(facts, force=True),
        lambda: rollback(facts),
        lambda: confirm(facts),
    )
    for act in acts:
        try:
            plan = act()
        except OvercError:
            continue
        said = " ".join((plan.reason, *map(plan.describe, plan.steps), words.done(plan)))
        assert "normal" not in said
        assert "backup" not in said
