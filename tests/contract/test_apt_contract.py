# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apt driver with the real apt and dpkg, in roots of Debian 12 (apt 2.6) and Debian 13 (apt 3.0).

What is downloaded in the one root is installed in a copy of it whose sources are out of reach, as in an upgrade.
"""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.apt.driver import Apt
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Applied,
    PackagePlan,
    PackageRequest,
    packages_digest,
)

from tests.lab.debs import Deb, built, publish
from tests.lab.signing import sign_release
from tests.sampling import rotating

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root

EVERYTHING = PackageRequest()
DIRECTORY = "/run/overc-packages"
CONF = "/etc/lab-app.conf"
# Holds a record lock, as apt and dpkg take it, while the rest of the words runs
HOLD = """\
use Fcntl; my $lock = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0);
open(my $f, "+>>", shift) or die; fcntl($f, F_SETLK, $lock) or die "$!";
exit(system(@ARGV) >> 8);
"""


def app(version: str) -> Deb:
    return Deb("lab-app", version, files={CONF: f"{version}\n".encode()}, conffiles=(CONF,))


OLD = (app("1.0-1"), Deb("lab-lib", "1.0-1", arch="amd64"), Deb("lab-more", "1.0-1"))
NEW = (
    app("2.0-1"),
    Deb("lab-lib", "1:0.5-1", arch="amd64"),
    Deb("lab-more", "2.0-1", fields=("Depends: lab-extra",)),
    Deb("lab-extra", "1.0-1"),
)


# The one release today, the other tomorrow; both in `make test-release`
@pytest.fixture(scope="session", params=rotating(["bookworm", "trixie"], 2))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.contract import apt_root

    return apt_root.unpack(request.param, tmp_path_factory.mktemp("debian"))


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debs")


@pytest.fixture
def root(base: Path, debs: Path, tmp_path: Path) -> t.Iterator[Root]:
    from tests.contract.apt_root import Root

    yield Root(base, tmp_path / "running", debs)
    shutil.rmtree(tmp_path / "running", ignore_errors=True)
    shutil.rmtree(tmp_path / "new", ignore_errors=True)


def driver(root: Root) -> Apt:
    return Apt(root, sleep=lambda _seconds: None)


def prepared(root: Root, *offered: Deb, installed: t.Sequence[Deb] = OLD) -> None:
    root.install(*installed)
    root.offer(*offered)


def pending(root: Root, request: PackageRequest = EVERYTHING, **options: t.Any) -> PackagePlan:
    return driver(root).pending(request, **{"refresh": True, **options})


def apply(
    root: Root, request: PackageRequest = EVERYTHING, plan: PackagePlan | None = None, before: str = ""
) -> tuple[Applied, Root]:
    """Download in the running root, install in a snapshot of it; ``before``: shell in the snapshot."""
    from tests.contract.apt_root import Root

    plan = plan or pending(root, request)
    root.sh(f"rm -rf {DIRECTORY}; mkdir -m 700 {DIRECTORY}")
    driver(root).download(request, plan, DIRECTORY)
    new = Root(root.base, root.scratch.parent / "new", root.pool)
    shutil.rmtree(new.scratch)
    shutil.copytree(root.scratch, new.scratch, symlinks=True)
    shutil.rmtree(new.scratch / "above/srv", ignore_errors=True)
    for place in ("cache/apt", "lib/apt/lists"):
        shutil.rmtree(new.scratch / "above/var" / place, ignore_errors=True)
    if before:
        new.sh(before)
    return driver(new).apply(request, plan, DIRECTORY), new


def told(plan: PackagePlan) -> dict[str, tuple[str | None, str | None]]:
    return {change.name: (change.installed, change.available) for change in plan.changes}


def failing(call: t.Callable[[], t.Any], error_id: str, *words: str) -> OvercError:
    with pytest.raises(OvercError) as caught:
        call()
    assert caught.value.error_id == error_id, (caught.value.message, caught.value.facts)
    for word in words:
        assert word in caught.value.message
    return caught.value


# -------------------------------------------------------------------------------------------------- the whole upgrade


def test_an_upgrade_from_lists_to_proof(root: Root) -> None:
    """Epochs, a new dependency, sizes, a kept conffile; nothing is left behind, and the running root does not change."""
    prepared(root, *NEW)
    assert driver(root).lists_age().seconds is None
    assert driver(root).refresh()
    assert not driver(root).refresh()
    assert driver(root).lists_age().within(600)
    plan = pending(root, refresh=False)
    assert told(plan) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"), "lab-lib": ("1.0-1", "1:0.5-1"),
        "lab-more": ("1.0-1", "2.0-1"),
    }  # fmt: skip
    sizes = {change.name: change.size for change in plan.changes}
    assert sizes["lab-lib"] == built(NEW[1], root.pool).stat().st_size
    assert all(sizes.values())
    assert {change.channel for change in plan.changes} == {"Lab:lab"}
    assert plan.held_back == ()
    assert plan.base == packages_digest(driver(root).installed())

    root.write(CONF, "mine\n")
    before = root.versions()
    applied, new = apply(root, plan=plan)
    assert {change.name: (change.installed, change.available) for change in applied.changes} == told(plan)
    assert new.versions() == {
        "lab-app": "ii|2.0-1",
        "lab-extra": "ii|1.0-1",
        "lab-lib": "ii|1:0.5-1",
        "lab-more": "ii|2.0-1",
    }
    assert new.read(CONF) == "mine\n"
    assert (
        applied.warnings[0]
        == f"{CONF} was changed on this host and is kept; what the package brings is {CONF}.dpkg-dist."
    )
    assert root.versions() == before
    assert new.run(["find", "/usr/sbin/policy-rc.d"]).rc != 0
    assert new.sh("ls /var/cache/apt/archives 2>/dev/null; true").strip() in ("", "lock\npartial")
    assert "no-download" in " ".join(applied.completed.argv)
    # Nobody is asked anything, and nothing is left for the next run
    assert pending(new, refresh=False).changes == () if (new.scratch / "above/srv").exists() else True


def test_nothing_pending(root: Root) -> None:
    prepared(root, *OLD)
    assert pending(root) == PackagePlan()
    applied, new = apply(root)
    assert applied.changes == ()
    assert new.versions() == root.versions()


def test_check_mode_leaves_the_host_as_it_is(root: Root) -> None:
    from tests.contract.apt_root import files_of

    prepared(root, *OLD)
    pending(root)
    root.offer(*NEW)
    root.write("/etc/apt/apt.conf.d/99hook", 'APT::Update::Post-Invoke-Success { "touch /var/lib/lab-hook"; };\n')
    before = files_of(root)
    scratch = root.sh("mktemp -d /run/overc-check-XXXX").strip()
    plan = pending(root, scratch=scratch)
    assert plan.lists_changed
    assert set(told(plan)) == {"lab-app", "lab-extra", "lab-lib", "lab-more"}
    assert driver(root).lists_age(scratch=scratch).seconds is not None
    assert files_of(root) == before
    root.sh(f"rm -r {scratch}; mkdir -m 700 {scratch}")
    driver(root).refresh()
    assert not pending(root, scratch=scratch).lists_changed


def test_removals_are_told_and_done(root: Root) -> None:
    prepared(root, Deb("lab-app", "2.0-1", fields=("Conflicts: lab-lib",)), installed=OLD[:2])
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1"), "lab-lib": ("1.0-1", None)}
    assert {change.name: change.arch for change in plan.changes}["lab-lib"] == "amd64"
    _applied, new = apply(root, plan=plan)
    assert new.versions()["lab-app"] == "ii|2.0-1"
    assert "ii" not in new.versions().get("lab-lib", "")


# ------------------------------------------------------------------------------------------------ what is asked for


def test_names(root: Root) -> None:
    """No word of a name is an instruction, and a package that others need stays known as such."""
    prepared(root, *NEW)
    pending(root)
    for name in ("lab-app-", "lab-app=2.0-1", "lab.a", "lab-extra", "lab-app/lab", "-y"):
        failing(lambda name=name: pending(root, PackageRequest((name,)), refresh=False), "package_unknown", name)
    root.sh("apt-mark auto lab-app")
    request = PackageRequest(("lab-a*", "lab-app"))
    plan = pending(root, request, refresh=False)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-more"] == "ii|1.0-1"
    assert new.sh("apt-mark showauto lab-app").split() == ["lab-app"]
    assert told(pending(root, PackageRequest(("lab-more",)), refresh=False)) == {
        "lab-extra": (None, "1.0-1"), "lab-more": ("1.0-1", "2.0-1"),
    }  # fmt: skip


def test_exclusions(root: Root) -> None:
    """Also of a package that is not there yet; what needs it is kept back with the reason, in the plan and in the run."""
    prepared(root, *NEW)
    root.write("/etc/apt/preferences.d/own", "Package: lab-app\nPin: release *\nPin-Priority: 990\n")
    root.write("/etc/apt/preferences", "Package: lab-lib\nPin: release *\nPin-Priority: -1\n")
    request = PackageRequest((), ("lab-a*", "lab-extra"))
    plan = pending(root, request)
    assert told(plan) == {}, "the host's own preferences count as well"
    (sentence,) = plan.held_back
    assert sentence.startswith("lab-more is kept back: ")
    assert "Depends: lab-extra" in sentence
    root.write("/etc/apt/preferences", "")
    plan = pending(root, request)
    assert told(plan) == {"lab-lib": ("1.0-1", "1:0.5-1")}
    _applied, new = apply(root, request, plan)
    assert {name: version for name, version in new.versions().items() if "|1.0-1" in version}.keys() == {
        "lab-app", "lab-more",
    }  # fmt: skip
    assert new.read("/etc/apt/preferences") == ""


def test_what_is_kept_back_is_told_with_its_reason(root: Root) -> None:
    broken = Deb("lab-more", "2.0-1", fields=("Depends: lab-nowhere",))
    prepared(root, app("2.0-1"), NEW[1], broken)
    root.sh("apt-mark hold lab-lib")
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    reasons = {sentence.split()[0]: sentence for sentence in plan.held_back}
    assert reasons.keys() == {"lab-lib", "lab-more"}
    assert "on hold" in reasons["lab-lib"]
    assert "Depends: lab-nowhere" in reasons["lab-more"]
    named = PackageRequest(("lab-app", "lab-lib", "lab-more"))
    by_name = pending(root, named, refresh=False)
    assert by_name.changes == plan.changes
    assert {sentence.split()[0] for sentence in by_name.held_back} == {"lab-lib", "lab-more"}
    _applied, new = apply(root, named, by_name)
    assert new.versions() == {"lab-app": "ii|2.0-1", "lab-lib": "hi|1.0-1", "lab-more": "ii|1.0-1"}


@pytest.mark.parametrize("never", [False, True])
def test_phased_updates_are_equal_in_plan_and_run(root: Root, never: bool) -> None:
    phased = Deb("lab-lib", "2.0-1", arch="amd64", listed=("Phased-Update-Percentage: 0",))
    prepared(root, app("2.0-1"), phased)
    if never:
        root.write("/etc/apt/apt.conf.d/99phased", 'APT::Get::Never-Include-Phased-Updates "true";\n')
    plan = pending(root)
    assert set(told(plan)) == ({"lab-app"} if never else {"lab-app", "lab-lib"})
    assert [sentence.split()[0] for sentence in plan.held_back] == (["lab-lib"] if never else [])
    _applied, new = apply(root, plan=plan)
    assert new.versions()["lab-lib"] == ("ii|1.0-1" if never else "ii|2.0-1")


# ---------------------------------------------------------------------------------------- what goes wrong is no success


@pytest.mark.parametrize("script", ["preinst", "postinst", "prerm"])
def test_a_script_that_fails(root: Root, script: str) -> None:
    fails = {script: "echo lab: this script fails >&2; exit 7"}
    old = (*OLD[:1], Deb("lab-bad", "1.0-1", scripts=fails if script == "prerm" else {}))
    new_one = Deb("lab-bad", "2.0-1", scripts={"prerm": "exit 7"} if script == "prerm" else fails)
    prepared(root, app("2.0-1"), new_one, installed=old)
    error = failing(lambda: apply(root), "package_manager_failed", "lab-bad")
    assert error.facts["rc"] == 100
    assert "this script fails" in error.facts["stderr"] or script == "prerm"
    assert root.versions() == {"lab-app": "ii|1.0-1", "lab-bad": "ii|1.0-1"}


def test_half_configured_packages_before(root: Root) -> None:
    """They are told; the run that mends them is good, the one that does not is not."""
    bad = Deb("lab-bad", "1.0-1", scripts={"postinst": "test -e /etc/lab-good"})
    root.install(*OLD[:1])
    root.offer(app("2.0-1"))
    root.write("/srv/bad.deb", "")
    shutil.copy(built(bad, root.pool), root.scratch / "above/srv/bad.deb")
    assert root.run(["dpkg", "-i", "/srv/bad.deb"]).rc != 0
    plan = pending(root)
    assert plan.held_back == ("lab-bad 1.0-1 is half-configured.",)
    assert set(told(plan)) == {"lab-app"}
    failing(lambda: apply(root, plan=plan), "package_manager_failed", "lab-bad")
    _applied, new = apply(root, plan=plan, before="touch /etc/lab-good")
    assert new.versions() == {"lab-app": "ii|2.0-1", "lab-bad": "ii|1.0-1"}


def test_an_interrupted_dpkg(root: Root) -> None:
    """`apt-get -s` does not look at dpkg's journal."""
    prepared(root, *NEW)
    plan = pending(root)
    words = ("Package: lab-app", "Status: install ok half-configured", "Version: 1.0-1", "Architecture: all")
    stanza = "\n".join((*words, "Maintainer: x", "Description: x", ""))
    root.write("/var/lib/dpkg/updates/0001", stanza)
    failing(lambda: pending(root, refresh=False), "package_manager_failed", "dpkg --configure -a")
    root.sh("dpkg --configure -a")
    assert told(pending(root, refresh=False)) == told(plan)


