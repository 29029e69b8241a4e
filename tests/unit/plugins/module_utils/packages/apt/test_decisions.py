# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of sources and pins is decided before anything is built, or asked for."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.apt.decisions import Outcome, Step, plan

LIST, OTHER, PINS = "/etc/apt/sources.list", "/etc/apt/sources.list.d/other.list", "/etc/apt/preferences.d/x"
BASE = "deb http://deb.debian.org/debian bookworm main\n"
DOCKER = "deb [signed-by=/k.asc] https://download.docker.com/linux/debian bookworm stable\n"
NODE = "deb https://deb.nodesource.com/node_20.x nodistro main\n"
STEP = Step("debian", "bookworm", "trixie")


def decided(sources: dict[str, str], pins: dict[str, str] | None = None, **options: t.Any) -> Outcome:
    return plan(dataclasses.replace(STEP, **options), sources, pins or {})


def after(outcome: Outcome) -> dict[str, str]:
    return {edit.path: edit.after for edit in outcome.edits}


def refused(words: str, sources: dict[str, str], pins: dict[str, str] | None = None, **options: t.Any) -> OvercError:
    with pytest.raises(OvercError, match=words) as raised:
        decided(sources, pins, **options)
    assert raised.value.error_id == "release_sources"
    assert raised.value.message.endswith("Nothing was changed.") or "run the same command again" in raised.value.message
    return raised.value


def test_official_sources_are_rewritten() -> None:
    security = "deb http://security.debian.org/debian-security bookworm-security main\n"
    outcome = decided({LIST: BASE + security})
    assert after(outcome) == {LIST: (BASE + security).replace("bookworm", "trixie")}
    assert [(row["action"], row["third_party"]) for row in outcome.sources] == [("rewritten", False)] * 2
    assert outcome.sources[1]["becomes"] == ["trixie-security"]


def test_a_mirror_is_known_by_its_release_file() -> None:
    mirror = "deb http://mirror.example.com/debian/ bookworm main\n"
    outcome = decided({LIST: mirror}, origins={"http://mirror.example.com/debian": "Debian"})
    assert outcome.base
    refused(r"mirror\.example\.com.*after overc_host_update", {LIST: mirror})
    other = refused("mirror.example.com", {LIST: mirror}, origins={"http://mirror.example.com/debian": "Somebody"})
    assert "overc_host_update" not in other.message


@pytest.mark.parametrize("source", [DOCKER, NODE])
def test_third_parties_are_asked_for(source: str) -> None:
    error = refused("third_party_sources", {LIST: BASE, OTHER: source})
    assert error.facts["sources"][1]["third_party"] is True
    assert f"{OTHER}: http" in error.message


@pytest.mark.parametrize(
    ("policy", "source", "expected", "action"),
    [
        ("keep", DOCKER, DOCKER, "kept"),
        ("keep", NODE, NODE, "kept"),
        ("rewrite", DOCKER, DOCKER.replace("bookworm", "trixie"), "rewritten"),
        ("rewrite", NODE, NODE, "kept"),
        ("disable", DOCKER, f"# {DOCKER}", "disabled"),
        ("disable", NODE, f"# {NODE}", "disabled"),
    ],
)
def test_third_parties_as_decided(policy: str, source: str, expected: str, action: str) -> None:
    outcome = decided({LIST: BASE, OTHER: source}, third_parties=policy)
    assert after(outcome).get(OTHER, source) == expected
    assert outcome.sources[1]["action"] == action
    assert bool(outcome.disabled) == (policy == "disable")


def test_an_address_with_the_code_name_is_not_rewritten() -> None:
    source = "deb https://example.com/debian/bookworm ./\n"
    refused("in an address", {LIST: BASE, OTHER: source}, third_parties="rewrite")
    assert decided({LIST: BASE, OTHER: source}, third_parties="disable").disabled == [
        "https://example.com/debian/bookworm ./"
    ]
    assert decided(
        {LIST: BASE, OTHER: source.replace("/bookworm ", " ").replace("example", "bookworm")}, third_parties="rewrite"
    )


