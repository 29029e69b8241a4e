#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_info
short_description: Show the deployments, the state and the upgrade requirements of a host
version_added: 0.1.0
description:
  - Shows which deployments (root subvolume and kernel) a btrfs-root host has, which one runs, which one boots next, and
    whether the host meets the requirements of atomic upgrades.
  - Changes nothing, takes no lock, and works on any Linux host; on one that is not supported it says why.
  - By default the result fits a screen. What is empty or null is left out then, and so is a deployment that is shown already
    under another name, in the order RV(booted), RV(next_boot), RV(staged), RV(backup), RV(default), RV(previous). Playbooks
    that go on with the result say O(full=true), with which every value is there.
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.attributes.info_module
options:
  sizes:
    description:
      - Tell in RV(deployments) how many bytes each holds alone. Every file is looked at for that, which takes its time.
    type: bool
    default: false
seealso:
  - module: overc.system.overc_host_upgrade
"""

EXAMPLES = r"""
- name: Look at a host
  overc.system.overc_host_info:
    full: true
  register: host

- name: Stop unless it can be upgraded
  ansible.builtin.assert:
    that: host.requirements | rejectattr('ok') | length == 0
    fail_msg: "{{ host.requirements | rejectattr('ok') | map(attribute='remedy') | join('; ') }}"
"""

RETURN = r"""
msg:
  description: What is so, in one line for people.
  returned: always
  type: str
  sample: clean; rootfs runs and boots next; rootfs_bakup is the way back; manual protection
state:
  description:
    - State of the host, derived from what is found on it.
    - V(clean) - the running deployment is the default one.
    - V(staged) - another deployment is built, complete, and boots next.
    - V(trial), V(fallback) - the staged deployment runs unconfirmed, or failed and the backup booted by itself.
    - V(elsewhere) - with a boot entry for each deployment, somebody chose in the menu what is not the default.
    - V(backup) - the backup deployment was chosen in the boot menu.
    - V(interrupted) - a run was killed; the next command that changes anything repairs it first.
    - V(busy) - a run is at work.
    - V(inconsistent) - facts contradict each other; see RV(contradictions).
    - V(unsupported) - see RV(requirements).
  returned: always
  type: str
  sample: clean
waiting_for:
  description: What a reboot would finish, V(upgrade), V(rollback) or V(restore).
  returned: with O(full=true), else where there is something to be told
  type: str
booted:
  description:
    - The running deployment. As in the other deployments here, C(defects) tells why it would not boot (no init,
      no modules for its kernel, the btrfs property ro), or what it lacks that the running one comes up with. C(asked) are what
        it was asked for beside an upgrade, to install, to remove and to run, a line each.
    - Without O(full) these are C(subvolume), the C(release) of the C(kernel), and C(asked) and C(defects) where there are any.
  returned: always
  type: dict
  sample:
    subvolume: rootfs
    id: 256
    uuid: 0f1de5b2-7b1e-6b4e-a0a8-5c1a2c6b7e55
    created: "2026-11-23 20:01:12 +0000"
    kernel: {sha256: 9b1c, release: 5.10.7}
    recorded: true
    asked: [install nginx]
    defects: []
default:
  description: The deployment of the normal boot entry. RV(next_boot) says what boots next.
  returned: with O(full=true), else where there is something to be told
  type: dict
next_boot:
  description:
    - The deployment that comes up if the host is started now and nobody is at its boot menu. During a trial, and until a
      staged deployment is armed, that is the backup.
    - None where it cannot be told, in the states V(unsupported) and V(inconsistent).
  returned: with O(full=true), else where there is something to be told
  type: dict
staged:
  description: The deployment that waits for a reboot, if one does.
  returned: with O(full=true), else where there is something to be told
  type: dict
previous:
  description: The other root deployment, if it is not the staged one.
  returned: with O(full=true), else where there is something to be told
  type: dict
backup:
  description: The deployment of the backup boot entry.
  returned: with O(full=true), else where there is something to be told
  type: dict
boot_method:
  description: How the host chooses what it boots, V(default-subvolume), V(grub-entry), V(loader-entry) or V(snapper).
  returned: always
  type: str
  sample: grub-entry