@pytest.mark.parametrize(
    ("path", "refresh"),
    [("/var/lib/dpkg/lock-frontend", False), ("/var/lib/dpkg/lock", False), ("/var/lib/apt/lists/lock", True)],
)
def test_another_one_is_at_work(root: Root, path: str, refresh: bool) -> None:
    prepared(root, *NEW)
    plan = pending(root)
    assert path in {lock.path for lock in driver(root).database().locks}
    if refresh:
        root.prefixes["apt-get"] = ["perl", "-e", HOLD, path]
        error = failing(lambda: driver(root).refresh(), "locked", "perl (process ", path)
    else:
        root.sh(f"mkdir -p -m 700 {DIRECTORY}")
        driver(root).download(PackageRequest(), plan, DIRECTORY)
        root.prefixes["apt-get"] = ["perl", "-e", HOLD, path]
        error = failing(lambda: driver(root).apply(PackageRequest(), plan, DIRECTORY), "locked")
    if "holder" in error.facts:
        assert error.facts["holder"]["path"] == path
    assert "lab-app" in root.versions()


def test_somebody_else_installed_something_meanwhile(root: Root) -> None:
    prepared(root, *NEW)
    plan = pending(root)
    failing(lambda: apply(root, plan=plan, before="dpkg -P lab-more"), "locked", "after the upgrade was planned")


