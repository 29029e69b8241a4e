# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode says will be so is what is so afterwards: the state, what boots next, and what is on trial."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, call, succeed
from tests.integration.disk_facts import assert_no_leftovers
from tests.lab import Host
from tests.lab.apt import new_kernel, offer

_TOLD = ("changed", "state", "default", "staged", "next_boot", "reboot_required", "backup", "protection", "trial")


def _told(result: Result) -> Result:
    told = {key: result.get(key) for key in _TOLD}
    if told["trial"]:  # the time at which the run itself begins
        told["trial"] = {key: value for key, value in told["trial"].items() if key != "staged"}
    return told


def _as_foretold(host: Host, command: str, **args: t.Any) -> Result:
    planned, done = succeed(host, command, args, check=True), succeed(host, command, args)
    assert _told(planned) == _told(done), (command, args)
    return done


def _offer(host: Host, flavour: str) -> None:
    if flavour == "overc":
        host.release("v2")
        return
    offer(host)
    assert not host.module("overc_bootloader").get("failed")
    offer(host, *new_kernel())


@pytest.mark.parametrize("flavour", ["overc", "debian12", "debian12-inside"])
def test_a_life(make_host: Callable[..., Host], flavour: str) -> None:
    host = make_host(flavour=flavour, automatic=flavour == "overc")
    _offer(host, flavour)
    automatic = flavour != "debian12-inside"  # where GRUB cannot write
    waits = _as_foretold(host, "upgrade", arm=False)
    assert (waits["trial"] or {}).get("outcome") == ("not_armed" if automatic else None)
    if automatic:
        assert _as_foretold(host, "upgrade")["trial"]["outcome"] == "armed"
    assert _as_foretold(host, "rollback")["trial"] is None
    armed = _as_foretold(host, "upgrade")
    assert (armed["trial"] or {}).get("outcome") == ("armed" if automatic else None)
    host.reboot()
    if automatic:
        assert _as_foretold(host, "confirm")["trial"] is None
    _as_foretold(host, "rollback", arm=False)
    if automatic:
        assert _as_foretold(host, "rollback")["trial"]["outcome"] == "armed"


@pytest.mark.parametrize("flavour", ["overc", "debian12"])
def test_a_trial_that_is_given_up(make_host: Callable[..., Host], flavour: str) -> None:
    host = make_host(flavour=flavour, automatic=flavour == "overc")
    _offer(host, flavour)
    succeed(host, "upgrade")
    host.reboot()
    _as_foretold(host, "rollback")


_DEEP = (
    "mkdir {place}/deep; cd {place}/deep;"
    "for n in $(seq {many}); do mkdir $(printf '%{long}s' | tr ' ' d); cd d*; done; touch file"
)


@pytest.mark.parametrize("place", ["/etc", "/srv"])
@pytest.mark.parametrize(("many", "long"), [(520, 1), (30, 200)])
def test_a_tree_that_is_too_deep_to_be_carried_over(host: Host, place: str, many: int, long: int) -> None:
    host.sh(_DEEP.format(place=place, many=many, long=long))
    host.release("v2")
    for check in (True, False):
        result = call(host, "upgrade", {"carry_over": [place]}, check=check)
        assert_refused(result, "bad_argument", f"directories below {place} are nested", f"take {place} out of the list")
        assert result["state"] == "clean"
    host.sh(f"rm -r {place}/deep")
    assert_no_leftovers(host)
    assert succeed(host, "upgrade")["state"] == "staged"
