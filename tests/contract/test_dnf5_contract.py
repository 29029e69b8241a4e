# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNF 5 driver with the real DNF 5 and rpm 6: what is pending, fetched and installed without network, and what is refused."""

from __future__ import annotations

import shutil
import time
import typing as t

import pytest

from tests.lab.packages import Package
from tests.lab.process import run
from tests.lab.rpms import _build
from tests.lab.signing import public_key, sign_packages

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.dnf5_root import Root


def _one(name: str, version: str, *header: str, **scriptlets: str) -> Package:
    return Package(name, version, (), {f"/usr/share/{name}": version.encode()}, header=header, scriptlets=scriptlets)


def _configured(version: str) -> Package:
    path = "/etc/lab-conf.conf"
    return Package("lab-conf", version, (), {path: version.encode()}, config=frozenset({path}))


_FAIL: t.Final = "echo it fails on purpose >&2; exit 7"
_OLD: t.Final = (
    _one(
        "lab-base",
        "1.0",
        "Provides: /bin/sh",
        "Provides: system-release = 1",
        "Provides: system-release(releasever) = 1",
    ),
    _configured("1.0"),
    *(_one(f"lab-{name}", "1.0") for name in ("app", "lib", "old", "unsat", "bad", "worse", "clash", "slow")),
    _one("lab-tool", "1.0", "Requires: lab-lib = 1.0"),
)
_NEW: t.Final = {
    "app": _one("lab-app", "2.0", "Epoch: 1", "Requires: lab-dep"),
    "dep": _one("lab-dep", "2.0"),
    "lib": _one("lab-lib", "2.0"),
    "tool": _one("lab-tool", "2.0", "Requires: lab-lib = 2.0"),
    "new": _one("lab-new", "2.0", "Obsoletes: lab-old < 2"),
    "unsat": _one("lab-unsat", "2.0", "Requires: lab-nobody-has-this"),
    "conf": _configured("2.0"),
    "bad": _one("lab-bad", "2.0", post=_FAIL),
    "worse": _one("lab-worse", "2.0", pre=_FAIL),
    "clash": Package("lab-clash", "2.0", (), {"/usr/share/lab-lib": b"no"}),
    "slow": _one("lab-slow", "2.0", post="touch /srv/begun; sleep 25"),
}
# What a host may have configured, and the changes of an upgrade must be the same with it
_SETTINGS: t.Final = (
    ("debuglevel=0", "errorlevel=0", "color=always", "debug_solver=True", "assumeno=True", "defaultyes=True"),
    ("assumeyes=True", "installroot=/srv/other", "cacheonly=all", "destdir=/srv/elsewhere", "keepcache=True"),
    ("tsflags=test", "skip_if_unavailable=True", "metadata_expire=never", "skip_broken=True", "exit_on_lock=True"),
    ("tsflags=justdb,noscripts", "obsoletes=True", "no_such_option=1", "clean_requirements_on_remove=False", "best=True"),
)  # fmt: skip


class Host:
    """The root with old packages installed, and a repository with what a test puts into it."""

    def __init__(self, root: Root, pool: Path) -> None:
        self.root, self.pool = root, pool

    def reset(self) -> None:
        self.root.sh(
            "rpm -qa 'lab*' | xargs -r rpm -e --nodeps --noscripts --allmatches; rpm -i --nosignature --nodigest /srv/old/*.rpm;"
            " rm -rf /etc/dnf /etc/yum.repos.d /var/cache/libdnf5 /var/lib/dnf /srv/repo /srv/begun /etc/lab-conf.conf.*;"
            " mkdir /srv/repo; cp -a /srv/etc/. /etc/; rpm -qa gpg-pubkey | xargs -r rpm -e --allmatches"
        )

    def offer(self, *names: str, signed: bool = False) -> None:
        repo = self.root.path / "srv/repo"
        shutil.rmtree(repo)
        repo.mkdir()
        for name in names:
            shutil.copy(self.pool / f"{'signed' if signed else 'plain'}/{name}.rpm", repo)
        run(["createrepo_c", "--quiet", repo])

    def write(self, path: str, text: str) -> None:
        target = self.root.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def setting(self, text: str) -> None:
        with (self.root.path / "etc/dnf/dnf.conf").open("a") as stream:
            stream.write(f"\n{text}\n")

    def versions(self) -> dict[str, str]:
        lines = self.root.sh("rpm -qa --qf '%{NAME} %{VERSION}\\n' 'lab*'").splitlines()
        return dict(line.split() for line in lines)

    def upgrade(self, **request: t.Any) -> dict[str, t.Any]:
        return self.root.ask("upgrade", **request)