def test_no_space(root: Root) -> None:
    big = Deb("lab-lib", "2.0-1", arch="amd64", files={"/usr/share/lab-lib/big": bytes(6 << 20)})
    prepared(root, big, installed=(*OLD[:1], Deb("lab-lib", "1.0-1", arch="amd64")))
    plan = pending(root)
    root.prefixes["apt-get"] = [
        *(
            "sh",
            "-c",
            'mkdir -p /usr/share/lab-lib && mount -t tmpfs -o size=1m x /usr/share/lab-lib && exec "$@"',
            "sh",
        ),
    ]
    root.sh(f"mkdir -p -m 700 {DIRECTORY}")
    driver(root).download(PackageRequest(), plan, DIRECTORY)
    failing(lambda: driver(root).apply(PackageRequest(), plan, DIRECTORY), "no_space", "No space left on device")


# --------------------------------------------------------------------------------------------------- repositories


def test_repositories_that_cannot_be_read(root: Root) -> None:
    """By itself apt goes on without them, and its exit code is 0."""
    prepared(root, *NEW)
    driver(root).refresh()
    secret = "S3cretPassw0rd"  # noqa: S105 - it is the point
    other = f"Types: deb\nURIs: http://user:{secret}@127.0.0.1:9/debian\nSuites: lab\nComponents: main\n"
    root.write("/etc/apt/sources.list.d/other.sources", other)
    error = failing(lambda: driver(root).refresh(), "repository_failed")
    assert secret not in str(error.facts) + error.message
    assert driver(root).lists_age().seconds is None, "of these very sources there never was a refresh"
    error = failing(lambda: pending(root, refresh=False), "repository_failed", "127.0.0.1:9/debian")
    root.sh("rm /etc/apt/sources.list.d/other.sources")
    assert pending(root, refresh=False).changes
    release = root.scratch / "above/srv/repo/dists/lab/InRelease"
    release.write_text(release.read_text().replace("Origin: Lab", "Origin: Lob"))
    failing(lambda: driver(root).refresh(), "package_untrusted")
    root.offer(*NEW, sign=False)
    failing(lambda: driver(root).refresh(), "package_untrusted", "signed")
    shutil.rmtree(root.scratch / "above/srv/repo")
    failing(lambda: driver(root).refresh(), "repository_failed")
    root.sh("rm /etc/apt/sources.list.d/*")
    failing(lambda: pending(root, refresh=False), "repository_failed", "no enabled source")


