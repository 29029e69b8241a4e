#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_report
short_description: Write the report of a fleet run on the controller
version_added: 0.1.0
description:
  - Writes the record of a run as data and as a page into a directory of the controller. Each file is replaced as a whole, so
    whoever reads it sees the old one or the new one.
  - It works on the controller whatever host it is run for, and starts no process there - a run writes its record after
    every wave.
  - The files of an earlier run that did something to a host are kept under its date, for instance
    C(upgrade-20261123T210000Z.html), the last ten of them.
  - Used by the playbooks of this collection; may change with any release.
extends_documentation_fragment:
  - overc.system.attributes
attributes:
  diff_mode:
    support: none
    details: The page and the data are for reading as they are.
options:
  directory:
    description: Where on the controller. It is made if it is not there.
    type: path
    required: true
  name:
    description: Name of the files, without C(.json) and C(.html).
    type: str
    required: true
  record:
    description: The record, in JSON. The page is made of it.
    type: str
    required: true
  changes:
    description:
      - Whether O(record) has only the hosts that have changed since the record of this run was written. They are added to
        what is there - a large fleet is written as a whole only from time to time, and what has changed since is in a file
        C(NAME.changes), a record a line.
    type: bool
    default: false
author:
  - The overc.system authors (@overc)
"""

EXAMPLES = r"""
- name: Write the report
  overc.system.overc_report:
    directory: "{{ playbook_dir }}/report"
    name: upgrade
    record: >-
      {"command": "upgrade", "started": "2026-11-23T21:00:00Z", "updated": "2026-11-23T21:05:00Z",
      "counts": {"upgraded": 1}, "bad": [], "hosts": {"web1": {"status": "upgraded"}}}
"""

RETURN = r"""
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: bad_argument
files:
  description: What was written.
  returned: success
  type: list
  elements: str
  sample: [/var/www/fleet/upgrade.json, /var/www/fleet/upgrade.html]
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "record": {"type": "str", "required": True},
            "changes": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.fail_json(
        changed=False,
        error_id="bad_argument",
        msg="The report is written by the collection's action plugin, which was not found. Call the module by its full "
        "name (overc.system.overc_report). Nothing was changed.",
    )


if __name__ == "__main__":
    main()
