# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release upgrade through the driver: what is asked in which order, with which settings, and the files in the new root."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.apt import release
from ansible_collections.overc.system.plugins.module_utils.packages.apt.driver import Apt
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Edit,
    PackageRequest,
    ReleaseChange,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

RECORDS = {
    record["scenario"]: record
    for record in map(
        json.loads,
        (Path(__file__).parents[4] / "transcripts/apt/apt-2.6.jsonl").read_text("utf-8").splitlines(),
    )
}
BASE = "deb http://deb.debian.org/debian bookworm main\n"
CONFIGURATION = (
    "lists='/var/lib/apt/lists/'\nstate='/var/lib/apt/'\narchives='/var/cache/apt/archives/'\n"
    "sourcelist='/etc/apt/sources.list'\nsourceparts='/etc/apt/sources.list.d/'\npreferences='/etc/apt/preferences'\n"
    "preferenceparts='/etc/apt/preferences.d/'\netc='/etc/apt/'\n"
)
INSTALLED = "ii \tlab-app\tall\t1.0-1\nii \tdpkg\tamd64\t1.21\n"
REQUEST = PackageRequest(release="trixie")


SOURCE = "deb.debian.org/debian/dists/trixie"
LISTS = SOURCE.replace("/", "_")


class Root:
    """A runner that answers for a Debian 12; what apt-get was called with is in ``calls``, its settings in ``settings``."""

    def __init__(self, **answers: str) -> None:
        self.files = {"/etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n", "/etc/apt/sources.list": BASE}
        self.answers = {
            "apt-config": CONFIGURATION,
            "dpkg-query": INSTALLED,
            "update": "",
            "origins": "http://deb.debian.org/debian/|Debian\n",
            "names": "http://deb.debian.org/debian/|trixie\n",
            "simulation": RECORDS["pending-simulate"]["stdout"],
            "uris": f"'http://{SOURCE}/InRelease' {LISTS}_InRelease 0 \n"
            f"'http://{SOURCE}/main/binary-amd64/Packages.xz' {LISTS}_main_binary-amd64_Packages 0 \n",
            **answers,
        }
        self.calls: list[str] = []
        self.settings: list[str] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        rc, out, err = self._answer(list(argv))
        return Completed(tuple(argv), rc, out, err)

    def _answer(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "apt-get":
            self.calls.append(" ".join(argv[3:]))
            self.settings.append(Path(argv[2]).read_text())
            return self._apt_get(argv[3:])
        if argv[0] == "cat":
            return (0, self.files[argv[1]], "") if argv[1] in self.files else (1, "", "No such file")
        if argv[-1] == r"%f\n":
            return 0, f"{LISTS}_InRelease\n{LISTS}_main_binary-amd64_Packages\n", ""
        if argv[0] == "find":
            found = [path for path in self.files if any(path.startswith(place) for place in argv[2:4])]
            return 0, "".join(f"{path}\n" for path in found), ""
        if argv[0] in ("mkdir", "cp"):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr
        return 0, self.answers.get(argv[0], ""), ""

    def _apt_get(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "update":
            return (100 if self.answers["update"] else 0), "", self.answers["update"]
        if argv[0] == "indextargets":
            return 0, self.answers["names" if "CODENAME" in argv[2] else "origins"], ""
        return 0, self.answers["uris" if "--print-uris" in argv else "simulation"], ""


def pending(root: Root, scratch: Path, request: PackageRequest = REQUEST) -> t.Any:
    return Apt(root, sleep=lambda _seconds: None).pending(request, scratch=str(scratch), sizes=False)


def test_the_new_release_is_resolved_in_the_scratch_directory(tmp_path: Path) -> None:
    root = Root()
    plan = pending(root, tmp_path)
    assert {change.name for change in plan.changes} == {"lab-app", "lab-conf", "lab-lib"}
    assert plan.release.edits == (Edit("/etc/apt/sources.list", BASE, BASE.replace("bookworm", "trixie")),)
    assert (tmp_path / "etc/sources.list").read_text() == BASE.replace("bookworm", "trixie")
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o700
    assert plan.release.directory == str(tmp_path)
    # Who is whose is asked of the host's own lists; all else with the new sources, in the scratch directory
    assert root.calls[0].startswith("indextargets")
    for call, settings in list(zip(root.calls, root.settings))[1:]:
        for name in (
            "Dir::State::lists",
            "Dir::Etc::sourcelist",
            "Dir::Etc::sourceparts",
            "Dir::Etc::preferencesparts",
        ):
            assert f'{name} "{tmp_path}/' in settings, call
    assert "update" in root.calls
    assert any(call.startswith("-s -y dist-upgrade") for call in root.calls)


def test_where_it_runs_already_nothing_is_asked(tmp_path: Path) -> None:
    root = Root()
    plan = pending(root, tmp_path, PackageRequest(release="bookworm"))
    assert (plan.changes, plan.release) == ((), ReleaseChange("bookworm", "bookworm"))
    assert plan.release.runs_already
    assert root.calls == []


@pytest.mark.parametrize(
    ("error_id", "words", "answers", "request_"),
    [
        ("release_unsupported", "leaves out", {}, PackageRequest(release="forky")),
        ("release_unsupported", "no kernels", {"dpkg-query": INSTALLED.replace("amd64", "i386")}, REQUEST),
        ("release_unsupported", "older", {}, PackageRequest(release="bullseye")),
        ("release_sources", "on hold: lab-app", {"dpkg-query": INSTALLED.replace("ii \tlab", "hi \tlab")}, REQUEST),
        ("package_manager_failed", "dpkg --configure -a", {"dpkg-query": INSTALLED.replace("ii \tlab", "iF \tlab")}, REQUEST),
        ("package_manager_failed", "dpkg --configure -a", {"dpkg-query": INSTALLED.replace("ii \tlab", "iU \tlab")}, REQUEST),
        ("release_sources", "Default-Release bookworm", {"apt-config": f"{CONFIGURATION}default='bookworm'\n"}, REQUEST),
        ("release_sources", "as time goes by", {"apt-config": f"{CONFIGURATION}default='stable'\n"}, REQUEST),
        ("release_sources", "third_party_sources", {"origins": "http://deb.debian.org/debian/|Somebody\n"}, REQUEST),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_fetched(
    tmp_path: Path, error_id: str, words: str, answers: dict[str, str], request_: PackageRequest
) -> None:
    root = Root(**answers)
    with pytest.raises(OvercError, match=words) as raised:
        pending(root, tmp_path, request_)
    assert raised.value.error_id == error_id
    assert "update" not in root.calls
    assert os.listdir(tmp_path) == []


def test_what_is_held_may_be_left_out_by_name(tmp_path: Path) -> None:
    root = Root(**{"dpkg-query": INSTALLED.replace("ii \tlab", "hi \tlab")})
    assert pending(root, tmp_path, dataclasses.replace(REQUEST, exclude=("lab-app",))).release


@pytest.mark.parametrize(
    ("said", "error_id", "words"),
    [
        ("E: The repository 'http://x trixie InRelease' is not signed.", "package_untrusted", "keyring"),
        ("W: GPG error: http://x trixie InRelease: NO_PUBKEY 6ED0E7B82643E131", "package_untrusted", "keyring"),
        ("E: Failed to fetch http://x/dists/trixie/InRelease  404  Not Found", "repository_failed", "Perhaps it has no trixie"),
        ("E: The repository 'http://x trixie Release' does not have a Release file.", "repository_failed", "no trixie"),
    ],
)  # fmt: skip
def test_lists_that_cannot_be_fetched(tmp_path: Path, said: str, error_id: str, words: str) -> None:
    with pytest.raises(OvercError, match=words) as raised:
        pending(Root(update=f"{said}\n"), tmp_path)
    assert raised.value.error_id == error_id
    assert raised.value.message.endswith("Nothing was changed.")


def test_a_mirror_with_something_else(tmp_path: Path) -> None:
    with pytest.raises(OvercError, match=r"No source calls itself trixie.*bookworm"):
        pending(Root(names="http://deb.debian.org/debian/|bookworm\n"), tmp_path)


def test_half_a_release() -> None:
    root = Root()
    release.refuse_half(root, ReleaseChange("bullseye", "bookworm"))
    with pytest.raises(OvercError, match="calls itself bookworm"):
        release.refuse_half(root, ReleaseChange("bookworm", "trixie"))


class Here:
    """A runner for this very machine."""

    def find(self, program: str) -> str | None:
        return program

    def run(self, argv: t.Sequence[str], *, pass_fds: t.Sequence[int] = (), **_options: t.Any) -> Completed:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, pass_fds=pass_fds)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def test_files_are_rewritten_beside_and_renamed(tmp_path: Path) -> None:
    plain, linked, real = tmp_path / "a.list", tmp_path / "b.list", tmp_path / "elsewhere"
    for file in (plain, real):
        file.write_text(BASE)
        file.chmod(0o640)
    linked.symlink_to("elsewhere")
    before = plain.stat().st_ino
    after = BASE.replace("bookworm", "trixie")
    release.write(Here(), [Edit(str(plain), BASE, after), Edit(str(linked), BASE, f"{after}# more\n")])
    assert (plain.read_text(), real.read_text()) == (after, f"{after}# more\n")
    assert linked.is_symlink()
    assert [stat.S_IMODE(file.stat().st_mode) for file in (plain, real)] == [0o640, 0o640]
    assert plain.stat().st_ino != before
    assert sorted(os.listdir(tmp_path)) == ["a.list", "b.list", "elsewhere"]
    # A shorter text leaves nothing of the longer one
    release.write(Here(), [Edit(str(real), f"{after}# more\n", "")])
    assert real.read_text() == ""


@pytest.mark.parametrize("found", [BASE + "# somebody was here\n", None])
def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path, found: str | None) -> None:
    file = tmp_path / "a.list"
    if found is not None:
        file.write_text(found)
    with pytest.raises(OvercError, match="changed after the upgrade was planned") as raised:
        release.write(Here(), [Edit(str(file), BASE, "x")])
    assert raised.value.error_id == "release_sources"
    assert os.listdir(tmp_path) == ([] if found is None else ["a.list"])
