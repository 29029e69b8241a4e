# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt and dpkg print, as values: against recorded outputs of apt 2.6 and 3.0 (tests/unit/transcripts/apt)."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.apt import (
    configuration,
    errors,
    lists,
    names,
    output,
    resolution,
    settings,
    sources,
    status,
)
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Package, PackageChange
from ansible_collections.overc.system.plugins.module_utils.packages.memory_file import in_memory
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

Record = dict[str, t.Any]
DIRECTORY = pathlib.Path(__file__).parents[4] / "transcripts" / "apt"
RECORDS: dict[str, dict[str, Record]] = {
    version: {
        record["scenario"]: record
        for record in map(json.loads, (DIRECTORY / f"apt-{version}.jsonl").read_text("utf-8").splitlines())
    }
    for version in ("2.6", "3.0")
}
both = pytest.mark.parametrize("version", list(RECORDS))


def recorded(version: str, scenario: str) -> Completed:
    """Where the recorded line of shell told the exit code on stdout, that counts."""
    record = RECORDS[version][scenario]
    last = record["stdout"].rstrip().rpartition("\n")[2]
    rc = int(last[3:]) if last.startswith("rc ") else record["rc"]
    return Completed((record["cmd"],), rc, record["stdout"], record["stderr"])


def simulated(version: str, scenario: str) -> output.Simulation:
    return output.parse_simulation(RECORDS[version][scenario]["stdout"])


def entry(name: str, word: str = "ii", arch: str = "all", version: str = "1.0-1") -> status.Entry:
    return status.Entry(Package(name, arch, version), word[0], word[1], word[2:] or " ")


# ---------------------------------------------------------------------------------------------------- the simulation

SIMULATIONS = sorted(
    scenario for scenario, record in RECORDS["2.6"].items() if "apt-get -s" in record["cmd"] and record["rc"] == 0
)


@both
@pytest.mark.parametrize("scenario", SIMULATIONS)
def test_every_recorded_simulation_is_understood(version: str, scenario: str) -> None:
    simulation = simulated(version, scenario)
    text = RECORDS[version][scenario]["stdout"]
    assert len(simulation.rows) == sum(line.startswith(("Inst ", "Remv ")) for line in text.splitlines())
    assert all(row.installed or row.available for row in simulation.rows)


@both
def test_rows(version: str) -> None:
    rows = {row.name: row for row in simulated(version, "pending-simulate").rows}
    assert rows["lab-app"] == output.Row("lab-app", "all", "1.0-1", "1.0-2", "lab")
    assert rows["lab-lib"].arch == "amd64"
    assert set(rows) == {"lab-app", "lab-conf", "lab-lib"}
    as_user = {row.name: row for row in simulated(version, "simulate-user").rows}
    assert as_user == rows
    new = simulated(version, "removal-install").rows
    assert new == (
        output.Row("lab-old", "", "1.0-1", None),
        output.Row("lab-new", "all", None, "2.0", "lab"),
    )


@both
def test_what_is_kept_back(version: str) -> None:
    assert simulated(version, "nothing-pending-simulate") == output.Simulation()
    assert simulated(version, "held-simulate").kept_back == ("lab-hold",)
    assert simulated(version, "exclude-by-hold").kept_back == ("lab-app", "lab-dep")
    assert simulated(version, "exclude-by-pin").kept_back == ("lab-dep",)
    phased = simulated(version, "phased-exclude")
    assert (*phased.kept_back, *phased.deferred) == ("lab-app",)
    assert bool(phased.deferred) == (version == "3.0")


@both
def test_half_installed_packages_are_counted(version: str) -> None:
    simulation = simulated(version, "postinst-fails-simulate")
    assert (simulation.rows, simulation.unfinished) == ((), 1)


