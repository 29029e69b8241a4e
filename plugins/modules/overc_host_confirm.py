#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_confirm
short_description: Make the running deployment of a host permanent
version_added: 0.1.0
description:
  - Confirms that the running deployment is good.
  - On a host with RV(protection=automatic) this makes a deployment on trial permanent; until then the next boot is the
    backup. It is one write, so it is done or not done whenever the power is cut, and it can be repeated.
  - On a host with RV(protection=manual) a deployment is permanent as soon as it is booted, so this only checks that the
    host runs what it is meant to run - it refuses on a host whose staged deployment was not booted, and on one that runs
    its backup.
  - With O(health) it asks first whether the host works, and confirms nothing if it does not. It asks in check mode as well.
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.health
  - overc.system.health.failed_before
  - overc.system.attributes
options:
  expected_uuid:
    description:
      - The UUID of the deployment that is meant. If another one runs, nothing is asked or confirmed.
    type: str
  finished:
    description:
      - Whether the switch to this deployment is over. V(false) if something is still to be done about it, for instance the
        host is to be put back into service, so that RV(unfinished) goes on to say so.
    type: bool
    default: true
  pin:
    description:
      - Ids of deployments that stay however many newer ones there are, as M(overc.system.overc_host_info) lists them. Only
        where each deployment has a boot entry of its own.
    type: list
    elements: int
    default: []
  unpin:
    description:
      - Ids of deployments that need not stay any longer.
    type: list
    elements: int
    default: []
seealso:
  - module: overc.system.overc_host_upgrade
"""

EXAMPLES = r"""
- name: Keep this system
  overc.system.overc_host_confirm:

- name: Keep it if what it is for works
  overc.system.overc_host_confirm:
    health:
      services:
        - sshd
"""

RETURN = r"""
# >>> switch, from scripts/return_texts.py
msg:
  description:
    - What is so after the module, in one line for people; after a failure what is wrong, and what to do next.
    - In check mode it begins with C(this would be so).
  returned: always
  type: str
  sample: 5 packages upgraded; rootfs_upgrade runs; rootfs_bakup is the way back
predicted:
  description:
    - Whether the host is shown as it would be, in check mode with something to do, and not as it was found. It concerns
      RV(state), RV(default), RV(next_boot), RV(backup), RV(staged), RV(staged_uuid), RV(reboot_required) and RV(trial).
  returned: success
  type: bool
  sample: false
state:
  description:
    - State of the host after the module, derived from what is found on it.
    - One of V(clean), V(staged), V(trial), V(fallback), V(elsewhere), V(backup), V(interrupted), V(busy),
      V(inconsistent), V(unsupported).
  returned: success
  type: str
  sample: staged
booted:
  description: The subvolume that is running.
  returned: success
  type: str
  sample: rootfs
default:
  description: The default subvolume, which the normal boot entry boots.
  returned: success
  type: str
  sample: rootfs_upgrade
next_boot:
  description: >-
    The subvolume that comes up if the host is started now and nobody is at its boot menu. During a trial, and until a
    staged deployment is armed, that is the backup. None where it cannot be told.
  returned: success
  type: str
  sample: rootfs_upgrade
backup:
  description: The subvolume of the backup boot entry, if it exists.
  returned: success
  type: str
  sample: rootfs_bakup
staged:
  description: The subvolume that waits for a reboot, if one does.
  returned: success
  type: str
  sample: rootfs_upgrade
staged_uuid:
  description: The UUID of that subvolume.
  returned: success
  type: str
  sample: 91a7d2b5-0c1d-6a42-b2a6-3f6f6b2e1d11
reboot_required:
  description: Whether the switch waits for a reboot.
  returned: success
  type: bool
  sample: true
unfinished:
  description:
    - The switch to what runs, if nobody has found it good since, as M(overc.system.overc_host_confirm) does; a run that was
      cut off after the reboot is known by it. Its operation, the UUID of the deployment and when it was staged.
  returned: success
  type: dict
out_of_service:
  description:
    - Since when a run has the host out of service, as M(overc.system.overc_host_service) noted it, UTC. None where it is in
      service.
  returned: success
  type: str
  sample: "2026-01-31T22:15:00Z"
protection:
  description:
    - Which guarantee the host has. V(manual) means that a person chooses the backup entry in the boot menu;
      V(automatic) that a system which does not come up, or is not confirmed in time, is left by itself.
  returned: success
  type: str
  sample: manual
