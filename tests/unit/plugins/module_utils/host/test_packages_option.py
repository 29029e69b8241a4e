# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.packages_option import (
    PACKAGES_SPEC,
    commands,
    exact_names,
    refuse_combinations,
    seconds,
)

DEFAULTS: dict[str, t.Any] = {
    "packages": [],
    "force": False,
    **{key: spec.get("default") for key, spec in PACKAGES_SPEC.items()},
}


@pytest.mark.parametrize(
    "name",
    ["", "-y", "--installroot=/", "nginx*", "ngin?", "[a]", "nginx=1.2", "nginx/sid", "@core", "/usr/bin/vi", "./a.rpm", "a b",
     "https://x/y.deb", "nginx\n", "~nupgrade", "?installed", "ng;inx", "$(id)", "nginx:", "nginx:AMD64", "ä", "perl(Foo)", "a>=1"],
)  # fmt: skip
def test_only_a_name_is_a_name(name: str) -> None:
    with pytest.raises(OvercError, match="is no name of a package") as caught:
        exact_names("install", ["fine", name])
    assert caught.value.error_id == "bad_argument"


def test_names_as_the_package_managers_write_them() -> None:
    names = ["nginx", "libstdc++6", "libc6:i386", "glibc.i686", "g++", "0ad", "kernel-default-6.4.0", "foo-", "Mesa_x"]
    assert exact_names("remove", [*names, "nginx"]) == tuple(names)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], ()),
        (["systemctl", "enable", "nginx"], (("systemctl", "enable", "nginx"),)),
        ([["true"], ["/bin/echo", "a b", 5, ""]], (("true",), ("/bin/echo", "a b", "5", ""))),
    ],
)
def test_commands_are_argument_lists(given: list[t.Any], meant: tuple[tuple[str, ...], ...]) -> None:
    assert commands(given) == meant


@pytest.mark.parametrize(
    "given",
    [["systemctl enable nginx"], [["true"], "true"], [[]], [[""]], [["./x"]], [["a/b"]], [{"cmd": "true"}], [[True]], [["a", None]],
     [["a", "b\0c"]], [["a", 1.0]], [["a\nb"], ["/opt/a=b/c", "d"], ["a=b", "c"]]],
)  # fmt: skip
def test_whatever_else_is_no_command(given: list[t.Any]) -> None:
    with pytest.raises(OvercError, match="run: ") as caught:
        commands(given)
    assert caught.value.error_id == "bad_argument"


@pytest.mark.parametrize(
    "given",
    [
        {"install": ["a"], "remove": ["a"]},
        {"install": ["a:i386"], "remove": ["a"]},
        {"install": ["b", "a"], "remove": ["c", "a:amd64"]},
        {"install": ["a.i686"], "remove": ["a"]},
        {"install": ["a.noarch"], "remove": ["a.noarch"]},
        {"packages": ["a"], "install": ["b"]},
        {"packages": ["a"], "upgrade": False, "run": [["true"]]},
        {"packages": ["a"], "advisories": "security"},
        {"advisories": "security", "remove": ["b"]},
        {"advisories": "security", "upgrade": False, "run": [["true"]]},
        {"upgrade": False},
        {"run_creates": "/x"},
        {"run_creates": "x", "run": [["true"]]},
    ],
)
def test_what_cannot_be_meant_together(given: dict[str, t.Any]) -> None:
    with pytest.raises(OvercError) as caught:
        refuse_combinations({**DEFAULTS, **given})
    assert caught.value.error_id == "bad_argument"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"install": ["a"], "remove": ["b"], "upgrade": False, "run": [["true"]]},
        {"advisories": "security", "run": [["true"]], "run_creates": "/x"},
        {"upgrade": False, "force": True},
        {"install": ["a:amd64", "python3.11"], "remove": ["a:i386", "python3"]},
        {"install": ["a.x86_64"], "remove": ["a.i686", "a.b"]},
    ],
)
def test_what_can(given: dict[str, t.Any]) -> None:
    refuse_combinations({**DEFAULTS, **given})


def test_a_time_limit_is_a_time() -> None:
    assert seconds("5") == 5
    for wrong in (0, -1, True):
        with pytest.raises(OvercError):
            seconds(wrong)
