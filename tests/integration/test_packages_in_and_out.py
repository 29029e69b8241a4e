# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages in and out, commands and security alone, on a host with Debian's apt: planned, refused, done, and brought back."""

from __future__ import annotations

from pathlib import Path

from tests.integration.commands import assert_refused, assert_unchanged, call, steps, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.test_apt_host import app, debs, host, kernel, offer, version  # noqa: F401 - fixtures
from tests.lab import Host
from tests.lab.debs import Deb, publish
from tests.lab.signing import sign_release

NEED = Deb("deb-need", "1.0")
WEB = Deb("deb-web", "1.0", fields=("Depends: deb-need",), files={"/usr/bin/deb-web": b"#!/bin/sh\necho web $*\n"})
RIVAL = Deb("deb-rival", "1.0", fields=("Conflicts: deb-app",))
ONLY = {"upgrade": False}


def installed(host: Host) -> set[str]:  # noqa: F811
    shown = host.sh(r"dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'deb-*'")
    return {line.split()[1] for line in shown.splitlines() if line.startswith("ii")}


def test_in_and_out_and_back(host: Host, debs: Path) -> None:  # noqa: F811
    offer(host, debs, app("2.0"), NEED, WEB, RIVAL)
    wanted = {**ONLY, "install": ["deb-web"], "remove": ["deb-app"], "run": [["deb-web", "ran"], ["touch", "/etc/ran"]]}
    succeed(host, "update")
    before = snapshot_of_disk(host)
    checked = call(host, "upgrade", wanted, check=True)
    assert {c["name"]: (c["installed"], c["available"]) for c in checked["upgrades"]} == {
        "deb-app": ("1.0", None), "deb-need": (None, "1.0"), "deb-web": (None, "1.0"),
    }  # fmt: skip
    assert (checked["removed"], checked["run"]) == (["deb-app"], ["deb-web ran", "touch /etc/ran"])
    assert "run_commands" in steps(checked)
    for args, error_id, *words in (
        ({**ONLY, "install": ["deb-rival"]}, "removal_unasked", "deb-app", "remove"),
        ({**ONLY, "install": ["deb-nowhere"]}, "package_unknown", "deb-nowhere"),
        ({**ONLY, "install": ["deb-web=1.0"]}, "bad_argument", "no name"),
        ({**ONLY, "remove": ["deb-kernel"]}, "package_needed", "deb-kernel", "bzImage"),
        ({**ONLY, "remove": ["dpkg"]}, "package_needed", "dpkg"),
        ({**wanted, "rejected_plans": [checked["fingerprint"]]}, "plan_rejected"),
    ):
        assert_refused(call(host, "upgrade", args), error_id, *words)
    assert succeed(host, "upgrade", {**ONLY, "install": ["deb-app"], "remove": ["deb-web"]})["changed"] is False
    assert_unchanged(before, host)

    done = succeed(host, "upgrade", wanted)
    assert done["fingerprint"] == checked["fingerprint"]
    assert [(entry["rc"], entry["stdout"]) for entry in done["ran"]] == [(0, "web ran\n"), (0, "")]
    again = succeed(host, "upgrade", wanted)
    assert (again["changed"], again["state"]) == (False, "staged"), again
    # Who forgets the one staged replaces it, and is told beforehand
    plain = call(host, "upgrade", check=True)
    assert plain["replaced"] is True
    assert "install deb-web; remove deb-app; run deb-web ran; run touch /etc/ran." in str(plain["warnings"])
    assert installed(host) == {"deb-app", "deb-kernel"}
    host.reboot()
    assert installed(host) == {"deb-kernel", "deb-need", "deb-web"}
    host.sh("test -e /etc/ran")
    succeed(host, "confirm")
    info = succeed(host, "info")
    assert info["booted"]["asked"] == ["install deb-web", "remove deb-app", "run deb-web ran", "run touch /etc/ran"]
    assert [event["asked"] for event in info["events"] if "asked" in event] == [info["booted"]["asked"]]
    there = succeed(host, "upgrade", {**wanted, "run_creates": "/etc/ran"})
    assert there["changed"] is False, there

    succeed(host, "rollback")
    host.reboot()
    assert installed(host) == {"deb-app", "deb-kernel"}
    assert version(host, "deb-app") == "1.0"
    assert host.run("test -e /etc/ran", check=False).returncode != 0


def test_commands_that_fail_or_stay_or_never_end(host: Host) -> None:  # noqa: F811
    before = snapshot_of_disk(host)
    for command, *words in (
        (["sh", "-c", "touch /etc/half; echo why >&2; exit 3"], "exited with 3"),
        (["sleep", "600"], "did not end within 2 seconds"),
        (["sh", "-c", "kill -9 $$"], "signal 9"),
    ):
        failed = call(host, "upgrade", {**ONLY, "run": [["true"], command], "run_timeout": 2})
        assert_refused(failed, "run_failed", *words)
        assert [entry["rc"] == 0 for entry in failed["ran"]] == [True, False]
        assert failed["state"] == "clean"
        assert snapshot_of_disk(host).subvolumes == before.subvolumes
    assert_refused(call(host, "upgrade", {**ONLY, "run": [["no-such-program"]]}), "tool_missing", "no-such-program")
    assert_refused(call(host, "upgrade", {**ONLY, "run": ["touch /etc/x"]}), "bad_argument", "no shell")

    # No service of the host, no network, no kernel, no boot partition; what stays goes with it
    look = "ls /boot; ls /sys/class/net; (setsid sleep 300 & ); btrfs subvolume set-default 5 / || echo kept; seq 99999"
    done = succeed(host, "upgrade", {**ONLY, "run": [["sh", "-c", look]]})
    output = done["ran"][0]["stdout"]
    assert len(output) <= 64 << 10
    assert "printed much" in str(done["warnings"])
    assert host.run("pgrep -x sleep", check=False).returncode != 0
    # Nobody knows what a command does: the same again is staged, another one replaces it
    assert succeed(host, "upgrade", {**ONLY, "run": [["sh", "-c", look]]})["changed"] is False
    other = succeed(host, "upgrade", {**ONLY, "run": [["true"]]})
    assert (other["changed"], other["replaced"]) == (True, True)


def test_security_alone(host: Host, debs: Path) -> None:  # noqa: F811
    offer(host, debs, app("3.0"), kernel("2.0"))
    unknown = succeed(host, "upgrade", {"advisories": "security"})
    assert (unknown["changed"], unknown["advisories_known"]) == (False, False)
    assert unknown["unadvised_repositories"] == ["file:/srv/repo lab"]
    assert "Nothing is known of security advisories" in str(unknown["warnings"])

    publish(host.root / "srv/repo", (app("2.0"),), debs, sign=sign_release, suite="lab-security", beside=True)
    host.sh("sed -i 's/^Suites: .*/Suites: lab lab-security/' /etc/apt/sources.list.d/lab.sources")
    done = succeed(host, "upgrade", {"advisories": "security"})
    assert [(c["name"], c["available"], c["channel"]) for c in done["upgrades"]] == [
        ("deb-app", "2.0", "Lab:lab-security")
    ]
    assert done["advisories_known"] is True
    host.reboot()
    assert (version(host, "deb-app"), version(host, "deb-kernel")) == ("2.0", "1.0")
    assert succeed(host, "upgrade", {"advisories": "security"})["changed"] is False