deployments:
  description:
    - With RV(boot_method=grub-entry), RV(boot_method=loader-entry) or RV(boot_method=snapper), the deployments, the newest first.
    - C(id) is the number of the entry, which is never used again. C(confirmed) says since when it is known to work, C(pinned)
      whether it stays in any case, C(asked) what is told at RV(booted), C(size_alone) the bytes that only it holds, with
        O(sizes=true).
  returned: with O(full=true), else where there is something to be told
  type: list
  elements: dict
  sample:
    - id: 1
      subvolume: "@rootfs.overc-1"
      uuid: 0f1de5b2-7b1e-6b4e-a0a8-5c1a2c6b7e55
      kernel: {release: 6.1.0-50-amd64, sha256: 9b1c}
      created: "2026-11-23 20:01:12 +0000"
      confirmed: "2026-11-23T20:10:00Z"
      pinned: false
      asked: []
      default: true
      booted: true
      size_alone:
      defects: []
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
  returned: always
  type: str
protection_requirements:
  description: What V(automatic) protection needs, as RV(requirements).
  returned: with O(full=true)
  type: list
  elements: dict
trial:
  description:
    - What is not confirmed yet on a host with RV(protection=automatic), none if everything is.
    - C(outcome) is V(not_armed) or V(armed) before the reboot, V(running) on trial, and on the backup V(failed), or
      V(not_tried) if the host was started anew before the trial was armed.
  returned: with O(full=true), else where there is something to be told
  type: dict
  contains:
    outcome:
      description: V(not_armed), V(armed), V(running), V(failed) or V(not_tried).
      type: str
    operation:
      description: V(upgrade), V(rollback) or V(restore).
      type: str
    subvolume:
      description: The deployment that is or was to be tried.
      type: str
    fingerprint:
      description: The plan of the upgrade.
      type: str
    staged:
      description: When it was staged.
      type: str
    booted:
      description: When the system that runs now was started; after a failed trial that is when the host fell back.
      type: str
    reason:
      description: Why it failed, as far as it had a chance to say so.
      type: str
    confirm_deadline:
      description: Within how many seconds after its start it must be confirmed; V(0) for ever.
      type: int
    seconds_left:
      description: How many seconds are left to confirm the trial that is running.
      type: int
known_bad:
  description: Fingerprints of upgrades that were tried on this host and were not confirmed. M(overc.system.overc_host_upgrade)
    refuses them unless it is called with C(force=true).
  returned: with O(full=true), else where there is something to be told
  type: list
  elements: str
package_manager:
  description: The package manager that would be used.
  returned: always
  type: str
last_event:
  description: The last transaction.
  returned: with O(full=true), else where there is something to be told
  type: dict
events:
  description: The last transactions, newest last. What one warned of is in its C(warnings), what was asked for
    beside an upgrade in its C(asked).
  returned: with O(full=true)
  type: list
  elements: dict
free_space:
  description: Free bytes on the root file system and on the boot partition.
  returned: with O(full=true)
  type: dict
  sample: {root: 1610612736, boot: 52428800}
free:
  description: The same in words.
  returned: without O(full)
  type: str
  sample: 50.0 MiB on boot, 1.5 GiB on root
kernel_in_place:
  description:
    - A newer kernel that was installed in the running deployment itself, where its boot entry boots an older one; null
      where there is none.
    - C(runs) is the kernel that runs, where the distribution's menu has started another one than the
      entry would. M(overc.system.overc_bootloader) lets the entry boot the newer one.
  returned: always
  type: dict
  sample: {release: 6.1.0-42-amd64, entry: 6.1.0-41-amd64, runs: null}
state_at_risk:
  description: Known state directories on the root subvolume; what is written there between staging and reboot is lost.
  returned: with O(full=true)
  type: list
  elements: dict
  sample:
    - {path: /var/log, bytes: 1048576, complete: true}
at_risk:
  description: The same, a line for each.
  returned: without O(full), when there are any
  type: list
  elements: str
  sample:
    - /var/log (8.0 MiB)