SUMMARY = "{} upgraded, {} newly installed, {} to remove and 0 not upgraded.\n"


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            "Inst a [0:1-1] (0:2-1 Debian:12.5/stable [amd64])",
            output.Row("a", "amd64", "1-1", "2-1", "Debian:12.5/stable"),
        ),
        (
            "Inst libc6:i386 [2.36-9] (2.36-10 Debian:12.5/stable, Debian-Security:12/stable-security [i386]) [b:amd64 ]",
            output.Row("libc6", "i386", "2.36-9", "2.36-10", "Debian:12.5/stable, Debian-Security:12/stable-security"),
        ),
        ("Inst a [1] (2 [all]) []", output.Row("a", "all", "1", "2", None)),
        ("Inst a [9.0-1] (1:1.0-1 x [all])", output.Row("a", "all", "9.0-1", "1:1.0-1", "x")),
        ("Remv a:i386 [1]", output.Row("a", "i386", "1", None)),
        ("Remv a [1] [b ]", output.Row("a", "", "1", None)),
        ("Purg a [1]", output.Row("a", "", "1", None)),
    ],
)
def test_lines_of_other_hosts(line: str, row: output.Row) -> None:
    removed = row.available is None
    text = f"{SUMMARY.format(int(not removed), 0, int(removed))}{line}\n"
    assert output.parse_simulation(text).rows == (row,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Reading package lists...\n",
        "Inst a [1] (2 x [all])\n",
        SUMMARY.format(2, 0, 0) + "Inst a [1] (2 x [all])\n",
        SUMMARY.format(0, 0, 0) + "Remv a [1]\n",
        SUMMARY.format(1, 0, 0) + "Inst a [1]\n",
        SUMMARY.format(1, 0, 0) + "Inst a [1] (2 x)\n",
        SUMMARY.format(1, 0, 0),
    ],
)
def test_an_answer_that_is_not_understood_is_no_answer(text: str) -> None:
    with pytest.raises(output.UnreadableOutput):
        output.parse_simulation(text)


@both
def test_addresses(version: str) -> None:
    fetches = output.parse_uris(RECORDS[version]["pending-print-uris"]["stdout"])
    assert [fetch.package for fetch in fetches] == [
        ("lab-app", "all", "1.0-2"), ("lab-conf", "all", "1.0-2"), ("lab-lib", "amd64", "1.0-2"),
    ]  # fmt: skip
    assert all(fetch.size and fetch.path == f"/srv/repo/pool/{fetch.file}" for fetch in fetches)


def test_addresses_of_other_hosts() -> None:
    text = (
        "'http://user:pass@mirror/pool/g%2b%2b_1%253a2_amd64.deb' g++_1%3a2_amd64.deb 730 SHA256:ab\n"
        "'file:///srv/a%20b/x_1_all.deb' x_1_all.deb 1 \nNeed to get 0 B/22.1 kB of archives.\n"
    )
    remote, local = output.parse_uris(text)
    assert (remote.package, remote.size, remote.path) == (("g++", "amd64", "1:2"), 730, None)
    assert local.path == "/srv/a b/x_1_all.deb"


# --------------------------------------------------------------------------------------------------------- statuses

STATUSES = {
    "ii ": (True, None), "hi ": (True, None), "di ": (True, None), "rc ": (False, None), "un ": (False, None),
    "pn ": (False, None), "iF ": (True, "half-configured"), "iU ": (True, "unpacked, not configured"),
    "iH ": (True, "half-installed"), "iW ": (True, "waiting for triggers"), "it ": (True, "waiting for triggers"),
    "iHR": (True, "half-installed"), "iiR": (True, "to be installed anew"), "ii": (True, None),
}  # fmt: skip


@pytest.mark.parametrize("word", list(STATUSES))
def test_every_status(word: str) -> None:
    (found,) = status.parse_entries(f"{word}\tlab-app\tall\t0:1.0-1\n")
    assert found.package == Package("lab-app", "all", "1.0-1")
    assert (found.is_installed, found.trouble) == STATUSES[word]
    assert found.is_held == (word == "hi ")
    assert len(status.troubles([found])) == (found.trouble is not None)


@both
@pytest.mark.parametrize(
    ("scenario", "broken"),
    [("postinst-fails-after", "lab-bad"), ("preinst-fails-after", "lab-app"), ("installed", None)],
)
def test_recorded_statuses(version: str, scenario: str, broken: str | None) -> None:
    lines = [line.split("\t") for line in RECORDS[version][scenario]["stdout"].splitlines() if "\t" in line]
    text = "".join("\t".join([line[0], line[1], "all", line[-1]]) + "\n" for line in lines)
    said = status.troubles(status.parse_entries(text))
    assert [sentence.split()[0] for sentence in said] == ([broken] if broken else [])


@pytest.mark.parametrize("text", ["ii lab-app 1.0", "\t\t\t", "i\ta\tall\t1"])
def test_a_line_that_is_no_package(text: str) -> None:
    with pytest.raises(ValueError, match="the line"):
        status.parse_entries(text)


def test_the_journal_of_dpkg() -> None:
    assert status.journal_names("0001\n0000\ntmp.i\n\n") == ("0000", "0001")
    assert status.journal_names("tmp.i\n") == ()