def _changes(answer: dict[str, t.Any]) -> set[tuple[str, str | None, str | None]]:
    assert "changes" in answer, answer
    return {(c["name"], c["installed"], c["available"]) for c in answer["changes"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Host]:
    from tests.contract import dnf5_root

    directory = tmp_path_factory.mktemp("dnf5")
    root = dnf5_root.unpack(directory)
    for place in ("plain", "signed"):
        (directory / place).mkdir()
    (root.path / "srv/old").mkdir()
    for package in _OLD:
        shutil.copy(_build(package, directory), root.path / "srv/old")
    for name, package in _NEW.items():
        shutil.copy(_build(package, directory), directory / f"plain/{name}.rpm")
    shutil.copy(directory / "plain/app.rpm", directory / "signed/app.rpm")
    shutil.copy(directory / "plain/dep.rpm", directory / "signed/dep.rpm")
    sign_packages([directory / "signed/app.rpm", directory / "signed/dep.rpm"])
    shutil.copy(public_key(), root.path / "srv/lab.asc")
    root.sh("mkdir /srv/etc; cp -a /etc/dnf /etc/yum.repos.d /srv/etc")
    yield Host(root, directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def host(made: Host) -> Host:
    made.reset()
    return made


APP: t.Final = {("lab-app", "1.0-1", "1:2.0-1"), ("lab-dep", None, "2.0-1")}


def test_there_and_nothing_left(host: Host) -> None:
    """All kinds of change, announced, fetched, and installed without network; then nothing is pending."""
    assert host.root.sh("dnf --version").startswith("dnf5 version 5.")
    host.offer("app", "dep", "lib", "tool", "new", "unsat", "conf")
    host.write("/etc/lab-conf.conf", "mine")
    answer = host.upgrade()
    announced = {
        *APP, ("lab-lib", "1.0-1", "2.0-1"), ("lab-tool", "1.0-1", "2.0-1"), ("lab-conf", "1.0-1", "2.0-1"),
        ("lab-new", None, "2.0-1"), ("lab-old", "1.0-1", None),
    }  # fmt: skip
    assert _changes(answer) == announced
    assert "error_id" not in answer, answer
    assert all(c["size"] > 1000 and c["channel"] == "lab" for c in answer["changes"] if c["available"])
    assert [sentence.split()[0] for sentence in answer["held_back"]] == ["lab-unsat"]
    assert "nothing provides lab-nobody-has-this" in answer["held_back"][0]
    assert {(c["name"], c["installed"], c["available"]) for c in answer["done"]} == announced
    assert answer["kept"] == ["/etc/lab-conf.conf"]
    assert any("rpmnew" in line for line in answer["warnings"])
    assert (host.root.path / "etc/lab-conf.conf").read_text() == "mine"
    again = host.root.ask("pending")
    assert (again["changes"], [s.split()[0] for s in again["held_back"]]) == ([], ["lab-unsat"])


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({"packages": ["lab-app"]}, {"lab-app", "lab-dep"}),
        ({"packages": ["lab-l*"]}, {"lab-lib", "lab-tool"}),
        ({"exclude": ["lab-app"]}, {"lab-lib", "lab-tool", "lab-new", "lab-old"}),
        ({"exclude": ["lab-lib"]}, {"lab-app", "lab-dep", "lab-new", "lab-old"}),
        # What would be replaced
        ({"exclude": ["lab-old"]}, {"lab-app", "lab-dep", "lab-lib", "lab-tool"}),
        ({"exclude": ["lab-*"]}, set()),
        ({"packages": ["lab-app"], "exclude": ["lab-app"]}, set()),
    ],
)
def test_what_was_asked_for(host: Host, request_: dict[str, list[str]], names: set[str]) -> None:
    host.offer("app", "dep", "lib", "tool", "new")
    assert {name for name, _old, _new in _changes(host.root.ask("pending", **request_))} == names


