#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_health
short_description: Ask a host whether it works
version_added: 0.1.0
author:
  - The overc.system authors (@overc)
description:
  - Asks on the host itself whether its boot came to its end, no unit failed, and declared services, ports, addresses and
    commands work.
  - Each check is tried again until it passes. The first one whose tries are used up ends in the error C(unhealthy).
  - Changes nothing and takes no lock. The other host modules ask the same with their option O(ignore:health).
extends_documentation_fragment:
  - overc.system.health.checks
  - overc.system.health.failed_before
  - overc.system.full
  - overc.system.attributes.info_module
seealso:
  - module: overc.system.overc_host_confirm
"""

EXAMPLES = r"""
- name: The host came up, and what it is for works
  overc.system.overc_host_health:
    services:
      - sshd
    ports:
      - 22
    commands:
      - test -d /etc
"""

RETURN = r"""
passed:
  description: The checks that were made, in their order.
  returned: success
  type: list
  elements: str
  sample:
    - No unit failed that had not failed before
    - Declared services run
check:
  description: The check that did not pass; C(msg) says what was found.
  returned: when the host does not work
  type: str
  sample: Declared services run
msg:
  description: What was found.
  returned: always
  type: str
  sample: "Not running: postgresql."
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: unhealthy
stdout:
  description: Standard output of the command that failed.
  returned: when one did, with O(full=true)
  type: str
stderr:
  description: Its standard error.
  returned: when one did, with O(full=true)
  type: str
rc:
  description: Its exit code.
  returned: when one did
  type: int
output:
  description: What the tool that failed printed; of much of it, the lines that say what went wrong.
  returned: when one failed, without O(full)
  type: list
  elements: str
"""

import typing as t

from ansible_collections.overc.system.plugins.module_utils.health.ask import check
from ansible_collections.overc.system.plugins.module_utils.health.options import (
    CHECKS_SPEC,
    FAILED_BEFORE_SPEC,
    checks_from,
)
from ansible_collections.overc.system.plugins.module_utils.host.module import run_module

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Runner


def _health(runner: Runner, params: dict[str, t.Any]) -> dict[str, t.Any]:
    passed = check(runner, checks_from(params, params["failed_before"]))
    return {"changed": False, "passed": passed, "msg": "The host works." if passed else "Nothing was asked."}


def main() -> None:
    run_module({**CHECKS_SPEC, **FAILED_BEFORE_SPEC}, lambda runner, params, _check_mode: _health(runner, params))


if __name__ == "__main__":
    main()
