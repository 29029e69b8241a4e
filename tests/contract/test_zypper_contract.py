# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zypper driver with the real zypper 1.14 and rpm 4.20 of Debian 13.

What is downloaded in the one root is installed in a copy of it whose repository is out of reach, as in an upgrade.
"""

from __future__ import annotations

import json
import shutil
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Applied,
    PackagePlan,
    PackageRequest,
    packages_digest,
)
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.driver import Zypper

from tests.lab.packages import Package

if t.TYPE_CHECKING:
    from tests.contract.zypper_root import Root

EVERYTHING = PackageRequest()
DUP = PackageRequest(mode="dup")
DIRECTORY = "/run/overc-packages"
CONF = "/etc/lab-conf.conf"
UNSIGNED = ("unsigned",)


def package(name: str, version: str, *header: str, vendor: str = "lab", **more: t.Any) -> Package:
    files = {f"/usr/share/{name}/version": f"{version}\n".encode(), **more.pop("files", {})}
    return Package(name, version, header=(f"Vendor: {vendor}", *header), files=files, **{"repositories": (), **more})


def conf(version: str) -> Package:
    return package("lab-conf", version, files={CONF: f"{version}\n".encode()}, config=frozenset({CONF}))


OLD = (
    package("lab-base", "1.0", "Provides: /bin/sh"),
    *(
        package(f"lab-{name}", "1.0")
        for name in ("app", "lib", "old", "unsat", "vendor", "bad", "pre", "hold", "nosig", "hang")
    ),
    package("lab-down", "5.0"),
    package("lab-epoch", "9.0"),
    conf("1.0"),
)
NEW = (
    *(package(f"lab-{name}", "2.0") for name in ("app", "hold")),
    package("lab-lib", "2.0", "Requires: lab-extra"),
    package("lab-extra", "1.0"),
    package("lab-new", "2.0", "Obsoletes: lab-old < 2"),
    package("lab-unsat", "2.0", "Requires: nowhere"),
    package("lab-vendor", "2.0", vendor="somebody else"),
    package("lab-down", "4.0"),
    package("lab-epoch", "2.0", "Epoch: 1"),
    package("lab-bad", "2.0", scriptlets={"post": "echo '<these> & \x1b[1mwords'; exit 7"}),
    package("lab-pre", "2.0", scriptlets={"pre": "exit 3"}),
    package("lab-nosig", "2.0", repositories=UNSIGNED),
    package("lab-hang", "2.0", scriptlets={"post": "setsid sleep 30 & exit 0"}),
    conf("2.0"),
)
GOOD = ("lab-app-2.0", "lab-lib-2.0", "lab-extra-1.0", "lab-new-2.0", "lab-epoch-2.0", "lab-conf-2.0")


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.contract import kept_root, zypper_root

    kept_root.needed(*zypper_root.TOOLS)
    return zypper_root.pool(tmp_path_factory.mktemp("rpms"), (*OLD, *NEW))


@pytest.fixture(scope="session")
def base(rpms: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    from tests.contract import zypper_root

    directory = tmp_path_factory.mktemp("zypper")
    yield zypper_root.unpack(directory, rpms, [f"{each.name}-{each.version}" for each in OLD])
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def root(base: Path, rpms: Path, tmp_path: Path) -> t.Iterator[Root]:
    from tests.contract.zypper_root import Root

    yield Root(base, tmp_path / "running", rpms)
    shutil.rmtree(tmp_path / "running", ignore_errors=True)
    shutil.rmtree(tmp_path / "new", ignore_errors=True)


def driver(root: Root) -> Zypper:
    return Zypper(root, sleep=lambda _seconds: None)


def pending(root: Root, request: PackageRequest = EVERYTHING, **options: t.Any) -> PackagePlan:
    return driver(root).pending(request, **{"refresh": True, **options})


def apply(
    root: Root, request: PackageRequest = EVERYTHING, plan: PackagePlan | None = None, before: str = ""
) -> tuple[Applied, Root]:
    """Download in the running root, install in a snapshot of it; ``before``: shell in the snapshot."""
    from tests.contract.zypper_root import Root

    plan = plan or pending(root, request)
    root.sh(f"rm -rf {DIRECTORY}; mkdir -m 700 {DIRECTORY}")
    driver(root).download(request, plan, DIRECTORY)
    new = Root(root.base, root.scratch.parent / "new", root.pool)
    shutil.rmtree(new.scratch)
    shutil.copytree(root.scratch, new.scratch, symlinks=True)
    shutil.rmtree(new.scratch / "above/srv", ignore_errors=True)
    shutil.rmtree(new.scratch / "above/var/cache/zypp", ignore_errors=True)
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
    """Epochs, a new dependency, an obsolete package that goes, a kept configuration file; the running root does not change."""
    root.offer(*GOOD)
    assert driver(root).lists_age().seconds is None
    failing(lambda: pending(root, refresh=False), "repository_failed", "no package lists", "lab")
    assert driver(root).refresh()
    assert not driver(root).refresh()
    assert driver(root).lists_age().within(600)
    plan = pending(root, refresh=False)
    assert told(plan) == {
        "lab-app": ("1.0-1", "2.0-1"), "lab-lib": ("1.0-1", "2.0-1"), "lab-extra": (None, "1.0-1"),
        "lab-new": (None, "2.0-1"), "lab-old": ("1.0-1", None), "lab-epoch": ("9.0-1", "1:2.0-1"),
        "lab-conf": ("1.0-1", "2.0-1"),
    }  # fmt: skip
    assert {change.channel for change in plan.changes} == {"lab", None}
    assert (plan.held_back, plan.mode, plan.other_vendor) == ((), "update", ())
    assert plan.base == packages_digest(driver(root).installed())

    root.write(CONF, "mine\n")
    before = root.versions()
    applied, new = apply(root, plan=plan)
    assert {change.name: (change.installed, change.available) for change in applied.changes} == {
        **told(plan), "lab-new": (None, "2.0-1"),
    }  # fmt: skip
    assert root.versions() == before
    assert new.versions()["lab-extra"] == "1.0"
    assert "lab-old" not in new.versions()
    assert new.read(CONF) == "mine\n"
    assert applied.kept == (CONF,)
    assert f"{CONF}.rpmnew" in " ".join(applied.warnings)
    assert "<" not in applied.completed.stdout
    again = Zypper(new)
    new.offer(*GOOD)
    assert again.pending(EVERYTHING, refresh=True).changes == ()


def test_nothing_is_pending(root: Root) -> None:
    root.offer()
    for request in (EVERYTHING, DUP):
        plan = pending(root, request)
        assert (plan.changes, plan.held_back, plan.base) == ((), (), None)
        assert plan.mode == (request.mode or "update")


def test_check_mode_leaves_lists_and_logs_alone(root: Root) -> None:
    from tests.contract.apt_root import files_of

    root.offer(*GOOD)
    driver(root).refresh()
    root.sh("mkdir -m 700 /tmp/x && rpm -qa >/dev/null")
    before = files_of(root)
    root.offer(*GOOD, "lab-hold-2.0")
    here = files_of(root)
    root.sh("mkdir -p -m 700 /var/tmp/one /var/tmp/two")
    assert "lab-hold" not in told(pending(root, refresh=False, scratch="/var/tmp/one"))
    plan = pending(root, refresh=True, scratch="/var/tmp/two")
    assert plan.lists_changed
    assert "lab-hold" in told(plan)
    # A reader of rpm's database leaves its own mark in shared memory
    now, then = (
        {path: at for path, at in json.loads(text).items() if not path.endswith("-shm")}
        for text in (files_of(root), here)
    )
    assert now == then
    assert here != before


# ------------------------------------------------------------------------------------------------- update and dup


def test_update_leaves_out_and_tells_why(root: Root) -> None:
    """Locked, of another vendor, unsatisfiable, lower: each but the last is told with its reason."""
    root.offer("lab-app-2.0", "lab-hold-2.0", "lab-vendor-2.0", "lab-unsat-2.0", "lab-down-4.0")
    root.sh("zypper --non-interactive addlock lab-ho*")
    plan = pending(root)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1")}
    said = "\n".join(plan.held_back)
    assert "lab-hold 2.0-1 from lab is left out: the package is locked (zypper locks)." in said
    assert (
        "lab-vendor 2.0-1 from lab is left out: it comes from vendor somebody else, and the installed one from lab."
        in said
    )
    assert "lab-unsat 2.0-1 from lab is left out: nothing provides 'nowhere'" in said
    assert len(plan.held_back) == 3
    _applied, new = apply(root, plan=plan)
    assert {name for name, version in new.versions().items() if version == "2.0"} == {"lab-app"}


def test_dup_goes_down_and_tells_locks(root: Root) -> None:
    root.offer("lab-app-2.0", "lab-hold-2.0", "lab-down-4.0")
    root.sh("zypper --non-interactive addlock lab-hold")
    plan = pending(root, DUP)
    assert told(plan) == {"lab-app": ("1.0-1", "2.0-1"), "lab-down": ("5.0-1", "4.0-1")}
    assert plan.mode == "dup"
    assert [said.split()[0] for said in plan.held_back] == ["lab-hold"]
    applied, new = apply(root, DUP, plan)
    assert new.versions()["lab-down"] == "4.0"
    assert {change.name for change in applied.changes} == {"lab-app", "lab-down"}


def test_dup_is_refused_where_it_cannot_decide(root: Root) -> None:
    root.offer("lab-app-2.0", "lab-unsat-2.0")
    failing(lambda: pending(root, DUP), "package_manager_failed", "nothing provides 'nowhere'")
    failing(lambda: pending(root, PackageRequest(mode="dup", packages=("lab-app",))), "bad_argument", "dup")


@pytest.mark.parametrize("mode", ["update", "dup"])
@pytest.mark.parametrize("configured", ["", "solver.allowVendorChange = true\nsolver.dupAllowVendorChange = true\n"])
def test_another_vendor(root: Root, mode: t.Any, configured: str) -> None:
    """It is refused, or left out and told, whatever zypp.conf says; and done where it was asked for."""
    root.write("/etc/zypp/zypp.conf", f"[main]\n{configured}")
    root.offer("lab-app-2.0", "lab-vendor-2.0")
    if mode == "dup":
        error = failing(lambda: pending(root, PackageRequest(mode=mode)), "vendor_change", "lab-vendor")
        assert "somebody else" in error.message
    else:
        plan = pending(root, PackageRequest(mode=mode))
        assert list(told(plan)) == ["lab-app"]
        assert "somebody else" in plan.held_back[0]
    request = PackageRequest(mode=mode, vendor_change=True)
    plan = pending(root, request)
    assert plan.other_vendor == ("lab-vendor",)
    _applied, new = apply(root, request, plan)
    assert new.sh("rpm -q --qf '%{VENDOR}' lab-vendor") == "somebody else"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("opensuse-tumbleweed", "dup"), ("opensuse-leap", "update"), ("sles", "update"), ("debian", "update")],
)
def test_the_mode_of_a_distribution(root: Root, name: str, expected: str) -> None:
    root.offer("lab-down-4.0")
    root.write("/etc/os-release", f'NAME="x"\nID="{name}"\nID_LIKE="opensuse suse"\n')
    plan = pending(root)
    assert (plan.mode, bool(plan.changes)) == (expected, expected == "dup")


# ------------------------------------------------------------------------------------------------- which packages


def test_named_and_excluded(root: Root) -> None:
    root.offer(*GOOD, "lab-hold-2.0")
    assert list(told(pending(root, PackageRequest(packages=("lab-app",))))) == ["lab-app"]
    assert set(told(pending(root, PackageRequest(packages=("lab-*",), exclude=("lab-[n-z]*",))))) >= {
        "lab-app",
        "lab-hold",
    }
    assert driver(root).pending(PackageRequest(packages=("lab-app",), exclude=("lab-app",))) == PackagePlan()
    failing(
        lambda: pending(root, PackageRequest(packages=("lab-app",), exclude=("lab-a*",))), "package_unknown", "lab-app"
    )
    failing(lambda: pending(root, PackageRequest(packages=("nobody-*",))), "package_unknown", "nobody-*")
    assert pending(root, PackageRequest(packages=("lab-d*",))).changes == ()
    globs = PackageRequest(packages=("lab-a*", "lab-c*"))
    named = pending(root, globs)
    assert list(told(named)) == ["lab-app", "lab-conf"]
    assert apply(root, globs, named)[1].versions()["lab-epoch"] == "9.0"
    shutil.rmtree(root.scratch.parent / "new", ignore_errors=True)
    request = PackageRequest(exclude=("lab-h*", "lab-lib"))
    plan = pending(root, request)
    assert not {"lab-hold", "lab-lib"} & set(told(plan))
    assert plan.held_back == (), "what was asked for is no surprise"
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-hold"] == "1.0"
    assert new.sh("cat /etc/zypp/locks 2>/dev/null || true") == ""
    failing(lambda: pending(root, PackageRequest(exclude=("a\nsolvable_name: b",))), "bad_argument")


@pytest.mark.parametrize("name", ["no-such-package", "lab-extra"])
def test_unknown_or_not_installed(root: Root, name: str) -> None:
    root.offer(*GOOD)
    error = failing(lambda: pending(root, PackageRequest(packages=("lab-app", name))), "package_unknown", name)
    assert error.facts["packages"] == [name]


def test_a_locked_package_that_is_named(root: Root) -> None:
    root.offer(*GOOD)
    root.sh("zypper --non-interactive addlock lab-app")
    failing(
        lambda: pending(root, PackageRequest(packages=("lab-app",))), "package_manager_failed", "conflicting requests"
    )


# ------------------------------------------------------------------------------------------------- what goes wrong


def test_a_script_that_fails(root: Root) -> None:
    """Everything is installed, exit code 107; and a script that fails before: 8."""
    root.offer("lab-app-2.0", "lab-bad-2.0")
    error = failing(lambda: apply(root), "package_manager_failed", "%post(lab-bad-2.0-1.noarch) scriptlet failed")
    assert {change["name"] for change in error.facts["changes"]} == {"lab-app", "lab-bad"}
    shutil.rmtree(root.scratch.parent / "new", ignore_errors=True)
    root.offer("lab-app-2.0", "lab-pre-2.0")
    failing(lambda: apply(root), "package_manager_failed", "lab-pre")


def test_a_process_that_a_script_leaves(root: Root) -> None:
    """Its namespace ends it; nobody waits for it."""
    root.offer("lab-hang-2.0")
    begun = time.monotonic()
    _applied, new = apply(root)
    assert new.versions()["lab-hang"] == "2.0"
    assert time.monotonic() - begun < 25


def test_a_package_that_is_gone_or_damaged(root: Root) -> None:
    root.offer("lab-app-2.0")
    plan = pending(root)
    root.sh("mv /srv/repo/lab-app-2.0.rpm /srv/kept")
    failing(lambda: apply(root, plan=plan), "repository_failed", "not found on medium")
    root.sh("head -c 2000 /srv/kept > /srv/repo/lab-app-2.0.rpm")
    failing(lambda: apply(root, plan=plan), "package_untrusted", "lab-app-2.0-1")


def test_packages_changed_since_the_plan(root: Root) -> None:
    root.offer("lab-app-2.0")
    failing(lambda: apply(root, before="rpm -e lab-down"), "locked", "after the upgrade was planned")


@pytest.mark.parametrize("why", ["gone", "no repository", "disabled", "one of two"])
def test_repositories_that_cannot_be_read(root: Root, why: str) -> None:
    """Nothing is never said to be pending where nobody could look."""
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0")
    driver(root).refresh()
    if why == "gone":
        root.sh("rm -r /srv/repo")
    elif why == "no repository":
        root.sh("rm /etc/zypp/repos.d/lab.repo")
    elif why == "disabled":
        root.sh("sed -i s/enabled=1/enabled=0/ /etc/zypp/repos.d/lab.repo")
    else:
        root.write("/etc/zypp/repos.d/gone.repo", REPOSITORY.replace("lab", "gone").replace("/srv/repo", "/srv/gone"))
    failing(lambda: pending(root), "repository_failed")
    if why != "gone":
        failing(lambda: pending(root, refresh=False), "repository_failed")


def test_no_space(root: Root) -> None:
    """On the place that the packages are fetched to."""
    root.offer(*GOOD)
    plan = pending(root)
    root.prefixes["zypper"] = [
        "sh",
        "-c",
        f'mount -t tmpfs -o size=4k tmpfs {DIRECTORY}/cache/packages; exec "$@"',
        "sh",
    ]
    root.sh(f"rm -rf {DIRECTORY}; mkdir -p -m 700 {DIRECTORY}/cache/packages")
    root.sh(f"rmdir {DIRECTORY}/cache/packages {DIRECTORY}/cache")
    root.prefixes["zypper"][2] = f"mkdir -p {DIRECTORY}/cache/packages; {root.prefixes['zypper'][2]}"
    root.prefixes["stat"] = root.prefixes["zypper"]
    failing(lambda: driver(root).download(EVERYTHING, plan, DIRECTORY), "no_space")


def test_another_one_at_work(root: Root) -> None:
    """It is told with its number and name."""
    root.offer("lab-app-2.0")
    driver(root).refresh()
    root.prefixes["zypper"] = ["sh", "-c", 'mount -t tmpfs none /run; echo $$ > /run/zypp.pid; "$@"', "holder"]
    error = failing(lambda: pending(root, refresh=False), "locked", "holds zypper's lock")
    assert error.facts["holder"]["pid"] > 0
    assert error.facts["holder"]["command"]


# ------------------------------------------------------------------------------------------------- signatures


def test_unsigned_packages(root: Root) -> None:
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0", "lab-nosig-2.0")
    assert driver(root).unchecked() == ()
    failing(lambda: apply(root), "package_untrusted", "lab-nosig-2.0-1.noarch (lab)", "unsigned")
    root.write("/etc/zypp/repos.d/lab.repo", REPOSITORY.replace("gpgcheck=1", "gpgcheck=0"))
    assert driver(root).unchecked() == ("lab",)
    failing(lambda: apply(root, PackageRequest(signed=True)), "package_untrusted", "lab-nosig")
    _applied, new = apply(root)
    assert new.versions()["lab-nosig"] == "2.0"
    shutil.rmtree(new.scratch)
    request = PackageRequest(signed=True, exclude=("lab-nosig",))
    assert apply(root, request)[1].versions()["lab-app"] == "2.0"


def test_general_settings_count(root: Root) -> None:
    """A zypp.conf that turns checks off shows in what is unchecked."""
    from tests.contract.zypper_root import REPOSITORY

    root.offer("lab-app-2.0")
    plain = REPOSITORY.replace("gpgcheck=1\nrepo_gpgcheck=0\n", "")
    root.write("/etc/zypp/repos.d/lab.repo", plain)
    assert driver(root).unchecked() == ()
    root.write("/etc/zypp/zypp.conf", "[main]\ngpgcheck = off\n")
    assert driver(root).unchecked() == ("lab",)


def test_signed_lists_and_keys(root: Root) -> None:
    """A key that nobody let the host know is never taken over, also where its repository names it."""
    from tests.contract.zypper_root import KEY, REPOSITORY

    root.write("/etc/zypp/repos.d/lab.repo", REPOSITORY.replace("repo_gpgcheck=0\n", ""))
    root.offer("lab-app-2.0")
    unsigned = failing(lambda: pending(root), "package_untrusted", "Repository 'lab' is invalid")
    assert "rpm --import" not in unsigned.message
    root.offer("lab-app-2.0", sign=True)
    assert list(told(pending(root))) == ["lab-app"]
    root.sh("rpm -e gpg-pubkey; rm -rf /var/cache/zypp")
    failing(lambda: pending(root), "package_untrusted", f"rpm --import file:{KEY}")
    assert "gpg-pubkey" not in root.sh("rpm -qa")


# ------------------------------------------------------------------------------------------------- the host's settings


def test_settings_and_environment_of_the_host(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they say, the answer is the right one, and what is announced is done."""
    root.write(
        "/etc/zypp/zypp.conf",
        "[main]\ncommit.downloadMode = DownloadOnly\nrepo.refresh.delay = 999\ncachedir = /var/cache/other\n"
        "locksfile.path = /etc/zypp/mylocks\nsolver.upgradeTestcasesToKeep = 0\n",
    )
    root.write("/etc/zypp/mylocks", "\ntype: package\nmatch_type: exact\ncase_sensitive: on\nsolvable_name: lab-hold\n")
    root.write(
        "/etc/zypp/zypper.conf",
        "[main]\n[color]\nuseColors = always\n[solver]\nforceResolutionCommands = update, dup\n",
    )
    monkeypatch.setenv("ZYPP_CONF", "/nonexistent")
    monkeypatch.setenv("ZYPP_TESTSUITE_FAKE_ARCH", "s390")
    root.environment["ZYPP_TESTSUITE_FAKE_ARCH"] = "s390"
    root.offer("lab-app-2.0", "lab-lib-2.0", "lab-extra-1.0", "lab-hold-2.0")
    assert driver(root).refresh()
    root.offer("lab-app-2.0", "lab-hold-2.0")
    request = PackageRequest(exclude=("lab-lib",))
    plan = pending(root, request)
    assert list(told(plan)) == ["lab-app"]
    assert [said.split()[0] for said in plan.held_back] == ["lab-hold"]
    root.environment.clear()
    _applied, new = apply(root, request, plan)
    assert new.versions()["lab-app"] == "2.0"


