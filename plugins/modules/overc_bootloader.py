#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_bootloader
short_description: Let a host try a new system once, and return to its backup by itself
version_added: 0.1.0
description:
  - Installs what RV(protection=automatic) needs on a host with the two boot entries of the documentation, and removes it
    again.
  - GRUB's menu gets a few lines of stock commands that try the normal entry once (C(next_entry)) and boot the backup entry
    (C(saved_entry)) until somebody confirms, an C(fallback) for a kernel that cannot be loaded, and C(panic=) on both
    entries. The environment block beside the menu is made if there is none.
  - The running root gets a guard unit, which reboots a trial whose boot does not end or that nobody confirms in time, a
    time-out of systemd itself, and a reboot instead of the emergency and rescue shells. All of these do nothing in any
    boot that is no trial. Each upgrade puts them into the new root.
  - Refuses with C(no_trial_boot) where GRUB could not write its environment (btrfs, XFS, LVM, RAID, encryption), where it
    cannot be told which menu GRUB reads, and where the menu has a logic of its own.
  - A host as the installers of Debian and Ubuntu leave it (its kernel is told which subvolume is its root, and has its
    version in its name) gets a menu beside the distribution's own instead, in which each deployment has an entry of its own.
    GRUB comes there through C(custom.cfg). Nothing that boots is changed until the first upgrade, and nothing of the
    distribution's. Where GRUB cannot write, such a host has RV(protection=manual), with a warning.
  - Where systemd-boot has started such a host, each deployment gets entry files of its own beside the distribution's
    (C(loader/entries/overc-ID.conf)) instead, and the variables of the firmware choose. Refused with C(layout_unsupported)
    where something would have to be guessed, for instance with GRUB beside it, unified kernel images, or Secure Boot.
  - There, O(state=absent) removes all that, once the distribution's own menu boots what runs. Roots of other deployments
    stay, see RV(left).
  - The menu as it was is kept beside it and comes back, to the last byte, with O(state=absent). If somebody changed ours
    since, that is refused with C(bootloader_changed).
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.attributes
options:
  state:
    description:
      - V(present) installs it, V(absent) removes it.
      - Refused while a deployment is staged, on trial, or the backup runs, unless nothing has to change.
    type: str
    choices: [absent, present]
    default: present
  adopt_custom_cfg:
    description:
      - On a host whose deployments get boot entries of their own, what to do if GRUB's C(custom.cfg) has lines of somebody
        else. V(refuse) refuses with C(custom_cfg_foreign), V(append) puts ours behind them.
    type: str
    choices: [refuse, append]
    default: refuse
  panic_timeout:
    description:
      - After how many seconds a kernel that panicked reboots.
    type: int
    default: 30
  boot_timeout:
    description:
      - Within how many seconds a trial's boot must come to its end.
    type: int
    default: 300
  confirm_deadline:
    description:
      - Within how many seconds after its start a trial must be confirmed with M(overc.system.overc_host_confirm); V(0)
        waits for ever. Without it, the host reboots into its backup.
    type: int
    default: 900
seealso:
  - module: overc.system.overc_host_upgrade
  - module: overc.system.overc_host_confirm
"""

EXAMPLES = r"""
- name: A bad upgrade heals itself from now on
  overc.system.overc_bootloader:
    confirm_deadline: 1800

- name: Return to the menu as it was
  overc.system.overc_bootloader:
    state: absent
"""

RETURN = r"""
state:
  description: State of the host.
  returned: success
  type: str
  sample: clean
protection:
  description: Which guarantee the host has now, V(manual) or V(automatic).
  returned: success
  type: str
  sample: automatic
boot_method:
  description: V(grub-entry), V(loader-entry) or V(snapper) where each deployment can be chosen by itself now.
  returned: on a host as distributions install them
  type: str
  sample: grub-entry
selector:
  description: The directory with the menu of deployments, or their kernels, and the block.
  returned: on a host as distributions install them
  type: str
  sample: /boot/overc
left:
  description: With O(state=absent), subvolumes of other deployments, which no menu boots any more.
  returned: on a host as distributions install them
  type: list
  elements: str
  sample: []
grub_config:
  description: The menu of GRUB, or the file that leads from there to the menu of deployments; with systemd-boot the directory
    of its entries.
  returned: success
  type: str
  sample: /boot/grub/grub.cfg
environment:
  description: GRUB's environment block.
  returned: success
  type: str
  sample: /boot/grub/grubenv
requirements:
  description: What the host lacks for automatic protection, each with C(id), C(ok), C(detail) and C(remedy).
  returned: failure with error_id=no_trial_boot
  type: list
  elements: dict
# >>> repaired, from scripts/return_texts.py
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
  sample: no_trial_boot
"""

from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import timeouts_from
from ansible_collections.overc.system.plugins.module_utils.host.commands import bootloader
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module


def main() -> None:
    run_host_module(
        "overc_bootloader",
        lambda at, params: bootloader.manage(
            at, params["state"], timeouts_from(params), append=params["adopt_custom_cfg"] == "append"
        ),
        bootloader.BOOTLOADER_SPEC,
    )


if __name__ == "__main__":
    main()
