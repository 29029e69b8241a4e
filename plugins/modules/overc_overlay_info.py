#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_overlay_info
short_description: List the directories that containers share
version_added: 0.1.0
description:
  - Lists the directories that a container, or every container, shares by overlayfs, with their sources, layers and what
    is wrong with them.
  - Overlays that the original tool made (its fstab lines with C(_mask), C(_temp) and C(_over) directories) are listed
    too; M(overc.system.overc_overlay) with C(state=absent) stops them.
options:
  container:
    description: Name of the container; all containers if left out.
    type: str
  measure:
    description:
      - Also measure what the snapshots hold on to that nothing else uses any more. Reads the extents of every file.
    type: bool
    default: false
extends_documentation_fragment:
  - overc.system.overlay
  - overc.system.attributes
  - overc.system.attributes.info_module
seealso:
  - module: overc.system.overc_overlay
"""

EXAMPLES = r"""
# overc container overlay c1 --list
- name: What container c1 shares
  overc.system.overc_overlay_info:
    container: c1
  register: shared

- name: Containers with a source that was upgraded since
  ansible.builtin.debug:
    msg: "{{ item.container }}"
  loop: "{{ shared.containers }}"
  when: item.overlays | map(attribute='sources_changed') | select | list | length > 0
"""

RETURN = r"""
containers:
  description: The containers asked for, by name.
  returned: success
  type: list
  elements: dict
  contains:
    container:
      description: Its name.
      type: str
    status:
      description: V(ok), or V(broken) when there are RV(containers[].problems) or one of its overlays is broken.
      type: str
    problems:
      description:
        - Why it cannot be read; it is listed without anything else then. Or what is wrong with work that waits - that the
          original tool was asked for some, or that no unit would do it at the next boot. Empty otherwise.
        - Asked for by its name, a container that cannot be read is a failure.
      type: list
      elements: str
    running:
      description: Whether it runs; null if it cannot be read.
      type: bool
    overlays:
      description: Its shared directories.
      type: list
      elements: dict
      contains:
        directory:
          description: The directory inside the container.
          type: str
        status:
          description:
            - V(shared) (mounted when the container starts), V(mounted) (on the host, at this moment) or V(broken).
          type: str
        made_by:
          description: V(overc_overlay), V(original) or V(unknown).
          type: str
        sources:
          description: What it shares with.
          type: list
          elements: str
        sources_changed:
          description: Sources that have V(changed) since or are V(gone). The container still sees what was shared.
          type: dict
        layers:
          description: Paths of the layers C(lower), topmost first, C(upper) and C(work).
          type: dict
        mounted_by:
          description: V(lxc) or V(systemd).
          type: str
        problems:
          description: Why it is broken.
          type: list
          elements: str
        freeing:
          description: Whether copies of before it was shared are still being removed, where the container does not see them.
          type: bool
        entries_shared:
          description: Files and links the container does not store, when it was shared.
          type: int
        bytes_shared:
          description: Their size.
          type: int
        bytes_freed:
          description: Disk space that sharing freed.
          type: int
        whiteouts:
          description: Entries of the source that are hidden.
          type: int
        bytes_pinned:
          description: Disk space that only the layers hold, the container's own files among it.
          returned: when O(measure=true)
          type: int
    waiting:
      description: Work that waits for the next boot.
      type: list
      elements: dict
    interrupted:
      description: An operation that was cut off, which the next run of M(overc.system.overc_overlay) repairs; C(freeing) where
        only copies under a mount are left to be removed.
      type: dict
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
"""

from ansible_collections.overc.system.plugins.module_utils.overlay.info import information
from ansible_collections.overc.system.plugins.module_utils.overlay.module import run_overlay_module
from ansible_collections.overc.system.plugins.module_utils.runner import ModuleRunner


def main() -> None:
    run_overlay_module(
        {
            "container": {"type": "str"},
            "containers_dir": {"type": "path", "default": "/opt/container"},
            "measure": {"type": "bool", "default": False},
        },
        lambda module: {
            "changed": False,
            "containers": information(
                module.params["containers_dir"],
                module.params["container"],
                runner=ModuleRunner(module) if module.params["measure"] else None,
            ),
        },
    )


if __name__ == "__main__":
    main()
