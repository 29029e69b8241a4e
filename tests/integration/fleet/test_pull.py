# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that upgrades itself: installed by the role, started by its timer's service, rebooted, checked, reported."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.integration.fleet.pull_tools import equip, publish
from tests.integration.fleet.runs import LOSE_KERNEL, NEW, OLD, ONLY_OLD, assert_runs
from tests.lab import Host, Lab, LabError
from tests.lab.process import wait_for
from tests.lab.settings import REPOSITORY

pytestmark = pytest.mark.slow
LOCAL = "- import_playbook: overc.system.pull\n"
RESULT = "/var/lib/overc-pull/result.json"
# Takes reports on the host's own loopback, as the fleet's server would; a later boot has one too
RECEIVER = """\
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/boot/reports", "ab") as file:
            file.write(body + b"\\n")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8099), Receiver).serve_forever()
"""
RECEIVER_UNIT = """\
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/receiver.py
[Install]
WantedBy=multi-user.target
"""
VARIABLES: dict[str, t.Any] = {
    "pull_url": "/srv/site.git",
    "pull_program_directory": "/opt/ansible/bin",
    "pull_environment": {"ANSIBLE_COLLECTIONS_PATH": "/opt/ansible/collections"},
    "pull_report_url": "http://127.0.0.1:8099/",
    "pull_random_delay": "1h",
}


IN_THE_VAULT = "what-nobody-may-read"
VAULT_PASSWORD = "of-the-vault"  # noqa: S105


def vaulted(text: str) -> str:
    """As `ansible-vault encrypt` writes it."""
    made: bytes = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))]).encrypt(text)
    return made.decode()


class Role:
    """The role, applied as a controller does."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.inventory = lab.inventory(directory / "inventory.yml")
        self.playbook = directory / "site.yml"
        self.playbook.write_text("- hosts: lab\n  gather_facts: false\n  roles:\n    - role: overc.system.pull\n")

    def apply(self, *more: str, **variables: t.Any) -> str:
        program = str(Path(sys.executable).parent / "ansible-playbook")
        given = json.dumps({**VARIABLES, **variables})
        argv = [program, "-i", str(self.inventory), "-e", given, *more, str(self.playbook)]
        done = subprocess.run(
            argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
        )
        print(done.stdout, done.stderr)
        return done.stdout + done.stderr


def found(host: Host) -> str:
    """Everything of the role's on a host."""
    names = "-name '*overc[-_]pull*' -not -path '/srv/*' -not -path '/opt/*' -not -path '/tmp/*' -not -path '/root/*'"
    return host.sh(f"find / -xdev {names} -exec ls -ld {{}} + | sort -k9; ls -d /run/overc-pull 2>/dev/null || true")


def result(host: Host) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(host.sh(f"cat {RESULT}")))


def reports(host: Host) -> list[tuple[str, str]]:
    lines = host.sh("cat /boot/reports").splitlines()
    return [(entry["phase"], entry["status"]) for entry in map(json.loads, lines)]


def wait_for_report(host: Host, phase: str, status: str) -> None:
    def there() -> bool:
        try:
            return (phase, status) in reports(host)
        except Exception:  # it reboots
            return False

    try:
        wait_for(there, f"the report {phase} {status}", timeout=400, interval=0.5)
    except LabError:
        print(host.run("journalctl --no-pager -u 'overc-pull*' | tail -n 300", check=False).stdout)
        raise


Site = tuple[Host, Role]


@pytest.fixture
def make_site(make_host: Callable[..., Host], lab: Lab, tmp_path: Path) -> Callable[..., Site]:
    def make(**options: t.Any) -> Site:
        host = make_host("h1", **options)
        equip(host)
        host.write("/usr/local/lib/receiver.py", RECEIVER)
        host.write("/etc/systemd/system/receiver.service", RECEIVER_UNIT)
        host.sh("systemctl enable -q --now receiver.service")
        return host, Role(lab, tmp_path)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_installed_idempotent_and_removed(site: Site) -> None:
    host, role = site
    before = found(host)
    assert "changed=3" in role.apply("--check"), "directories, configuration, units"
    assert found(host) == before == ""
    assert "failed=0" in role.apply()
    there = found(host)
    assert "-rw------- 1 root root" in there  # the configuration may hold a token
    assert (
        host.sh("systemctl is-active overc-pull.timer; systemctl is-enabled overc-pull-verify.service")
        == "active\nenabled"
    )
    assert host.sh("systemctl show overc-pull.timer --property=Persistent") == "Persistent=yes"
    assert "changed=0" in role.apply()
    assert "changed=0" in role.apply("--check")
    assert found(host) == there
    changed = role.apply(pull_schedule="*-*-* 02:00:00 UTC")
    assert "changed=1" in changed
    assert "02:00:00" in host.sh("systemctl show overc-pull.timer --property=TimersCalendar")
    assert "changed=0" not in role.apply("--check", pull_state="absent")
    assert "changed=2" in role.apply(pull_state="absent")
    assert found(host) == ""
    assert host.sh("systemctl list-units --all --plain --no-legend 'overc-pull*'") == ""
    assert "changed=0" in role.apply(pull_state="absent")


