# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automatic protection on lab hosts: a system is tried once, confirmed, or left by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.grub.environment import parse_environment

from tests.integration.commands import Result, assert_refused, call, steps, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, in_top, snapshot_of_disk
from tests.lab import Host
from tests.lab.process import wait_for
from tests.sampling import rotating

MakeHost = Callable[..., Host]
Break = Callable[[Path, Path], object]
R, U, B = "rootfs", "rootfs_upgrade", "rootfs_bakup"


@pytest.fixture
def protected(make_host: MakeHost) -> Host:
    return make_host(automatic=True)


def environment(host: Host) -> dict[str, str]:
    with host.boot_partition() as boot:
        return parse_environment((boot / "grub/grubenv").read_bytes())


def on_trial(host: Host) -> bool:
    return "overc.trial=1" in host.sh("cat /proc/cmdline").split()


def info(host: Host) -> Result:
    return call(host, "info")


def restore(host: Host) -> None:
    """From the backup entry back to a normal host that can be upgraded again."""
    result = succeed(host, "rollback")
    assert (result["operation"], result["state"], result["reboot_required"]) == ("restore", "backup", True)
    host.reboot()
    assert info(host)["state"] == "trial"
    assert succeed(host, "confirm")["state"] == "clean"
    assert environment(host) == {}
    assert_no_leftovers(host)


def test_a_good_upgrade_is_tried_and_confirmed(protected: Host) -> None:
    host = protected
    staged = upgrade_to(host, "v2")
    assert (staged["protection"], staged["trial"]["outcome"]) == ("automatic", "armed")
    assert steps(staged)[-1] == "arm_trial"
    assert environment(host) == {"saved_entry": "1", "next_entry": "0"}
    host.reboot()
    assert_runs(host, U, "2.0")
    assert on_trial(host)
    assert environment(host) == {"saved_entry": "1", "next_entry": ""}
    seen = info(host)
    assert (seen["state"], seen["trial"]["outcome"]) == ("trial", "running")
    assert_refused(call(host, "upgrade"), "unconfirmed")

    before = snapshot_of_disk(host)
    preview = succeed(host, "confirm", check=True)
    assert (preview["changed"], steps(preview)) == (True, ["confirm", "record"])
    assert snapshot_of_disk(host) == before
    confirmed = succeed(host, "confirm")
    assert (confirmed["changed"], confirmed["state"], confirmed["trial"]) == (True, "clean", None)
    assert environment(host) == {}
    assert succeed(host, "confirm")["changed"] is False
    for _cut in range(2):
        host.powerloss()
        host.start()
        assert_runs(host, U, "2.0")
        assert not on_trial(host)
        assert info(host)["state"] == "clean"


def test_a_rollback_is_a_trial_too(protected: Host) -> None:
    host = protected
    upgrade_to(host, "v2")
    host.reboot()
    succeed(host, "confirm")
    result = succeed(host, "rollback")
    assert steps(result) == [
        *("install_guard", "write_kernel", "arm_fallback", "swap_kernel", "set_default", "install_efi", "record"),
        "arm_trial",
    ]
    host.reboot()
    assert_runs(host, R, "1.0")
    assert on_trial(host)
    assert succeed(host, "confirm")["state"] == "clean"
    assert succeed(host, "rollback")["changed"] is False
    assert info(host)["known_bad"] == []


def test_cancel_needs_no_reboot_and_no_trial(protected: Host) -> None:
    host = protected
    upgrade_to(host, "v2")
    result = succeed(host, "rollback")
    assert (result["operation"], result["state"]) == ("cancel", "clean")
    assert environment(host) == {}
    host.reboot()
    assert_runs(host, R, "1.0")
    assert not on_trial(host)
    assert upgrade_to(host, "v2")["changed"]


