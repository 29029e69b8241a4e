#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_options
short_description: Look at the variables of a role before anything is done
version_added: 0.1.0
description:
  - Turns every variable of a role into what it plainly looks like, because C(-e) and INI inventories give text - C("false")
    is false, C("a,b") a list of two.
  - Refuses by name what a variable cannot be, a variable that looks like one of ours and is none, and a file of own tasks that
    Ansible could not load.
  - It works on the controller whatever host it is run for, and starts no process there.
  - Used by the roles and playbooks of this collection; may change with any release.
extends_documentation_fragment:
  - overc.system.attributes
attributes:
  diff_mode:
    support: none
    details: It changes nothing.
options:
  role:
    description: The role whose variables are looked at; V(fleet) are those of the playbooks.
    type: str
    required: true
    choices: [bootloader, fleet, host_rollback, host_update, host_upgrade, overlay, pull]
author:
  - The overc.system authors (@overc)
"""

EXAMPLES = r"""
- name: Know what is wanted
  overc.system.overc_options:
    role: host_upgrade
  register: asked
"""

RETURN = r"""
delegates:
  description: The hosts to which the files of own tasks delegate, apart from the host itself and the controller.
  returned: success
  type: list
  elements: str
  sample: [lb1.example.org]
reboot:
  description:
    - The value of the role's variable C(host_upgrade_reboot). All its other variables are returned in the same way, each
      by its name without that of the role.
  returned: success
  type: bool
  sample: true
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: bad_argument
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "role": {
                "type": "str",
                "required": True,
                "choices": ["bootloader", "fleet", "host_rollback", "host_update", "host_upgrade", "overlay", "pull"],
            }
        },
        supports_check_mode=True,
    )
    module.fail_json(
        changed=False,
        error_id="bad_argument",
        msg="Variables are looked at by the collection's action plugin, which was not found. Call the module by its full "
        "name (overc.system.overc_options). Nothing was changed.",
    )


if __name__ == "__main__":
    main()
