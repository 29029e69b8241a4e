#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_overlay
short_description: Share the files of a container's directories with the host and with other containers
version_added: 0.1.0
description:
  - Compares directories of a container with the same directories of its sources, drops from the container what a source
    has exactly alike, and mounts the directories with overlayfs, so that the container sees the very same tree as
    before while what is equal is stored once.
  - A file counts as equal only if everything a program can see is - type, bytes, mode, owner, group, modification time,
    all extended attributes (ACLs and capabilities are among them) and being the only hard link. What differs in
    anything but its bytes stays the container's own file, its bytes shared with the source by reflink.
  - The lower layer is a snapshot, so a source that is upgraded later does not change the container. Running the module
    again shares with what the source is then; so does changing O(sources).
  - O(state=absent) gives the container its own copy of every file back (by reflink, so it takes no space until it is
    written), keeps what the container has written, deleted and renamed meanwhile, and leaves nothing behind.
  - What somebody else uses is neither emptied nor removed - another container's overlay or bind mount, a clone that LXC
    made, a mount of the host.
  - A container that runs is not touched. Its work is recorded and done at the next boot, before containers start.
  - One file, the container's table of mounts (its LXC fstab, or a systemd mount unit for what is not LXC), decides what
    the container sees, and it is replaced atomically. A run that was cut off is finished or undone by the next one.
options:
  container:
    description: Name of the container.
    type: str
    required: true
  directories:
    description:
      - Absolute paths of directories inside the container. None may lie in another, and none may be a mount point,
        a subvolume of its own or a link.
      - Required with O(state=present). Where it is not given with O(state=absent), it is all directories of the container
        that are shared or wait to be; overlays that neither this module nor the original made are left alone.
    type: list
    elements: str
  sources:
    description:
      - Whom to share with, in order of preference. V(essential) is the host itself, anything else the name of a
        container.
      - Required with O(state=present).
      - Containers that would share with one another in a ring are refused, since each run would share them anew.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) shares the directories, V(absent) gives the container its own files back.
    type: str
    choices: [absent, present]
    default: present
  apply:
    description:
      - V(auto) works now when the container is stopped, otherwise at the next boot.
      - V(now) refuses when the container runs.
      - V(boot) always leaves the work to the next boot.
    type: str
    choices: [auto, now, boot]
    default: auto
  essential_root:
    description: Root directory of the host, for the source V(essential).
    type: path
    default: /
  state_policy:
    description:
      - What to do where the containers lie on the subvolume of the running root. The layers are subvolumes inside it then,
        which no snapshot of the root has, so M(overc.system.overc_host_upgrade) could stage no upgrade until sharing stops.
      - V(refuse) does not begin to share there, V(report) does and warns.
    type: str
    choices: [refuse, report]
    default: refuse
  wait:
    description:
      - Whether to end only when the copies under the mounts are gone, and their space is free. That is the default, because
        what follows may need the space, and because no process stays on the host then.
      - With V(false) the module ends as soon as the container may start, and a process of its own removes the copies, where
        the container does not see them. RV(directories[].freeing) says so. If that process is cut off, by a reboot for
        example, the next run for this container, whatever its O(wait), or the boot (M(overc.system.overc_overlay_boot))
        finishes.
      - Where the host itself mounts the directories (containers that are not LXC, and those with a user map), and for what is
        done at boot, it is always waited.
    type: bool
    default: true
extends_documentation_fragment:
  - overc.system.overlay
  - overc.system.attributes
seealso:
  - module: overc.system.overc_overlay_info
"""

EXAMPLES = r"""
# overc container overlay c1 --dir /usr,/opt --source essential,c0
- name: Container c1 shares with the host, and what the host does not have with c0
  overc.system.overc_overlay:
    container: c1
    directories: [/usr, /opt]
    sources: [essential, c0]

# overc container overlay c1 --stop --dir /opt
- name: Container c1 gets its own /opt back
  overc.system.overc_overlay:
    container: c1
    directories: [/opt]
    state: absent

- name: Container c1 gets all of its own files back
  overc.system.overc_overlay:
    container: c1
    state: absent

- name: How much would sharing free
  overc.system.overc_overlay:
    container: c1
    directories: [/usr]
    sources: [essential]
  check_mode: true
  register: plan

- name: Say it
  ansible.builtin.debug:
    msg: "{{ plan.directories | sum(attribute='bytes_freed') | human_readable }}"
