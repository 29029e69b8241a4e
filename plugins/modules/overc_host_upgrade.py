#!/usr/bin/python
# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: overc_host_upgrade
short_description: Upgrade a host atomically into a new root subvolume
version_added: 0.1.0
description:
  - Builds a new root subvolume from a snapshot of the running one, runs the package manager in it, checks the result,
    refreshes the backup pair (root subvolume and kernel of the backup boot entry), and makes the new root and its kernel
    what boots next. The running system is not touched.
  - If anything fails, the new root is removed and the host is as it was. Only if it fails once the new root is the default
    subvolume, the upgrade is completed instead; the message says so.
  - If nothing is pending, nothing is done. Run again on a host where the same upgrade is staged already, it does nothing;
    with more to upgrade, the staged deployment is rebuilt.
extends_documentation_fragment:
  - overc.system.layout
  - overc.system.full
  - overc.system.health
  - overc.system.attributes
attributes:
  idempotent:
    details: Except with O(force=true), which stages a new deployment every time, and O(run) without O(run_creates), which does
      so on a host where none is staged.
options:
  update_cache:
    description:
      - Refresh the package lists first.
    type: bool
    default: true
  skip_if_unavailable:
    description:
      - Skip a repository that cannot be read, if its own configuration has C(skip_if_unavailable=1), and warn about it. It is
        named in RV(skipped_repositories), and what it offers is not known.
      - Otherwise, and by default, a repository that cannot be read is an error. Only DNF knows such a setting.
    type: bool
    default: false
  packages:
    description:
      - Upgrade only these packages (names or globs) and what they need.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Leave out these packages (names or globs).
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Upgrade what is pending. With V(false) nothing is upgraded but what O(install) needs; with neither O(install), O(remove),
        O(run) nor O(force) that is refused.
    type: bool
    default: true
  install:
    description:
      - Packages to be installed, by their exact names, with an architecture where the package manager writes one
        (V(nginx), V(libc6:i386), V(glibc.i686)). Patterns, groups, files, addresses, versions and what is only provided are
        refused.
      - What is installed already is no change. What they need comes along. Where other packages would have to go for it, the
        upgrade is refused with V(removal_unasked), unless they are named in O(remove).
      - Part of the same transaction as everything else, with the same plan in check mode, proof, trial and way back. For
        apt, DNF and zypper; Smart is refused with V(packages_unsupported).
    type: list
    elements: str
    default: []
  remove:
    description:
      - Packages to be removed, by their exact names. What is not installed is no change. Packages that need them go along,
        and are shown in RV(removed); packages that nobody needs any more stay, and so does changed configuration.
      - What the package manager protects, and what the host needs to boot, to be reached or to be upgraded, is refused with
        V(package_needed); so is what the run became root with.
      - The running root keeps them until the reboot, and a rollback brings them back.
    type: list
    elements: str
    default: []
  run:
    description:
      - Commands to run in the new root after its packages, each a list of arguments (a list of words is one command). No
        shell is involved. Programs are found in the new root. Quote what YAML reads as a number, it makes 420 of C(0644).
      - A command sees what scripts of packages see, the new root as V(/) with C(/proc), C(/sys) and C(/dev) of its own, no
        services, nothing below C(/boot) of the host, no network but a loopback, and no terminal. What it leaves running is ended
        with it.
        What it writes belongs to the new root only; what a mount would cover is a matter of O(hidden_policy).
      - A command that exits with anything but 0, or does not end within O(run_timeout), fails the upgrade, and the new root is
        removed. Later commands do not run.
      - Nobody knows what a command does, so a host that is not staged gets a new deployment each time; say with
        O(run_creates) when it is done already. Check mode runs nothing.
      - Commands are shown and kept in the host's record, their output is returned in RV(ran). Give secrets in files, not as
        arguments, and set C(no_log) on the task where the output has some.
    type: list
    elements: raw
    default: []
  run_timeout:
    description:
      - How many seconds each command of O(run) may take.
    type: int
    default: 600
  run_creates:
    description:
      - An absolute path. Where the running root has it, O(run) is left out.
    type: str
  advisories:
    description:
      - With V(security), upgrade only what a security advisory names, and what that needs.
      - For DNF these are the advisories of type security in the repositories' lists, and the newest version that is offered is
        installed, as with C(dnf upgrade --security).
      - For apt, whose lists name none, these are the newest versions in the distribution's security pocket (C(*-security), or
        the label C(Debian-Security)), as unattended-upgrades takes them. What is new and needed may come from elsewhere; what
        needs another upgrade from elsewhere is kept back and told in RV(held_back).
      - For zypper these are the needed patches of the category security, all in one transaction, also those that ask for a
        reboot and those for zypper itself, and of what they name the newest version that is offered, as with C(zypper patch).
        A patch that does not fit is left out and told in RV(held_back).
      - For Smart it is refused with V(packages_unsupported). Not with O(packages), O(install), O(remove), O(release).
      - Repositories that say nothing of advisories are named in RV(unadvised_repositories), with a warning.
    type: str
    choices: [security]
  upgrade_mode:
    description:
      - For zypper, which has two kinds of upgrade. V(update) brings newer versions, and leaves out and tells what it could not
        have without another vendor, a removal or a broken dependency (RV(held_back)). V(dup) makes the packages those that the
        repositories have, also older ones, and is refused where zypper would have to ask.
      - V(auto) takes V(dup) where C(/etc/os-release) names a rolling openSUSE (Tumbleweed, Slowroll, MicroOS, Aeon, Kalpa) and
        no O(packages) are named, otherwise V(update). RV(upgrade_mode) says which it was.
      - Patches are not applied as such by either; for those of security see O(advisories).
    type: str
    choices: [auto, update, dup]
    default: auto
  allow_vendor_change:
    description:
      - For zypper, let packages be replaced by those of another vendor, whatever C(zypp.conf) says. RV(vendor_changes) names
        them. Otherwise V(update) leaves them out, and V(dup) is refused with V(vendor_change) where it needs one.
    type: bool
    default: false
  release:
    description:
      - Upgrade to this release of the distribution, by its code name, for instance V(trixie). For hosts whose packages are
        apt's.
      - The release must be the one after the running one (of Ubuntu also the next one with long support). Where it runs
        already, nothing is done.
      - Sources are rewritten in the new root only, and everything is installed there in one transaction, which may remove
        packages; check mode shows them all. The running system, its sources and its package lists stay as they are.
      - Nothing is built where a source has no such release, packages are on hold and not in O(exclude), or not fully installed.
      - What the packages take, unpacked beside the running ones, has to be free (O(force) tries it all the same).
      - Package lists of the new release are always fetched, whatever O(update_cache) says.
    type: str
  third_party_sources:
    description:
      - With O(release), what becomes of enabled package sources that are not the distribution's own. What is one is told by the
        origin in its Release file, so mirrors are none, or else by the name of its host.
      - V(refuse) refuses the upgrade if there is any, and names them. V(keep) leaves them as they are. V(rewrite) puts the new
        code name in place of the old one in suites, and leaves those that do not name it. V(disable) turns them off; what is
        installed from them stays as far as the new release allows.
    type: str
    choices: [refuse, keep, rewrite, disable]
    default: refuse
  pins:
    description:
      - With O(release), what becomes of pins (C(/etc/apt/preferences), C(preferences.d)) that name the running release.
      - V(refuse) refuses the upgrade if there is any, or one that names C(stable) and the like, and names them. V(keep) leaves
        them, V(rewrite) lets them name the new release, V(disable) comments them out. Other pins always stay.
    type: str
    choices: [refuse, keep, rewrite, disable]
    default: refuse
  force:
    description:
      - Stage a new deployment even if nothing is pending or the same one is staged, and offer a plan again that is known
        not to have come up on this host.
    type: bool
    default: false
  reboot:
    description:
      - Reboot into the staged deployment, wait for the host, and check that this is what came up.
      - Not possible over a local connection, nor with C(async).
    type: bool
    default: false
  reboot_timeout:
    description:
      - How many seconds to wait for the host after a reboot.
    type: int
    default: 600
  confirm:
    description:
      - With O(reboot=true), confirm the deployment as soon as it was seen to run and passed O(health). On a host with
        RV(protection=automatic) that makes it permanent.
      - Set it to V(false) to check it by other means first, and confirm with M(overc.system.overc_host_confirm); O(health)
        is then not asked for.
    type: bool
    default: true
  arm:
    description:
      - On a host with RV(protection=automatic), let the next boot try the staged deployment. It must then be confirmed in
        time, or the host returns to its backup.
      - With V(false) the trial is armed later, by a run with O(reboot=true) right before the reboot, or by another run
        without O(arm=false). Whoever starts the host before that starts its backup.
      - With O(reboot=true) it is always armed right before the reboot.
    type: bool
    default: true
  carry_over:
    description:
      - Absolute paths of files or directories of the running root to be copied into the new one at the last moment.
      - With O(reboot=true) that is right before the reboot; otherwise at the end of this run, and again at every further run
        on the staged host.
      - V(/etc) itself is not replaced but merged, file by file. What was changed only here after the new root was made of the
        running one comes along (also what was removed, modes, owners, extended attributes, links). What only the upgrade
        changed stays. C(passwd), C(group), C(shadow), C(gshadow), C(subuid) and C(subgid) are merged by lines and fields. Where
        both changed the same, the new root keeps the upgrade's, and the one from here is put beside it, see
        RV(carry_conflicts).
      - For that V(/etc) has to be in the list already when the new root is built. Other paths are replaced by what is here.
      - What an upgrade renews (V(/usr) without V(/usr/local), V(/boot), what the package manager knows, and what contains it, as
        V(/var/lib) does) is refused.
    type: list
    elements: str
    default: []
  carry_late:
    description:
      - Absolute paths of files or directories with data on the root subvolume that the new system itself brings over from the
        one that ran before, when it first starts and before anything there uses them. So what is written until the last second
        before the reboot is not lost, for databases, mail or V(/home) for instance.
      - What the new root has at such a path is replaced as a whole, also what the packages made of it. Both are on one btrfs, so
        no file is stored twice. Hard links within a path stay, those that lead out of it become files of their own.
      - It happens once. It is not repeated at a later start, nor when the host returns to that system, and a system that was
        left keeps what it had. RV(overc.system.overc_host_info#module:carry_late) tells what came of it.
      - Where it fails (no space, a path that is gone or of another type), a trial ends at once, and the host falls back to the
        system before. With RV(protection=manual) the new system goes on starting, and M(overc.system.overc_host_confirm) refuses
        it with V(late_carry_failed).
      - V(/etc), what packages install and what the package manager keeps are refused, as is what lies on another file system or
        subvolume, which stays anyway, and what has a subvolume with data in it. Needs systemd and Python in the new root.
      - Not given for a host with a staged deployment, what was declared for that one stays. Paths are declared again by every
        run that builds one.
    type: list
    elements: str
  rejected_plans:
    description:
      - Fingerprints of plans that are not to be staged, see RV(fingerprint), for instance because another host failed with
        them. What would be such a plan is refused with V(plan_rejected) before anything is built.
    type: list
    elements: str
    default: []
  state_policy:
    description:
      - What to do when known state directories live on the root subvolume, so that what is written there between now and
        the reboot is lost.
      - V(report) returns them as RV(state_at_risk); V(refuse) refuses the upgrade unless O(carry_over) and
        O(carry_late) cover them all.
      - Snapshots of the root that lie inside of it (as snapper makes them) are among them; they stay there. Other
        subvolumes with data inside of the root are refused in any case.
      - The same for what was changed in the running root after the staged one was made of it (accounts, keys, configuration,
        packages installed in place, ...), which is RV(left_behind). V(report) warns. V(refuse) refuses another run on the
        staged host, and the reboot with O(reboot=true), unless O(carry_over) or O(carry_late) covers it; O(force=true) makes
        the staged root anew.
    type: str
    choices: [report, refuse]
    default: report
  gpg_policy:
    description:
      - What to do when an enabled repository has the signature check of its packages turned off.
      - V(require) refuses the upgrade as soon as there is anything to install, and makes the package manager check every
        package, whatever its configuration says. V(report) installs what the repository offers as the package manager is
        configured, and warns.
      - For DNF what counts is the effective C(gpgcheck) of each repository, inherited from C([main]) where the repository
        does not set it. C(repo_gpgcheck) signs the lists only and is no substitute.
      - For Smart on RPM hosts it is C(rpm-check-signatures); where that is not set, V(require) sets it for the run. On Debian
        hosts packages carry no signatures, so each channel needs a C(fingerprint) or C(keyring).
    type: str
    choices: [require, report]
    default: require
  hidden_policy:
    description:
      - What to do when packages or their scripts wrote into the new root below a path that another file system covers, by
        C(/etc/fstab) or because it is mounted now, for instance C(/opt) on a subvolume of its own. After the reboot nobody
        would see it.
      - V(refuse) refuses the upgrade with V(hidden_by_mount), with the paths and their packages. V(report) stages it, warns,
        and returns RV(hidden).
      - New device trees in C(/boot) count as well, because only kernel, initrd and EFI programs reach the boot partition.
      - What the covering file system has already just as the packages bring it does not count, nor do logs and caches.
      - Check mode installs nothing, so it does not forecast this.
    type: str
    choices: [refuse, report]
    default: refuse
seealso:
  - module: overc.system.overc_host_rollback
  - module: overc.system.overc_host_info
"""

EXAMPLES = r"""
- name: Upgrade and reboot into the new system
  overc.system.overc_host_upgrade:
    reboot: true

- name: The same, and keep it only if what the host is for works
  overc.system.overc_host_upgrade:
    reboot: true
    health:
      services:
        - sshd

- name: Stage all but the database, and reboot later. What is written to /etc until then is merged by the next run
  overc.system.overc_host_upgrade:
    exclude:
      - "postgresql*"
    carry_over:
      - /etc
      - /var/lib/myapp

- name: Upgrade a host with its data on the root subvolume, and lose nothing that is written until the reboot
  overc.system.overc_host_upgrade:
    carry_over:
      - /etc
    carry_late:
      - /home
      - /srv
    reboot: true

- name: From Debian 12 to Debian 13, to be confirmed by hand
  overc.system.overc_host_upgrade:
    release: trixie
    third_party_sources: disable
    reboot: true
    confirm: false
  when: inventory_hostname in groups.bookworm | default([])

- name: One package more and one less, nothing upgraded, and a unit enabled
  overc.system.overc_host_upgrade:
    upgrade: false
    install:
      - nginx
    remove:
      - apache2
    run:
      - [systemctl, enable, nginx]
    reboot: true

- name: Only what is a matter of security
  overc.system.overc_host_upgrade:
    advisories: security
    reboot: true

# An ordinary upgrade ad hoc: ansible -m overc.system.overc_host_upgrade -a reboot=true HOST
"""

RETURN = r"""
# >>> switch, from scripts/return_texts.py
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
# <<<
error_id:
  description: Stable identifier of a refusal or failure.
  returned: failure
  type: str
  sample: no_space
upgrades:
  description:
    - The transaction, without download sizes (with them if O(release) is given); see M(overc.system.overc_host_update).
    - As it was resolved beforehand. Where the upgrade succeeded, what is installed in the new root was proved to be just that.
  returned: with O(full=true)
  type: list
  elements: dict
changes:
  description: The same, a line for each package, at most twenty.
  returned: without O(full), when there are any
  type: list
  elements: str
  sample:
    - lab-app 1.0-1 -> 2.0-1
release:
  description:
    - With O(release), C(from) which release C(to) which, and what becomes of each entry of C(sources) and of C(pins).
    - C(action) is V(rewritten), V(kept) or V(disabled).
  returned: with O(release)
  type: dict
  sample:
    from: bookworm
    to: trixie
    sources:
      - file: /etc/apt/sources.list
        uris: ["http://deb.debian.org/debian"]
        suites: [bookworm]
        becomes: [trixie]
        third_party: false
        action: rewritten
    pins: []
removed:
  description: Names of the packages that are removed in the new root.
  returned: with O(release), O(install) or O(remove), and where RV(upgrade_mode=dup)
  type: list
  elements: str
run:
  description: The commands of O(run), as lines; in check mode those that would be run.
  returned: when there are any to run
  type: list
  elements: str
  sample:
    - systemctl enable nginx
ran:
  description:
    - The same after they ran, with what they printed, the last 64 KiB of each output. After a failure the last one is the one
      that failed.
  returned: when a new root was built with O(run)
  type: list
  elements: dict
  contains:
    cmd:
      description: The arguments.
      type: list
      elements: str
    rc:
      description: The exit code, negative for a signal.
      type: int
    stdout:
      description: Standard output.
      type: str
    stderr:
      description: Standard error.
      type: str
advisories_known:
  description: Whether every enabled repository tells of security advisories. Otherwise something more may be pending.
  returned: with O(advisories)
  type: bool
unadvised_repositories:
  description: The enabled repositories that say nothing of advisories, of which nothing is upgraded.
  returned: with O(advisories)
  type: list
  elements: str
upgrade_mode:
  description: What zypper was asked for, see O(upgrade_mode); null with O(advisories) and where nothing is upgraded.
  returned: on hosts whose packages are zypper's
  type: str
  sample: update
vendor_changes:
  description: The packages that come from another vendor than what is installed, with O(allow_vendor_change).
  returned: on hosts whose packages are zypper's
  type: list
  elements: str
kept_files:
  description:
    - Configuration files that were changed on this host and stayed as they are, although the packages brought others, which lie
      beside them as C(.dpkg-dist) or C(.ucf-dist), with rpm as C(.rpmnew).
  returned: when there are any
  type: list
  elements: str
  sample:
    - /etc/ssh/sshd_config
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
  description: Equal for equal transactions, the commands of O(run) included, on every host.
  returned: success
  type: str
replaced:
  description: Whether a deployment that was staged before was replaced. A warning names what only that one was asked for.
  returned: success
  type: bool
state_at_risk:
  description: Known state directories on the root subvolume; what is written there before the reboot is lost.
  returned: when there is something to do, with O(full=true)
  type: list
  elements: dict
at_risk:
  description: The same, a line for each.
  returned: without O(full), when there are any
  type: list
  elements: str
  sample:
    - /var/log (8.0 MiB)
hidden:
  description: What the packages wrote in the new root that a mount will hide, at most 100 entries; see O(hidden_policy).
  returned: when there is any
  type: list
  elements: dict
  contains:
    path:
      description: The path, as it is called in the new root.
      type: str
    mount:
      description: The mount point that covers it.
      type: str
    change:
      description: V(added), V(changed) or V(removed) since the new root was made.
      type: str
    package:
      description: The package that it belongs to; null if it belongs to none (a script wrote it) or was not asked for.
      type: str
left_behind:
  description:
    - What changed in the running root after the staged one was made of it, so that the reboot would lose it, less what
      O(carry_over) and O(carry_late) cover; see RV(overc.system.overc_host_info#module:left_behind). With
      O(reboot=true) it is looked at once more right before the reboot, which our roles and playbooks show.
  returned: when an upgrade is staged
  type: dict
unchecked_repositories:
  description: Enabled repositories whose packages are installed without a signature check; see O(gpg_policy).
  returned: when there is something to do
  type: list
  elements: str
carry_conflicts:
  description:
    - With V(/etc) in O(carry_over), what was changed both here and by the upgrade, so that it did not come along. With
      O(state_policy=refuse) the reboot is refused for it; O(force=true) makes the new root anew, of what is here.
    - An account that was made here does not come along either, if its number is another one's in the new root.
    - Without O(full) a line of text for each, at most 20.
  returned: with V(/etc) in O(carry_over), when something is built or staged
  type: list
  elements: dict
  contains:
    path:
      description: The path.
      type: str
    here:
      description: V(added), V(changed) or V(removed) in the running root.
      type: str
    upgrade:
      description: The same of the upgrade.
      type: str
    what:
      description: The part that both changed (an account, or mode, owner and attributes); null for all of it.
      type: str
    kept:
      description: Where in the new root the version from here is; null where there is none.
      type: str
  sample:
    - path: /etc/ssh/sshd_config
      here: changed
      upgrade: changed
      what:
      kept: /etc/overc/not-carried-over/0f6c2f9e-7a55-4f0e-9f5b-6c1f0c7e8d21/ssh/sshd_config
carry_late:
  description: The paths that the staged deployment brings over when it first starts, without those below another one.
  returned: when something is built or staged
  type: list
  elements: str
  sample: [/home, /var/lib/postgresql]
carried_over:
  description: The paths of O(carry_over) that were different in the new root.
  returned: when O(carry_over) is used
  type: list
  elements: str
stdout:
  description: Standard output of the package manager, or of the tool that failed.
  returned: when one ran, with O(full=true)
  type: str
stderr:
  description: Its standard error.
  returned: when one ran, with O(full=true)
  type: str
rc:
  description: Its exit code. Success is never judged by it alone.
  returned: when one failed, or ran with O(full=true)
  type: int
output:
  description: What the tool that failed printed; of much of it, the lines that say what went wrong.
  returned: when one failed, without O(full)
  type: list
  elements: str
undone:
  description: The steps that brought the host back after a failure, or completed the switch if it had happened already.
  returned: failure, with O(full=true)
  type: list
  elements: dict
failed_units:
  description: Units that had failed on the running system, as systemd or OpenRC calls them.
  returned: when something is pending or staged
  type: list
  elements: str
  sample: []
# >>> reboot, from scripts/return_texts.py
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
# <<<
"""

import re
import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.commands.upgrade import UpgradeOptions, upgrade
from ansible_collections.overc.system.plugins.module_utils.host.module import check_package_names, run_host_module
from ansible_collections.overc.system.plugins.module_utils.host.packages_option import (
    PACKAGES_SPEC,
    commands,
    exact_names,
    refuse_combinations,
    seconds,
)
from ansible_collections.overc.system.plugins.module_utils.host.reboot_option import REBOOT_SPEC, check_reboot_options
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

if t.TYPE_CHECKING:
    from ansible_collections.overc.system.plugins.module_utils.host.session import Host


_DECISIONS: t.Final = ["refuse", "keep", "rewrite", "disable"]


def _release(params: t.Mapping[str, t.Any]) -> str | None:
    """The code name of the wanted release. Raises bad_argument."""
    release: str | None = params["release"]
    if release is None:
        return None
    if not re.fullmatch(r"[a-z][a-z-]*", release):
        raise OvercError(
            "bad_argument", f"release: {release!r} is no code name of a release. Give one like trixie or noble."
        )
    if params["install"] or params["remove"] or params["advisories"] or not params["upgrade"]:
        raise OvercError(
            "bad_argument",
            "release goes with none of install, remove, advisories and upgrade: false. Do it in another run.",
        )
    if params["packages"]:
        raise OvercError(
            "bad_argument", "release and packages cannot go together: another release is all packages or none."
        )
    return release


def _upgrade(at: Host, params: dict[str, t.Any]) -> dict[str, t.Any]:
    check_reboot_options(at, params)
    install, remove = exact_names("install", params["install"]), exact_names("remove", params["remove"])
    refuse_combinations(params)
    request = PackageRequest(
        packages=check_package_names("packages", params["packages"]),
        exclude=check_package_names("exclude", params["exclude"]),
        signed=params["gpg_policy"] == "require",
        skip_unavailable=params["skip_if_unavailable"],
        release=_release(params),
        third_party_sources=params["third_party_sources"],
        pins=params["pins"],
        install=install,
        remove=remove,
        upgrade=params["upgrade"],
        advisories=params["advisories"],
        mode=None if params["upgrade_mode"] == "auto" else params["upgrade_mode"],
        vendor_change=params["allow_vendor_change"],
    )
    return upgrade(
        at,
        UpgradeOptions(
            request=request,
            update_cache=params["update_cache"],
            force=params["force"],
            carry_over=tuple(params["carry_over"]),
            carry_late=None if params["carry_late"] is None else tuple(params["carry_late"]),
            rejected=tuple(params["rejected_plans"]),
            run=commands(params["run"]),
            run_timeout=seconds(params["run_timeout"]),
            run_creates=params["run_creates"],
            refuse_state_at_risk=params["state_policy"] == "refuse",
            arm=params["arm"],
            refuse_unsigned=params["gpg_policy"] == "require",
            refuse_hidden=params["hidden_policy"] == "refuse",
        ),
    )


def main() -> None:
    run_host_module(
        "overc_host_upgrade",
        _upgrade,
        {
            "update_cache": {"type": "bool", "default": True},
            "skip_if_unavailable": {"type": "bool", "default": False},
            "packages": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            **PACKAGES_SPEC,
            "upgrade_mode": {"type": "str", "choices": ["auto", "update", "dup"], "default": "auto"},
            "allow_vendor_change": {"type": "bool", "default": False},
            "release": {"type": "str"},
            "third_party_sources": {"type": "str", "choices": _DECISIONS, "default": "refuse"},
            "pins": {"type": "str", "choices": _DECISIONS, "default": "refuse"},
            "force": {"type": "bool", "default": False},
            "carry_over": {"type": "list", "elements": "str", "default": []},
            "carry_late": {"type": "list", "elements": "str"},
            "rejected_plans": {"type": "list", "elements": "str", "default": []},
            "state_policy": {"type": "str", "choices": ["report", "refuse"], "default": "report"},
            "gpg_policy": {"type": "str", "choices": ["require", "report"], "default": "require"},
            "hidden_policy": {"type": "str", "choices": ["refuse", "report"], "default": "refuse"},
            **REBOOT_SPEC,
        },
    )


if __name__ == "__main__":
    main()
