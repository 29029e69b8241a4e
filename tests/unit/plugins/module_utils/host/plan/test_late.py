# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Late carry in plans: where its step goes, when it is planned again, and what a confirmation makes of it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.late.wish import DONE, FAILED, WAITING, Late
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.late_paths import (
    outermost,
    refuse_by_name,
    refuse_system,
)
from ansible_collections.overc.system.plugins.module_utils.host.observe.state import derive
from ansible_collections.overc.system.plugins.module_utils.host.plan import commands, repair
from ansible_collections.overc.system.plugins.module_utils.host.plan.late import (
    declared as declared_by,
)
from ansible_collections.overc.system.plugins.module_utils.host.plan.late import (
    dropped_with,
    idle,
    with_late,
)

from tests.unit import entry_factory as with_entries
from tests.unit import host_factory as make

PATHS: t.Final = ("/srv",)


def upgrade(facts: HostFacts, **wish: t.Any) -> t.Any:
    return commands.plan_upgrade(facts, derive(facts), make.PENDING, commands.UpgradeWish(**wish))


def declared(facts: HostFacts, name: str, status: str = WAITING, paths: tuple[str, ...] = PATHS) -> HostFacts:
    uuid = make.uuid(name)
    return replace(facts, late={uuid: Late(uuid, make.uuid("rootfs"), paths, status=status)})


def test_its_step_comes_before_the_switch_and_only_where_it_is_asked_for() -> None:
    plan = upgrade(make.clean(), carry_late=PATHS)
    assert plan.context.carry_late == PATHS
    assert plan.steps.index("place_root") < plan.steps.index("declare_late") < plan.steps.index("set_default")
    for nothing in (None, ()):
        assert "declare_late" not in upgrade(make.clean(), carry_late=nothing).steps


@pytest.mark.parametrize(
    ("wanted", "planned"), [(None, ()), (PATHS, ()), (("/home",), ("declare_late",)), ((), ("declare_late",))]
)
def test_what_waits_is_declared_anew_only_where_it_differs(
    wanted: tuple[str, ...] | None, planned: tuple[str, ...]
) -> None:
    plan = upgrade(declared(make.staged(), "rootfs_upgrade"), carry_late=wanted)
    assert plan.steps == planned
    if planned:
        assert plan.context.carry_late == wanted
        killed = make.interrupted(make.staged(), plan.context.as_dict(), *plan.steps)
        assert killed.journal is not None
        killed = replace(killed, journal=replace(killed.journal, steps=plan.steps))
        assert repair.plan_repair(killed).steps[:1] == ("declare_late",)


def test_a_rollback_declares_it_for_the_root_it_returns_to() -> None:
    facts = make.upgraded()
    plan = commands.plan_rollback(facts, derive(facts), late=PATHS)
    assert plan.steps[0] == "declare_late"
    assert plan.context is not None
    assert plan.context.carry_late == PATHS
    assert "declare_late" not in commands.plan_rollback(facts, derive(facts)).steps
    # What it was to bring once and did not is not to happen now
    old = declared(facts, "rootfs", FAILED)
    forgotten = commands.plan_rollback(old, derive(old))
    assert forgotten.steps[0] == "declare_late"
    assert forgotten.context is not None
    assert forgotten.context.carry_late == ()


@pytest.mark.parametrize(("status", "good"), [(DONE, True), (WAITING, False), (FAILED, False)])
def test_what_did_not_bring_its_data_is_not_confirmed(status: str, good: bool) -> None:
    facts = declared(make.upgraded(), "rootfs_upgrade", status)
    if good:
        assert not commands.plan_confirm(facts, derive(facts)).changed
        return
    with pytest.raises(OvercError) as caught:
        commands.plan_confirm(facts, derive(facts))
    assert caught.value.error_id == "late_carry_failed"
    assert "/srv" in caught.value.message
    assert "overc_host_rollback" in caught.value.message


def test_steps() -> None:
    assert with_late(("record", "arm_trial"), PATHS) == ("declare_late", "record", "arm_trial")
    assert with_late(("swap_kernel", "set_default"), None, declared=True)[0] == "declare_late"
    assert with_late(("record",), ()) == ("record",)


def test_the_outermost_path_is_enough() -> None:
    assert outermost(["/srv/a", "/srv", "/srv-2", "/srv", "/home"]) == ("/home", "/srv", "/srv-2")


@pytest.mark.parametrize(
    "path", ["/home", "/srv/app", "/root", "/var/log", "/var/lib/mysql", "/opt", "/usr/local/share", "/varx"]
)
def test_data_may_be_brought(path: str) -> None:
    refuse_by_name(path)