@pytest.mark.parametrize("lost", ["all", "Packages", "never fetched"])
def test_lists_that_are_lost_are_not_nothing_to_do(root: Root, lost: str) -> None:
    prepared(root, *NEW)
    if lost != "never fetched":
        driver(root).refresh()
        root.sh("rm /var/lib/apt/lists/*_Packages" if lost == "Packages" else "rm -rf /var/lib/apt/lists/*")
    failing(lambda: pending(root, refresh=False), "repository_failed", "never fetched on this host, or are lost")
    assert pending(root).changes


def test_a_repository_that_offers_nothing_is_no_loss(root: Root) -> None:
    prepared(root, *NEW)
    root.offer(place="/srv/empty")
    root.write("/etc/apt/sources.list", "deb [signed-by=/etc/apt/keyrings/lab.asc] file:/srv/empty lab main\n")
    assert len(pending(root).changes) == 4


def test_a_package_that_is_gone_or_damaged(root: Root) -> None:
    prepared(root, *NEW)
    plan = pending(root)
    package = root.scratch / "above/srv/repo/pool/lab-app_2.0-1_all.deb"
    content = package.read_bytes()
    package.write_bytes(content[:-1] + b"x")
    failing(lambda: apply(root, plan=plan), "repository_failed", "Hash Sum mismatch")
    package.unlink()
    failing(lambda: apply(root, plan=plan), "repository_failed", "lab-app")