# ----------------------------------------------------------------------------------------------------------- errors

FAILURES = {
    "update-bad-signature": ("package_untrusted", ""),
    "update-bad-signature-any": ("package_untrusted", ""),
    "update-unreachable-any": ("package_untrusted", ""),
    "unsigned-update": ("package_untrusted", "is not signed"),
    "allow-insecure-update": ("package_untrusted", "is not signed"),
    "allow-insecure-upgrade": ("package_untrusted", "unauthenticated packages"),
    "download-missing": ("repository_failed", "File not found"),
    "download-missing-fix": ("repository_failed", "File not found"),
    "download-corrupt": ("repository_failed", "Hash Sum mismatch"),
    "no-space-unpack": ("no_space", "No space left on device"),
    "lock-held": ("locked", "python3 (process "),
    "lock-held-timeout": ("locked", "python3 (process "),
    "lists-lock-held": ("locked", "/var/lib/apt/lists/lock"),
    "dpkg-interrupted": ("package_manager_failed", "dpkg --configure -a"),
    "postinst-fails": (
        "package_manager_failed",
        "lab-bad (configure): installed lab-bad package post-installation script",
    ),
    "postinst-fails-again": ("package_manager_failed", "lab-bad (configure)"),
    "preinst-fails": ("package_manager_failed", "lab-pre (unpack): new lab-pre package pre-installation script"),
    "conffile-no-option": ("package_manager_failed", "lab-conf (configure): end of file on stdin"),
    "named-unknown": ("package_unknown", "Unable to locate package no-such-package"),
    "named-held": ("package_manager_failed", "Held packages were changed"),
    "no-remove-option": ("package_manager_failed", "remove is disabled"),
    "dpkg-not-executable": ("package_manager_failed", "returned an error code (100)"),
}


@both
@pytest.mark.parametrize("scenario", list(FAILURES))
def test_every_recorded_failure(version: str, scenario: str) -> None:
    error = errors.unsuccessful(recorded(version, scenario), "upgrading")
    error_id, words = FAILURES[scenario]
    assert error.error_id == error_id, error.message
    assert words in error.message
    assert error.facts["stderr"] == RECORDS[version][scenario]["stderr"]


@both
def test_a_good_exit_code_of_an_update_that_failed(version: str) -> None:
    """apt before 2.1 has no error mode."""
    for scenario in ("update-unreachable", "update-bad-signature"):
        assert errors.is_incomplete(recorded(version, scenario))
    for scenario in ("update-ok", "update-error-on-any-ok", "trusted-update"):
        assert not errors.is_incomplete(recorded(version, scenario))


def test_a_source_that_is_trusted_without_its_key_is_no_failure() -> None:
    said = "W: GPG error: file:/srv/repo lab InRelease: The following signatures couldn't be verified because the public key"
    assert not errors.is_incomplete(
        Completed(("apt-get",), 0, "", f"{said} is not available: NO_PUBKEY 8BA2841C929D7918\n")
    )


@both
def test_every_other_recording_is_no_failure(version: str) -> None:
    good = [s for s, r in RECORDS[version].items() if recorded(version, s).rc == 0 and r["cmd"].startswith("DEBIAN")]
    for scenario in good:
        completed = recorded(version, scenario)
        assert errors.failure(completed) is None, scenario
        assert not errors.is_locked(completed), scenario


@both
def test_who_holds_the_lock(version: str) -> None:
    error = errors.failure(recorded(version, "lock-held"))
    assert error is not None
    assert error.facts["holder"]["path"] == "/var/lib/dpkg/lock-frontend"
    assert error.facts["holder"]["command"] == "python3"
    assert error.facts["holder"]["pid"] > 0


def test_a_signal_is_told() -> None:
    error = errors.unsuccessful(Completed(("apt-get",), -9, "", ""), "upgrading")
    assert "signal 9" in error.message


def test_words_of_a_script_are_no_reason() -> None:
    said = "my script: No space left on device, not signed, Could not get lock /x\n"
    failed = "dpkg: error processing package a (--configure):\n why\n"
    error = errors.unsuccessful(Completed(("apt-get",), 100, "", said + failed), "upgrading")
    assert error.error_id == "package_manager_failed"
    assert "a (configure): why" in error.message


