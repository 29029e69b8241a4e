# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user meets: ``ansible``, ``ansible-playbook`` and ``ansible-doc``, over real SSH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.lab import Host, Lab
from tests.lab.settings import REPOSITORY

MakeHost = Callable[..., Host]
MODULES = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("overc_*.py"))
SHUTDOWN = "/usr/sbin/shutdown"


@dataclass(frozen=True)
class Answer:
    """What an ansible command said; ``results`` by host, from ad-hoc commands only."""

    rc: int
    stdout: str
    stderr: str

    @property
    def results(self) -> dict[str, dict[str, t.Any]]:
        found: dict[str, dict[str, t.Any]] = {}
        text = self.stdout
        decoder = json.JSONDecoder()
        while " => {" in text:
            head, _arrow, body = text.partition(" => ")
            name = head.splitlines()[-1].split(" | ")[0]
            found[name], end = decoder.raw_decode(body)
            text = body[end:]
        return found

    @property
    def result(self) -> dict[str, t.Any]:
        assert len(self.results) == 1, self.stdout + self.stderr
        return next(iter(self.results.values()))

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class Controller:
    """Ansible as a user has it: this checkout's ansible.cfg, the lab's inventory."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, program: str, *arguments: str, env: dict[str, str] | None = None) -> Answer:
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(self._lab.inventory()),
            "ANSIBLE_NOCOLOR": "1",
            **(env or {}),
        }
        argv = [str(Path(sys.executable).with_name(program)), *arguments]
        done = subprocess.run(
            argv, env=environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def __call__(self, host: str, module: str, *options: str, env: dict[str, str] | None = None) -> Answer:
        return self.run("ansible", host, "-m", module, *options, env=env)

    def play(self, path: Path, *options: str, hosts: str = "all", **play: t.Any) -> Answer:
        path.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, **play}]))
        return self.run("ansible-playbook", str(path), *options)


@pytest.fixture
def ansible(lab: Lab) -> Controller:
    return Controller(lab)


def disk_state(host: Host) -> tuple[str, str, str]:
    """What must not change: subvolumes, the default one, the boot partition."""
    with host.top() as top, host.boot_partition() as boot:
        subvolumes = subprocess.run(
            ["btrfs", "subvolume", "list", "-u", top], capture_output=True, text=True, check=True
        ).stdout
        stripped = "\n".join(sorted(line.split(" uuid ")[1] for line in subvolumes.splitlines()))
        files = "\n".join(
            f"{path.relative_to(boot)} {path.stat().st_mtime_ns} {path.stat().st_ino}"
            for path in sorted(boot.rglob("*"))
        )
    return stripped, host.default_subvolume(), files


def booted(host: Host) -> str:
    return host.sh("findmnt -no FSROOT /").lstrip("/")


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
    again = ansible(host.name, upgrade, "-a", "reboot=true")
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
        done = ansible(host.name, module, "-a", "reboot=true")
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
    done = ansible(host.name, upgrade, "-a", "reboot=true")
    assert done.rc == 0, done.output
    steps = [entry["step"] for entry in done.result["actions"]]
    assert steps[-3:] == ["arm_trial", "confirm", "record"]
    assert (done.result["state"], done.result["trial"], host.rpm_version("lab-app")) == ("clean", None, "2.0")
    again = ansible(host.name, upgrade, "-a", "reboot=true")
    assert (again.rc, again.result["changed"]) == (0, False)

    host.release("v3")
    assert host.module("overc_host_upgrade", {"arm": False})["trial"]["outcome"] == "not_armed"
    with host.top() as top:
        (top / "rootfs/usr/lib/systemd/systemd").unlink()
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


# --- check mode -------------------------------------------------------------------------------------------------------


def test_check_and_diff(ansible: Controller, host: Host) -> None:
    host.release("v2")
    before = disk_state(host)
    planned = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true", "--check", "--diff")
    assert planned.rc == 0, planned.output
    assert {"-default subvolume: rootfs", "+default subvolume: rootfs_upgrade"} <= set(planned.stdout.splitlines())
    assert {"-lab-app.noarch 1.0-1", "+lab-app.noarch 2.0-1"} <= set(planned.stdout.splitlines())
    assert (host.boots, disk_state(host)) == (1, before)

    done = ansible(host.name, "overc.system.overc_host_upgrade")
    assert "default subvolume" not in done.stdout.partition(" => ")[0], "without --diff there is no diff"
    assert [entry["step"] for entry in done.result["actions"]] == [e["step"] for e in planned.result["actions"]]
    assert {entry["status"] for entry in planned.result["actions"]} == {"planned"}


# --- what can go wrong around a reboot --------------------------------------------------------------------------------


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


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_local_connection_is_refused(ansible: Controller, host: Host, mode: tuple[str, ...]) -> None:
    done = ansible("localhost", "overc.system.overc_host_upgrade", "-c", "local", "-a", "reboot=true", *mode)
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "bad_argument", False)
    assert "local connection" in done.result["msg"]
    assert host.boots == 1


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("reboot=perhaps", ()),
        ("reboot=true reboot_timeout=soon", ()),
        ("reboot_timeout=0", ()),
        ("reboot_timeout=true", ()),
        ('{"reboot_timeout": Infinity}', ()),
        ('{"reboot_timeout": 1e400}', ()),
        ('{"reboot_timeout": 1000000000000000000000}', ()),
        ("reboot=true", ("-B60", "-P1")),
    ],
)
def test_bad_arguments_change_nothing(
    ansible: Controller, host: Host, arguments: str, options: tuple[str, ...]
) -> None:
    host.release("v2")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", arguments, *options)
    assert (done.rc, done.result["error_id"], done.result["changed"]) == (2, "bad_argument", False), done.output
    assert (host.boots, disk_state(host)) == (1, before)


def test_without_the_action_plugin_reboot_is_refused(ansible: Controller, host: Host, tmp_path: Path) -> None:
    host.release("v2")
    before = disk_state(host)
    nowhere = {"ANSIBLE_ACTION_PLUGINS": str(tmp_path)}
    done = ansible(host.name, "overc_host_upgrade", "-a", "reboot=true", env=nowhere)
    assert (done.rc, done.result["error_id"]) == (2, "bad_argument"), done.output
    assert "action plugin" in done.result["msg"]
    assert (host.boots, disk_state(host)) == (1, before)


def test_a_refused_upgrade_is_not_rebooted(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.enable_repo("pre-fails")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true")
    assert (done.rc, done.result["error_id"]) == (2, "package_manager_failed")
    assert done.result["rc"] != 0
    assert "lab-prefail" in done.result["stdout"] + done.result["stderr"]
    assert (host.boots, disk_state(host)) == (1, before)


def test_in_the_background(ansible: Controller, host: Host) -> None:
    """Long upgrades may run detached from the connection, as long as nobody asks for the reboot."""
    host.release("v2")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-B", "120", "-P", "1")
    assert done.rc == 0, done.output
    assert (done.result["staged"], host.default_subvolume()) == ("rootfs_upgrade", "rootfs_upgrade")


# --- options ----------------------------------------------------------------------------------------------------------


def test_carry_over_with_reboot(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh("mkdir -p /var/lib/shop && echo early > /var/lib/shop/orders")
    host.module("overc_host_upgrade")
    host.sh("echo late >> /var/lib/shop/orders")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/shop")
    assert done.rc == 0, done.output
    assert (booted(host), host.sh("cat /var/lib/shop/orders")) == ("rootfs_upgrade", "early\nlate")


def test_carry_over_in_one_go(ansible: Controller, host: Host) -> None:
    host.release("v2")
    host.sh("mkdir -p /var/lib/shop && echo order > /var/lib/shop/orders")
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/shop")
    assert done.rc == 0, done.output
    assert (booted(host), host.sh("cat /var/lib/shop/orders")) == ("rootfs_upgrade", "order")


def test_carry_over_of_nothing_is_refused(ansible: Controller, host: Host) -> None:
    host.release("v2")
    before = disk_state(host)
    done = ansible(host.name, "overc.system.overc_host_upgrade", "-a", "reboot=true carry_over=/var/lib/nothing")
    assert (done.rc, done.result["error_id"]) == (2, "bad_argument")
    assert (host.boots, disk_state(host)) == (1, before)


def test_module_defaults_group(ansible: Controller, host: Host, tmp_path: Path) -> None:
    """One place for the layout of all hosts: also the module behind an action plugin gets it."""
    tasks = [
        {f"overc.system.{name}": {}, "register": "done", "failed_when": "done.error_id | default() != 'bad_argument'"}
        for name in MODULES
        if name.startswith("overc_host_")
    ]
    defaults = {"group/overc.system.overc": {"root_subvolume": "no/name"}}
    done = ansible.play(tmp_path / "play.yml", hosts=host.name, module_defaults=defaults, tasks=tasks)
    assert done.rc == 0, done.output


def test_playbook_with_three_hosts(ansible: Controller, make_host: MakeHost, tmp_path: Path) -> None:
    """Side by side; one of them has a bad package, and the others do not mind."""
    hosts = [make_host(f"fleet{number}") for number in range(3)]
    for host in hosts:
        host.release("v2")
    hosts[1].enable_repo("post-fails")
    task = {"overc.system.overc_host_upgrade": {"reboot": True}, "register": "done"}
    answer = ansible("fleet*", "overc.system.overc_host_upgrade", "-a", "reboot=true", "--forks", "3")
    assert answer.rc == 2, answer.output
    assert {name: result.get("error_id") for name, result in answer.results.items()} == {
        "fleet0": None,
        "fleet1": "package_manager_failed",
        "fleet2": None,
    }
    assert [booted(host) for host in hosts] == ["rootfs_upgrade", "rootfs", "rootfs_upgrade"]
    hosts[1].disable_repo("post-fails")
    done = ansible.play(tmp_path / "play.yml", "--forks", "3", hosts="fleet*", tasks=[task])
    assert done.rc == 0, done.output
    assert [booted(host) for host in hosts] == ["rootfs_upgrade"] * 3
    assert done.stdout.count("changed=1") == 1, "only the one that was left behind"


# --- documentation ----------------------------------------------------------------------------------------------------


def test_documentation_is_rendered(ansible: Controller) -> None:
    names = [f"overc.system.{name}" for name in MODULES]
    done = ansible.run("ansible-doc", "--json", *names)
    assert done.rc == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == set(names)
    for name, entry in found.items():
        assert {"options", "attributes", "author", "description"} <= set(entry["doc"]), name
        assert entry["return"], name
        assert yaml.safe_load(entry["examples"]), name
        if "overc_host_" in name:
            assert "root_subvolume" in entry["doc"]["options"], "the doc fragment is there"
    text = ansible.run("ansible-doc", "overc_host_upgrade")
    assert text.rc == 0, text.output
    assert "backup_subvolume" in text.stdout
