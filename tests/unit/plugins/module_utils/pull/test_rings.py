# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is: properties that hold for any rings, any verdicts and any clock."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull.rings import (
    GO,
    SKEW,
    STALE,
    WAIT,
    WITHHELD,
    Ring,
    Seen,
    decide,
)
from ansible_collections.overc.system.plugins.module_utils.pull.verdicts import BAD, FAILED, GOOD, Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_795_000_000
RINGS = (Ring("canary", successes=2), Ring("early", successes=3, failures=1, soak=600), Ring("rest", failures=5))


def verdict(host: str, ring: str, status: str, age: int = 1000, reason: str = "") -> Verdict:
    return Verdict(host, ring, "f", status, NOW - age, reason=reason)


def some(ring: str, good: int = 0, bad: int = 0, failed: int = 0, age: int = 1000) -> Seen:
    def hosts(status: str, count: int) -> tuple[Verdict, ...]:
        return tuple(verdict(f"{status}{number}", ring, status, age) for number in range(count))

    return Seen(hosts(GOOD, good), hosts(BAD, bad), hosts(FAILED, failed))


def seen(canary: Seen, early: Seen | None = None, rest: Seen | None = None) -> dict[str, Seen]:
    return {"canary": canary, "early": early or Seen(), "rest": rest or Seen()}


@pytest.mark.parametrize(("mine", "what", "word"), [
    ("canary", seen(Seen()), GO),  # somebody has to be the first
    ("early", seen(Seen()), WAIT),
    ("early", seen(some("canary", good=1)), WAIT),
    ("early", seen(some("canary", good=2)), GO),
    ("early", seen(some("canary", good=5, failed=1)), WAIT),
    ("early", seen(some("canary", good=5, bad=1)), WITHHELD),
    ("canary", seen(some("canary", good=5, bad=1)), WITHHELD),
    ("rest", seen(some("canary", good=2), some("early", good=3)), GO),
    ("rest", seen(some("canary", good=2), some("early", good=3, age=599)), WAIT),  # not soaked
    ("rest", seen(some("canary", good=2), some("early", good=3, bad=1)), GO),
    ("rest", seen(some("canary", good=2), some("early", good=3, bad=1, failed=1)), WAIT),
    ("rest", seen(some("canary", good=2), some("early", good=3, bad=2)), WITHHELD),
    ("canary", seen(some("canary", good=2), some("early", good=3), some("rest", bad=6)), WITHHELD),
    ("canary", seen(some("canary", failed=9)), GO),  # who could not build it may try again, or nobody ever would
    ("early", seen(some("canary", good=2, age=STALE + 1)), WAIT),
    ("early", seen(some("canary", good=2, age=-SKEW)), GO),
    ("early", seen(some("canary", good=2, age=-SKEW - 1)), WAIT),  # from the future
    ("nosuch", seen(some("canary", good=2)), WAIT),
])  # fmt: skip
def test_decision(mine: str, what: dict[str, Seen], word: str) -> None:
    found = decide(RINGS, mine, what, NOW)
    assert found.word == word, found
    assert (found.reason == "") == (word == GO)


def test_reasons_name_ring_host_and_what_is_missing() -> None:
    found = decide(RINGS, "early", seen(some("canary", good=1)), NOW)
    assert found.reason == "1 host of ring canary did this upgrade, 2 must have."
    bad = Seen(bad=(verdict("web1", "canary", BAD, reason="Health: nginx does not run."),))
    assert "web1 of ring canary" in decide(RINGS, "rest", seen(bad), NOW).reason
    assert "nginx does not run" in decide(RINGS, "rest", seen(bad), NOW).reason


def test_who_cannot_read_waits_unless_it_is_known_to_be_bad() -> None:
    silent = Seen(trouble="the store does not answer")
    for mine, at in itertools.product(("canary", "early", "rest"), ("canary", "early", "rest")):
        what = {**seen(some("canary", good=2), some("early", good=3)), at: silent}
        assert decide(RINGS, mine, what, NOW).word == WAIT
        without = {key: value for key, value in what.items() if key != at}
        assert decide(RINGS, mine, without, NOW).word == WAIT, "what was not read is not taken for empty"
    assert decide(RINGS, "rest", {"canary": some("canary", bad=1), "early": silent}, NOW).word == WITHHELD


def test_two_verdicts_of_one_host_count_once_and_the_worse_one() -> None:
    one = verdict("a", "canary", GOOD)
    assert decide(RINGS, "early", seen(Seen(good=(one, replace(one, at=NOW)))), NOW).word == WAIT
    both = Seen(good=(one, verdict("b", "canary", GOOD)), failed=(verdict("b", "canary", FAILED),))
    rings = (Ring("canary", successes=2, failures=1), Ring("early"))
    assert decide(rings, "early", {"canary": both, "early": Seen()}, NOW).word == WAIT


