# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step that fails after the switch has begun: completed, or left to the next command, and the user is told which."""

from __future__ import annotations

from tests.integration.commands import assert_refused, call, succeed
from tests.integration.disk_facts import assert_backup_pair, assert_no_leftovers, assert_runs
from tests.lab import Host

# The boot partition is read-only from the first step named until the second one begins, as after an error of its disk
_READ_ONLY = """\
import subprocess
from ansible_collections.overc.system.plugins.module_utils.host import transaction
seen = []
def remount(when, step):
    seen.append((when, step))
    if (when, step) == ("before", {begin!r}) and seen.count((when, step)) == 1:
        subprocess.run(["mount", "-o", "remount,ro", "/boot"], check=True)
    if (when, step) == {end!r} and seen.count((when, step)) == 2:
        subprocess.run(["mount", "-o", "remount,rw", "/boot"], check=True)
transaction.step_hook = remount
"""


def test_what_fails_after_the_switch_is_completed(host: Host) -> None:
    """The new root is the default already: the way back would be as long, and less certain, than the way to the end."""
    host.release("v2")
    prelude = _READ_ONLY.format(begin="swap_kernel", end=("before", "write_kernel"))
    failed = call(host, "upgrade", prelude=prelude)
    assert_refused(failed, "boot_write_failed", "/boot/bzImage", "so the upgrade was completed", changed=True)
    info = succeed(host, "info")
    assert (info["state"], info["staged"]["subvolume"], info["last_event"]["outcome"]) == (
        "staged",
        "rootfs_upgrade",
        "failed",
    )
    assert (failed["state"], failed["staged"], failed["staged_uuid"]) == (
        "staged",
        "rootfs_upgrade",
        info["staged"]["uuid"],
    )
    assert "swap_kernel" in [entry["step"] for entry in failed["undone"]]
    assert_no_leftovers(host)
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert_backup_pair(host, "1.0")


def test_what_cannot_be_completed_is_not_called_unchanged(host: Host) -> None:
    """The default subvolume is the new one, the kernel the old one: nobody may be told that what boots is as it was."""
    host.release("v2")
    failed = call(host, "upgrade", prelude=_READ_ONLY.format(begin="swap_kernel", end=()))
    assert_refused(
        failed, "boot_write_failed", "Undoing it failed as well", "do not reboot the host before", changed=True
    )
    assert "unchanged" not in failed["msg"]
    assert failed["state"] == succeed(host, "info")["state"] == "interrupted"
    host.sh("mount -o remount,rw /boot")
    assert succeed(host, "upgrade")["repaired"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert_no_leftovers(host)


def test_what_cannot_be_undone_before_the_switch_leaves_what_boots(host: Host) -> None:
    host.release("v2")
    failed = call(host, "upgrade", prelude=_READ_ONLY.format(begin="swap_backup_files", end=()))
    assert_refused(failed, "boot_write_failed", "Undoing it failed as well", "What boots is unchanged", changed=True)
    host.sh("mount -o remount,rw /boot")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert succeed(host, "upgrade")["repaired"]
    assert_backup_pair(host, "1.0")