"""

RETURN = r"""
directories:
  description: What was done (in check mode, would be done), one entry for each of O(directories), in their order; after a
    failure, those that were finished before it. Where O(directories) is not given, for each that was shared.
  returned: success, and failure if anything was changed before it
  type: list
  elements: dict
  contains:
    directory:
      description: The directory inside the container. Bytes that are not UTF-8 are shown as C(\xNN).
      type: str
    status:
      description: V(shared), V(own) (the container has its own files), or V(waits_for_boot).
      type: str
    operation:
      description: V(none), V(create), V(reshare), V(stop), V(stop_original), V(stop_copied), V(queue) or V(unqueue).
      type: str
    reason:
      description: Why.
      type: str
    sources:
      description: The sources asked for.
      type: list
      elements: str
    sources_without:
      description: Those of them that have no such directory.
      type: list
      elements: str
    steps:
      description: The steps in order.
      type: list
      elements: dict
      contains:
        step:
          description: Stable name.
          type: str
        does:
          description: What it does, for people.
          type: str
    freeing:
      description: Whether the copies under its mount are still being removed, so that RV(directories[].bytes_freed) is not all
        free yet; in check mode, whether they would be. Only with O(wait=false).
      type: bool
    entries_shared:
      description: Files and links that the container no longer stores.
      type: int
    bytes_shared:
      description: Their size.
      type: int
    bytes_freed:
      description: Disk space that is freed by it. What was stored once before (snapshots, reflinks) does not count.
      type: int
    entries_kept:
      description: Entries, other than directories, that stay the container's own.
      type: int
    bytes_kept:
      description: Their size.
      type: int
    whiteouts:
      description: Entries of the source that the container does not have and that are hidden.
      type: int
    opaque_directories:
      description: Directories of the source of which nothing shows.
      type: int
    layers:
      description: Names of the lower layers, topmost first.
      type: list
      elements: str
    seconds:
      description: How long it took.
      type: float
reboot_required:
  description: Whether work waits for the next boot.
  returned: success
  type: bool
running:
  description: Whether the container runs.
  returned: success
  type: bool
repaired:
  description: What became of an operation that an earlier run left unfinished, null if there was none.
  returned: success
  type: str
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: overlay_unrepresentable
gone:
  description: Whether the container is certainly no more. There are others in O(containers_dir), and none of this name. V(false)
    where it may be on a file system that is not mounted.
  returned: when RV(error_id) is V(container_unknown)
  type: bool
reached:
  description: V(switched) when it failed after the table of mounts was replaced, so that the container sees the other tree.
  returned: failure after the switch
  type: str
  sample: switched
users:
  description: Who else uses what would be emptied or removed.
  returned: when RV(error_id=overlay_in_use)
  type: list
  elements: dict
  contains:
    who:
      description: A container, the host, a process (for what is mounted at this moment) or a loop device.
      type: str
    where:
      description: The table or configuration that says so, or where it is mounted.
      type: str
    path:
      description: The path that is used, as it is named there.
      type: str
ring:
  description: The containers that would share with one another, from this one round to itself.
  returned: when RV(error_id=overlay_ring)
  type: list
  elements: str
paths:
  description: Where the directory holds something that no overlay can show, and what it is.
  returned: when RV(error_id=overlay_unrepresentable)
  type: list
  elements: dict
"""

from ansible_collections.overc.system.plugins.module_utils.overlay.manage import manage
from ansible_collections.overc.system.plugins.module_utils.overlay.module import run_overlay_module
from ansible_collections.overc.system.plugins.module_utils.overlay.plan import Wanted


def main() -> None:
    run_overlay_module(
        {
            "container": {"type": "str", "required": True},
            "containers_dir": {"type": "path", "default": "/opt/container"},
            "directories": {"type": "list", "elements": "str"},
            "sources": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
            "apply": {"type": "str", "choices": ["auto", "now", "boot"], "default": "auto"},
            "essential_root": {"type": "path", "default": "/"},
            "state_policy": {"type": "str", "choices": ["refuse", "report"], "default": "refuse"},
            "wait": {"type": "bool", "default": True},
        },
        lambda module: manage(
            Wanted(
                container=module.params["container"],
                containers_dir=module.params["containers_dir"],
                directories=tuple(module.params["directories"] or ()),
                everything=module.params["directories"] is None,
                sources=tuple(module.params["sources"]),
                state=module.params["state"],
                apply=module.params["apply"],
                essential_root=module.params["essential_root"],
                state_policy=module.params["state_policy"],
                wait=module.params["wait"],
            ),
            check=module.check_mode,
        ),
        required_if=[("state", "present", ("directories", "sources"))],
    )


if __name__ == "__main__":
    main()
