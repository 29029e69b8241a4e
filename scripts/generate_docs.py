# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/errors.md from the table of error ids; a test checks that this was done."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ERRORS = ROOT / "docs" / "errors.md"
_SOURCE = "plugins/module_utils/errors.py"
_HEAD = f"""\
# Error ids

Made by `scripts/generate_docs.py` from `{_SOURCE}`. Do not edit.

A module that refuses or fails returns `error_id`, one of these words, beside a `msg` for people. The words are stable.
Where a tool failed, its own `stdout`, `stderr` and `rc` are returned as well; where a transaction was undone, the steps
are in `undone`.

| `error_id` | meaning |
|---|---|
"""


def errors_page() -> str:
    error_ids: dict[str, str] = runpy.run_path(str(ROOT / _SOURCE))["ERROR_IDS"]
    return _HEAD + "".join(f"| `{error_id}` | {error_ids[error_id]} |\n" for error_id in sorted(error_ids))


if __name__ == "__main__":
    ERRORS.write_text(errors_page(), encoding="utf-8")
