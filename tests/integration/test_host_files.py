# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels with a deployment: kernel, signature, initrd, EFI binaries, modules, carried paths; and what stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, steps, succeed, upgrade_to
from tests.integration.disk_facts import (
    assert_backup_pair,
    assert_no_leftovers,
    assert_runs,
    in_top,
    modules_of,
    snapshot_of_disk,
    version_in,
)
from tests.integration.host_states import host_in_state
from tests.integration.own_packages import build, install, offer
from tests.lab import Host, Lab
from tests.lab.packages import Package

MakeHost = Callable[..., Host]
SIGNATURE_2 = hashlib.sha256(b"detached signature of 2.1-lab\n").hexdigest()


# -- kernels -----------------------------------------------------------------------------------------------------------


def test_signature_travels_with_its_kernel(host: Host) -> None:
    """There, into the backup, and away again with a rollback to a kernel that has none."""
    host.enable_repo("kernel-signed")
    succeed(host, "upgrade")
    boot = snapshot_of_disk(host).boot
    assert boot["bzImage.p7b"] == SIGNATURE_2
    assert "bzImage_bakup.p7b" not in boot
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "1.0", kernel="2.1")
    succeed(host, "rollback")
    boot = snapshot_of_disk(host).boot
    assert [name for name in boot if "p7b" in name] == []
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    succeed(host, "upgrade")
    assert snapshot_of_disk(host).boot["bzImage.p7b"] == SIGNATURE_2
    succeed(host, "rollback")
    assert "bzImage.p7b" not in snapshot_of_disk(host).boot


def test_signed_pair_becomes_the_backup(host: Host) -> None:
    host.enable_repo("kernel-signed")
    succeed(host, "upgrade")
    host.reboot()
    host.release("v2")
    succeed(host, "upgrade", {"packages": ["lab-app"]})
    boot = snapshot_of_disk(host).boot
    assert boot["bzImage_bakup.p7b"] == boot["bzImage.p7b"] == SIGNATURE_2
    assert boot["bzImage_bakup"] == boot["bzImage"]
    host.boot_entry(1)
    host.reboot()
    assert_runs(host, "rootfs_bakup", "1.0", kernel="2.1")


def test_kernel_without_its_signature_is_refused(host: Host) -> None:
    host.enable_repo("kernel-signed")
    succeed(host, "upgrade")
    host.reboot()
    host.release("v3")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade"), "kernel_unsigned", "bzImage.p7b")
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)


def give_initrd(host: Host, backup: str) -> None:
    host.sh(
        "cd /boot && echo 'initrd of 1.0' > initrd && cp initrd initrd_bakup && cp bzImage bzImage_bakup"
        " && sed -i -e '/bzImage /a initrd /initrd' -e '/bzImage_bakup /a initrd /" + backup + "' /boot/grub/grub.cfg"
    )


def test_initrd_travels(host: Host) -> None:
    give_initrd(host, "initrd_bakup")
    old = snapshot_of_disk(host).boot["initrd"]
    host.enable_repo("kernel-initrd")
    succeed(host, "upgrade")
    boot = snapshot_of_disk(host).boot
    assert boot["initrd"] == hashlib.sha256(b"070701 initrd of 2.3-lab\n" * 4096).hexdigest()
    assert boot["initrd_bakup"] == old
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "1.0", kernel="2.3")
    succeed(host, "rollback")
    assert snapshot_of_disk(host).boot["initrd"] == old
    host.reboot()
    assert_runs(host, "rootfs", "1.0")


def test_only_the_initrd_is_new(host: Host, tmp_path: Path) -> None:
    """Then nothing is said about kernels and their releases."""
    give_initrd(host, "initrd_bakup")
    text = b"070701 another initrd\n"
    files = build(
        tmp_path,
        Package("own-initrd", "1.0", (), {"/usr/share/own-initrd": b"1.0"}),
        Package("own-initrd", "2.0", (), {"/usr/share/own-initrd": b"2.0", "/boot/initrd": text}),
    )
    install(host, files["own-initrd-1.0"])
    offer(host, files["own-initrd-2.0"])
    result = succeed(host, "upgrade")
    assert "release" not in str(result.get("warnings"))
    assert "was not looked into" in str(result["warnings"])  # this one is no archive
    assert snapshot_of_disk(host).boot["initrd"] == hashlib.sha256(text).hexdigest()