def test_who_checks_signatures(root: Root) -> None:
    prepared(root, *NEW)
    assert driver(root).unchecked() == ()
    root.write("/etc/apt/apt.conf.d/99weak", 'APT::Get::AllowUnauthenticated "true";\n')
    assert driver(root).unchecked() == ("file:/srv/repo lab",)
    assert driver(root).unchecked(demanded=True) == ()
    root.sh("rm /etc/apt/apt.conf.d/99weak; sed -i s/Signed-By.*/Trusted:\\ yes/ /etc/apt/sources.list.d/lab.sources")
    assert set(told(pending(root))) > {"lab-app"}, "signed with a key that the source does not name"
    root.offer(*NEW, sign=False)
    assert driver(root).unchecked() == driver(root).unchecked(demanded=True) == ("file:/srv/repo lab",)
    plan = pending(root)
    failing(lambda: apply(root, PackageRequest(signed=True), plan), "package_untrusted", "file:/srv/repo lab")
    _applied, new = apply(root, plan=plan)
    assert new.versions()["lab-app"] == "ii|2.0-1"
    root.write("/etc/apt/sources.list.d/odd.list", "deb http://a\n")
    failing(lambda: driver(root).unchecked(), "gpg_policy", "odd.list")


# ------------------------------------------------------------------------------------------- what a host may have set

