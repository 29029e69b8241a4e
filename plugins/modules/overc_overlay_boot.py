#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_overlay_boot
short_description: Install the unit that does pending overlay work at boot
author:
  - The overc.system authors (@overc)
version_added: 0.1.0
description:
  - Installs a systemd unit and one self-contained Python file, which do the work that M(overc.system.overc_overlay) left
    to the next boot, before containers start.
  - M(overc.system.overc_overlay) puts both on the host by itself when work has to wait, and they go with the last of that
    work. Installed for good by this module, every boot also repairs containers whose work was cut off, and finds work
    that waits by the containers' own records, so that it is not lost when the root of the host is rolled back.
options:
  state:
    description:
      - V(present) installs the unit for good, and adds O(containers_dirs) to what it looks after.
      - V(absent) takes O(containers_dirs) out, and removes the unit when none is left. As long as work waits for the next
        boot, the unit stays until that is done.
    type: str
    choices: [absent, present]
    default: present
  containers_dirs:
    description:
      - Directories of containers that every boot looks after, besides those that it looks after already.
      - Left out, it is C(/opt/container) with O(state=present), and all there are with O(state=absent).
    type: list
    elements: path
requirements:
  - systemd
extends_documentation_fragment:
  - overc.system.attributes
seealso:
  - module: overc.system.overc_overlay
"""

EXAMPLES = r"""
- name: Pending overlay work is done at boot, for two places of containers
  overc.system.overc_overlay_boot:
    containers_dirs: [/opt/container, /var/lib/lxc]

- name: Those of one place are no longer looked after
  overc.system.overc_overlay_boot:
    containers_dirs: [/var/lib/lxc]
    state: absent

- name: Remove it
  overc.system.overc_overlay_boot:
    state: absent
"""

RETURN = r"""
unit:
  description: Name of the unit.
  returned: success
  type: str
  sample: overc-overlay-boot.service
waiting:
  description: The containers whose work waits for the next boot.
  returned: success
  type: list
  elements: dict
  contains:
    containers_dir:
      description: The directory of the containers.
      type: str
    container:
      description: Name of the container.
      type: str
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
"""

# The unit runs it, so it must come along
from ansible_collections.overc.system.plugins.module_utils.overlay import manage as overlay_manage  # noqa: F401 # pylint: disable=unused-import
from ansible_collections.overc.system.plugins.module_utils.overlay.at_boot.work import manage
from ansible_collections.overc.system.plugins.module_utils.overlay.module import run_overlay_module


def main() -> None:
    run_overlay_module(
        {
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "containers_dirs": {"type": "list", "elements": "path"},
        },
        lambda module: manage(module.params["state"], module.params["containers_dirs"], check=module.check_mode),
    )


if __name__ == "__main__":
    main()