def test_shared_initrd_is_refused(host: Host) -> None:
    """Both entries boot with one file: it cannot be that of two kernels."""
    give_initrd(host, "initrd")
    host.enable_repo("kernel-initrd")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade"), "initrd_shared", "initrd_bakup")
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)


def test_efi_binaries_travel_and_menus_do_not(host: Host) -> None:
    host.sh(
        "mkdir -p /boot/EFI/BOOT && cd /boot/EFI/BOOT && echo old | tee bootx64.efi mine.efi && echo menu > grub.cfg"
    )
    host.sh("echo script > /boot/EFI/BOOT/startup.nsh; sync")
    before = snapshot_of_disk(host).boot
    host.enable_repo("kernel-efi")
    succeed(host, "upgrade")
    after = snapshot_of_disk(host).boot
    assert after["EFI/BOOT/bootx64.efi"] == hashlib.sha256(b"MZ lab boot loader 2\n").hexdigest()
    for name in ("grub.cfg", "startup.nsh", "mine.efi"):
        assert after[f"EFI/BOOT/{name}"] == before[f"EFI/BOOT/{name}"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "1.0", kernel="2.2")


def test_no_efi_directory_is_made(host: Host) -> None:
    host.enable_repo("kernel-efi")
    succeed(host, "upgrade")
    assert "EFI" not in snapshot_of_disk(host).boot


def test_another_kernel_of_the_same_release(host: Host) -> None:
    host.enable_repo("kernel-samerelease")
    result = succeed(host, "upgrade")
    assert "same release (1.0-lab)" in str(result["warnings"])
    assert "same release (1.0-lab)" in str(host.module("overc_host_info")["last_event"]["warnings"])
    boot = snapshot_of_disk(host).boot
    assert boot["bzImage"] != boot["bzImage_bakup"]
    assert modules_of(host, "rootfs_upgrade") == {"1.0-lab": "module of 1.0-lab #2"}
    assert modules_of(host, "rootfs_bakup") == {"1.0-lab": "module of 1.0-lab #1"}
    host.reboot()
    assert host.rpm_version("lab-kernel") == "1.1"
    succeed(host, "rollback")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert snapshot_of_disk(host).boot["bzImage"] == boot["bzImage_bakup"]


def test_kernel_without_modules_is_refused(host: Host) -> None:
    host.release("v2")
    # As for directories shared over the network: rpm installs nothing there
    host.sh("echo '%_netsharedpath /lib/modules:/usr/lib/modules' >> /etc/rpm/macros")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade"), "kernel_modules_missing", "2.0-lab")
    assert_unchanged(before, host, history=False)
    assert_no_leftovers(host)


def test_backup_is_complete_and_modules_do_not_pile_up(host: Host) -> None:
    """Each root has the modules of its kernel and of the one before, no more; three upgrades in a row."""
    expected = [("v2", "rootfs_upgrade", "2.0", "1.0"), ("v3", "rootfs", "3.0", "2.0")]
    for release, root, version, previous in expected:
        upgrade_to(host, release)
        assert_backup_pair(host, previous)
        assert set(modules_of(host, root)) == {f"{version}-lab", f"{previous}-lab"}
        host.reboot()
        assert_runs(host, root, version)
    host.enable_repo("obsoletes")
    succeed(host, "upgrade")
    assert_backup_pair(host, "3.0")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "3.0")
    assert "1.0-lab" not in modules_of(host, "rootfs_upgrade")
    # A kernel that was kept must still boot: the backup, from the menu
    host.boot_entry(1)
    host.reboot()
    assert_runs(host, "rootfs_bakup", "3.0")


# -- paths that are carried over ---------------------------------------------------------------------------------------