@pytest.mark.parametrize("names", [["lab-nothing"], ["lab-app", "lab-nothing"], ["lab-dep"]])
def test_a_name_that_cannot_be_upgraded(host: Host, names: list[str]) -> None:
    host.offer("app", "dep")
    answer = host.root.ask("pending", packages=names)
    assert (answer.get("error_id"), names[-1] in answer.get("msg", "")) == ("package_unknown", True), answer


@pytest.mark.parametrize("settings", _SETTINGS)
def test_whatever_is_configured_the_answer_is_right(host: Host, settings: tuple[str, ...]) -> None:
    host.offer("app", "dep")
    host.setting("\n".join(settings))
    answer = host.upgrade()
    assert _changes(answer) == APP, (settings, answer)
    assert "error_id" not in answer, answer
    assert (host.root.path / "usr/share/lab-app").read_text() == "2.0"
    assert host.versions()["lab-app"] == "2.0"


# Other names for commands and options, and names that are taken already: for a command, an option of all, one of a command
_ALIASES: t.Final = """\
version = '1.0'
['upgrade']
type = 'command'
attached_command = 'check'
['makecache']
type = 'command'
attached_command = 'check'
['repolist']
type = 'command'
attached_command = 'repo.list'
attached_named_args = [ { id_path = 'repo.list.disabled' } ]
['evil-setopt']
type = 'cloned_named_arg'
long_name = 'setopt'
source = 'exclude'
['evil-no']
type = 'cloned_named_arg'
long_name = 'assumeno'
source = 'quiet'
['evil-yes']
type = 'named_arg'
short_name = 'y'
attached_named_args = [ { id_path = 'assumeno' } ]
['upgrade.evil-store']
type = 'cloned_named_arg'
long_name = 'store'
source = 'upgrade.destdir'
['check-upgrade.evil-json']
type = 'cloned_named_arg'
long_name = 'json'
source = 'check-upgrade.changelogs'
"""


@pytest.mark.parametrize("place", ["beside the usual ones", "without them"])
def test_aliases_of_the_host_change_no_command(host: Host, place: str) -> None:
    host.offer("app", "dep")
    host.write("/etc/dnf/dnf5-aliases.d/evil.conf", _ALIASES)
    usual = host.root.path / "usr/share/dnf5/aliases.d"
    away = usual.with_name("aliases.away")
    if place == "without them":
        usual.rename(away)
    try:
        answer = host.upgrade()
    finally:
        if away.exists():
            away.rename(usual)
    assert (answer.get("error_id"), answer.get("msg")) == (None, None)
    assert _changes(answer) == APP
    assert host.versions()["lab-app"] == "2.0"


def test_a_file_that_dnf_cannot_start_with_is_named(host: Host) -> None:
    host.offer("app", "dep")
    host.root.sh("mkdir -p /etc/dnf/dnf5-aliases.d; ln -s /nowhere /etc/dnf/dnf5-aliases.d/gone.conf")
    answer = host.root.ask("pending")
    assert answer.get("error_id") == "package_manager_failed", answer
    assert "/etc/dnf/dnf5-aliases.d/gone.conf" in answer["msg"]