left_behind:
  description:
    - What changed in one root after another was made of it, so that the other does not have it, found by btrfs'
      generations. While an upgrade is staged that is what the reboot would lose; after the reboot, what was left in the
      previous root. Null where no root was made of another.
    - C(root) has it, C(missing_in) does not, C(since) is when the one was made of the other.
    - C(paths) are at most 100, what matters most first, each with C(path), C(kind) and C(change) (V(added), V(changed) or
      V(removed)). Kinds in their order are V(accounts), V(keys), V(packages) (the database of packages), V(configuration),
      V(programs), V(data) and V(system).
    - C(counts) has the number of each kind, also of V(bookkeeping), which are logs, caches and what machines write by
      themselves, and is not listed.
    - C(packages) are those installed in place since, C(removed_packages) those removed in place, which come back with the
      reboot. C(complete) is false where not all is listed, or C(problem) says why it
      could not be looked at. What is equal in both roots does not count.
    - Without O(full) C(paths) and packages are at most 20 lines of text and the number of the rest, and empty parts are left out.
  returned: with O(full=true), else where there is something to be told
  type: dict
  sample:
    root: rootfs
    missing_in: rootfs_upgrade
    since: "2026-11-27T12:00:00Z"
    counts: {accounts: 2, configuration: 1, bookkeeping: 40}
    paths:
      - {path: /etc/passwd, kind: accounts, change: changed}
      - {path: /etc/shadow, kind: accounts, change: changed}
      - {path: /etc/motd, kind: configuration, change: added}
    packages: []
    removed_packages: []
    complete: true
    problem:
carry_late:
  description:
    - What the staged deployment, or the running one if none is staged, brings or brought over when it first started.
      None where nothing was declared.
  returned: with O(full=true), else where there is something to be told
  type: dict
  contains:
    paths:
      description: The paths.
      type: list
      elements: str
    status:
      description: V(waiting) for its first start, V(done) or V(failed).
      type: str
    reason:
      description: Why it failed.
      type: str
    brought:
      description: The paths that were brought over.
      type: list
      elements: str
    replaced:
      description: After a rollback, for each path where that is which the deployment had there before.
      type: dict
    declared:
      description: When it was declared, UTC.
      type: str
    finished:
      description: When it was done or failed, UTC.
      type: str
  sample:
    paths: [/srv]
    status: done
    reason:
    brought: [/srv]
    replaced: {/srv: /srv.overc-replaced}
    declared: "2026-01-31T22:15:00Z"
    finished: "2026-01-31T22:21:30Z"
carry_conflicts:
  description:
    - What of /etc did not come along to the staged deployment, or to the running one if none is staged, because the upgrade
      changed the same; see RV(overc.system.overc_host_upgrade#module:carry_conflicts). Without O(full) a line for each, at
      most 20.
  returned: with O(full=true), else where there is something to be told
  type: list
  elements: dict
requirements:
  description:
    - What an upgradable host must have, each with C(id), C(ok), C(detail) and, where it is not C(ok), C(remedy).
    - Without O(full) those that are not met, so that none means that all are.
  returned: always
  type: list
  elements: dict
contradictions:
  description: Why the state is V(inconsistent).
  returned: with O(full=true), else where there is something to be told
  type: list
  elements: str
interrupted:
  description: The operation, start time and last step of a run that was killed.
  returned: with O(full=true), else where there is something to be told
  type: dict
holder:
  description: Who holds the lock.
  returned: with O(full=true), else where there is something to be told
  type: dict
error_id:
  description: Stable identifier of a failure to look at the host.
  returned: failure
  type: str
  sample: not_root
"""

from ansible_collections.overc.system.plugins.module_utils.host.brief import brief_look
from ansible_collections.overc.system.plugins.module_utils.host.commands.info import info
from ansible_collections.overc.system.plugins.module_utils.host.module import run_host_module


def main() -> None:
    run_host_module(
        "overc_host_info",
        lambda at, params: info(at, sizes=params["sizes"]),
        {"sizes": {"type": "bool", "default": False}},
        reads_only=True,
        short=brief_look,
    )


if __name__ == "__main__":
    main()
