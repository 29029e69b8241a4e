#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_service
short_description: Note that a host is out of service, or back
version_added: 0.1.0
author:
  - The overc.system authors (@overc)
description:
  - Notes on the host that a run is about to take it out of service, or that it is back. It takes nothing out of service and
    puts nothing back by itself.
  - The note outlives reboots and a switch of the root in either direction. A run that was cut off, or a controller that died,
    leaves it behind; the next run finds it in RV(out_of_service) and puts the host back.
  - The roles C(host_upgrade) and C(host_rollback) call it around the tasks that drain and undrain a host.
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.attributes
options:
  state:
    description:
      - V(out) before the first task that takes the host out of service.
      - V(in) after the last task that puts it back. Nothing is left to be done then about a switch of the root either, so
        RV(unfinished) says nothing any more.
    type: str
    choices:
      - in
      - out
    required: true
seealso:
  - module: overc.system.overc_host_confirm
"""

EXAMPLES = r"""
- name: It is being taken out of service
  overc.system.overc_host_service:
    state: out

- name: It is back in service
  overc.system.overc_host_service:
    state: in
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
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: no_space
"""

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.commands.service import service
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module

NAME: t.Final = "overc_host_service"


def main() -> None:
    run_host_module(
        NAME,
        lambda at, params: service(at, out=params["state"] == "out"),
        {"state": {"type": "str", "choices": ["in", "out"], "required": True}},
    )


if __name__ == "__main__":
    main()
