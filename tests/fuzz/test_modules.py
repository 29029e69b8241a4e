# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any argument at all for every module, on a real host: a result or a refusal, and only programs that it may start."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.in_host import ModuleServer
from tests.fuzz.settings import fuzzed
from tests.lab import Lab
from tests.programs import PROGRAMS
from tests.unit.test_collection import MODULES, specified_options

_NASTY = [
    "", " ", ".", "..", "/", "//", "/..", "a/../b", "-", "--", "-rf", "--help", "a b", "a\nb", "a\tb", "'", '"', "\\", "$(id)",
    "`id`", "%s", "{{ 1 }}", "{}", "\0", "a\0b", "\x7f", "\u202e", "é", "x" * 300, "x/" * 3000, "~", "~root",
    "*", "?", "[", "/proc/self/root", "/dev/zero", "/etc/passwd", "/run", "/sys", "none", "null", "true", "0",
]  # fmt: skip
_GOOD = [
    "rootfs",
    "rootfs_upgrade",
    "bzImage",
    "/boot",
    "lab-app",
    "lab-*",
    "/etc",
    "/opt/container",
    "/usr",
    "c1",
    "essential",
]
_STRINGS = st.one_of(st.sampled_from(_GOOD), st.sampled_from(_NASTY), st.text(max_size=12))
_NUMBERS = st.sampled_from([10**30, "inf", "nan", ".inf", "1e999999999", float("inf"), -float("inf"), float("nan")])
_OTHER = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), _NUMBERS, st.just([]), st.just({}), st.just({"a": [1]}),
    st.just([["x"], 1, None]),
)  # fmt: skip
# What a raw entry of a list may be a mapping of
_ENTRIES = st.dictionaries(
    st.sampled_from(["port", "host", "url", "status", "validate_certs", "x"]),
    st.one_of(_STRINGS, _NUMBERS, st.integers(-1, 70000), st.sampled_from(["http://127.0.0.1:1/", "http://[", "127.0.0.1"])),
    max_size=3,
)  # fmt: skip
# A check that fails is not waited for
_AT_ONCE: dict[str, st.SearchStrategy[t.Any]] = {"retries": st.just(0)}


def values(option: dict[str, t.Any]) -> st.SearchStrategy[t.Any]:
    """Mostly of the right kind, because those get past Ansible's own checks."""
    right: st.SearchStrategy[t.Any] = _STRINGS
    if option.get("choices"):
        right = st.sampled_from(option["choices"])
    elif option["type"] == "bool":
        right = st.booleans()
    elif option["type"] in ("int", "float"):
        right = st.integers(-3, 100)
    elif option["type"] == "list":
        right = st.lists(
            _STRINGS if option["elements"] == "str" else st.one_of(_STRINGS, _NUMBERS, _ENTRIES), max_size=3
        )
    elif option.get("options"):
        suboptions = {name: values(inner) for name, inner in option["options"].items()}
        right = st.lists(st.sampled_from(sorted(suboptions)), max_size=2, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({**_AT_ONCE, **{name: suboptions[name] for name in names}})
        )
    return st.one_of(right, right, right, _OTHER, _STRINGS)


def arguments(module: str) -> st.SearchStrategy[dict[str, t.Any]]:
    options = specified_options(module)
    needed = {name: values(option) for name, option in options.items() if option.get("required")}
    others = {name: values(option) for name, option in options.items() if name not in needed}
    few = st.lists(st.sampled_from(sorted(others)), max_size=3, unique=True) if others else st.just([])
    return few.flatmap(lambda names: st.fixed_dictionaries({**needed, **{name: others[name] for name in names}}))


@pytest.fixture(scope="session")
def server(lab: Lab) -> t.Iterator[ModuleServer]:
    host = lab.create("fuzz")
    try:
        host.start()
        host.sh("mkdir -p /opt/container/c1/rootfs/usr /opt/container/c2/rootfs/usr; rm -f /etc/yum.repos.d/*")
        with ModuleServer(host) as started:
            yield started
    finally:
        host.destroy()


@pytest.mark.parametrize("module", MODULES)
@fuzzed(per_test=len(MODULES), share=0.25)
@given(data=st.data(), check=st.booleans())
def test_arguments(server: ModuleServer, module: str, data: st.DataObject, check: bool) -> None:
    args = data.draw(arguments(module))
    if module == "overc_host_health":
        args.setdefault("retries", 0)
    outcome = server.call(module, args, check=check)
    assert "Traceback" not in outcome.stdout + outcome.stderr, outcome
    assert outcome.programs <= PROGRAMS[module], outcome.programs
    result = outcome.result
    assert outcome.status == int(bool(result.get("failed"))), outcome
    if result.get("failed") and "error_id" not in result:
        assert outcome.programs == frozenset(), "Ansible's own refusal comes before everything else"
    elif result.get("failed"):
        assert result["error_id"] in ERROR_IDS
        assert result["error_id"] != "internal", result
        assert result["changed"] is False
