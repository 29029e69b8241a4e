# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.labelling import Labelling
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import Surroundings
from ansible_collections.overc.system.plugins.module_utils.host.plan.label import with_label

from tests.unit import host_factory as make

STEPS: t.Final = ("run_packages", "make_menu", "check_root", "name_root")
LABELLED: t.Final = ("run_packages", "make_menu", "label", "check_root", "name_root")


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (None, STEPS),
        (Labelling("enforcing"), LABELLED),
        (Labelling("permissive"), LABELLED),
        (Labelling("permissive", ("there is no program setfiles",)), STEPS),
    ],
)
def test_a_root_is_labelled_after_everybody_else_wrote(found: Labelling | None, steps: tuple[str, ...]) -> None:
    facts = replace(make.clean(), surroundings=Surroundings(labelling=found))
    assert with_label(STEPS, facts) == steps
