# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``reboot: true`` as a user meets it: the reboot itself, and what was there before and after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.controller import Controller
from tests.integration.disk_facts import booted, disk_state
from tests.lab import Host

MakeHost = Callable[..., Host]
SHUTDOWN = "/usr/sbin/shutdown"


# --- the way there and back -------------------------------------------------------------------------------------------


def test_reboot_without_pipelining(ansible: Controller, host: Host) -> None:
    """Ansible's default: modules are copied into a directory, which the root that comes up does not have."""
    host.release("v2")
    for module in ("overc.system.overc_host_upgrade", "overc.system.overc_host_rollback"):
        done = ansible(host.name, module, "-a", "reboot=true", env={"ANSIBLE_PIPELINING": "0"})
        assert done.rc == 0, done.output
        assert done.result["reboot"]["came_up"]


def test_upgrade_and_rollback_with_reboot(ansible: Controller, host: Host) -> None:
    """And everything done a second time does nothing."""
    host.release("v2")
    upgrade, rollback = "overc.system.overc_host_upgrade", "overc.system.overc_host_rollback"

    done = ansible(host.name, upgrade, "-a", "reboot=true")
    assert done.rc == 0, done.output
    assert done.result["changed"]
    assert done.result["reboot"]["came_up"]["subvolume"] == "rootfs_upgrade"
    assert done.result["reboot"]["came_up"]["kernel"]["release"] == "2.0-lab"
    assert (done.result["state"], done.result["reboot_required"], done.result["staged"]) == ("clean", False, None)
    assert (host.boots, booted(host), host.rpm_version("lab-app")) == (2, "rootfs_upgrade", "2.0")

    before = disk_state(host)
    again = ansible(host.name, upgrade, "-a", "reboot=true full=true")
    assert (again.rc, again.result["changed"], again.result["actions"]) == (0, False, [])
    assert "reboot" not in again.result
    assert (host.boots, disk_state(host)) == (2, before)

    back = ansible(host.name, rollback, "-a", "reboot=true")
    assert back.rc == 0, back.output
    assert back.result["reboot"]["came_up"]["subvolume"] == "rootfs"
    assert (host.boots, booted(host), host.rpm_version("lab-app")) == (3, "rootfs", "1.0")

    before = disk_state(host)
    again = ansible(host.name, rollback, "-a", "reboot=true")
    assert (again.rc, again.result["changed"]) == (0, False)
    assert (host.boots, disk_state(host)) == (3, before)


def test_reboot_of_what_was_staged_before(ansible: Controller, host: Host) -> None:
    """The upgrade has nothing to add, and the reboot is still done; the same for a rollback. By the short names."""
    host.release("v2")
    for module, subvolume in (("overc_host_upgrade", "rootfs_upgrade"), ("overc_host_rollback", "rootfs")):
        host.module(module)
        done = ansible(host.name, module, "-a", "reboot=true full=true")
        assert done.rc == 0, done.output
        assert (done.result["actions"], done.result["changed"]) == ([], True)
        assert booted(host) == subvolume


