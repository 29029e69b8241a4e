# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests go to one worker: those that begin with the same states, each of which takes minutes to make.

A day's part has one file system only, so all of it begins with the same states; of the whole there is enough for several.
"""

from __future__ import annotations

import pytest

from tests.sampling import ALL


def group(name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(name if ALL else "vm")


__all__ = ("group",)
