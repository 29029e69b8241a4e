# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many cases of each kind: a few and always the same in `make test`; in `make fuzz` ever new ones, 20,000."""

from __future__ import annotations

import os
import typing as t

from hypothesis import HealthCheck, settings

# Of each kind: parsers, drivers, options of modules ...
CASES = int(os.environ.get("OVERC_FUZZ_CASES", "1000"))
FULL = "OVERC_FUZZ_CASES" in os.environ
Test = t.TypeVar("Test", bound=t.Callable[..., t.Any])


def fuzzed(*, per_test: int, share: float = 1.0) -> t.Callable[[Test], Test]:
    """``per_test`` tests share the cases of their kind; in `make test`, of a kind that costs more, a ``share``."""

    def decorate(test: Test) -> Test:
        return settings(
            max_examples=max(10, int(CASES * (1 if FULL else share)) // per_test),
            derandomize=not FULL,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )(test)

    return decorate