SETTINGS = {
    "simulate": 'APT::Get::Simulate "true";',
    "for apt-get alone": 'Binary::apt-get::APT::Get::Simulate "true"; Binary::apt-get::APT::Get::Assume-No "true";',
    "no": 'APT::Get::Assume-No "true";',
    "download only": 'APT::Get::Download-Only "true"; APT::Get::Print-URIs "true";',
    "versions": 'APT::Get::Show-Versions "true"; APT::Get::Show-Upgraded "false";',
    "silent": 'quiet "2";',
    "new output": 'APT::Output-Version "30"; APT::Color "true"; Dpkg::Progress-Fancy "true";',
    "debug": 'Debug::pkgDPkgPM "true"; Debug::NoLocking "true"; Debug::pkgProblemResolver "true";',
    "no removals": 'APT::Get::Remove "false"; APT::Get::Upgrade "false"; APT::Get::Only-Upgrade "true";',
    "purge": 'APT::Get::Purge "true"; APT::Get::ReInstall "true"; APT::Get::Fix-Missing "true";',
    "conffiles": 'DPkg::Options { "--force-confnew"; "--force-confask"; };',
    "lists and cache elsewhere": 'Dir::State::lists "/srv/lists"; Dir::Cache "/var/tmp/cache"; Acquire::GzipIndexes "true";',
    "hooks": 'DPkg::Pre-Invoke { "echo hook: pre"; }; DPkg::Post-Invoke { "echo hook: post >&2"; };',
    "forget packages": 'APT::Keep-Downloaded-Packages "false"; DPkg::Lock::Timeout "-1";',
}


@pytest.mark.parametrize("name", list(SETTINGS))
def test_settings_of_the_host_do_not_change_what_happens(root: Root, name: str) -> None:
    more = Deb("lab-app", "2.0-1", fields=("Conflicts: lab-victim",), files={CONF: b"2\n"}, conffiles=(CONF,))
    prepared(root, more, *NEW[1:], installed=(*OLD, Deb("lab-victim", "1.0-1")))
    root.write(CONF, "mine\n")
    root.sh("mkdir -p /srv/lists/partial /var/tmp/cache/archives/partial")
    plain = pending(root)
    root.write("/etc/apt/apt.conf.d/99host", SETTINGS[name] + "\n")
    plan = pending(root)
    assert plan == plain
    applied, new = apply(root, plan=plan, before="mkdir -p /srv/lists/partial")
    assert {change.name for change in applied.changes} == set(told(plan))
    assert new.read(CONF) == "mine\n"
    assert "lab-victim" in told(plan)


def test_a_hook_that_fails_is_told(root: Root) -> None:
    prepared(root, *NEW)
    root.write("/etc/apt/apt.conf.d/99host", 'DPkg::Pre-Invoke { "echo lab: no >&2; exit 3"; };\n')
    error = failing(lambda: apply(root), "package_manager_failed", "exit 3")
    assert "lab: no" in error.facts["stderr"]


# --------------------------------------------------------------------------------------------------------- services


