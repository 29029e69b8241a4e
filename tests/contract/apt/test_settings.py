# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may have set, its services, and its database."""

from __future__ import annotations

import typing as t

import pytest

from tests.contract.apt.shared import CONF, NEW, OLD, apply, driver, pending, prepared
from tests.contract.proofs import failing, told
from tests.lab.debs import Deb

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


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
