#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_update
short_description: Refresh a host's package lists and show what an upgrade would bring
version_added: 0.1.0
description:
  - Refreshes the package lists and returns the upgrades that are pending, as the package manager itself resolves them.
  - Installs nothing.
  - A repository that cannot be refreshed is an error, never "nothing to do"; see O(skip_if_unavailable).
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.attributes
options:
  cache_valid_time:
    description:
      - Do not refresh lists that are younger than this many seconds.
    type: int
    default: 0
  skip_if_unavailable:
    description:
      - Skip a repository that cannot be read, if its own configuration has C(skip_if_unavailable=1), and warn about it. It is
        named in RV(skipped_repositories), and what it offers is not known.
      - Otherwise, and by default, a repository that cannot be read is an error. Smart knows no such setting.
    type: bool
    default: false
seealso:
  - module: overc.system.overc_host_upgrade
"""

EXAMPLES = r"""
- name: Refresh the package lists at most once an hour
  overc.system.overc_host_update:
    cache_valid_time: 3600
    full: true
  register: update

- name: Show what is pending
  ansible.builtin.debug:
    msg: "{{ update.upgrades | map(attribute='name') | join(', ') }}"
"""

RETURN = r"""
upgrades:
  description: The pending transaction.
  returned: success, with O(full=true)
  type: list
  elements: dict
  sample:
    - {name: lab-app, arch: noarch, installed: 1.0-1, available: 2.0-1, channel: lab, size: 6370}
  contains:
    name:
      description: Package name.
      type: str
    arch:
      description: Architecture.
      type: str
    installed:
      description: Installed version, null for a package that comes new.
      type: str
    available:
      description: New version, null for a package that goes.
      type: str
    channel:
      description: Repository it comes from, where that is known.
      type: str
    size:
      description: Download size in bytes, where that is known.
      type: int
changes:
  description: The same, a line for each package, at most twenty.
  returned: without O(full), when there are any
  type: list
  elements: str
  sample:
    - lab-app 1.0-1 -> 2.0-1, 6.5 KiB
msg:
  description: What is so, in one line for people.
  returned: always
  type: str
  sample: 5 packages are pending
held_back:
  description: Upgrades that exist but were left out, and why.
  returned: success
  type: list
  elements: str
skipped_repositories:
  description: Repositories that could not be read and were skipped; see O(skip_if_unavailable).
  returned: success
  type: list
  elements: str
fingerprint:
  description: Equal for equal transactions, on every host.
  returned: success
  type: str
skipped:
  description: Whether the lists were young enough.
  returned: success
  type: bool
cache_age_seconds:
  description: Age of the package lists before; none if there were none.
  returned: success
  type: int
state:
  description: State of the host, see M(overc.system.overc_host_info).
  returned: success
  type: str
package_manager:
  description: The package manager used.
  returned: success
  type: str
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
  sample: repository_failed
"""

from ansible_collections.overc.system.plugins.module_utils.host.commands.update import update
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module


def main() -> None:
    run_host_module(
        "overc_host_update",
        lambda at, params: update(at, params["cache_valid_time"], skip_if_unavailable=params["skip_if_unavailable"]),
        {
            "cache_valid_time": {"type": "int", "default": 0},
            "skip_if_unavailable": {"type": "bool", "default": False},
        },
    )


if __name__ == "__main__":
    main()