def test_a_trial_that_is_given_up_is_remembered(protected: Host) -> None:
    host = protected
    staged = upgrade_to(host, "v2")
    host.reboot()
    result = succeed(host, "rollback")
    assert (result["operation"], result["state"]) == ("rollback", "staged")
    host.reboot()
    assert_runs(host, R, "1.0")
    succeed(host, "confirm")
    assert info(host)["known_bad"] == [staged["fingerprint"]]
    assert_refused(call(host, "upgrade"), "known_bad")
    assert succeed(host, "upgrade", {"force": True})["state"] == "staged"


def _root(top: Path) -> Path:
    return top / U


def _no_init(top: Path, _boot: Path) -> None:
    (_root(top) / "usr/lib/systemd/systemd").unlink()


def _no_modules(top: Path, _boot: Path) -> None:
    shutil.rmtree(_root(top) / "usr/lib/modules/2.0-lab")


def _no_kernel(_top: Path, boot: Path) -> None:
    (boot / "bzImage").unlink()


def _cut_off(size: int) -> Break:
    def shorten(_top: Path, boot: Path) -> None:
        kernel = boot / "bzImage"
        kernel.write_bytes(kernel.read_bytes()[:size])

    return shorten


def _zeros(_top: Path, boot: Path) -> None:
    kernel = boot / "bzImage"
    kernel.write_bytes(bytes(kernel.stat().st_size))


def _no_file_systems(top: Path, _boot: Path) -> None:
    """As a bad fstab does it on a machine, where systemd waits for devices; in a lab it ignores them."""
    units = _root(top) / "etc/systemd/system"
    (units / "broken.service").write_text(
        "[Unit]\nDefaultDependencies=no\nBefore=local-fs.target\n[Service]\nType=oneshot\nExecStart=/bin/false\n"
    )
    (units / "local-fs.target.requires").mkdir(exist_ok=True)
    (units / "local-fs.target.requires/broken.service").symlink_to("../broken.service")


def _impatient(top: Path, name: str, seconds: int = 4) -> None:
    guard = _root(top) / "etc/overc/trial-guard"
    default = {"boot_timeout": 300, "confirm_deadline": 900}[name]
    text = guard.read_text()
    assert f"{name}={default}" in text
    guard.write_text(text.replace(f"{name}={default}", f"{name}={seconds}"))


def _nobody_confirms(top: Path, _boot: Path) -> None:
    _impatient(top, "confirm_deadline")


def _hangs(top: Path, _boot: Path) -> None:
    _impatient(top, "boot_timeout")
    units = _root(top) / "etc/systemd/system"
    (units / "hang.service").write_text(
        "[Unit]\nBefore=ssh.service\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n"
    )
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/hang.service").symlink_to("../hang.service")


BROKEN: dict[str, tuple[Break, str]] = {
    "init": (_no_init, "no chance to say why"),
    "modules": (_no_modules, "no chance to say why"),
    "kernel missing": (_no_kernel, "no chance to say why"),
    "kernel cut off": (_cut_off(5000), "no chance to say why"),
    "kernel empty": (_cut_off(0), "no chance to say why"),
    "kernel zeros": (_zeros, "no chance to say why"),
    "file systems": (_no_file_systems, "emergency shell"),
    "deadline": (_nobody_confirms, "nobody confirmed it"),
    "hang": (_hangs, "boot did not end"),
}


