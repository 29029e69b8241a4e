# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections as they are: another user, a password, a terminal, a shell that talks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.integration.fleet.runs import NEW, Controller, assert_runs, assert_untouched
from tests.lab import Host

Fleet = Callable[..., list[Host]]
pytestmark = pytest.mark.slow

# An ordinary user whose shell greets, and who becomes root by su with a password: that needs a terminal, and keeps a PATH
# without sbin
ANOTHER_USER = """
useradd -m -s /bin/bash joe
printf 'root:lab-secret\\njoe:other-secret\\n' | chpasswd
install -d -o joe -g joe -m 700 /home/joe/.ssh
install -o joe -g joe -m 600 /root/.ssh/authorized_keys /home/joe/.ssh/authorized_keys
sed -i '1i echo Welcome to this host' /home/joe/.bashrc /root/.bashrc
"""


def test_su_with_a_password_on_a_terminal(make_fleet: Fleet, controller: Controller) -> None:
    (host,) = make_fleet(1)
    host.sh(ANOTHER_USER)
    joe = {
        "ansible_user": "joe",
        "ansible_become_method": "su",
        "ansible_control_path": str(controller.directory / "cp"),
    }
    for name, status in (("status", None), ("upgrade", "unready"), ("report", "attention")):
        wrong = controller.run(name, "-b", **joe, ansible_become_password="my-mistake")  # noqa: S106
        assert wrong.rc != 0
        assert "Incorrect su password; -K asks for it" in wrong.output
        assert "my-mistake" not in wrong.output + str(wrong.record)
        assert status is None or wrong.status(host) == status
    assert_untouched(host)
    run = controller.run(
        "upgrade",
        "-b",
        **joe,
        ansible_become_password="lab-secret",  # noqa: S106
        host_upgrade_health={"ports": [22], "retries": 2, "delay": 1},
    )
    assert run.rc == 0
    assert run.status(host) == "upgraded", run.reason(host)
    assert_runs(host, NEW, "2.0")
    assert re.search(r"h1: upgrade \d+/\d+: ", run.output), "how far it is"