@pytest.mark.parametrize("suite", ["stable", "testing", "sid", "oldstable-updates", "bullseye", "forky"])
def test_strange_suites_of_the_distribution(suite: str) -> None:
    for policy in ("refuse", "keep", "rewrite", "disable"):
        refused(suite, {LIST: BASE + f"deb http://deb.debian.org/debian {suite} main\n"}, third_parties=policy)


def test_the_new_release_may_be_among_them_already() -> None:
    mixed = BASE + "deb http://deb.debian.org/debian trixie-updates main\n"
    assert after(decided({LIST: mixed})) == {LIST: mixed.replace("bookworm", "trixie")}
    there = decided({LIST: BASE.replace("bookworm", "trixie")})
    assert (there.edits, there.base) == ([], True)


@pytest.mark.parametrize(
    "sources",
    [
        {},
        {LIST: ""},
        {LIST: f"# {BASE}"},
        {LIST: BASE.replace("deb ", "deb-src ")},
        {LIST: BASE.replace("bookworm", "bookworm-updates")},
    ],
)
def test_nothing_to_come_from(sources: dict[str, str]) -> None:
    refused("No enabled source of Debian", sources)


def test_discs_are_left_out() -> None:
    disc = "deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/ bookworm main\n"
    assert after(decided({LIST: disc + BASE})) == {LIST: f"# {disc}{BASE.replace('bookworm', 'trixie')}"}


def test_one_entry_with_addresses_of_both() -> None:
    path = "/etc/apt/sources.list.d/x.sources"
    text = (
        "Types: deb\nURIs: http://deb.debian.org/debian http://example.com/debian\nSuites: bookworm\nComponents: main\n"
    )
    refused("two of it", {LIST: BASE, path: text}, third_parties="disable")


def test_firmware_keeps_coming() -> None:
    text = "deb http://deb.debian.org/debian bullseye main non-free\ndeb http://deb.debian.org/debian bullseye-updates main\n"
    outcome = plan(Step("debian", "bullseye", "bookworm"), {LIST: text}, {})
    assert after(outcome)[LIST] == (
        "deb http://deb.debian.org/debian bookworm main non-free non-free-firmware\n"
        "deb http://deb.debian.org/debian bookworm-updates main\n"
    )
    assert "firmware" not in after(decided({LIST: BASE.replace("main", "main non-free")}))[LIST]


def test_unreadable_sources() -> None:
    with pytest.raises(OvercError, match=r"cannot be read.*\*\*\*") as raised:
        decided({LIST: BASE + "bed https://user:secret@example.com/ x\n"})
    assert raised.value.error_id == "repository_failed"
    assert "secret" not in raised.value.message


def test_no_secret_is_shown() -> None:
    source = "deb https://user:secret@example.com/debian bookworm main\n"
    error = refused("example.com", {LIST: BASE, OTHER: source})
    assert "secret" not in f"{error.message}{error.facts}"
    assert "secret" not in str(decided({LIST: BASE, OTHER: source}, third_parties="rewrite").sources)


PIN = "Package: *\nPin: release n=bookworm\nPin-Priority: 990\n"
HARMLESS = "Package: foo\nPin: version 1.*\nPin-Priority: 1001\n"


def test_pins_are_asked_for() -> None:
    error = refused("pin of .* to release n=bookworm", {LIST: BASE}, {PINS: PIN})
    assert error.facts["pins"][0]["action"] == "kept"
    refused("release a=stable", {LIST: BASE}, {PINS: PIN.replace("n=bookworm", "a=stable")})
    assert decided({LIST: BASE}, {PINS: HARMLESS}).pins[0]["action"] == "kept"


@pytest.mark.parametrize(
    ("policy", "expected", "action"),
    [
        ("keep", PIN, "kept"),
        ("rewrite", PIN.replace("bookworm", "trixie"), "rewritten"),
        ("disable", "".join(f"# {line}\n" for line in PIN.splitlines()), "disabled"),
    ],
)
def test_pins_as_decided(policy: str, expected: str, action: str) -> None:
    outcome = decided({LIST: BASE}, {PINS: f"{PIN}\n{HARMLESS}"}, tied_pins=policy)
    assert after(outcome).get(PINS, f"{PIN}\n{HARMLESS}") == f"{expected}\n{HARMLESS}"
    assert [row["action"] for row in outcome.pins] == [action, "kept"]
