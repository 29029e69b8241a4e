# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.health.options import (
    CHECKS_SPEC,
    Address,
    Checks,
    Port,
    checks_from,
    health_from,
)

DEFAULTS: t.Final = {name: option["default"] for name, option in CHECKS_SPEC.items()}


def meant(**options: t.Any) -> Checks:
    return checks_from({**DEFAULTS, **options}, ["a.service"])


def test_nothing_but_the_units_by_default() -> None:
    assert meant() == Checks(True, (), (), (), (), 10, 3, ("a.service",))
    assert health_from({"health": None}) is None
    assert health_from({"health": DEFAULTS}) == Checks(True, (), (), (), (), 10, 3, ())


def test_each_entry_in_both_its_forms() -> None:
    assert meant(ports=[22, "80", {"port": 443, "host": "::1"}]).ports == (
        Port("127.0.0.1", 22), Port("127.0.0.1", 80), Port("::1", 443),
    )  # fmt: skip
    assert meant(urls=["http://a/b", {"url": "HTTPS://c", "status": 404, "validate_certs": False}]).urls == (
        Address("http://a/b", 200, True), Address("HTTPS://c", 404, False),
    )  # fmt: skip
    assert meant(commands=["test -e '/a b'"]).commands == (("test", "-e", "/a b"),)
    assert meant(services=["sshd", "x.service"]).services == ("sshd", "x.service")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("services", [""]), ("services", ["--now"]), ("services", ["a\nb"]),
        ("ports", [0]), ("ports", [65536]), ("ports", ["http"]), ("ports", [True]), ("ports", [None]), ("ports", [{}]),
        ("ports", [{"port": 1, "hots": "x"}]), ("ports", [{"port": 1, "host": ""}]), ("ports", [{"port": 1, "host": 5}]),
        ("ports", [float("inf")]),
        ("urls", ["file:///etc/shadow"]), ("urls", [5]), ("urls", ["http://a\r\nb"]), ("urls", [{"status": 200}]),
        ("urls", [{"url": "http://a", "status": "ok"}]), ("urls", [{"url": "http://a", "validate_certs": "maybe"}]),
        ("commands", [""]), ("commands", ["'"]), ("commands", ["a\0b"]),
        ("retries", "1e999999999"), ("delay", float("nan")), ("delay", -1),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_option(option: str, value: t.Any) -> None:
    with pytest.raises(OvercError, match=rf"^health\.{option}: ") as refused:
        health_from({"health": {**DEFAULTS, option: value}})
    assert refused.value.error_id == "bad_argument"


def test_what_is_long_is_not_repeated_whole() -> None:
    with pytest.raises(OvercError) as refused:
        meant(urls=["ftp://" + "x" * 5000])
    assert len(refused.value.message) < 200