@pytest.mark.parametrize("how", ["setting", "repository", "drop-in", "versionlock"])
def test_what_the_configuration_hides_is_told(host: Host, how: str) -> None:
    host.offer("app", "dep", "lib", "tool")
    if how == "setting":
        host.setting("excludepkgs=lab-app")
    elif how == "repository":
        host.write("/etc/dnf/repos.override.d/x.repo", "[lab]\nexcludepkgs=lab-app\n")
    elif how == "drop-in":
        host.write("/etc/dnf/libdnf5.conf.d/x.conf", "[main]\nexcludepkgs=lab-app\n")
    else:
        host.root.sh("dnf5 -q versionlock add lab-app")
    answer = host.root.ask("pending")
    assert {name for name, _old, _new in _changes(answer)} == {"lab-lib", "lab-tool"}
    assert [s for s in answer["held_back"] if s.startswith("lab-app 1:2.0-1 from lab ") and "excludes it" in s]


def test_a_check_leaves_the_host_as_it_is(host: Host) -> None:
    host.offer("app", "dep")
    state = "find /var/cache/libdnf5 /var/lib/dnf /var/log/dnf5.log /usr/lib/sysimage -printf '%p %s %T@\\n' 2>/dev/null | sort"
    for _time in range(2):
        before = host.root.sh(state)
        assert _changes(host.root.ask("check")) == APP
        assert host.root.sh(state) == before
        host.root.ask("refresh")


# -- signatures --------------------------------------------------------------------------------------------------------
def _checked(host: Host, key: str = "") -> None:
    host.write(
        "/etc/yum.repos.d/lab.repo", f"[lab]\nname=lab\nbaseurl=http://127.0.0.1/\nenabled=1\ngpgcheck=1\n{key}\n"
    )


def test_signed_packages_and_their_configured_key(host: Host) -> None:
    """Also a key that rpm does not know yet; it is taken over in the new root only, when packages are installed."""
    host.offer("app", "dep", signed=True)
    _checked(host, "gpgkey=file:///srv/lab.asc")
    assert host.root.ask("unchecked")["unchecked"] == []
    answer = host.upgrade()
    assert "error_id" not in answer, answer
    assert host.versions()["lab-app"] == "2.0"
    assert "/srv/lab.asc" in answer["paths"]


@pytest.mark.parametrize(
    ("signed", "key", "demanded"),
    [(False, True, False), (True, False, False), (False, True, True), (False, False, True)],
)
def test_what_is_not_signed_is_not_installed(host: Host, signed: bool, key: bool, demanded: bool) -> None:
    host.offer("app", "dep", signed=signed)
    if demanded:
        assert host.root.ask("unchecked")["unchecked"] == ["lab"]
    else:
        _checked(host, "gpgkey=file:///srv/lab.asc" if key else "")
    answer = host.upgrade(signed=demanded)
    assert answer.get("error_id") == "package_untrusted", answer
    assert (host.versions()["lab-app"], "lab-dep" in host.versions()) == ("1.0", False)


# -- repositories ------------------------------------------------------------------------------------------------------
def test_a_repository_that_cannot_be_read(host: Host) -> None:
    host.offer("app", "dep")
    gone = "[gone]\nname=gone\nbaseurl=http://127.0.0.1/gone/\nenabled=1\ngpgcheck=0\n"
    host.write("/etc/yum.repos.d/gone.repo", gone)
    for what in ("refresh", "pending", "check", "fresh"):
        answer = host.root.ask(what)
        assert (answer.get("error_id"), "gone" in answer.get("msg", "")) == ("repository_failed", True), answer
    host.write("/etc/yum.repos.d/gone.repo", f"{gone}skip_if_unavailable=1\n")
    assert host.root.ask("pending").get("error_id") == "repository_failed"
    answer = host.upgrade(skip_unavailable=True)
    assert (answer["skipped"], _changes(answer), answer.get("error_id")) == (["gone"], APP, None)
    host.write("/etc/yum.repos.d/gone.repo", f"{gone}skip_if_unavailable=0\n")
    assert host.root.ask("pending", skip_unavailable=True).get("error_id") == "repository_failed"