def test_carry_over(host: Host) -> None:
    """Again and again until the reboot, as long as it changes; types, owners and times as they are."""
    host.sh(
        "mkdir -p /srv/data/deep && echo 1 > /srv/data/deep/state && chown 12:34 /srv/data/deep && chmod 750 /srv/data"
    )
    host.write("/etc/single file", "1\n")
    args = {"carry_over": ["/srv/data", "/etc/single file"]}
    host.release("v2")
    assert "carry_over" in steps(call(host, "upgrade", args, check=True))
    assert succeed(host, "upgrade", args)["carried_over"] == []  # the new root was made a moment ago
    assert succeed(host, "upgrade", args)["changed"] is False
    host.sh("echo 2 > /srv/data/deep/state; cd /srv/data && ln -s deep/state link && touch -hd @1 link")
    before = snapshot_of_disk(host)
    planned = call(host, "upgrade", args, check=True)
    assert (planned["changed"], steps(planned)) == (True, ["carry_over"])
    assert_unchanged(before, host)
    result = succeed(host, "upgrade", args)
    assert (result["changed"], steps(result), result["carried_over"]) == (True, ["carry_over"], ["/srv/data"])
    assert succeed(host, "upgrade", args)["changed"] is False
    listing = "cd /srv/data && find . -printf '%p %y %m %U:%G %T@ %l\\n' | sort && cat deep/state"
    seen = host.sh(listing)
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert host.sh(listing) == seen
    assert_no_leftovers(host)


def test_carry_over_follows_no_links(host: Host) -> None:
    host.sh("mkdir /srv/real && echo x > /srv/real/file && ln -s real /srv/link && btrfs subvolume create /srv/own")
    host.release("v2")
    before = snapshot_of_disk(host)
    for path in ("/srv/link/file", "/srv/link", "/srv/own", "/srv/nothing", "/boot/bzImage", "/run/x"):
        result = call(host, "upgrade", {"carry_over": [path]})
        assert_refused(result, "bad_argument", repr(path))
    assert_unchanged(before, host)


def test_state_at_risk(host: Host) -> None:
    host.sh("mkdir -p /var/lib/mysql && head -c 100000 /dev/urandom > /var/lib/mysql/table")
    host.release("v2")
    before = snapshot_of_disk(host)
    for check in (True, False):
        result = call(host, "upgrade", {"state_policy": "refuse"}, check=check)
        assert_refused(result, "state_at_risk", "/var/lib/mysql")
    found = {entry["path"]: entry["bytes"] for entry in result["state_at_risk"]}
    assert found["/var/lib/mysql"] >= 100_000
    assert_unchanged(before, host)
    covered = {"state_policy": "refuse", "carry_over": sorted(found)}
    result = succeed(host, "upgrade", covered)
    assert {entry["path"] for entry in result["state_at_risk"]} == set(found)


# -- what is not ours --------------------------------------------------------------------------------------------------


def test_foreign_backup_and_upgrade_roots_are_kept(make_host: MakeHost) -> None:
    """Subvolumes of our names that the record does not know: replaced, but kept, and that is said."""
    host = make_host(backup=True)
    in_top(host, "btrfs subvolume snapshot rootfs rootfs_upgrade && echo mine > rootfs_upgrade/etc/mine")
    before = snapshot_of_disk(host)
    result = upgrade_to(host, "v2")
    after = snapshot_of_disk(host)
    for name in ("rootfs_bakup", "rootfs_upgrade"):
        assert after.uuid(f"{name}.overc-kept") == before.uuid(name)
        assert f"kept as {name}.overc-kept" in str(result["warnings"])
    assert_backup_pair(host, "1.0")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    # Our own are not kept
    again = upgrade_to(host, "v3")
    assert [entry for entry in snapshot_of_disk(host).names if "kept" in entry] == [
        "rootfs_bakup.overc-kept",
        "rootfs_upgrade.overc-kept",
    ]
    assert not again.get("warnings")


def test_nested_subvolume_with_data_is_refused(host: Host) -> None:
    host.sh("btrfs subvolume create /srv/db && echo rows > /srv/db/table")
    host.release("v2")
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade"), "state_at_risk", "rootfs/srv/db", "to mend:")
    assert_unchanged(before, host)


