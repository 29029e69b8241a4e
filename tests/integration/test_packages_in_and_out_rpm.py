# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages in and out and security alone on OverC hosts with DNF 4, 5 and zypper: planned, refused, done, brought back."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.own_packages import PLACE, build, install, offer
from tests.lab import Host
from tests.lab.layouts import DNF5, OVERC, ZYPPER
from tests.lab.packages import Package
from tests.lab.process import run

if t.TYPE_CHECKING:
    from tests.integration.conftest import MakeHost

ONLY = {"upgrade": False, "update_cache": False}
# What createrepo_c's modifyrepo_c takes: one advisory of security for own-b 1.5, one of another kind for own-a
ADVISORY = """\
<update from="lab" status="stable" type="{kind}" version="1"><id>{id}</id><title>t</title><severity>Important</severity>
<issued date="2026-01-01 00:00:00"/><updated date="2026-01-01 00:00:00"/><rights>x</rights><release>1</release>
<pushcount>1</pushcount><summary>s</summary><description>d</description><solution>s</solution><references/><pkglist>
<collection short="x"><name>x</name><package name="{name}" version="{version}" release="1" epoch="0" arch="noarch"
src="{name}-{version}-1.src.rpm"><filename>{name}-{version}-1.noarch.rpm</filename></package></collection></pkglist></update>
"""


@pytest.fixture(params=[OVERC, DNF5, ZYPPER])
def host(make_host: MakeHost, request: pytest.FixtureRequest) -> Host:
    return make_host(flavour=request.param)


def own(name: str, version: str, *header: str) -> Package:
    return Package(name, version, ("own",), {f"/usr/share/{name}": version.encode()}, header=header)


def advise(host: Host, repository: Path) -> None:
    text = "".join(
        ADVISORY.format(kind=kind, id=name, name=package, version=version)
        for kind, name, package, version in (
            ("security", "LAB-2026:1", "own-b", "1.5"),
            ("bugfix", "LAB-2026:2", "own-a", "2.0"),
        )
    )
    (repository / "updateinfo.xml").write_text(f"<?xml version='1.0'?>\n<updates>{text}</updates>\n")
    run(["modifyrepo_c", repository / "updateinfo.xml", repository / "repodata"])
    host.sh(f"rm -r {PLACE}/repodata; mkdir {PLACE}/repodata")
    for part in (repository / "repodata").iterdir():
        host.run(f"base64 -d > {PLACE}/repodata/{part.name}", stdin=base64.b64encode(part.read_bytes()).decode())


def installed(host: Host) -> str:
    return host.sh("rpm -qa --qf '%{NAME}-%{VERSION}\n' 'own-*' | sort | tr '\n' ' '").strip()