def test_refusals_are_one_sentence(site: Site) -> None:
    host, role = site
    assert "There is no ansible-playbook in /nowhere here." in role.apply(pull_program_directory="/nowhere")
    assert "Say what to pull" in role.apply(pull_url="")
    assert "is not of the form 22:00-04:00" in role.apply(pull_window="25:00-04:00")
    assert "Did you mean" in role.apply(pull_rebot=False).replace("did you", "Did you")
    assert "pull_ring: 'late' is none of pull_rings" in role.apply(
        pull_verdicts="/srv/v", pull_ring="late", pull_rings=[{"name": "canary"}]
    )
    assert found(host) == ""


def test_host_upgrades_itself(site: Site) -> None:
    host, role = site
    health = {"ports": [22], "commands": ["touch /var/checked"], "retries": 2, "delay": 1}
    hosts = "all:\n  hosts:\n    localhost:\n      ansible_connection: local\n"
    variables = json.dumps({"host_upgrade_health": health})
    publish(host, {"local.yml": LOCAL, "hosts.yml": hosts, "group_vars/all.yml": variables})
    role.apply(pull_inventory="hosts.yml")
    host.sh("systemctl start overc-pull.service")
    assert (result(host)["phase"], result(host)["status"]) == ("upgrade", "current")

    host.release("v2")
    host.sh("systemctl start --no-block overc-pull.service")
    wait_for_report(host, "verify", "upgraded")
    assert_runs(host, NEW, "2.0")
    assert host.boots == 2
    assert host.sh("ls /var/checked"), "the checks of the repository's inventory"
    wait_for(lambda: result(host)["reported"], "the result to be written", timeout=30)
    assert (result(host)["status"], result(host)["booted_after"], result(host)["host"]) == ("upgraded", NEW, "h1")
    assert reports(host) == [("upgrade", "current"), ("upgrade", "staged"), ("verify", "upgraded")]
    assert host.module("overc_host_info")["state"] == "clean"
    assert "changed=0" in role.apply(pull_inventory="hosts.yml"), "the new system has all of it too"
    host.sh("systemctl start overc-pull.service")
    assert result(host)["status"] == "current"
    assert host.boots == 2


@pytest.mark.parametrize("automatic", [False, True], ids=["manual", "automatic"])
def test_bad_upgrade_is_taken_back_and_not_tried_again(make_site: Callable[..., Site], automatic: bool) -> None:
    host, role = make_site(automatic=automatic)
    health = {"commands": [f"env PASSWORD={IN_THE_VAULT} {ONLY_OLD}"], "retries": 2, "delay": 1}
    hosts = "all:\n  hosts:\n    localhost:\n      ansible_connection: local\n"
    kept = vaulted(json.dumps({"host_upgrade_health": health}))
    publish(host, {"local.yml": LOCAL, "hosts.yml": hosts, "group_vars/all.yml": kept})
    host.write("/etc/vault-password", VAULT_PASSWORD)
    pull = {"pull_inventory": "hosts.yml", "pull_arguments": ["--vault-password-file=/etc/vault-password"]}
    role.apply(**pull)
    host.release("v2")
    host.sh("systemctl start --no-block overc-pull.service")
    wait_for_report(host, "verify", "rolled_back")
    assert_runs(host, OLD, "1.0")
    assert host.boots == 3
    assert reports(host) == [("upgrade", "staged"), ("verify", "failed"), ("verify", "rolled_back")]
    why = json.loads(host.sh("cat /boot/reports").splitlines()[1])
    assert "Declared commands succeed" in why["reason"]
    assert "Going back to rootfs" in why["reason"]
    told = host.sh(
        "journalctl --no-pager; cat /boot/reports; grep -r . /var/lib/overc-pull /boot/overc 2>/dev/null; true"
    )
    assert IN_THE_VAULT not in told
    wait_for(lambda: result(host)["reported"], "the result to be written", timeout=30)
    host.run(["systemctl", "start", "overc-pull.service"], check=False)
    assert result(host)["status"] == ("unready" if automatic else "withheld")
    assert host.module("overc_host_info")["state"] == "clean"
    time.sleep(1)
    assert host.boots == 3
    assert "failed=0" in role.apply(pull_state="absent")
    assert found(host) == ""


def test_window_and_a_repository_that_is_not_there(site: Site) -> None:
    host, role = site
    hour = int(host.sh("date -u +%-H"))
    closed = f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"
    role.apply(pull_window=closed)
    host.release("v2")
    host.sh("systemctl start overc-pull.service")
    assert result(host)["status"] == "postponed"
    role.apply(pull_url="/srv/nowhere.git")
    host.run(["systemctl", "start", "overc-pull.service"], check=False)
    assert result(host)["status"] == "failed"
    assert "nowhere" in result(host)["reason"]
    assert host.boots == 1


