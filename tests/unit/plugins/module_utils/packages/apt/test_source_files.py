# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of sources are rewritten word by word, in both formats; nothing else in them changes."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.apt.releases import renamed
from ansible_collections.overc.system.plugins.module_utils.packages.apt.source_files import (
    Entry,
    Fate,
    entries,
    rewritten,
)
from ansible_collections.overc.system.plugins.module_utils.packages.apt.sources import (
    UnreadableSources,
    parse_sources,
)

LIST, DEB822 = "/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"


def rename(entry: Entry) -> Fate:
    return Fate({suite: renamed(suite, "bookworm", "trixie") for suite in entry.suites})


def disable(_entry: Entry) -> Fate:
    return Fate(disabled=True)


LINES = [
    ("deb http://x/d bookworm main\n", "deb http://x/d trixie main\n"),
    ("deb http://x/d bookworm main", "deb http://x/d trixie main"),
    ("deb\thttp://x/d\tbookworm-updates\tmain  contrib # note bookworm\n", "deb\thttp://x/d\ttrixie-updates\tmain  contrib # note bookworm\n"),
    ("deb-src http://x/d bookworm-security main\r\n", "deb-src http://x/d trixie-security main\r\n"),
    ("  deb [arch=amd64 signed-by=/k/bookworm.gpg] http://x/d bookworm main\n", "  deb [arch=amd64 signed-by=/k/bookworm.gpg] http://x/d trixie main\n"),
    ("deb [ trusted=yes ]  http://x/bookworm bookworm main\n", "deb [ trusted=yes ]  http://x/bookworm trixie main\n"),
    ("deb http://x/d bookworm bookworm\n", "deb http://x/d trixie bookworm\n"),
    ("deb http://x/d bookworm/\n", "deb http://x/d trixie/\n"),
    ("deb cdrom:[Debian 12 _Bookworm_ - amd64]/ bookworm main\n", "deb cdrom:[Debian 12 _Bookworm_ - amd64]/ trixie main\n"),
    ("# deb http://x/d bookworm main\n", "# deb http://x/d bookworm main\n"),
    ("#deb http://x/d bookworm main\n", "#deb http://x/d bookworm main\n"),
    ("   # only a note\n", "   # only a note\n"),
    ("\n", "\n"),
    ("deb http://x/d ./\n", "deb http://x/d ./\n"),
    ("deb mirror+file:/etc/mirrors bookworm main\n", "deb mirror+file:/etc/mirrors trixie main\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), LINES)
def test_a_line(before: str, after: str) -> None:
    assert rewritten(LIST, before, rename) == after


def test_lines_do_not_know_each_other() -> None:
    for chosen in itertools.permutations([line for line in LINES if line[0].endswith("\n")], 3):
        before, after = ("".join(parts) for parts in zip(*chosen))
        assert rewritten(LIST, before, rename) == after


@pytest.mark.parametrize("line", ["deb http://x/d", "bed http://x/d bookworm main", "deb [arch=amd64 http://x/d", "x"])
def test_a_line_that_is_none(line: str) -> None:
    with pytest.raises(UnreadableSources, match=r"sources\.list"):
        rewritten(LIST, f"{line}\n", rename)


def test_a_disabled_line_is_a_comment() -> None:
    text = "deb http://x/d bookworm main # why\n# note\n"
    assert rewritten(LIST, text, disable) == "# deb http://x/d bookworm main # why\n# note\n"
    assert parse_sources(LIST, rewritten(LIST, text, disable)) == ()


STANZA = """\
# The installer's
Types: deb deb-src
URIs: http://deb.debian.org/debian http://bookworm.example.com/debian
Suites: bookworm bookworm-updates
# of bookworm, too
\tbookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/bookworm.gpg
"""
AFTER = STANZA.replace("Suites: bookworm bookworm-updates", "Suites: trixie trixie-updates").replace(
    "\tbookworm-backports", "\ttrixie-backports"
)


def test_a_stanza() -> None:
    assert rewritten(DEB822, STANZA, rename) == AFTER
    assert entries(DEB822, STANZA) == (
        Entry(
            ("deb", "deb-src"),
            ("http://deb.debian.org/debian", "http://bookworm.example.com/debian"),
            ("bookworm", "bookworm-updates", "bookworm-backports"),
            ("main", "contrib"),
        ),
    )


@pytest.mark.parametrize("word", ["no", "No", "false", "0", "off", "disable", "without"])
def test_a_stanza_that_is_off_stays(word: str) -> None:
    text = f"{STANZA}Enabled: {word}\n"
    assert rewritten(DEB822, text, rename) == text
    assert entries(DEB822, text) == ()


@pytest.mark.parametrize("field", ["suites", "SUITES", "Suites "])
def test_names_of_fields(field: str) -> None:
    text = f"Types: deb\nURIs: http://x\n{field}:bookworm\nComponents: main"
    assert rewritten(DEB822, text, rename) == text.replace("bookworm", "trixie")


def test_stanzas_do_not_know_each_other() -> None:
    off = f"{STANZA}Enabled: no\n"
    foreign = "X-Note: bookworm\n"
    note = "# Types: deb\n# Suites: bookworm\n"
    pieces = {STANZA: AFTER, off: off, note: note, foreign: foreign}
    for chosen in itertools.permutations(pieces, 3):
        for gap in ("\n", "\n\n", " \t\n", "\r\n"):
            before, after = gap.join(chosen), gap.join(pieces[piece] for piece in chosen)
            assert rewritten(DEB822, before, rename) == after


@pytest.mark.parametrize("enabled", ["", "Enabled: yes\n", "enabled: true\n"])
def test_a_stanza_is_disabled(enabled: str) -> None:
    text = f"{STANZA}{enabled}\nTypes: deb\nURIs: http://y\nSuites: x/\n"
    after = rewritten(DEB822, text, disable)
    assert parse_sources(DEB822, after) == ()
    assert after.startswith("# The installer's\nEnabled: no\nTypes: deb deb-src\n")
    assert after.count("Enabled: no") == 2
    assert "bookworm-backports" in after


@pytest.mark.parametrize(
    "text", ["Types: deb\nURIs: http://x\n", "Types: deb\nSuites: x\n", "Types: deb\nnonsense\n", " x\n"]
)
def test_a_stanza_that_is_none(text: str) -> None:
    with pytest.raises(UnreadableSources, match=r"debian\.sources"):
        rewritten(DEB822, text, rename)


@pytest.mark.parametrize(
    ("path", "text", "after"),
    [
        (LIST, "deb http://x b main non-free # n\n", "deb http://x b main non-free non-free-firmware # n\n"),
        (LIST, "deb http://x b main non-free-firmware\n", "deb http://x b main non-free-firmware\n"),
        (DEB822, "Types: deb\nURIs: u\nSuites: b\nComponents: main\n non-free\n", "Types: deb\nURIs: u\nSuites: b\nComponents: main\n non-free non-free-firmware\n"),
        (DEB822, "Types: deb\nURIs: u\nSuites: b\nComponents: main non-free-firmware", "Types: deb\nURIs: u\nSuites: b\nComponents: main non-free-firmware"),
    ],
)  # fmt: skip
def test_components_come_in_addition(path: str, text: str, after: str) -> None:
    assert rewritten(path, text, lambda _entry: Fate(components=("non-free-firmware",))) == after


@pytest.mark.parametrize(
    ("path", "text"), [(LIST, "".join(line for line, _ in LINES)), (DEB822, STANZA), (LIST, ""), (DEB822, "")]
)
def test_who_decides_nothing_changes_nothing(path: str, text: str) -> None:
    assert rewritten(path, text, lambda _entry: Fate()) == text