def test_no_repository_at_all_is_no_answer(host: Host) -> None:
    host.root.sh("rm /etc/yum.repos.d/*")
    assert {host.root.ask(what).get("error_id") for what in ("refresh", "pending", "check")} == {"repository_failed"}


def test_age_of_the_lists(host: Host) -> None:
    host.offer("app", "dep")
    assert host.root.ask("age")["age"] is None
    assert host.root.ask("refresh")["changed"] is True
    assert 0 <= host.root.ask("age")["age"] < 60
    assert host.root.ask("refresh")["changed"] is False


# -- what goes wrong in the new root -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "word"),
    [("bad", "%post scriptlet: lab-bad"), ("worse", "%pre scriptlet: lab-worse"), ("clash", "/usr/share/lab-lib")],
)
def test_it_says_why(host: Host, name: str, word: str) -> None:
    host.offer(name)
    answer = host.upgrade()
    assert answer.get("error_id") == "package_manager_failed", answer
    assert word in answer["msg"]
    assert not [line for line in answer["stderr"].splitlines() if "   " in line.lstrip()], "nothing is padded"


def test_a_plugin_that_fails_after_the_transaction(host: Host) -> None:
    """Everything is installed: that is told, and no failure."""
    host.offer("app", "dep")
    host.write("/etc/dnf/libdnf5-plugins/local.conf", "[main]\nname=local\nenabled=1\n")
    answer = host.upgrade()
    assert "error_id" not in answer, answer
    assert [line for line in answer["warnings"] if "after everything was installed" in line], answer
    assert host.versions()["lab-app"] == "2.0"


# -- another one -------------------------------------------------------------------------------------------------------
def test_another_one_at_work(host: Host) -> None:
    """It is waited for as long as was said, then refused with who it is; when it ended in time, the answer is right."""
    host.offer("slow")
    begun: Path = host.root.path / "srv/begun"
    # Into a file: nobody reads its output while it works
    other = host.root.start(
        "sh", "-c", "exec dnf5 -y --setopt=lab.baseurl=file:///srv/repo upgrade lab-slow >/srv/said 2>&1"
    )
    try:
        deadline = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < deadline and other.poll() is None:
            time.sleep(0.2)
        assert begun.exists(), (host.root.path / "srv/said").read_text()
        for what in ("pending", "refresh"):
            refused = host.root.ask(what, patience=2)
            assert refused.get("error_id") == "locked", refused
            assert refused["holder"]["path"].endswith(".lock")
            assert 2 <= refused["seconds"] < 12
        waited = host.root.ask("pending", patience=60)
    finally:
        other.communicate(timeout=90)
    assert other.returncode == 0, (host.root.path / "srv/said").read_text()
    assert waited.get("changes") == [], waited
    assert waited["seconds"] > 2


def test_another_one_that_asks_a_person_for_consent(host: Host) -> None:
    """It may be hours until somebody answers; DNF 5 itself would wait for that."""
    host.offer("app", "dep")
    other = host.root.start(
        "sh", "-c", "sleep 15 | dnf5 --setopt=lab.baseurl=file:///srv/repo upgrade >/srv/said 2>&1; true"
    )
    try:
        said, deadline = host.root.path / "srv/said", time.monotonic() + 30
        while (not said.exists() or "Is this ok" not in said.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        refused = host.root.ask("pending", patience=1)
        assert refused.get("error_id") == "locked", refused
        assert "system-repo.lock" in refused["holder"]["path"]
    finally:
        other.communicate(timeout=60)
    assert _changes(host.root.ask("pending")) == APP
