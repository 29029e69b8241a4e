# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search finds what it is there to find: each planted defect, by the way that leads to it."""

from __future__ import annotations

import typing as t

import pytest

from tests.model.entries import mutants as entries
from tests.model.explore import Exploration, Found
from tests.model.mutants import MUTANTS
from tests.model.snapper import mutants as snapper

_FAR_ENOUGH = 20_000


ALL: t.Final = {
    **MUTANTS,
    **{f"entries: {name}": mutant for name, mutant in entries.MUTANTS.items()},
    **{f"systemd-boot: {name}": mutant for name, mutant in entries.LOADER_MUTANTS.items()},
    **{f"snapper: {name}": mutant for name, mutant in snapper.MUTANTS.items()},
    **{f"snapper, set-up: {name}": mutant for name, mutant in snapper.SET_UP_MUTANTS.items()},
}


@pytest.mark.parametrize("name", ALL)
def test_a_planted_defect_is_found(name: str) -> None:
    mutant = ALL[name]
    with pytest.raises(Found) as found:
        Exploration(mutant.machinery, method=mutant.method, manages=mutant.manages).explore(
            mutant.begins, limit=_FAR_ENOUGH
        )
    print(found.value)
