# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How two subvolumes are related, over any number of generations."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs.roots import Origin
from ansible_collections.overc.system.plugins.module_utils.compare.kin import parted

NOBODY = "-"
# Of what each was made, in which generation, and when
FAMILY = {
    "first": (NOBODY, 0, 0),
    "child": ("first", 10, 100),
    "late child": ("first", 50, 500),
    "grandchild": ("child", 20, 200),
    "of grandchild": ("grandchild", 30, 300),
    "orphan": ("deleted", 12, 120),
    "other orphan": ("deleted", 15, 150),
    "of orphan": ("orphan", 40, 400),
    "stranger": (NOBODY, 0, 0),
    "chicken": ("egg", 5, 50),
    "egg": ("chicken", 6, 60),
}


def _uuid(name: str) -> bytes:
    return bytes(16) if name == NOBODY else name.encode().ljust(16, b".")


ORIGINS = {_uuid(name): Origin(_uuid(parent), made, time) for name, (parent, made, time) in FAMILY.items()}


@pytest.mark.parametrize(
    ("a", "b", "when"),
    [
        ("first", "child", (11, 100)),
        ("first", "grandchild", (11, 100)),
        ("first", "of grandchild", (11, 100)),
        ("child", "of grandchild", (21, 200)),
        ("late child", "of grandchild", (11, 100)),
        ("child", "late child", (11, 100)),
        ("orphan", "other orphan", (13, 120)),
        ("of orphan", "other orphan", (13, 120)),
        ("deleted", "of orphan", (13, 120)),
        ("first", "stranger", None),
        ("first", "orphan", None),
        ("stranger", "unknown", None),
        ("chicken", "first", None),
    ],
)
def test_from_when_on_two_can_differ(a: str, b: str, when: tuple[int, int] | None) -> None:
    assert parted(_uuid(a), _uuid(b), ORIGINS) == when
    assert parted(_uuid(b), _uuid(a), ORIGINS) == when