def test_nested_snapshots_are_told_and_refused_by_policy(host: Host) -> None:
    """As snapper makes them: copies, which stay in the root that they are of."""
    host.sh(
        "btrfs subvolume create /.snapshots && for n in 1 2 3; do mkdir /.snapshots/$n && echo x > /.snapshots/$n/info.xml"
        " && btrfs subvolume snapshot -r / /.snapshots/$n/snapshot; done"
    )
    host.release("v2")
    before = snapshot_of_disk(host)
    result = call(host, "upgrade", {"state_policy": "refuse"})
    assert_refused(result, "state_at_risk", "/.snapshots")
    assert_unchanged(before, host)
    result = succeed(host, "upgrade", {"state_policy": "report"})
    assert [entry["path"] for entry in result["state_at_risk"] if "snap" in entry["path"]] == ["/.snapshots"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    succeed(host, "rollback")
    host.reboot()
    assert host.sh("ls /.snapshots/2/snapshot/etc/os-release")


def test_a_snapshot_of_something_else_is_data(host: Host) -> None:
    host.sh("btrfs subvolume create /srv/db && echo rows > /srv/db/table && btrfs subvolume snapshot /srv/db /srv/copy")
    host.release("v2")
    assert_refused(call(host, "upgrade", {"state_policy": "report"}), "state_at_risk", "rootfs/srv/copy")


def test_empty_nested_subvolume_goes_with_its_root(host: Host) -> None:
    """As systemd makes them: var/lib/machines, var/lib/portables."""
    host.sh("rm -rf /var/lib/machines && btrfs subvolume create /var/lib/machines")
    upgrade_to(host, "v2")
    host.reboot()
    upgrade_to(host, "v3")
    assert [name for name in snapshot_of_disk(host).names if "/" in name or "kept" in name] == []
    host.reboot()
    assert_runs(host, "rootfs", "3.0")


def on_rootfs_upgrade(make_host: MakeHost) -> Host:
    """As the original tool leaves a host after an odd number of upgrades."""
    host = make_host(start=False, backup=True)
    with host.top() as top:
        (top / "rootfs").rename(top / "rootfs_upgrade")
    host.start()
    return host


def test_existing_installation_on_the_other_name(make_host: MakeHost) -> None:
    host = on_rootfs_upgrade(make_host)
    assert call(host, "info")["state"] == "clean"
    upgrade_to(host, "v2")
    host.reboot()
    assert_runs(host, "rootfs", "2.0")
    succeed(host, "rollback")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "1.0")


def test_rollback_of_an_upgrade_by_the_original_tool(make_host: MakeHost) -> None:
    """No record tells what ran before; the other of the two names is it, if its kernel can be told."""
    host = on_rootfs_upgrade(make_host)
    in_top(host, "btrfs subvolume snapshot rootfs_upgrade rootfs && touch rootfs/etc/this-one")
    assert succeed(host, "rollback")["operation"] == "rollback"
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert host.run(["test", "-e", "/etc/this-one"], check=False).returncode == 0


@pytest.mark.parametrize("image", ["upgraded", "rolled back"])
def test_lost_record(lab: Lab, make_host: MakeHost, image: str) -> None:
    """Without it nothing of ours can be told from anybody else's: work goes on, and all is kept."""
    host = host_in_state(lab, make_host, image)
    in_top(host, "rm -r .overc")
    before = snapshot_of_disk(host)
    upgrade_to(host, "v3")
    after = snapshot_of_disk(host)
    assert {entry.uuid for entry in before.subvolumes} <= {entry.uuid for entry in after.subvolumes}
    host.reboot()
    assert host.rpm_version("lab-app") == "3.0"


# -- the other package manager -----------------------------------------------------------------------------------------


def test_smartpm(make_host: MakeHost) -> None:
    host = make_host(managers=("smart",))
    host.run("smart channel --add system type=rpm-sys -y", check=False)  # there already in some builds
    url = "http://10.77.0.1:8080/v2/"
    host.run(["smart", "channel", "--add", "lab", "type=rpm-md", f"baseurl={url}", "-y"])
    pending = succeed(host, "update")
    assert pending["package_manager"] == "smartpm"
    assert {entry["name"] for entry in pending["upgrades"]} >= {"lab-app", "lab-kernel"}
    succeed(host, "upgrade")
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")
    assert succeed(host, "upgrade")["changed"] is False
    succeed(host, "rollback")
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert version_in(host, "rootfs_upgrade") == "2.0"
