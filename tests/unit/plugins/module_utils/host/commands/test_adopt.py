# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting a host up again while a deployment is on trial says nothing good of it."""

from __future__ import annotations

import types
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.commands import adopt
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import HostFacts, with_choice
from ansible_collections.overc.system.plugins.module_utils.host.store.record import read_record

from tests.unit import entry_factory as hosts
from tests.unit.entry_factory import uuid

_HOST: t.Final = t.cast("t.Any", types.SimpleNamespace(now="now"))


def without_block(facts: HostFacts) -> HostFacts:
    boot = t.cast("t.Any", facts.entry_boot)
    return with_choice(facts, replace(boot, exists=False, values={}, block_problem="it is gone"))


def test_what_is_on_trial_does_not_become_the_default_because_the_block_is_gone() -> None:
    with pytest.raises(OvercError) as caught:
        adopt._refuse_undecided(without_block(hosts.trial()))
    assert caught.value.error_id == "unconfirmed"
    for fine in (hosts.trial(), without_block(hosts.settled()), without_block(hosts.host())):
        adopt._refuse_undecided(fine)
    settled = hosts.settled()
    confirmed_in_its_trial = replace(t.cast("t.Any", settled.entry_boot), on_trial=True)
    adopt._refuse_undecided(without_block(with_choice(settled, confirmed_in_its_trial)))


@pytest.mark.parametrize(("state", "number", "good"), [("trial", 2, None), ("settled", 2, "then"), ("host", 0, "then")])
def test_only_what_boots_for_good_is_recorded_as_good(
    tmp_path: Path, state: str, number: int, good: str | None
) -> None:
    facts = replace(getattr(hosts, state)(), top=str(tmp_path))
    adopt._remember(_HOST, facts, number, {})
    assert read_record(str(tmp_path)).deployments[uuid(number)].confirmed == good