def test_in_and_out_and_security_and_back(host: Host, tmp_path: Path) -> None:
    files = build(
        tmp_path,
        *(own("own-a", "1.0"), own("own-a", "2.0"), own("own-b", "1.0"), own("own-b", "1.5"), own("own-b", "2.0")),
        *(own("own-c", "1.0", "Requires: own-d"), own("own-d", "1.0"), own("own-e", "1.0", "Requires: own-a")),
        *(own("own-f", "1.0", "Conflicts: own-b"), own("own-g", "1.0", "Obsoletes: own-a < 9", "Provides: own-virt")),
    )
    install(host, files["own-a-1.0"], files["own-b-1.0"], files["own-e-1.0"])
    offer(host, *(file for name, file in files.items() if name != "own-g-1.0"))
    unknown = call(host, "upgrade", {"advisories": "security"}, check=True)
    assert (unknown["changed"], unknown["advisories_known"]) == (False, False), unknown
    assert set(unknown["unadvised_repositories"]) == {"lab", "own"}

    wanted = {**ONLY, "install": ["own-c"], "remove": ["own-a"], "run": ["touch", "/etc/ran"]}
    succeed(host, "update")
    if host.has_zypper:
        host.run(["zypper", "--non-interactive", "addlock", "own-b"])
        refused = call(host, "upgrade", {**ONLY, "remove": ["own-b"]})
        assert_refused(refused, "package_manager_failed", "Locked (zypper locks) or excluded: own-b.")
        host.run(["zypper", "--non-interactive", "removelock", "own-b"])
    else:
        host.sh("mkdir -p /etc/dnf/protected.d; echo own-b > /etc/dnf/protected.d/own.conf")
        assert_refused(call(host, "upgrade", {**ONLY, "remove": ["own-b"]}), "package_needed", "own-b")
        host.sh("rm /etc/dnf/protected.d/own.conf")
    before = snapshot_of_disk(host)
    checked = call(host, "upgrade", wanted, check=True)
    assert {c["name"]: (c["installed"], c["available"]) for c in checked["upgrades"]} == {
        "own-a": ("1.0-1", None), "own-c": (None, "1.0-1"), "own-d": (None, "1.0-1"), "own-e": ("1.0-1", None),
    }  # fmt: skip
    assert checked["removed"] == ["own-a", "own-e"]
    for args, error_id, *words in (
        ({**ONLY, "install": ["own-f"]}, "package_manager_failed", "own-f", "conflicts"),
        ({**ONLY, "install": ["own-nowhere"]}, "package_unknown", "own-nowhere"),
        ({**ONLY, "install": ["own-c-1.0"]}, "package_unknown", "own-c-1.0"),
        ({**ONLY, "remove": ["lab-kernel"]}, "package_needed", "lab-kernel", "bzImage"),
    ):
        assert_refused(call(host, "upgrade", args), error_id, *words)
    there = {**ONLY, "install": ["own-a", "own-e.noarch"], "remove": ["own-c"]}
    assert succeed(host, "upgrade", there)["changed"] is False
    assert_unchanged(before, host)

    done = succeed(host, "upgrade", wanted)
    assert done["fingerprint"] == checked["fingerprint"]
    assert succeed(host, "upgrade", wanted)["changed"] is False
    host.reboot()
    assert installed(host) == "own-b-1.0 own-c-1.0 own-d-1.0"
    host.sh("test -e /etc/ran")
    assert succeed(host, "upgrade", {**wanted, "run_creates": "/etc/ran"})["changed"] is False

    # What others needed stays, although nobody needs it any more; all that is pending with it, where that is wanted
    checked = call(host, "upgrade", {"remove": ["own-c"], "install": ["own-a"], "exclude": ["lab-*"]}, check=True)
    assert {c["name"]: c["available"] for c in checked["upgrades"]} == {
        "own-a": "2.0-1", "own-b": "2.0-1", "own-c": None,
    }  # fmt: skip
    advise(host, files["own-a-1.0"].parent / "repository")
    done = succeed(host, "upgrade", {"advisories": "security"})
    assert [(c["name"], c["available"], c["advisories"]) for c in done["upgrades"]] == [
        ("own-b", "2.0-1", ["LAB-2026:1"])
    ]
    assert done["unadvised_repositories"] == ["lab"]
    host.reboot()
    assert installed(host) == "own-b-2.0 own-c-1.0 own-d-1.0"
    assert succeed(host, "upgrade", {"advisories": "security"})["changed"] is False
    succeed(host, "rollback")
    host.reboot()
    assert installed(host) == "own-b-1.0 own-c-1.0 own-d-1.0"


def test_what_an_installation_would_push_out(host: Host, tmp_path: Path) -> None:
    files = build(
        tmp_path,
        own("own-a", "1.0"),
        own("own-g", "1.0", "Obsoletes: own-a < 9", "Provides: own-virt"),
        own("own-h", "1.0", "Obsoletes: lab-kernel < 9"),
    )
    install(host, files["own-a-1.0"])
    offer(host, *files.values())
    succeed(host, "update")
    refused = call(host, "upgrade", {**ONLY, "install": ["own-g"]})
    assert_refused(refused, "removal_unasked", "own-a", "remove")
    assert_refused(call(host, "upgrade", {**ONLY, "install": ["own-virt"]}), "package_unknown", "own-virt")
    checked = call(host, "upgrade", {**ONLY, "install": ["own-g"], "remove": ["own-a"]}, check=True)
    assert checked["removed"] == ["own-a"], checked
    # Of what an upgrade alone takes it is told, for something else may have the file
    said = str(call(host, "upgrade", check=True)["warnings"])
    assert "The upgrade removes lab-kernel, and the host cannot do without" in said
    assert "bzImage" in said
