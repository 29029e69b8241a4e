# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each named step does to a host, write by write: one file for what all boot methods share, one for each method.

A boot method that is added gets a file here with the steps that only it has, and an entry in ``EFFECTS``.
"""

from __future__ import annotations

import typing as t

from tests.model.effects import build_root, default_subvolume, subvolumes, trial
from tests.model.effects.at_work import AtWork

Effect = t.Callable[[AtWork], bool]

# Like the product's STEP_FUNCTIONS: whether it changed anything
EFFECTS: t.Final[dict[str, Effect]] = {
    **build_root.EFFECTS,
    **subvolumes.EFFECTS,
    **default_subvolume.EFFECTS,
    **trial.EFFECTS,
}

__all__ = ("EFFECTS", "AtWork", "Effect")