@pytest.mark.parametrize("own", [None, "#!/bin/sh\nexit 0\n"])
def test_no_service_is_started_and_the_policy_stays_the_administrators(root: Root, own: str | None) -> None:
    start = (
        "cat /usr/sbin/policy-rc.d > /var/log/lab-policy; invoke-rc.d lab-svc start; systemctl restart lab-svc || true"
    )
    init = {"/etc/init.d/lab-svc": b"#!/bin/sh\necho started >> /var/log/lab-svc\n"}
    service = Deb(
        "lab-svc", "2.0-1", files=init, conffiles=tuple(init), scripts={"postinst": f"chmod 755 /etc/init.d/*; {start}"}
    )
    prepared(root, service, installed=(*OLD[:1], Deb("lab-svc", "1.0-1", files=init, conffiles=tuple(init))))
    if own is not None:
        root.write("/usr/sbin/policy-rc.d", own)
        root.sh("chmod 755 /usr/sbin/policy-rc.d")
    _applied, new = apply(root)
    assert new.run(["test", "-e", "/var/log/lab-svc"]).rc != 0
    found = new.run(["cat", "/usr/sbin/policy-rc.d"])
    assert (found.stdout if found.rc == 0 else None) == own
    assert "exit 101" in new.read("/var/log/lab-policy")
    assert new.sh("find /usr/sbin -name 'policy*'").split() == (["/usr/sbin/policy-rc.d"] if own else [])


@pytest.mark.parametrize("own", [None, "#!/bin/sh\nexit 3\n"])
def test_a_package_may_bring_a_policy_of_its_own(root: Root, own: str | None) -> None:
    brought = {"/usr/sbin/policy-rc.d": b"#!/bin/sh\nexit 0\n"}
    prepared(root, Deb("lab-lib", "2.0-1", arch="amd64", files=brought))
    if own is not None:
        root.write("/usr/sbin/policy-rc.d", own)
    _applied, new = apply(root)
    assert new.read("/usr/sbin/policy-rc.d") == "#!/bin/sh\nexit 0\n"
    assert new.sh("find /usr/sbin -name 'policy*'").split() == ["/usr/sbin/policy-rc.d"]


def test_a_database_that_cannot_be_read_is_no_empty_one(root: Root) -> None:
    prepared(root, *NEW)
    driver(root).refresh()
    root.write("/var/lib/dpkg/status", "nonsense\n")
    failing(lambda: pending(root, refresh=False), "package_manager_failed")
    root.write("/var/lib/dpkg/status", "")
    failing(lambda: driver(root).installed(), "package_manager_failed")


# -------------------------------------------------------------------------------------------------- in and out


def test_packages_come_and_go_and_nothing_else(root: Root) -> None:
    """What is needed comes along, what cannot be without goes along, what nobody needs any more stays."""
    more = (Deb("lab-user", "1.0-1", fields=("Depends: lab-more",)),)
    new = (Deb("lab-wanted", "1.0-1", fields=("Depends: lab-extra",)),)
    prepared(root, *NEW, *new, installed=(*OLD, *more))
    request = PackageRequest(install=("lab-wanted", "lab-app"), remove=("lab-more", "lab-absent"), upgrade=False)
    plan = pending(root, request)
    assert told(plan) == {
        "lab-extra": (None, "1.0-1"), "lab-wanted": (None, "1.0-1"), "lab-more": ("1.0-1", None), "lab-user": ("1.0-1", None),
    }  # fmt: skip
    _applied, done = apply(root, request, plan)
    assert done.versions() == {
        "lab-app": "ii|1.0-1", "lab-lib": "ii|1.0-1", "lab-extra": "ii|1.0-1", "lab-wanted": "ii|1.0-1",
    }  # fmt: skip
    assert "lab-wanted" in done.sh("apt-mark showmanual")
    # All that is pending with it, where that is wanted; and nothing where it is so already
    both = pending(root, PackageRequest(install=("lab-wanted",), remove=("lab-lib",)), refresh=False)
    assert told(both) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"), "lab-lib": ("1.0-1", None),
        "lab-more": ("1.0-1", "2.0-1"), "lab-wanted": (None, "1.0-1"),
    }  # fmt: skip
    there = PackageRequest(install=("lab-app:amd64", "lab-lib"), remove=("lab-absent",), upgrade=False)
    assert pending(root, there, refresh=False) == PackagePlan()


def test_a_name_means_the_package_of_that_name(root: Root) -> None:
    """apt would take them for a pattern, for what provides them, for an order to remove, or for an architecture of its own."""
    prepared(root, Deb("lab-server", "1.0-1", fields=("Provides: lab-virtual",)), Deb("lab-xyz", "1.0-1"))
    pending(root)
    for name in ("lab.xyz", "lab-virtual", "lab-app-", "lab-xyz+", "lab-nowhere", "lab-xyz:i386", "lab-server-"):
        request = PackageRequest(install=(name,), upgrade=False)
        failing(lambda: pending(root, request, refresh=False), "package_unknown", name.partition(":")[0])  # noqa: B023