def test_plugins_are_left_out(root: Root) -> None:
    """None is run in the new root, and each is afterwards what it was."""
    plugin = "/usr/lib/zypp/plugins/commit/snapshots"
    root.offer("lab-app-2.0")
    root.sh(
        f"mkdir -p {plugin.rpartition('/')[0]}; printf '#!/bin/sh\\ntouch /srv/ran\\n' > {plugin}; chmod 0751 {plugin}"
    )
    _applied, new = apply(root)
    assert new.sh(f"stat -c %a {plugin}; ls /srv 2>/dev/null || true") == "751\n"


@pytest.mark.parametrize("ending", ["kill", "cut", "nonsense"])
def test_an_answer_that_is_cut_off(root: Root, ending: str) -> None:
    """It is never taken for "nothing is pending"."""
    root.offer("lab-app-2.0")
    driver(root).refresh()
    how = {
        "kill": 'case "$*" in *dry-run*) echo "<stream>"; kill -9 $$;; esac; exec "$@"',
        "cut": 'case "$*" in *dry-run*) "$@" | head -c 700; exit 0;; esac; exec "$@"',
        "nonsense": 'case "$*" in *dry-run*) echo "Nothing to do."; exit 0;; esac; exec "$@"',
    }
    root.prefixes["zypper"] = ["sh", "-c", how[ending], "sh"]
    failing(lambda: pending(root, refresh=False), "package_manager_failed")
