# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exactly the hosts that were meant: by Ansible's own matching, excluded ones taken away by name."""

from __future__ import annotations

import typing as t

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.overc.system.plugins.plugin_utils.option_kinds import FleetError
from ansible_collections.overc.system.plugins.plugin_utils.run_target import as_patterns, choose, refuse_parts
from hypothesis import given
from hypothesis import strategies as st

ODD = ["web 1", "site1:web", "a,b", "fe80::2%eth0", "!x", "&y", "~z", "n[1]", "üml", "a.*", "@f"]
GROUPS = {"all": ["h1", "h2", "h3", *ODD], "lab": ["h1", "h2", "h3"], "web": ["h2", "h3"], "ungrouped": ODD}


@pytest.mark.parametrize(
    ("target", "exclude", "chosen"),
    [
        ("h1,h2,h3", "h2", ["h1", "h3"]),
        ("lab", "h1,h2", ["h3"]),
        ("lab", "h1:h2", ["h3"]),
        ("lab", "web", ["h1"]),
        ("lab", "lab:!h2", ["h2"]),
        ("lab", "lab:&web", ["h1"]),
        ("lab:&web", "", ["h2", "h3"]),
        ("lab:!h1", "h2", ["h3"]),
        ("h1:h2", "h2", ["h1"]),
        ("lab", ["h1", "h2"], ["h3"]),
        (["h1", "h2"], "", ["h1", "h2"]),
        ("[h1, h2]", "", ["h1", "h2"]),
        ("lab[0]", "", ["h1"]),
        ("h*", "*3", ["h1", "h2"]),
        ("~h[12]", "h1", ["h2"]),
        ("all", ["web 1", "a,b"], [host for host in GROUPS["all"] if host not in ("web 1", "a,b")]),
        *((name, "", [name]) for name in ODD),
    ],
)
def test_chosen(target: t.Any, exclude: t.Any, chosen: list[str]) -> None:
    assert choose(GROUPS, target, exclude) == chosen


@pytest.mark.parametrize(
    ("target", "exclude", "said"),
    [
        ("", "", "-e target=GROUP"),
        (None, "", "-e target=GROUP"),
        ("nobody", "", "target: nobody names no host"),
        ("lab,nobody", "", "target: nobody names no host"),
        ("lab", "datbases", "fleet_exclude: datbases names no host"),
        ("lab", "h1,datbases", "fleet_exclude: datbases names no host"),
        ("all:!nobody", "", "target: !nobody names no host"),
        ("lab", "lab", "target=lab without lab names no host"),
        (True, "", "target: True is no list"),
        ({"a": 1}, "", "target: .* is no list"),
        ("[h1", "", "begins like a list"),
        # What an empty variable of a shell leaves: never everything else
        ("!h1", "", "only takes hosts away from all"),
        (":!h1", "", "only takes hosts away from all"),
        (["!h1", "!h2"], "", "only takes hosts away from all"),
        ("&web", "", "only takes hosts away from all"),
        (",:", "", "."),
        ("lab", "!h1", "fleet_exclude: !h1 only takes hosts away from all"),
    ],
)
def test_refused(target: t.Any, exclude: t.Any, said: str) -> None:
    with pytest.raises(FleetError, match=said):
        choose(GROUPS, target, exclude)


def test_name_of_a_host_and_of_a_group() -> None:
    with pytest.raises(FleetError, match="web is the name of a host and of a group"):
        choose({**GROUPS, "all": [*GROUPS["all"], "web"]}, "web")


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12), unique=True
    )
)
def test_a_name_is_a_pattern_of_itself(names: list[str]) -> None:
    """Whatever a cloud calls its machines."""
    manager = InventoryManager(DataLoader(), parse=False)
    manager.add_group("all")
    for name in names:
        manager.add_host(name, group="all")
    for name in names:
        assert [host.name for host in manager.get_hosts(pattern=as_patterns([name]))] == [name]


@pytest.mark.parametrize(
    ("limit", "left"), [("h1", True), ("web", True), ("lab:!h1", True), ("ungrouped", False), ("h9", False)]
)
def test_limit_that_leaves_nothing_is_no_success(limit: str, left: bool) -> None:
    if left:
        assert choose(GROUPS, "lab", limit=limit) == ["h1", "h2", "h3"], "Ansible itself takes the others away"
        return
    with pytest.raises(FleetError, match="leaves none of the hosts of target=lab"):
        choose(GROUPS, "lab", limit=limit)


@pytest.mark.parametrize(
    ("tags", "skipped", "start"),
    [(["upgrade"], [], None), (["always"], [], None), (["tagged"], [], None), (["all"], ["untagged"], None),
     (["all"], ["all"], None), (["all"], [], "Plan")],
)  # fmt: skip
def test_a_part_of_a_playbook_is_refused(tags: list[str], skipped: list[str], start: str | None) -> None:
    with pytest.raises(FleetError, match=r"Nothing was changed\."):
        refuse_parts(tags, skipped, start)


@pytest.mark.parametrize(("tags", "skipped"), [(["all"], []), (["untagged", "mine"], []), (["all"], ["slow"])])
def test_tags_of_own_tasks(tags: list[str], skipped: list[str]) -> None:
    refuse_parts(tags, skipped, None)


def test_what_was_probably_meant_is_said() -> None:
    with pytest.raises(FleetError, match=r"labb names no host of this inventory \(did you mean lab\?\)"):
        choose(GROUPS, "labb")
    with pytest.raises(FleetError, match="names no host of this inventory, so"):
        choose(GROUPS, "nothing_like_it")