def test_cancel_needs_no_reboot(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.module("overc_host_upgrade")
    done = ansible(host.name, "overc.system.overc_host_rollback", "-a", "reboot=true")
    assert (done.rc, done.result["operation"], done.result["reboot_required"]) == (0, "cancel", False)
    assert (host.boots, host.default_subvolume()) == (1, "rootfs")


def test_restore_from_the_backup_entry(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.module("overc_host_upgrade")
    host.boot_entry(1)
    host.reboot()
    assert booted(host) == "rootfs_bakup"
    done = ansible(host.name, "overc.system.overc_host_rollback", "-a", "reboot=true")
    assert done.rc == 0, done.output
    assert (done.result["operation"], done.result["state"], booted(host)) == ("restore", "clean", done.result["booted"])
    assert (booted(host) in ("rootfs", "rootfs_upgrade"), host.rpm_version("lab-app")) == (True, "1.0")


def test_automatic_protection_there_and_back(ansible: Controller, make_host: MakeHost) -> None:
    """Armed right before the reboot, confirmed as soon as it was seen to run; what fails heals and is restored."""
    host = make_host(automatic=True)
    upgrade, rollback = "overc.system.overc_host_upgrade", "overc.system.overc_host_rollback"
    host.release("v2")
    done = ansible(host.name, upgrade, "-a", "reboot=true full=true")
    assert done.rc == 0, done.output
    steps = [entry["step"] for entry in done.result["actions"]]
    assert steps[-3:] == ["arm_trial", "confirm", "record"]
    assert (done.result["state"], done.result["trial"], host.rpm_version("lab-app")) == ("clean", None, "2.0")
    again = ansible(host.name, upgrade, "-a", "reboot=true")
    assert (again.rc, again.result["changed"]) == (0, False)

    host.release("v3")
    assert host.module("overc_host_upgrade", {"arm": False})["trial"]["outcome"] == "not_armed"
    with host.top() as top:
        # Not something that is gone: that would be noticed, and the staged system be made anew
        units = top / "rootfs/etc/systemd/system"
        (units / "broken.service").write_text(
            "[Unit]\nDefaultDependencies=no\nBefore=local-fs.target\n[Service]\nType=oneshot\nExecStart=/bin/false\n"
        )
        (units / "local-fs.target.requires").mkdir(exist_ok=True)
        (units / "local-fs.target.requires/broken.service").symlink_to("../broken.service")
    failed = ansible(host.name, upgrade, "-a", "reboot=true")
    assert (failed.rc, failed.result["error_id"]) == (2, "reboot_failed"), failed.output
    assert "returned to its backup by itself" in failed.result["msg"]
    assert (failed.result["state"], booted(host), host.rpm_version("lab-app")) == ("fallback", "rootfs_bakup", "2.0")

    back = ansible(host.name, rollback, "-a", "reboot=true")
    assert back.rc == 0, back.output
    assert (back.result["operation"], back.result["state"], host.rpm_version("lab-app")) == ("restore", "clean", "2.0")
    refused = ansible(host.name, upgrade)
    assert refused.result["error_id"] == "known_bad"

    unconfirmed = ansible(host.name, upgrade, "-a", "reboot=true confirm=false force=true")
    assert unconfirmed.rc == 0, unconfirmed.output
    assert (unconfirmed.result["state"], unconfirmed.result["trial"]["outcome"]) == ("trial", "running")
    assert ansible(host.name, "overc.system.overc_host_confirm").result["state"] == "clean"


def test_something_else_comes_up(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.boot_entry(1)  # somebody stands at the boot menu
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert done.rc == 2, done.output
    assert done.result["error_id"] == "reboot_failed"
    assert "came back as rootfs_bakup" in done.result["msg"]
    assert done.result["reboot"]["came_up"]["subvolume"] == booted(host) == "rootfs_bakup"
    assert (done.result["changed"], done.result["state"], done.result["booted"]) == (True, "backup", "rootfs_bakup")


def test_host_does_not_come_back(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh(f"rm -f {SHUTDOWN} && printf '#!/bin/sh\\nexec systemctl poweroff\\n' > {SHUTDOWN} && chmod 755 {SHUTDOWN}")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true reboot_timeout=8")
    assert done.rc == 2, done.output
    assert (done.result["error_id"], done.result["changed"]) == ("reboot_failed", True)
    assert "did not come back within 8 seconds" in done.result["msg"]
    assert done.result["reboot"]["came_up"] is None
    assert done.result["staged"] == "rootfs_upgrade", "what was staged is still reported"
    assert not host.is_on


def test_host_does_not_reboot(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh(
        f"rm -f {SHUTDOWN} && printf '#!/bin/sh\\necho not today >&2; exit 1\\n' > {SHUTDOWN} && chmod 755 {SHUTDOWN}"
    )
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "reboot_failed", True)
    assert "not today" in done.result["msg"]
    assert "The host answers, runs rootfs " in done.result["msg"]
    assert (done.result["state"], done.result["staged"], host.boots) == ("staged", "rootfs_upgrade", 1)


_ASKS = """\
#!/bin/sh
exec systemctl --check-inhibitors=yes --no-wall reboot
"""


def test_an_inhibitor_refuses_the_reboot(ansible: Controller, host: Host) -> None:
    """Newer releases of systemd ask them for root too (257); here by option. Who and why is told, and nothing is lost."""
    host.sh(
        "systemd-run --unit=tape systemd-inhibit --what=shutdown --mode=block --who='nightly backup' --why='writes the tape' "
        "sleep 900"
    )
    host.sh("until systemd-inhibit --list | grep -q nightly; do sleep 0.1; done")
    host.sh(f"rm {SHUTDOWN}")
    host.write(SHUTDOWN, _ASKS)
    host.sh(f"chmod 0755 {SHUTDOWN}")
    host.release("v2")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "reboot_failed", True), done.output
    assert "nightly backup" in done.result["msg"]
    assert "writes the tape" in done.result["msg"]
    assert not {"\x1b", "\r"} & set(done.result["msg"])
    assert (host.boots, done.result["state"]) == (1, "staged")
    host.sh("systemctl stop tape")
    again = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert again.rc == 0, again.output
    assert (host.boots, booted(host)) == (2, "rootfs_upgrade")


def test_a_refused_upgrade_is_not_rebooted(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.enable_repo("pre-fails")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert (done.rc, done.result["error_id"]) == (2, "package_manager_failed")
    assert done.result["rc"] != 0
    assert "lab-prefail" in " ".join(done.result["output"])
    assert (host.boots, disk_state(host)) == (1, before)


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_local_connection_is_refused(ansible: Controller, host: Host, mode: tuple[str, ...]) -> None:
    done = ansible("localhost", "overc.system.overc_host_upgrade", "-c", "local", "-a", "reboot=true", *mode)
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "bad_argument", False)
    assert "local connection" in done.result["msg"]
    assert host.boots == 1


def test_without_the_action_plugin_reboot_is_refused(ansible: Controller, host: Host, tmp_path: Path) -> None:
    host.release("v2")
    before = disk_state(host)
    nowhere = {"ANSIBLE_ACTION_PLUGINS": str(tmp_path)}
    done = ansible(host.name, "overc_host_upgrade", "-a", "reboot=true", env=nowhere)
    assert (done.rc, done.result["error_id"]) == (2, "bad_argument"), done.output
    assert "action plugin" in done.result["msg"]
    assert (host.boots, disk_state(host)) == (1, before)


def test_carry_over_with_reboot(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh("mkdir -p /var/lib/shop && echo early > /var/lib/shop/orders")
    host.module("overc_host_upgrade")
    host.sh("echo late >> /var/lib/shop/orders")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/shop")
    assert done.rc == 0, done.output
    assert (booted(host), host.sh("cat /var/lib/shop/orders")) == ("rootfs_upgrade", "early\nlate")


def test_what_the_reboot_loses_is_told(ansible: Controller, host: Host) -> None:
    """Also where nothing is carried over or refused: by name, and while it is not too late to stop the run."""
    host.release("v2")
    host.module("overc_host_upgrade")
    host.sh("useradd late; for number in $(seq 50); do echo x > /srv/$number; done")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true", "-e", "overc_background=true")
    assert done.rc == 0, done.output
    assert "the reboot loses what rootfs_upgrade does not have: /etc/" in done.output
    assert done.output.index("the reboot loses") < done.output.index("reboots into")
    assert "/etc/passwd (changed)" in done.output
    assert len(done.result["left_behind"]["paths"]) == 21
    assert "more, listed with full=true" in done.result["left_behind"]["paths"][-1]


def test_carry_over_in_one_go(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh("mkdir -p /var/lib/shop && echo order > /var/lib/shop/orders")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/shop")
    assert done.rc == 0, done.output
    assert (booted(host), host.sh("cat /var/lib/shop/orders")) == ("rootfs_upgrade", "order")
