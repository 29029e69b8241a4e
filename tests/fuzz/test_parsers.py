# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile input for every parser and every driver: an answer or a refusal, never a traceback, and in no time."""

from __future__ import annotations

import contextlib
import time
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages import contract
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import driver
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import driver as dnf5
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import driver as smartpm
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.driver import Zypper
from ansible_collections.overc.system.plugins.module_utils.runner import Completed, check_arguments
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS, recorded, seeds, survives
from tests.fuzz.settings import fuzzed

# Seconds that no input of a few kilobytes may take, on a machine that has other things to do as well
LIMIT = 2.0
# Pieces that parsers look for, and what is known to confuse them
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NASTY = st.sampled_from(
    [b"\0", b"\n", b"\r", b"\x0b", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xff", b"\x80", b"\\", b'"', b"'", b"[" * 3000,
     b"{", b"}", b"9" * 5000, b"-1", b"\xd9\xa3", b"\xc2\xb2", b" " * 200, b"\t", b"NaN", b"\\777", b"\\u0000", b"=", b"@", b"|"]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Well-formed input with pieces cut out, doubled, exchanged or replaced."""
    data = draw(st.sampled_from(whole))[:4000]
    for _number in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 60)))
        piece = draw(st.one_of(_NASTY, st.binary(max_size=8), st.just(data[start:end] * 2), st.just(b"")))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", PARSERS)
@fuzzed(per_test=len(PARSERS))
@given(data=st.data())
def test_parser(name: str, data: st.DataObject) -> None:
    said = data.draw(st.one_of(damaged(seeds(name)), st.binary(max_size=300), _NASTY))
    begun = time.monotonic()
    survives(name, said)
    assert time.monotonic() - begun < LIMIT


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_are_understood(name: str) -> None:
    """Else the fuzzer would only ever see the first check of a parser fail."""
    understood = 0
    for seed in seeds(name):
        survives(name, seed)
        try:
            understood += bool(PARSERS[name](seed))
        except (OvercError, ValueError):
            continue
    assert understood


@pytest.mark.parametrize("name", ["journal", "record"])
@fuzzed(per_test=2)
@given(data=st.data())
def test_json_of_any_shape(name: str, data: st.DataObject) -> None:
    """The right keys with values of the wrong kind."""
    import json

    raw = json.loads(seeds(name)[0].split(b"\n")[0] if name == "journal" else seeds(name)[0])
    for _number in range(data.draw(st.integers(1, 3))):
        place = raw
        while isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place)))
            if isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
                place = place[key]
                continue
            place[key] = data.draw(_JSON)
            break
    survives(name, json.dumps(raw).encode() + b"\n")


# --- the drivers ------------------------------------------------------------------------------------------------------

_ALLOWED = {
    "dnf5": frozenset({"cat", "cp", "dd", "dnf5", "find", "mkdir", "rpm", "stat"}),
    "dnf": frozenset({"cp", "dnf", "find", "head", "mkdir", "python3", "readlink", "rpm", "stat"}),
    "zypper": frozenset({"cat", "chmod", "cp", "env", "find", "mkdir", "rpm", "stat", "zypper"}),
    "smartpm": frozenset({"cp", "dpkg", "dpkg-query", "find", "ln", "mkdir", "readlink", "rpm", "smart", "stat"}),
}
_CALLS = 60


class Babbling:
    """A host whose programs say anything at all."""

    def __init__(self, data: st.DataObject, allowed: frozenset[str]) -> None:
        self._data = data
        self._allowed = allowed
        self._said = recorded()
        self.calls = 0

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls += 1
        assert self.calls < _CALLS, "it does not come to an end"
        assert argv[0] in self._allowed, argv
        check_arguments(argv)
        rc = self._data.draw(st.sampled_from([0, 0, 0, 1, 2, 100, 200, -9]))
        out, err = (self._data.draw(damaged(self._said)).decode("utf-8", "surrogateescape") for _stream in "12")
        return Completed(tuple(argv), rc, out, err)


_NAMES = st.lists(st.sampled_from(["lab-app", "lab-lib", "a*", "+a"]), max_size=2).map(tuple)


@pytest.mark.parametrize("kind", sorted(_ALLOWED))
@fuzzed(per_test=2)
@given(data=st.data())
def test_driver(kind: str, data: st.DataObject) -> None:
    runner = Babbling(data, _ALLOWED[kind])
    manager: contract.PackageManager
    if kind == "dnf":
        manager = driver.Dnf(runner, sleep=lambda _seconds: None)
    elif kind == "dnf5":
        manager = dnf5.Dnf5(runner, sleep=lambda _seconds: None)
    elif kind == "zypper":
        manager = Zypper(runner, sleep=lambda _seconds: None)
    else:
        manager = smartpm.SmartPm(runner, sleep=lambda _seconds: None)
    request = contract.PackageRequest(data.draw(_NAMES), data.draw(_NAMES), data.draw(st.booleans()))
    with contextlib.suppress(OvercError):
        what = data.draw(st.sampled_from(["age", "refresh", "pending", "check", "unchecked", "download", "apply"]))
        if what == "age":
            manager.lists_age().within(60)
        elif what == "refresh":
            manager.refresh()
        elif what == "pending":
            manager.pending(request, refresh=data.draw(st.booleans()))
        elif what == "check":
            manager.pending(request, refresh=True, scratch="/var/tmp/scratch")
        elif what == "unchecked":
            manager.unchecked()
        elif what == "download":
            manager.download(request, contract.PackagePlan(), "/var/tmp/scratch")
        else:
            manager.apply(request, contract.PackagePlan(), "/run/packages")
