# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several modules return, said once. ``generate_docs.py`` writes it into their RETURN, between two marks.

ansible-doc reads a module's text without running it, so the text has to stand there literally.
"""

from __future__ import annotations

import re
import typing as t

# What a command that changes the host returns of it.
SWITCH: t.Final = """\
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
"""
# What is known after a reboot that was asked for.
REBOOT: t.Final = """\
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
"""
# What every other command returns that repairs first.
REPAIRED: t.Final = """\
repaired:
  description: The steps that brought an interrupted earlier run to an end before this one began.
  returned: when there was one
  type: list
  elements: dict
"""
GROUPS: t.Final = {"switch": SWITCH, "reboot": REBOOT, "repaired": REPAIRED}
_MARKED = re.compile(r"(?ms)^# >>> (?P<group>\w+), from scripts/return_texts\.py\n.*?^# <<<\n")


def marked(group: str) -> str:
    """The lines of a group with their marks, which are comments for YAML."""
    return f"# >>> {group}, from scripts/return_texts.py\n{GROUPS[group]}# <<<\n"


def filled(source: str) -> str:
    """A module's source with every marked group as it is here. Raises KeyError for a group that there is not."""
    return _MARKED.sub(lambda found: marked(found["group"]), source)