@pytest.mark.parametrize("name", rotating(list(BROKEN), 3))
def test_a_broken_upgrade_heals(protected: Host, name: str) -> None:
    host = protected
    how, reason = BROKEN[name]
    staged = upgrade_to(host, "v2")
    with host.top() as top, host.boot_partition() as boot:
        how(top, boot)
    host.run(["systemctl", "reboot"], check=False)
    wait_for(lambda: host.state.get("entry") == 1 and host.state["power"] == "on", "the backup to boot", timeout=60)
    host.wait_ssh()
    assert_runs(host, B, "1.0")
    seen = info(host)
    assert seen["state"] == "fallback"
    assert seen["trial"]["outcome"] == "failed"
    assert reason in seen["trial"]["reason"]
    assert_refused(call(host, "upgrade"), "backup_boot")
    assert_refused(call(host, "confirm"), "backup_boot")
    host.reboot()
    assert_runs(host, B, "1.0")  # it stays there until somebody looks
    restore(host)
    assert_runs(host, U, "1.0")
    seen = info(host)
    assert seen["known_bad"] == [staged["fingerprint"]]
    failed = [event for event in seen["events"] if event["outcome"] == "not_confirmed"]
    assert [event["fingerprint"] for event in failed] == [staged["fingerprint"]]
    assert reason in failed[0]["reason"]
    assert_refused(call(host, "upgrade"), "known_bad")


def test_a_power_cut_before_the_trial_is_armed_is_no_verdict(protected: Host) -> None:
    host = protected
    host.release("v2")
    staged = succeed(host, "upgrade", {"arm": False})
    assert (staged["trial"]["outcome"], environment(host)) == ("not_armed", {"saved_entry": "1"})
    host.powerloss()
    host.start()
    assert_runs(host, B, "1.0")
    seen = info(host)
    assert (seen["state"], seen["trial"]["outcome"]) == ("fallback", "not_tried")
    restore(host)
    assert info(host)["known_bad"] == []
    assert upgrade_to(host, "v2")["changed"]


def test_a_trial_can_be_armed_later(protected: Host) -> None:
    host = protected
    host.release("v2")
    succeed(host, "upgrade", {"arm": False})
    armed = succeed(host, "upgrade")
    assert (armed["changed"], steps(armed)) == (True, ["arm_trial"])
    assert succeed(host, "upgrade")["changed"] is False
    host.reboot()
    assert on_trial(host)


def test_a_staged_upgrade_is_replaced(protected: Host) -> None:
    host = protected
    upgrade_to(host, "v2")
    result = upgrade_to(host, "v3")
    assert result["replaced"]
    order = steps(result)
    assert order.index("arm_fallback") < order.index("cancel_kernel") < order.index("set_default")
    host.reboot()
    assert_runs(host, U, "3.0")
    assert succeed(host, "confirm")["state"] == "clean"


def test_the_backup_of_choice_is_restored_as_a_trial(protected: Host) -> None:
    host = protected
    upgrade_to(host, "v2")
    host.reboot()
    succeed(host, "confirm")
    host.boot_entry(1)
    host.reboot()
    assert info(host)["state"] == "backup"
    restore(host)
    assert_runs(host, R, "1.0")
    assert info(host)["known_bad"] == []


def test_the_guard_leaves_other_boots_alone(protected: Host) -> None:
    host = protected
    unit = host.sh("systemctl show -p Result,ExecMainStatus overc-trial-guard.service")
    assert unit.splitlines() == ["Result=success", "ExecMainStatus=0"]
    assert host.sh("systemctl show -p JobTimeoutUSec multi-user.target") == "JobTimeoutUSec=infinity"
    upgrade_to(host, "v2")
    host.reboot()
    assert host.sh("systemctl is-active overc-trial-guard.service") == "active"
    assert host.sh("systemctl show -p JobTimeoutUSec multi-user.target") == "JobTimeoutUSec=6min"
    succeed(host, "confirm")
    asked = ["systemctl", "is-active", "-q", "overc-trial-guard.service"]
    wait_for(lambda: host.run(asked, check=False).returncode != 0, "the guard to end", timeout=20)


def test_a_rollback_without_a_complete_backup_says_so(protected: Host) -> None:
    host = protected
    upgrade_to(host, "v2")
    host.reboot()
    succeed(host, "confirm")
    in_top(host, f"btrfs subvolume delete {B}")
    result = succeed(host, "rollback")
    assert "arm_trial" not in steps(result)
    assert "no complete backup pair" in str(result["warnings"])
    host.reboot()
    assert_runs(host, R, "1.0")
