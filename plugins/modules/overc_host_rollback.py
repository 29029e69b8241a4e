#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_rollback
short_description: Return a host to its previous deployment, cancel a staged one, or restore the backup
version_added: 0.1.0
description:
  - What it does depends on the state of the host. On a clean host it makes the deployment that ran before the present one
    boot next. On a host with a staged upgrade it cancels that upgrade, for which no reboot is needed. On a host that was
    booted from the backup entry it makes a new root from the backup, with its kernel, and lets that boot next; the backup
    itself stays.
  - Run again, it does nothing - a rollback is never rolled back.
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.health
  - overc.system.attributes
options:
  to:
    description:
      - Where each deployment has a boot entry of its own, the id of the one to return to, as M(overc.system.overc_host_info)
        lists them. V(previous) is the one that the present one was made of.
      - The id of what runs takes back what waits for its reboot, an upgrade or a rollback.
      - Any other host returns to the previous one only.
    type: str
    default: previous
  carry_late:
    description:
      - Absolute paths of files or directories with data on the root subvolume that the system to return to brings over from the
        one that runs now, when it starts and before anything there uses them. Without it, a rollback brings back the data as
        well, as it was when that system was left.
      - What that system has at such a path is not lost. It stays beside it as C(PATH.overc-replaced), until somebody deletes it;
        RV(overc.system.overc_host_info#module:carry_late) names it. What is left now keeps all it has, too.
      - The rules for the paths, and what happens where it fails, are those of the same option of
        M(overc.system.overc_host_upgrade).
        Of a cancelled upgrade there is nothing to bring. A system that did not stay on trial is left without it, whoever
        asked for it.
      - Not given for a host where a rollback waits for its reboot, what was declared for that stays.
    type: list
    elements: str
  reboot:
    description:
      - Reboot if a switch waits for it, wait for the host, and check that the right deployment came up.
      - Not possible over a local connection, nor with C(async).
    type: bool
    default: false
  reboot_timeout:
    description:
      - How many seconds to wait for the host after a reboot.
    type: int
    default: 600
  confirm:
    description:
      - With O(reboot=true), confirm the deployment as soon as it was seen to run and passed O(health). On a host with
        RV(protection=automatic) that makes it permanent.
      - Set it to V(false) to check it by other means first, and confirm with M(overc.system.overc_host_confirm); O(health)
        is then not asked for.
    type: bool
    default: true
  arm:
    description:
      - On a host with RV(protection=automatic), let the next boot try the staged deployment. It must then be confirmed in
        time, or the host returns to its backup.
      - With V(false) the trial is armed later, by a run with O(reboot=true) right before the reboot, or by another run
        without O(arm=false). Whoever starts the host before that starts its backup.
      - With O(reboot=true) it is always armed right before the reboot.
    type: bool
    default: true
seealso:
  - module: overc.system.overc_host_upgrade
  - module: overc.system.overc_host_info
"""

EXAMPLES = r"""
- name: Return to the system before the last upgrade
  overc.system.overc_host_rollback:
    reboot: true

- name: The same, with the data as it is now
  overc.system.overc_host_rollback:
    carry_late:
      - /srv
    reboot: true

# The same ad hoc: ansible -m overc.system.overc_host_rollback -a reboot=true HOST
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
operation:
  description: What the rollback is in the state the host is in, V(rollback), V(cancel) or V(restore).
  returned: success
  type: str
  sample: cancel
state_at_risk:
  description: Known state directories on the root subvolume; what is written there before the reboot is lost.
  returned: when there is something to do, with O(full=true)
  type: list
  elements: dict
at_risk:
  description: The same, a line for each.
  returned: without O(full), when there are any
  type: list
  elements: str
  sample:
    - /var/log (8.0 MiB)
carry_late:
  description: The paths that the deployment it returns to brings over when it starts, without those below another one.
  returned: unless it cancels
  type: list
  elements: str
  sample: [/srv]
brought_back:
  description:
    - Files that say who the host is and who may log in to it - ssh host keys, the machine's keytab and id, accounts - and are
      another in the deployment that it returns to. They are as they were there then, so a password or key that was renewed
      since is the old one again, and ssh clients may refuse the old host key.
  returned: when there is something to do
  type: list
  elements: dict
  sample:
    - {path: /etc/shadow, kind: accounts}
undone:
  description: The steps that brought the host back after a failure, or completed the switch if it had begun already.
  returned: failure, with O(full=true)
  type: list
  elements: dict
failed_units:
  description: Units that had failed on the running system, as systemd or OpenRC calls them.
  returned: success
  type: list
  elements: str
  sample: []
# >>> reboot, from scripts/return_texts.py
passed:
  description: The checks of O(health) that were made after the reboot.
  returned: when it was rebooted and O(health) is given
  type: list
  elements: str
check:
  description: The check of O(health) that did not pass; C(msg) says what was found.
  returned: when the host was rebooted and does not work
  type: str
  sample: Declared services run
reboot:
  description:
    - How the reboot went - C(elapsed) seconds until the host answered, and the deployment that C(came_up).
    - C(booted_before) is the subvolume that ran before, C(staged_uuid) the deployment that was to come up, C(seconds) how long
      everything took since the reboot was ordered.
  returned: when it was rebooted
  type: dict
# <<<
"""

import typing as t

from ansible_collections.overc.system.plugins.module_utils.host.commands.rollback import rollback
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module
from ansible_collections.overc.system.plugins.module_utils.host.reboot_option import REBOOT_SPEC, check_reboot_options

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.host.session import Host


def _rollback(at: Host, params: dict[str, t.Any]) -> dict[str, t.Any]:
    check_reboot_options(at, params)
    late = params["carry_late"]
    return rollback(at, arm=params["arm"], to=params["to"], carry_late=None if late is None else tuple(late))


def main() -> None:
    options = {"to": {"type": "str", "default": "previous"}, "carry_late": {"type": "list", "elements": "str"}}
    run_host_module("overc_host_rollback", _rollback, {**REBOOT_SPEC, **options})


if __name__ == "__main__":
    main()