trial:
  description:
    - What is not confirmed yet on a host with RV(protection=automatic), see M(overc.system.overc_host_info).
  returned: success
  type: dict
actions:
  description:
    - The steps in order. In check mode the same list with RV(actions[].status=planned).
  returned: with O(full=true)
  type: list
  elements: dict
  sample:
    - step: set_default
      description: make rootfs_upgrade the default subvolume
      status: done
  contains:
    step:
      description: Stable name of the step.
      type: str
    description:
      description: What it does, for people.
      type: str
    status:
      description: V(planned), V(done), or V(skipped) where there turned out to be nothing to do.
      type: str
steps:
  description: The steps that a real run takes, one line for each.
  returned: in check mode, without O(full)
  type: list
  elements: str
  sample:
    - make rootfs_upgrade the default subvolume
repaired:
  description: The steps that brought an interrupted earlier run to an end before this one began.
  returned: when there was one
  type: list
  elements: dict
# <<<
deployment:
  description: The deployment that runs, as RV(overc.system.overc_host_info#module:booted).
  returned: when O(expected_uuid) is given
  type: dict
passed:
  description: The checks of O(health) that were made.
  returned: when O(health) is given
  type: list
  elements: str
check:
  description: The check of O(health) that did not pass; C(msg) says what was found.
  returned: when the host does not work
  type: str
  sample: Declared services run
carry_late:
  description:
    - What the running deployment brought over from the one before, when it first started.
      None where nothing was declared.
  returned: success
  type: dict
  contains:
    paths:
      description: The paths.
      type: list
      elements: str
    status:
      description: V(waiting) for its first start, V(done) or V(failed).
      type: str
    reason:
      description: Why it failed.
      type: str
    brought:
      description: The paths that were brought over.
      type: list
      elements: str
    replaced:
      description: After a rollback, for each path where that is which the deployment had there before.
      type: dict
    declared:
      description: When it was declared, UTC.
      type: str
    finished:
      description: When it was done or failed, UTC.
      type: str
  sample:
    paths: [/srv]
    status: done
    reason:
    brought: [/srv]
    replaced: {/srv: /srv.overc-replaced}
    declared: "2026-01-31T22:15:00Z"
    finished: "2026-01-31T22:21:30Z"
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: no_space
"""

import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.health.ask import check
from ansible_collections.overc.system.plugins.module_utils.health.options import (
    FAILED_BEFORE_SPEC,
    HEALTH_SPEC,
    health_from,
)
from ansible_collections.overc.system.plugins.module_utils.host import session
from ansible_collections.overc.system.plugins.module_utils.host.commands.confirm import confirm
from ansible_collections.overc.system.plugins.module_utils.host.commands.info import info
from ansible_collections.overc.system.plugins.module_utils.host.deployments import pin
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import layout_from

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.runner import Runner

NAME: t.Final = "overc_host_confirm"


def _first(runner: Runner, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Whether the right system runs, and whether it works. The lock is not held meanwhile: this may take minutes."""
    checks = health_from(params)
    found: dict[str, t.Any] = {}
    if params["expected_uuid"]:
        found["deployment"] = _expected(runner, params)
    if checks:
        found["passed"] = check(runner, checks)
    return found


def _expected(runner: Runner, params: dict[str, t.Any]) -> dict[str, t.Any]:
    seen = session.run(runner, layout_from(params), NAME, info, check_mode=True, reads_only=True)
    runs: dict[str, t.Any] = seen["booted"] or {}
    if runs.get("uuid") != params["expected_uuid"]:
        shown = f"{runs['subvolume']} ({runs['uuid']})" if runs else "no known deployment"
        raise OvercError(
            "not_booted",
            f"The host runs {shown}, not the deployment {params['expected_uuid']}. Nothing was changed.",
            deployment=runs or None,
        )
    return runs


def _confirm(at: session.Host, params: dict[str, t.Any]) -> dict[str, t.Any]:
    pinned = pin(at, params["pin"], params["unpin"])
    result = confirm(at, finished=params["finished"])
    return {**result, "changed": result["changed"] or pinned}


def main() -> None:
    run_host_module(
        NAME,
        _confirm,
        {
            **HEALTH_SPEC,
            **FAILED_BEFORE_SPEC,
            "expected_uuid": {"type": "str"},
            "finished": {"type": "bool", "default": True},
            "pin": {"type": "list", "elements": "int", "default": []},
            "unpin": {"type": "list", "elements": "int", "default": []},
        },
        first=_first,
    )


if __name__ == "__main__":
    main()
