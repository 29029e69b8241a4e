# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.model``: the table of docs/reliability.md, from a search of every space to its end."""

from __future__ import annotations

import time

from .spaces import SPACES
from .test_mutants import ALL


def main() -> None:
    """Print how many states and transitions there are."""
    print("| host at the beginning, boot partition | states | transitions | seconds |\n|---|---|---|---|", flush=True)
    for space in SPACES:
        began = time.process_time()
        found = space.explore(limit=None)
        seconds = time.process_time() - began
        print(f"| {space.name} | {found.states:,} | {found.transitions:,} | {seconds:.0f} |", flush=True)
    print(f"\n{len(ALL)} planted defects.")


if __name__ == "__main__":
    main()