def test_system_that_does_not_come_up(make_site: Callable[..., Site]) -> None:
    """Nobody is there: the host boots its backup by itself, and makes it its normal system again."""
    host, role = make_site(automatic=True)
    drain = "/var/lib/overc-pull/checkout/drain.yml"
    publish(host, {"local.yml": f"{LOCAL}  vars: {{host_upgrade_drain_tasks: {drain}}}\n", "drain.yml": LOSE_KERNEL})
    role.apply()
    host.release("v2")
    host.sh("systemctl start --no-block overc-pull.service")
    wait_for_report(host, "verify", "rolled_back")
    assert reports(host) == [("upgrade", "staged"), ("verify", "failed"), ("verify", "rolled_back")]
    why = json.loads(host.sh("cat /boot/reports").splitlines()[1])["reason"]
    assert "The new system did not come up" in why
    assert host.rpm_version("lab-app") == "1.0"
    info = host.module("overc_host_info")
    assert (info["state"], info["booted"]["subvolume"]) == ("clean", info["default"]["subvolume"])
    host.run(["systemctl", "start", "overc-pull.service"], check=False)
    assert result(host)["status"] == "unready"
    assert result(host)["error_id"] == "known_bad"


def sign(host: Host) -> None:
    """Let root's git on a host trust one key, with which /srv/site.git is signed."""
    host.sh(
        "ssh-keygen -q -t ed25519 -N '' -f /root/signer && echo \"lab@example.net $(cat /root/signer.pub)\" > /etc/signers"
        " && git config --system gpg.format ssh && git config --system user.signingKey /root/signer"
        " && git config --system gpg.ssh.allowedSignersFile /etc/signers && git config --system commit.gpgSign true"
    )


def test_what_failed_its_check_is_not_run_after_a_reboot(site: Site) -> None:
    """Staged with a signed commit; an unsigned one comes; the upgrade is cancelled, the host rebooted: its old half runs."""
    host, role = site
    sign(host)
    publish(host, {"local.yml": LOCAL, "old": "with a hole that is known today"})
    publish(host, {"local.yml": LOCAL, "old": "mended"})
    role.apply(pull_arguments=["--verify-commit"], pull_reboot="false")
    assert json.loads(host.sh("cat /etc/overc-pull.json"))["reboot"] is False
    host.release("v2")
    host.sh("systemctl start overc-pull.service")
    assert result(host)["status"] == "staged"
    host.sh("git config --system commit.gpgSign false")
    evil = "- hosts: localhost\n  tasks: [{command: touch /boot/unsigned-code-ran}]\n"
    publish(host, {"local.yml": evil})
    host.run(["systemctl", "start", "overc-pull.service"], check=False)
    assert "no good signature" in result(host)["reason"]
    host.module("overc_host_rollback")
    host.reboot()
    wait_for_report(host, "verify", "rolled_back")
    assert host.run(["ls", "/boot/unsigned-code-ran"], check=False).returncode != 0
    assert "import_playbook" in host.sh("cat /var/lib/overc-pull/checkout/local.yml")
    host.sh("cd /srv/site.git && git reset -q --hard HEAD~2")
    host.run(["systemctl", "start", "overc-pull.service"], check=False)
    assert "not built upon" in result(host)["reason"]
    assert host.sh("cat /var/lib/overc-pull/checkout/old") == "mended"


def test_a_power_cut_while_building_is_no_verdict(site: Site) -> None:
    host, role = site
    publish(host, {"local.yml": LOCAL})
    role.apply()
    host.release("v2")
    # Slow enough to be cut
    host.sh("mv /usr/bin/dnf /usr/bin/dnf.real && printf '#!/bin/sh\\nsleep 4\\nexec /usr/bin/dnf.real \"$@\"\\n' "
            "> /usr/bin/dnf && chmod 755 /usr/bin/dnf")  # fmt: skip
    host.sh("systemctl start --no-block overc-pull.service")
    note = ["test", "-e", "/var/lib/overc-pull/attempt.json"]
    wait_for(lambda: host.run(note, check=False).returncode == 0, "the build to begin", timeout=120, interval=0.1)
    host.powercut()
    host.start()
    wait_for_report(host, "verify", "postponed")
    wait_for(lambda: host.run(note, check=False).returncode != 0, "the note to be gone", timeout=60)
    assert_runs(host, OLD, "1.0")
    assert host.run(["ls", "/var/lib/overc-pull/rejected.json"], check=False).returncode != 0
    host.sh("systemctl start --no-block overc-pull.service")
    wait_for_report(host, "verify", "upgraded")
    assert host.rpm_version("lab-app") == "2.0"
