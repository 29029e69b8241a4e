# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers in options: what YAML takes for one, but nobody can count to, is refused.

Ansible's own conversion ends in a traceback for infinity, goes on without end for ``1e999999999``, and takes ``true`` for 1.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

# What a timer of 32 bits holds; as seconds, 68 years
LARGEST: t.Final = 2**31 - 1
_SHOWN: t.Final = 40


def whole_number(option: str, value: t.Any) -> int:
    """``value`` (a number, or text that is one) as an int from 0 to ``LARGEST``. Raises bad_argument."""
    number = _number(value)
    if number is None or not 0 <= number <= LARGEST:
        raise OvercError("bad_argument", f"{option}: {_shown(value)} is not a whole number from 0 to {LARGEST}.")
    return number


def _number(value: t.Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _shown(value: t.Any) -> str:
    if isinstance(value, int) and value.bit_length() > 4 * _SHOWN:
        # Python refuses to write out numbers of thousands of digits
        return "a number of more than forty digits"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


__all__ = ("LARGEST", "whole_number")