@both
def test_a_kept_conffile_is_no_warning_of_dpkg(version: str) -> None:
    assert errors.warnings(RECORDS[version]["conffile-keep"]["stderr"]) == ()
    assert errors.warnings("dpkg: warning: x\nW: y\nW: y\nz\n") == ("dpkg: warning: x", "W: y")


# ----------------------------------------------------------------------------------------------------------- names

INSTALLED = (
    entry("lab-app"), entry("lab-lib", arch="amd64"), entry("lab-lib", arch="i386"), entry("g++", arch="amd64"),
    entry("lab-gone", "rc"), entry("lab-held", "hi"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lab-app", ["lab-app:all"]),
        ("lab-app:all", ["lab-app:all"]),
        ("lab-lib", ["lab-lib:amd64", "lab-lib:i386"]),
        ("lab-lib:i386", ["lab-lib:i386"]),
        ("lab-lib.i386", ["lab-lib:i386"]),
        ("lab-[al]*", ["lab-app:all", "lab-lib:amd64", "lab-lib:i386"]),
        ("g++", ["g++:amd64"]),
    ],
)
def test_names_that_are_installed(name: str, found: list[str]) -> None:
    assert [names.spec(chosen.package) for chosen in names.select([name], INSTALLED)] == found


@pytest.mark.parametrize(
    "name",
    ["lab-app-", "lab-app+", "lab-app=1.0-2", "lab-app/lab", "lab.a", "lab-gone", "", "-y", "--force-yes", "g+", "lab-app;id",
     "$(id)", "lab-app\n", "^lab", "lab-?", "/etc/passwd", "./x.deb", "~nlab"],
)  # fmt: skip
def test_names_that_apt_would_take_for_something_else(name: str) -> None:
    with pytest.raises(OvercError) as caught:
        names.select(["lab-app", name], INSTALLED)
    assert (caught.value.error_id, caught.value.facts["packages"]) == ("package_unknown", [name])


def test_exclusions_are_pins() -> None:
    packages = status.installed(INSTALLED)
    assert names.pins((), packages) == ""
    text = names.pins(("lab-lib.i386", "linux-image-*"), packages)
    stanzas = [stanza.splitlines() for stanza in text.strip().split("\n\n")]
    assert [lines[0] for lines in stanzas] == [
        "Package: lab-lib.i386", "Package: linux-image-*", "Package: lab-lib:i386",
    ]  # fmt: skip
    assert {tuple(lines[1:]) for lines in stanzas} == {("Pin: release *", "Pin-Priority: -1")}


@pytest.mark.parametrize("pattern", ["", "a b", "a\nPin: release *", "/regex/", "src:a b", "a,b", "a;b", "../a"])
def test_an_exclusion_that_is_no_name(pattern: str) -> None:
    with pytest.raises(OvercError) as caught:
        names.pins((pattern,), ())
    assert caught.value.error_id == "bad_argument"


# ------------------------------------------------------------------------------------------- what it comes to


@both
def test_changes(version: str) -> None:
    installed = [entry("lab-app"), entry("lab-conf"), entry("lab-lib", arch="amd64"), entry("dpkg", arch="amd64")]
    fetches = output.parse_uris(RECORDS[version]["pending-print-uris"]["stdout"])
    found = resolution.changes(simulated(version, "pending-simulate"), installed, fetches)
    size = next(fetch.size for fetch in fetches if fetch.file.startswith("lab-app"))
    assert found[0] == PackageChange("lab-app", "all", "1.0-1", "1.0-2", "lab", size)
    gone = resolution.changes(simulated(version, "removal-install"), [entry("lab-old")])
    assert [(c.name, c.arch, c.installed, c.available, c.channel) for c in gone] == [
        ("lab-new", "all", None, "2.0", "lab"),
        ("lab-old", "all", "1.0-1", None, None),
    ]


@pytest.mark.parametrize("arch", ["amd64", "i386"])
def test_which_architecture_goes(arch: str) -> None:
    installed = [
        entry("a", arch="amd64", version="1"),
        entry("a", arch="i386", version="1"),
        entry("dpkg", arch="amd64"),
    ]
    word = "a" if arch == "amd64" else "a:i386"
    simulation = output.parse_simulation(f"{SUMMARY.format(0, 0, 1)}Remv {word} [1]\n")
    assert [change.arch for change in resolution.changes(simulation, installed)] == [arch]


