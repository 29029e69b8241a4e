# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a person, and Ansible, reach the hosts from the machine's normal network namespace."""

from __future__ import annotations

import shlex
import sys
import typing as t
from collections.abc import Iterable
from pathlib import Path

from tests.lab.network import NETNS_DIRECTORY
from tests.lab.process import write_atomic
from tests.lab.settings import NETWORK, PACKAGE, LabNames
from tests.lab.system import ssh_key

if t.TYPE_CHECKING:
    from tests.lab.host import Host

CONFIG_FILE, KNOWN_HOSTS_FILE = "ssh_config", "known_hosts"


def _quoted(path: Path) -> str:
    return f'"{path}"'


def write_config(names: LabNames, directory: Path, hosts: Iterable[Host]) -> None:
    """One configuration file serves ``ssh -F`` and every Ansible command."""
    public = ssh_key("host").with_suffix(".pub").read_text().split()
    write_atomic(directory / KNOWN_HOSTS_FILE, f"{NETWORK}.* {public[0]} {public[1]}\n")
    proxy = [sys.executable, "-IS", PACKAGE / "netns_connect.py", NETNS_DIRECTORY / names.netns]
    command = " ".join(shlex.quote(str(word)).replace("%", "%%") for word in proxy)
    lines = [
        "Host *",
        "    User root",
        f"    IdentityFile {_quoted(ssh_key('controller'))}",
        "    IdentitiesOnly yes",
        f"    UserKnownHostsFile {_quoted(directory / KNOWN_HOSTS_FILE)}",
        "    GlobalKnownHostsFile /dev/null",
        "    StrictHostKeyChecking yes",
        "    CheckHostIP no",
        "    HostKeyAlgorithms ssh-ed25519",
        "    BatchMode yes",
        "    LogLevel ERROR",
        "    ConnectTimeout 5",
        # A host that lost its power says nothing: without these a shared connection to it hangs
        "    ServerAliveInterval 2",
        "    ServerAliveCountMax 3",
        f"    ProxyCommand {command} %h %p",
        "    ProxyUseFdpass yes",
    ]
    for host in hosts:
        lines += ["", f"Host {host.name}", f"    HostName {host.address}", f"    HostKeyAlias {host.address}"]
    write_atomic(directory / CONFIG_FILE, "\n".join(lines) + "\n")


def write_inventory(path: Path, directory: Path, hosts: Iterable[Host]) -> None:
    """YAML by hand: a JSON string is a YAML string, and the lab needs no library for it."""
    import json

    lines = ["---", "# Written by tests/lab; lost with `make lab-down`.", "lab:", "  hosts:"]
    entries = []
    for host in hosts:
        # Of this one host and no other: a connection shared with a predecessor of the same name would hang. And of this user:
        # what was opened as root says nothing about another
        control = f"{host.control_path}-%%r"
        entries += [
            f"    {host.name}:",
            f"      ansible_host: {json.dumps(host.address)}",
            f"      ansible_control_path: {json.dumps(control)}",
        ]
    lines += entries or ["    {}"]
    common = f"-F {shlex.quote(str(directory / CONFIG_FILE))}"
    lines += [
        "  vars:",
        "    ansible_user: root",
        f"    ansible_ssh_common_args: {json.dumps(common)}",
        "    ansible_python_interpreter: /usr/bin/python3",
    ]
    write_atomic(path, "\n".join(lines) + "\n")
