#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_wait
short_description: Let some time pass for one host
version_added: 0.1.0
description:
  - Waits on the controller until so much time has passed since a moment, for each host by itself. Hosts that wait for a free
    process of the controller meanwhile do not wait once more.
  - Used by the roles of this collection; may change with any release.
extends_documentation_fragment:
  - overc.system.attributes
attributes:
  diff_mode:
    support: none
    details: It changes nothing.
options:
  seconds:
    description: How long.
    type: raw
    required: true
  since:
    description: The moment it begins, in seconds since 1970.
    type: float
    required: true
  what:
    description: What goes on meanwhile. Every half a minute that is said, and for how long still.
    type: str
    default: is left to run for a while
author:
  - The overc.system authors (@overc)
"""

EXAMPLES = r"""
- name: Let it run for five seconds
  overc.system.overc_wait:
    seconds: 5
    since: "{{ now(utc=true).timestamp() }}"
"""

RETURN = r"""
waited:
  description: For how many seconds there was still something to wait for.
  returned: success
  type: float
  sample: 300.0
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
            "seconds": {"type": "raw", "required": True},
            "since": {"type": "float", "required": True},
            "what": {"type": "str", "default": "is left to run for a while"},
        },
        supports_check_mode=True,
    )
    module.fail_json(
        changed=False,
        error_id="bad_argument",
        msg="The collection's action plugin was not found. Call the module by its full name (overc.system.overc_wait). "
        "Nothing was changed.",
    )


if __name__ == "__main__":
    main()