NEVER: t.Final = """
/ /etc /etc/x /usr /usr/local /usr/share/x /lib/modules /boot/x /efi /proc/1 /sys /dev /run/x /tmp/x /var /var/lib /var/lib/rpm
/var/lib/dpkg/info /var/lib/apt /var/run/x srv /srv/ /srv//a /srv/../x /srv.overc-new /srv.overc-replaced /var/lib/systemd
"""


@pytest.mark.parametrize("path", [*NEVER.split(), "", "/srv\nx"])
def test_what_is_no_data_may_not(path: str) -> None:
    with pytest.raises(OvercError) as caught:
        refuse_by_name(path)
    assert caught.value.error_id == "bad_argument"


@pytest.mark.parametrize(
    "path", ["/usr", "/usr/lib/x", "/boot", "/var/lib", "/var", "/", "/var/lib/dpkg", "/lib/modules", "/run/x"]
)
def test_carry_over_puts_nothing_of_before_over_what_an_upgrade_renews(path: str) -> None:
    with pytest.raises(OvercError) as caught:
        refuse_system(path, "carry_over")
    assert caught.value.error_id == "bad_argument"
    assert "carry_over" in caught.value.message


@pytest.mark.parametrize(
    "path", ["/etc", "/etc/app", "/usr/local", "/usr/local/bin/x", "/home", "/var/lib/app", "/srv"]
)
def test_carry_over_takes_what_holds_data_and_configuration(path: str) -> None:
    refuse_system(path, "carry_over")


@pytest.mark.parametrize("paths", [(), PATHS, ("/home",)])
def test_a_way_back_that_waits_with_damaged_declarations_is_told_or_declared_anew(paths: tuple[str, ...]) -> None:
    for facts in (make.rollback_staged(), with_entries.rollback_staged()):
        assert facts.default is not None
        lost = Late(facts.default.uuid, "", (), status=FAILED, reason="It cannot be read.")
        damaged = replace(facts, late={facts.default.uuid: lost})
        with pytest.raises(OvercError) as refused:
            commands.plan_rollback(damaged, derive(damaged))
        assert refused.value.error_id == "late_carry_failed"
        assert "carry_late" in refused.value.message
        plan = commands.plan_rollback(damaged, derive(damaged), late=paths)
        assert plan.steps[:1] == ("declare_late",)


@pytest.mark.parametrize(
    ("status", "paths", "wanted", "said"),
    [
        (WAITING, PATHS, None, "brought over /srv when"),
        (FAILED, (), None, "cannot be read any more"),
        (WAITING, PATHS, (), None),
        (WAITING, PATHS, ("/home",), None),
        (DONE, PATHS, None, None),
    ],
)
def test_what_is_made_anew_and_brings_nothing_is_told(
    status: str, paths: tuple[str, ...], wanted: tuple[str, ...] | None, said: str | None
) -> None:
    facts = declared(make.staged(), "rootfs_upgrade", status, paths)
    assert facts.default is not None
    found = dropped_with(facts, facts.default, wanted)
    assert said in found if said and found else found is said
    assert dropped_with(make.staged(), facts.default, None) is None


def back(facts: HostFacts, late: tuple[str, ...] | None = PATHS) -> t.Any:
    return commands.plan_rollback(facts, derive(facts), late=late)


def test_what_will_be_brought_over_is_told_as_it_will_be() -> None:
    """Not as it was asked for: where what runs stays, nothing ever brings it over, and that is said."""
    returns = make.upgraded()
    assert (declared_by(returns, back(returns), PATHS), idle(returns, back(returns), PATHS)) == (["/srv"], None)
    waits = declared(make.rollback_staged(), "rootfs")
    assert (declared_by(waits, back(waits), PATHS), idle(waits, back(waits), PATHS)) == (["/srv"], None)
    assert declared_by(waits, back(waits, None), None) == ["/srv"]
    cancelled = back(make.staged())
    assert cancelled.operation == "cancel"
    assert "nothing is brought over" in (idle(make.staged(), cancelled, PATHS) or "")
    assert idle(make.staged(), cancelled, None) is None
    elsewhere = with_entries.elsewhere()
    stays = back(elsewhere)
    assert stays.changed
    assert declared_by(elsewhere, stays, PATHS) == []
    assert "nothing is brought over" in (idle(elsewhere, stays, PATHS) or "")
    # Something else waits there that would bring it, and does not any more
    waiting = with_entries.elsewhere()
    assert waiting.default is not None
    waiting = replace(waiting, late={waiting.default.uuid: Late(waiting.default.uuid, with_entries.uuid(0), PATHS)})
    assert declared_by(waiting, back(waiting), PATHS) == []