def test_what_apt_itself_keeps_is_not_removed(root: Root) -> None:
    prepared(root)
    pending(root, PackageRequest(), refresh=True)
    request = PackageRequest(remove=("dpkg",), upgrade=False)
    failing(lambda: pending(root, request, refresh=False), "package_needed", "dpkg")
    # What these need, and what that needs: apt only says that it cannot resolve it
    base = root.sh("dpkg-query -W -f '${Package}\\n' 'gcc-*-base'").split()[0]
    for name, user in (("libc6", "dpkg"), (base, "libgcc-s1")):
        request = PackageRequest(remove=(name, "lab-app"), upgrade=False)
        error = failing(lambda: pending(root, request, refresh=False), "package_needed", name)  # noqa: B023
        assert user in error.facts["packages"]
    # One that nobody needs so goes
    assert "lab-lib" in told(pending(root, PackageRequest(remove=("lab-lib",), upgrade=False), refresh=False))


# -------------------------------------------------------------------------------------------------- security alone


def secured(root: Root) -> None:
    """A distribution with a pocket for security, and a source of somebody else."""
    from tests.contract.apt_root import SOURCE

    secure = (
        app("1.1-1"),
        Deb("lab-more", "1.5-1", fields=("Depends: lab-extra",)),
        Deb("lab-stuck", "1.1-1", fields=("Depends: lab-lib (>= 2)",)),
    )
    usual = (*(deb for deb in NEW if deb.name != "lab-lib"), Deb("lab-lib", "2.0-1", arch="amd64"))
    root.install(*OLD, Deb("lab-stuck", "1.0-1"))
    root.offer(*usual)
    place = root.scratch / "above/srv/repo"
    publish(place, secure, root.pool, sign=sign_release, suite="lab-security", beside=True)
    publish(
        root.scratch / "above/srv/third", (Deb("lab-third", "1.0-1"),), root.pool, sign=sign_release, origin="Third"
    )
    root.write("/etc/apt/sources.list.d/lab.sources", SOURCE.replace("Suites: lab", "Suites: lab lab-security"))
    root.write("/etc/apt/sources.list.d/third.sources", SOURCE.replace("/srv/repo", "/srv/third"))


def test_only_what_the_security_pocket_has_is_upgraded(root: Root) -> None:
    """Its own version, although there is a newer one elsewhere; what is new and needed comes along from anywhere."""
    secured(root)
    request = PackageRequest(advisories="security")
    plan = pending(root, request)
    assert told(plan) == {
        "lab-app": ("1.0-1", "1.1-1"), "lab-extra": (None, "1.0-1"), "lab-more": ("1.0-1", "1.5-1"),
    }  # fmt: skip
    assert {c.name: c.channel for c in plan.changes} == {
        "lab-app": "Lab:lab-security", "lab-extra": "Lab:lab", "lab-more": "Lab:lab-security",
    }  # fmt: skip
    assert any(line.startswith("lab-stuck is kept back: ") for line in plan.held_back)
    assert plan.unadvised == ("file:/srv/third lab",)
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-app"] == "ii|1.1-1"
    assert new.versions()["lab-lib"] == "ii|1.0-1"

    root.write("/etc/apt/apt.conf.d/99default", 'APT::Default-Release "lab";\n')
    assert pending(root, request, refresh=False) == plan
    root.write("/etc/apt/preferences.d/own", "Package: lab-lib\nPin: release a=lab\nPin-Priority: 900\n")
    failing(lambda: pending(root, request, refresh=False), "packages_unsupported", "lab-lib", "exclude")


def test_without_a_security_pocket_nothing_is_known(root: Root) -> None:
    prepared(root, *NEW)
    plan = pending(root, PackageRequest(advisories="security"))
    assert (plan.changes, plan.unadvised) == ((), ("file:/srv/repo lab",))
