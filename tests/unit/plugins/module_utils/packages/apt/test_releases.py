# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases there are, which step leads from one to another, and what their suites are called."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.apt import releases


@pytest.mark.parametrize(
    ("distribution", "running", "wanted"),
    [
        ("debian", "buster", "bullseye"),
        ("debian", "bookworm", "trixie"),
        ("ubuntu", "jammy", "noble"),
        ("ubuntu", "jammy", "kinetic"),
        ("ubuntu", "mantic", "noble"),
    ],
)
def test_one_step(distribution: str, running: str, wanted: str) -> None:
    releases.check_step(distribution, running, wanted)


@pytest.mark.parametrize(
    ("distribution", "running", "wanted", "words"),
    [
        ("debian", "bullseye", "trixie", "leaves out a release"),
        ("debian", "bullseye", "trixie", "the next is bookworm"),
        ("debian", "trixie", "bookworm", "older than trixie"),
        ("debian", "bookworm", "trixy", "no release of Debian"),
        ("debian", "bookworm", "noble", "no release of Debian"),
        ("debian", "bookworm", "testing", "means another one as time goes by"),
        ("debian", "bookworm", "stable", "the next is trixie"),
        ("debian", "bookworm", "sid", "means another one as time goes by"),
        ("debian", "", "trixie", "without a code name"),
        ("debian", "woody", "sarge", "woody"),
        ("debian", "duke", "forky", "older"),
        ("debian", "duke", "next", "none after duke"),
        ("ubuntu", "focal", "noble", "leaves out"),
        ("ubuntu", "mantic", "resolute", "the next is noble"),
        ("ubuntu", "noble", "oracular-updates", "no release"),
        ("raspbian", "bookworm", "trixie", "raspbian"),
        ("", "bookworm", "trixie", "nothing"),
    ],
)
def test_what_is_no_step(distribution: str, running: str, wanted: str, words: str) -> None:
    with pytest.raises(OvercError, match=words) as raised:
        releases.check_step(distribution, running, wanted)
    assert raised.value.error_id == "release_unsupported"


def test_where_there_is_no_kernel() -> None:
    for distribution, wanted in (("debian", "trixie"), ("debian", "forky"), ("ubuntu", "focal")):
        with pytest.raises(OvercError, match="no kernels for i386"):
            releases.check_architecture(distribution, wanted, "i386")
        releases.check_architecture(distribution, wanted, "amd64")
    releases.check_architecture("debian", "bookworm", "i386")


@pytest.mark.parametrize(
    ("suite", "before", "after", "expected"),
    [
        ("bookworm", "bookworm", "trixie", "trixie"),
        ("bookworm-updates", "bookworm", "trixie", "trixie-updates"),
        ("bookworm-security", "bookworm", "trixie", "trixie-security"),
        ("bookworm-backports", "bookworm", "trixie", "trixie-backports"),
        ("bookworm-backports-sloppy", "bookworm", "trixie", "trixie-backports-sloppy"),
        ("buster/updates", "buster", "bullseye", "bullseye-security"),
        ("buster-updates", "buster", "bullseye", "bullseye-updates"),
        ("bookworms", "bookworm", "trixie", "bookworms"),
        ("old-bookworm", "bookworm", "trixie", "old-bookworm"),
        ("stable", "bookworm", "trixie", "stable"),
        ("./", "bookworm", "trixie", "./"),
        ("trixie", "bookworm", "trixie", "trixie"),
    ],
)
def test_suites_by_their_own_name(suite: str, before: str, after: str, expected: str) -> None:
    assert releases.renamed(suite, before, after) == expected


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        ("bookworm", "trixie"),
        ("cloud-sdk-bookworm", "cloud-sdk-trixie"),
        ("bookworm-pgdg", "trixie-pgdg"),
        ("debian/bookworm/", "debian/trixie/"),
        ("bookworms", "bookworms"),
        ("nodistro", "nodistro"),
        ("stable", "stable"),
    ],
)
def test_suites_as_third_parties_name_them(suite: str, expected: str) -> None:
    assert releases.renamed_anywhere(suite, "bookworm", "trixie") == expected


@pytest.mark.parametrize(
    "suite", ["stable", "oldstable", "oldoldstable", "testing", "unstable", "stable-updates", "devel"]
)
def test_moving_names(suite: str) -> None:
    assert releases.is_moving(suite)


@pytest.mark.parametrize("suite", ["bookworm", "unstable2", "stability", "sid-x", "nodistro"])
def test_names_that_stay(suite: str) -> None:
    assert not releases.is_moving(suite)


@pytest.mark.parametrize(
    ("uri", "origin", "official"),
    [
        ("http://deb.debian.org/debian", None, True),
        ("https://security.debian.org", None, True),
        ("http://ftp.de.debian.org/debian/", "Debian", True),
        ("http://mirror.example.com/debian", "Debian", True),
        ("http://mirror.example.com/debian", None, False),
        ("http://mirror.example.com/debian", "Debian Backports", True),
        ("http://user:p@ss@deb.debian.org/debian", None, True),
        ("http://deb.debian.org:80/debian", None, True),
        ("http://deb.debian.org/debian", "Somebody", False),
        ("http://debian.org.example.com/x", None, False),
        ("http://notdebian.org/x", None, False),
        ("file:/srv/repo", None, False),
        ("cdrom:[Debian]/", None, False),
        ("https://fasttrack.debian.net/x", None, False),
        ("http://archive.ubuntu.com/ubuntu", None, False),
    ],
)
def test_whose_source(uri: str, origin: str | None, official: bool) -> None:
    assert releases.is_official("debian", uri, origin) is official


@pytest.mark.parametrize(
    ("uri", "origin", "official"),
    [
        ("http://de.archive.ubuntu.com/ubuntu", None, True),
        ("https://esm.ubuntu.com/infra/ubuntu", None, False),
        ("https://esm.ubuntu.com/infra/ubuntu", "UbuntuESM", False),
        ("https://ppa.launchpadcontent.net/x/y/ubuntu", "LP-PPA-x-y", False),
    ],
)
def test_whose_source_on_ubuntu(uri: str, origin: str | None, official: bool) -> None:
    assert releases.is_official("ubuntu", uri, origin) is official


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=debian\nVERSION_CODENAME=bookworm\nVERSION_ID="12"\n', ("debian", "bookworm")),
        ("VERSION_CODENAME='noble'\nID=\"ubuntu\"\nID_LIKE=debian\n", ("ubuntu", "noble")),
        ("ID=debian\n", ("debian", "")),
        ("", ("", "")),
        ("ID=$(reboot)\n", ("", "")),
    ],
)
def test_os_release(text: str, expected: tuple[str, str]) -> None:
    assert releases.parse_os_release(text) == expected