rings_of = st.lists(
    st.builds(lambda s, f, k: (s, f, k), st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, 60])),
    min_size=1, max_size=4,
).map(lambda found: [Ring(f"r{n}", *entry) for n, entry in enumerate(found)])  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Ring], int, dict[str, Seen]]:
    rings = draw(rings_of)
    what = {}
    for ring in rings:

        def one(status: str, name: str = ring.name) -> st.SearchStrategy[Verdict]:
            ages = st.integers(-2 * SKEW, STALE + 2 * SKEW)
            return st.builds(lambda n, age: verdict(f"h{n}", name, status, age), st.integers(0, 6), ages)

        parts = [tuple(draw(st.lists(one(status), max_size=6))) for status in (GOOD, BAD, FAILED)]
        good, bad, failed = parts
        what[ring.name] = Seen(good, bad, failed, trouble=draw(st.sampled_from(["", "", "", "broken"])))
    return rings, draw(st.integers(0, len(rings) - 1)), what


@settings(max_examples=500, deadline=None)
@given(situations())
def test_nobody_goes_who_must_not(found: tuple[list[Ring], int, dict[str, Seen]]) -> None:
    rings, at, what = found
    answer = decide(rings, rings[at].name, what, NOW)
    bad = [{one.host for one in what[ring.name].bad} for ring in rings]
    over = any(len(hosts) > ring.failures for hosts, ring in zip(bad, rings))
    assert (answer.word == WITHHELD) == over, "bad is bad for every ring"
    if answer.word != GO:
        return
    assert not any(of.trouble for of in what.values())
    for ring in rings[:at]:
        of = what[ring.name]
        failed = {one.host for one in (*of.bad, *of.failed)}
        assert len(failed) <= ring.failures
        fine = {one.host for one in of.good if ring.soak <= max(NOW - one.at, 0) <= STALE + ring.soak} - failed
        assert len(fine) >= ring.successes


@settings(max_examples=300, deadline=None)
@given(situations(), st.sampled_from([BAD, FAILED]))
def test_a_further_failure_never_lets_a_host_go(found: tuple[list[Ring], int, dict[str, Seen]], status: str) -> None:
    rings, at, what = found
    before = decide(rings, rings[at].name, what, NOW).word
    for ring in rings:
        of = what[ring.name]
        more = verdict("another", ring.name, status)
        worse = replace(of, bad=(*of.bad, more)) if status == BAD else replace(of, failed=(*of.failed, more))
        after = decide(rings, rings[at].name, {**what, ring.name: worse}, NOW).word
        assert before == GO or after != GO
        assert after == WITHHELD or before != WITHHELD


def fleet(rings: t.Sequence[Ring], sizes: t.Sequence[int], breaks: t.Callable[[str], bool]) -> dict[str, list[str]]:
    """Hosts one after the other, in the worst order: later rings ask first. Who took the upgrade, by ring."""
    what = {ring.name: Seen() for ring in rings}
    took: dict[str, list[str]] = {ring.name: [] for ring in rings}
    hosts = [(f"{ring.name}-{n}", ring.name) for ring, size in zip(rings, sizes) for n in range(size)]
    for _day in range(4):
        for host, ring in reversed(hosts):
            if host not in took[ring] and decide(rings, ring, what, NOW).word == GO:
                took[ring].append(host)
                status = BAD if breaks(host) else GOOD
                of, new = what[ring], verdict(host, ring, status)
                what[ring] = replace(of, bad=(*of.bad, new)) if status == BAD else replace(of, good=(*of.good, new))
    return took


@settings(max_examples=200, deadline=None)
@given(rings_of, st.sets(st.integers(0, 40)), st.booleans())
def test_a_bad_plan_stops_within_its_ring(rings: list[Ring], broken: set[int], everywhere: bool) -> None:
    sizes = [10] * len(rings)
    index = itertools.count()
    number = {f"{ring.name}-{n}": next(index) for ring in rings for n in range(10)}
    took = fleet(rings, sizes, lambda host: everywhere or number[host] in broken)
    for ring, following in zip(rings, rings[1:]):
        failed = [host for host in took[ring.name] if everywhere or number[host] in broken]
        assert len(failed) <= ring.failures + 1, "one at a time: the one too many is the last"
        if len(took[ring.name]) - len(failed) < ring.successes:
            assert took[following.name] == []
    if everywhere:
        assert sum(map(len, took.values())) <= rings[0].failures + 1
    elif not broken:
        assert all(len(took[ring.name]) == 10 for ring in rings)