@both
def test_every_upgrade_that_is_kept_back_is_told_with_its_reason(version: str) -> None:
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        return f"because of {name}"

    installed = [entry("lab-app"), entry("lab-hold", "hi"), entry("lab-dep")]
    (held,) = resolution.told(simulated(version, "held-simulate"), installed, (), ask)
    assert held.startswith("lab-hold is kept back: it is on hold")
    assert asked == []
    said = resolution.told(simulated(version, "exclude-by-hold"), installed, ("lab-app",), ask)
    assert said == ("lab-dep is kept back: because of lab-dep.",)
    (phased,) = resolution.told(simulated(version, "phased-exclude"), installed, (), ask)
    assert ("phased" in phased) == (version == "3.0")


def test_unmet_dependencies() -> None:
    text = (
        "Solving dependencies...\nThe following packages have unmet dependencies:\n"
        " lab-broken : Depends: lab-nowhere but it is not installable\n"
        "              Depends: lab-other (>= 2) but 1 is to be installed\nE: x\n"
    )
    assert output.unmet_dependencies(text) == (
        "lab-broken : Depends: lab-nowhere but it is not installable; Depends: lab-other (>= 2) but 1 is to be installed"
    )
    assert output.unmet_dependencies("Reading package lists...\n") == ""


# ---------------------------------------------------------------------------------------------------------- sources

ONE_LINE = """\
# deb http://commented out
deb http://a/debian stable main contrib # a comment
deb [ arch=amd64 signed-by=/usr/share/keyrings/a.gpg ] https://b/debian stable main
deb-src [trusted=yes] http://c/debian stable main
deb [trusted=yes] file:/srv/flat ./
deb [allow-insecure=yes arch=amd64] http://d x main
deb [trusted=no] http://e x main
deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 DVD]/ bookworm main
"""
DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://a/debian
  http://b/debian
Suites: stable stable-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQ:x
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off/
Suites: x
Components: main
Enabled: no
Trusted: yes

Types: deb-src
URIs: http://src/
Suites: x
Trusted: yes

types: deb
uris: http://t/
suites: x
components: main
trusted: Yes

