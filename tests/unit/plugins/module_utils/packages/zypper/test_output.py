# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper prints, as values: against recorded outputs of zypper 1.14 (tests/unit/transcripts/zypper)."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Package
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import (
    errors,
    held,
    mode,
    output,
    repositories,
    settings,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

DIRECTORY = pathlib.Path(__file__).parents[4] / "transcripts" / "zypper"
RECORDS: t.Final = [
    json.loads(line)
    for name in ("zypper-1.14", "zypper-more")
    for line in (DIRECTORY / f"{name}.jsonl").read_text("utf-8").splitlines()
]


def recorded(scenario: str, *, xml: bool | None = None) -> Completed:
    """The recorded call; a line of shell may have told the exit code on stdout. ``xml``: of two of a name that one."""
    found = [record for record in RECORDS if record["scenario"] == scenario]
    record = next(r for r in found if xml is None or ("--xmlout" in r["cmd"]) == xml)
    last = record["stdout"].rstrip().rpartition("\n")[2]
    rc = int(last[3:]) if last.startswith("rc ") else record["rc"]
    return Completed(("zypper",), rc, record["stdout"], record["stderr"])


def told(summary: output.Summary) -> dict[str, tuple[str | None, str | None]]:
    return {row.name: (row.installed, row.available) for row in summary.rows}


@pytest.mark.parametrize(
    ("scenario", "changes"),
    [
        ("nothing-pending", {}),
        ("downgrade-up", {}),
        ("downgrade-dup", {"lab-down": ("5-1", "4-1")}),
        ("obsoletes", {"lab-app": ("1-1", "2-1"), "lab-new": (None, "3-1"), "lab-old": ("1-1", None)}),
        ("obsoletes-dup", {"lab-app": ("1-1", "2-1"), "lab-new": (None, "3-1"), "lab-old": ("1-1", None)}),
        (
            "update-dry-run",
            {
                "lab-app": ("1-1", "2-1"),
                "lab-lib": ("1-1", "2-1"),
                "lab-more": ("1-1", "2-1"),
                "lab-extra": (None, "1-1"),
            },
        ),
        ("named", {"lab-app": ("1-1", "2-1")}),
    ],
)
def test_a_transaction(scenario: str, changes: dict[str, t.Any]) -> None:
    summary = output.parse_stream(recorded(scenario).stdout).summary
    assert told(summary) == changes
    assert {row.repository for row in summary.rows} <= {"lab", None}


def solvable(
    name: str, edition: str = "2-1", old: str | None = "1-1", kind: str = "package", arch: str = "noarch"
) -> str:
    before = f' edition-old="{old}" arch-old="noarch"' if old else ""
    return f'<solvable type="{kind}" name="{name}" edition="{edition}" arch="{arch}" repository="r"{before}/>'


def stream(groups: str, count: int, more: str = "") -> str:
    summary = f'<install-summary download-size="7" packages-to-change="{count}">{groups}</install-summary>'
    return f"<?xml version='1.0'?><stream>{more}{summary}</stream>"


def test_groups_that_repeat_and_what_is_no_package() -> None:
    """A package that changes its version and its vendor is one; a pattern is none."""
    text = stream(
        f"<to-upgrade>{solvable('a', '0:2-1')}{solvable('p', kind='pattern')}</to-upgrade>"
        f"<to-change-vendor>{solvable('a', '0:2-1')}{solvable('v', '1-1')}</to-change-vendor>"
        f"<to-change-arch>{solvable('c', '1-1', arch='x86_64')}</to-change-arch>"
        f"<to-reinstall>{solvable('e', '1-1', None)}</to-reinstall>",
        4,
    )
    summary = output.parse_stream(text).summary
    assert told(summary) == {"a": ("1-1", "2-1"), "v": ("1-1", "1-1"), "c": ("1-1", "1-1"), "e": ("1-1", "1-1")}
    assert (summary.other_vendor, summary.size) == (("a", "v"), 7)


GOOD = stream(f"<to-upgrade>{solvable('a')}</to-upgrade>", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to do.",
        "<stream/><stream/>",
        "<other/>",
        "<stream>",
        GOOD.replace("</stream>", ""),
        GOOD.replace("<stream>", '<!DOCTYPE s [<!ENTITY a "b">]><stream>'),
        GOOD.replace("to-upgrade", "to-explode"),
        GOOD.replace('packages-to-change="1"', 'packages-to-change="2"'),
        GOOD.replace('packages-to-change="1"', ""),
        GOOD.replace(' edition-old="1-1"', ""),
        GOOD.replace(' name="a"', ""),
        GOOD.replace('type="package"', 'type="pattern"'),
        GOOD.replace("solvable", "something"),
        f"<stream>{'<a>' * 40}{'</a>' * 40}</stream>",
    ],
)
def test_what_is_no_answer(text: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_stream(text)


@pytest.mark.parametrize("text", ["<stream/>", GOOD.replace("</stream>", GOOD[GOOD.index("<install") :])])
def test_not_one_transaction(text: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        _ = output.parse_stream(text).summary


@pytest.mark.parametrize("scenario", ["update-dry-run", "scriptlet-fails", "repo-gone-lu"])
def test_every_cut_is_seen(scenario: str) -> None:
    whole = recorded(scenario, xml=True).stdout.rstrip()
    assert output.parse_stream(whole)
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(output.UnreadableOutput):
            output.parse_stream(whole[:length])


def test_what_no_xml_may_hold() -> None:
    """Scripts print what they like; what they print is no structure."""
    said = output.parse_stream(stream("", 0, '<message type="info">\x1b[1mone\x00\udcff &lt;b&gt;</message>')).text
    assert said == "?[1mone?? <b>"


def test_a_long_document() -> None:
    rows = "".join(solvable(f"a{number}") for number in range(3000))
    assert len(output.parse_stream(stream(f"<to-upgrade>{rows}</to-upgrade>", 3000)).summary.rows) == 3000


def test_updates_locks_and_repositories() -> None:
    updates = output.parse_stream(recorded("list-updates-all").stdout).updates
    assert updates[0] == output.Update("lab-app", "noarch", "2-1", "lab")
    assert output.parse_stream(recorded("locks").stdout).locks == ("lab-lib",)
    (found,) = repositories.parse_repositories(output.parse_stream(recorded("repos").stdout))
    assert found == repositories.Repository("lab", True, ("dir:/srv/repo",), ("file:/srv/lab.asc",))
    assert repositories.local_paths([found]) == ("/srv/repo", "/srv/lab.asc")
    (off,) = repositories.parse_repositories(output.parse_stream(recorded("gpgcheck-off").stdout))
    assert not off.checked


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("scenario", "error_id", "words"),
    [
        ("unsigned-metadata", "package_untrusted", "Signature verification failed"),
        ("unsigned-metadata-update", "package_untrusted", ""),
        ("unknown-key", "package_untrusted", "Repository 'lab' is invalid"),
        ("package-missing", "repository_failed", "not found on medium"),
        ("package-corrupt", "repository_failed", "corrupted"),
        ("repo-gone", "repository_failed", "Repository 'gone' is invalid"),
        ("repo-gone-update", "repository_failed", "Repository 'gone' is invalid"),
        ("repo-gone-lu", "repository_failed", "Repository 'gone' is invalid"),
        ("no-space", "no_space", "35MB more space"),
        ("lock-held", "locked", "python3 (process 2147)"),
        ("lock-held-2", "locked", "zypper (process 2152)"),
        ("locked-named", "package_manager_failed", "conflicting requests"),
        ("broken-named", "package_manager_failed", "nothing provides 'nowhere'"),
        ("downgrade-dup-no", "package_manager_failed", "problem with the installed lab-down"),
        ("named-unknown", "package_manager_failed", "104"),
        ("not-root", "package_manager_failed", "was not run as root"),
        ("bad-option", "package_manager_failed", "does not know an option"),
        ("update-no-answer", "package_manager_failed", "Cannot read input"),
    ],
)
def test_what_went_wrong(scenario: str, error_id: str, words: str) -> None:
    error = errors.unsuccessful(recorded(scenario), "asking")
    assert error.error_id == error_id, error.message
    assert words in error.message
    assert "<stream" not in error.facts["stdout"]


def test_every_exit_code_has_a_meaning() -> None:
    """Those of zypper(8), and one that nobody knows."""
    for rc in (1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 104, 105, 106, 107, 99, -9):
        error = errors.unsuccessful(Completed(("zypper",), rc, "", ""), "asking")
        expected = {6: "repository_failed", 7: "locked", 106: "repository_failed"}.get(rc, "package_manager_failed")
        assert error.error_id == expected, rc
        assert error.message
    assert errors.GOOD == (0, 102, 103)


def test_unknown_names() -> None:
    assert errors.unknown_packages(recorded("named-unknown"), ["no-such-package"]) == ("no-such-package",)
    assert errors.unknown_packages(recorded("named-not-installed"), ["lab-extra"]) == ("lab-extra",)
    assert errors.unknown_packages(recorded("named-not-installed"), []) == ()


def test_what_an_upgrade_left_to_tell() -> None:
    text = "<stream><message type='info'>warning: /etc/a created as /etc/a.rpmnew\nwarning: /etc/b saved as /etc/b.rpmsave</message></stream>"
    done = Completed(("zypper",), 103, text, "")
    assert errors.kept_files(done) == ("/etc/a",)
    assert errors.warnings(done) == (
        "/etc/a created as /etc/a.rpmnew",
        "/etc/b saved as /etc/b.rpmsave",
        "zypper itself was upgraded: there may be more to upgrade after the reboot.",
    )


# ------------------------------------------------------------------------------------------------- settings, lists, modes


def test_the_configuration_that_counts() -> None:
    files = (
        "/usr/etc/zypp/zypp.conf",
        "/etc/zypp/zypp.conf.d/2.conf",
        "/usr/etc/zypp/zypp.conf.d/1.conf",
        "/usr/etc/zypp/zypp.conf.d/2.conf",
    )
    assert settings.files_that_count(files) == (files[0], files[2], files[1])
    assert settings.files_that_count((*files[:1], "/etc/zypp/zypp.conf")) == ("/etc/zypp/zypp.conf",)
    plain = settings.parse_configuration("")
    assert plain == settings.Configuration()
    own = settings.parse_configuration(
        "[main]\ncachedir = /a\n# metadatadir = /no\nsolvfilesdir=/b\nlocksfile.path = /c \n"
    )
    assert (own.lists, own.solv, own.locks) == ("/a/raw", "/b", "/c")
    text = settings.with_settings(own, "/proc/self/fd/9")
    assert text.index("locksfile.path = /c") < text.index("locksfile.path = /proc/self/fd/9")


def test_the_age_of_lists() -> None:
    a, b = repositories.Repository("a", True), repositories.Repository("b/c", True)
    listing = (
        "100.5 a/repodata/repomd.xml\n200.5 a/cookie\n50 b_c/content\n300 a/repodata/1-primary.xml.gz\nx a/cookie\n"
    )
    assert repositories.refreshed_at(listing, [a, b]) == 50
    assert repositories.refreshed_at(listing, [a]) == 200.5
    assert repositories.refreshed_at(listing, []) is None
    assert repositories.refreshed_at("", [a]) is None
    assert repositories.without_lists("1 a/cookie\n", [a, b]) == ("b/c",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID="opensuse-tumbleweed"\n', "dup"),
        ("NAME=x\nID=opensuse-slowroll\n", "dup"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse-tumbleweed"\n', "update"),
        ("ID=sles\n", "update"),
        ("", "update"),
        ("VARIANT_ID=opensuse-tumbleweed\n", "update"),
    ],
)
def test_modes(text: str, expected: str) -> None:
    assert mode.mode_of(text) == expected


def test_what_is_left_out() -> None:
    updates = [output.Update(name, "noarch", "2-1", "r") for name in ("a", "b", "c", "d", "gone")]
    rows = [output.Row("a", "noarch", "1-1", "2-1", "r"), output.Row("gone", "noarch", "1-1", None, None)]
    there = [Package("b", "noarch", "2-1")]
    assert [u.name for u in held.left_out(updates, rows, there, ["d*"])] == ["c"]
