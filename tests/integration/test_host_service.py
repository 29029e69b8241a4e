# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note that a run has a host out of service outlives whatever happens to the host until somebody takes it back."""

from __future__ import annotations

import typing as t

from tests.lab import Host


def service(host: Host, state: str, *, check: bool = False) -> dict[str, t.Any]:
    return host.module("overc_host_service", {"state": state}, check=check)


def test_out_of_service_until_it_is_back(host: Host) -> None:
    assert service(host, "out", check=True)["changed"]
    assert host.module("overc_host_info")["out_of_service"] is None
    since = service(host, "out")["out_of_service"]
    again = service(host, "out")
    assert (again["changed"], again["out_of_service"]) == (False, since)
    host.release("v2")
    staged = host.module("overc_host_upgrade")
    assert (staged["state"], staged["out_of_service"]) == ("staged", since)
    host.powercut()
    host.start()
    info = host.module("overc_host_info")
    assert (info["booted"]["subvolume"], info["out_of_service"]) == ("rootfs_upgrade", since)
    assert info["unfinished"]["operation"] == "upgrade"
    host.module("overc_host_rollback")
    host.reboot()
    assert host.module("overc_host_info")["out_of_service"] == since
    host.sh("fallocate -l $(($(stat -f -c '%a*%S' /) * 9 / 10)) /filler; sync")
    refused = host.module("overc_host_upgrade")
    assert refused["failed"]
    assert refused["out_of_service"] == since, "also said by what is refused"
    back = service(host, "in")
    assert (back["changed"], back["out_of_service"], back["unfinished"]) == (True, None, None)
    info = host.module("overc_host_info")
    assert (info["out_of_service"], info["unfinished"]) == (None, None)
    assert not service(host, "in")["changed"]