Types: deb
URIs: http://w/
Suites: ./
Allow-Weak: true
"""


def test_sources_on_one_line() -> None:
    found = sources.parse_sources("/etc/apt/sources.list", ONE_LINE)
    assert [(source.name, source.weakened) for source in found] == [
        ("http://a/debian stable", ()),
        ("https://b/debian stable", ()),
        ("file:/srv/flat ./", ("trusted",)),
        ("http://d x", ("allow-insecure",)),
        ("http://e x", ()),
        ("cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 DVD]/ bookworm", ()),
    ]


def test_sources_in_stanzas() -> None:
    found = sources.parse_sources("/etc/apt/sources.list.d/x.sources", DEB822)
    assert [(source.name, source.weakened) for source in found] == [
        ("http://a/debian stable", ()),
        ("http://a/debian stable-updates", ()),
        ("http://b/debian stable", ()),
        ("http://b/debian stable-updates", ()),
        ("http://t/ x", ("trusted",)),
        ("http://w/ ./", ("allow-weak",)),
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.list", "deb http://a\n"),
        ("a.list", "dep http://a stable main\n"),
        ("a.list", "deb [trusted=perhaps] http://a stable main\n"),
        ("a.sources", "Types: deb\nURIs: http://a\n"),
        ("a.sources", "Types: deb\nnonsense\n"),
        ("a.sources", "Types: deb\nURIs: http://a\nSuites: x\nTrusted: perhaps\n"),
    ],
)
def test_sources_that_are_not_understood_are_not_taken_for_checked(path: str, text: str) -> None:
    with pytest.raises(sources.UnreadableSources):
        sources.parse_sources(path, text)


def test_which_files_count() -> None:
    there = ("a.list", "b.sources", "c.list.save", "d.conf", "e~.list", "f.sources.dpkg-old", "google-chrome.list")
    assert [name for name in there if sources.counts(f"/etc/apt/sources.list.d/{name}")] == [
        "a.list", "b.sources", "google-chrome.list",
    ]  # fmt: skip


KNOWN = (
    "lists='/var/lib/apt/lists/'\nstate='/var/lib/apt/'\narchives='/var/cache/apt/archives/'\n"
    "sourcelist='/etc/apt/sources.list'\nsourceparts='/etc/apt/sources.list.d/'\npreferences='/etc/apt/preferences'\n"
    "preferenceparts='/etc/apt/preferences.d/'\netc='/etc/apt/'\n"
)


def test_the_configuration() -> None:
    known = configuration.parse(KNOWN)
    assert (known.lists, known.preferences, known.weakened, known.never_phased) == (
        "/var/lib/apt/lists", "/etc/apt/preferences", False, False,
    )  # fmt: skip
    assert configuration.parse(f"{KNOWN}never='true'\nweak='false'\n").never_phased
    with pytest.raises(ValueError, match="no lists"):
        configuration.parse("state='/var/lib/apt/'\n")


@pytest.mark.parametrize("setting", ["unauthenticated", "insecure", "weak", "downgrade", "forced"])
def test_a_global_setting_leaves_every_source_unchecked(setting: str) -> None:
    known = configuration.parse(f"{KNOWN}{setting}='true'\n")
    found = [sources.Source("http://a", "x"), sources.Source("http://b", "x", ("trusted",))]
    assert configuration.unchecked(known, found) == ("http://a x", "http://b x")
    assert configuration.unchecked(known, found, demanded=True) == ("http://b x",)
    assert configuration.unchecked(configuration.parse(KNOWN), found) == ("http://b x",)


# ------------------------------------------------------------------------------------------------------------ lists

URIS = """\
'http://a/debian/dists/x/InRelease' a_debian_dists_x_InRelease 0 
'http://a/debian/dists/x/main/binary-amd64/Packages.xz' a_debian_dists_x_main_binary-amd64_Packages 0 
'http://a/debian/dists/x/main/binary-all/Packages.xz' a_debian_dists_x_main_binary-all_Packages 0 
'http://a/debian/dists/x/main/i18n/Translation-en.xz' a_debian_dists_x_main_i18n_Translation-en 0 
'http://a/debian/dists/x-y/InRelease' a_debian_dists_x-y_InRelease 0 
'http://a/debian/dists/x-y/main/binary-amd64/Packages.xz' a_debian_dists_x-y_main_binary-amd64_Packages 0 
'file:/srv/flat/./InRelease' _srv_flat_._InRelease 0 
'file:/srv/flat/./Packages.xz' _srv_flat_._Packages 0 
'http://s/dists/x/InRelease' s_dists_x_InRelease 0 
'http://s/dists/x/main/source/Sources.xz' s_dists_x_main_source_Sources 0 
"""  # noqa: W291 - as apt prints it


def test_which_lists_there_must_be() -> None:
    fetches = output.parse_uris(URIS)
    assert lists.expected(fetches) == {
        "a_debian_dists_x_": ("a_debian_dists_x_main_binary-amd64_Packages",),
        "a_debian_dists_x-y_": ("a_debian_dists_x-y_main_binary-amd64_Packages",),
        "_srv_flat_._": ("_srv_flat_._Packages",),
    }
    assert lists.addresses(fetches)["_srv_flat_._"] == "file:/srv/flat/."


@pytest.mark.parametrize("present", ["x_Packages", "x_Packages.lz4", "x_Packages.xz"])
def test_a_list_may_be_compressed(present: str) -> None:
    assert lists.absent(["x_Packages"], [present]) == ()
    assert lists.absent(["x_Packages"], ["x_Packages.lz4.tmp.x", "y_Packages"]) == ("x_Packages",)


@pytest.mark.parametrize(
    ("listed", "promised"),
    [
        ("", False),
        (f" {'a' * 64}  0 main/binary-amd64/Packages\n {'b' * 64} 32 main/binary-amd64/Packages.xz\n", False),
        (f" {'a' * 64}  900 main/binary-amd64/Packages\n", True),
        (f" {'a' * 64}      900 main/binary-amd64/Packages.xz\n", True),
        (f" {'a' * 64}  900 main/binary-i386/Packages\n", False),
    ],
)
def test_what_a_release_promises(listed: str, promised: bool) -> None:
    release = f"Origin: x\nSHA256:\n{listed}-----BEGIN PGP SIGNATURE-----\n"
    assert lists.is_promised("x_", "x_main_binary-amd64_Packages", release) == promised


# --------------------------------------------------------------------------------------------------------- settings


def test_a_file_in_memory() -> None:
    with in_memory("one\udcff\n") as (_fd, path):
        assert pathlib.Path(path).read_bytes() == b"one\xff\n"
        assert pathlib.Path(path).read_bytes() == b"one\xff\n", "from the start each time"
    assert not pathlib.Path(path).exists()


@pytest.mark.parametrize("path", ['/a"; Dir "/x', "/a\nDir", "/a\\"])
def test_a_directory_that_would_be_a_setting(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        settings.quoted(path)
