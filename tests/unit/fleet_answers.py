# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts answer, and plans of runs made from that, for the tests of fleet runs."""

from __future__ import annotations

import typing as t

from ansible_collections.overc.system.plugins.plugin_utils import run_plan

NOW = "2026-11-23T21:00:00Z"
CHANGE = {"name": "app", "arch": "noarch", "installed": "1", "available": "2", "channel": "lab", "size": 1}
PENDING = {"state": "clean", "booted": "rootfs", "fingerprint": "f1", "actions": [{}], "upgrades": [CHANGE]}
NOTHING = {"state": "clean", "booted": "rootfs", "fingerprint": "f0", "actions": [], "msg": "nothing is pending"}
STAGED = {**NOTHING, "reboot_required": True, "fingerprint": "f1"}
REFUSED = {"state": "clean", "error_id": "no_space", "msg": "Not enough space.", "failed": False}
SILENT = {"unreachable": True, "msg": "Failed to connect\nto the host"}
BAD = {"status": "rolled_back", "fingerprint": "f1", "rejects_plan": True}


def options(**more: t.Any) -> dict[str, t.Any]:
    return {"command": "upgrade", "now": NOW, "canary": 1, "serial": 2, **more}


def planned(answers: dict[str, t.Any], **more: t.Any) -> run_plan.Plan:
    return run_plan.plan(answers, options(**more))


def five(**more: t.Any) -> run_plan.Plan:
    return planned({f"h{n}": PENDING for n in range(1, 6)}, **more)
