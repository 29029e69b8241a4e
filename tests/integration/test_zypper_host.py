# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in the OverC layout whose packages are zypper's: from the lists to the way back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, steps, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.own_packages import build, install, offer
from tests.lab import Host
from tests.lab.layouts import ZYPPER
from tests.lab.packages import Package

MakeHost = Callable[..., Host]
REPOSITORY = "/etc/zypp/repos.d/lab.repo"


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host(flavour=ZYPPER)


def names(result: dict[str, object], key: str = "upgrades") -> list[str]:
    entries = result[key]
    assert isinstance(entries, list)
    return [entry["name"] for entry in entries]


def test_from_the_lists_to_the_way_back(host: Host) -> None:
    """Lists, check mode, a plugin that makes snapshots, the upgrade, nothing pending, and back."""
    plugin = "/usr/lib/zypp/plugins/commit/snapshots"
    host.write(plugin, "#!/bin/sh\ntouch /var/log/snapshots-ran\n")
    host.run(["chmod", "0755", plugin])
    info = succeed(host, "info")
    assert (info["state"], info["package_manager"]) == ("clean", "zypper"), info
    assert succeed(host, "update", {"cache_valid_time": 3600})["skipped"] is False, "there are none yet"
    assert succeed(host, "update", {"cache_valid_time": 3600})["skipped"] is True
    nothing = succeed(host, "upgrade")
    assert (nothing["changed"], nothing["upgrades"], nothing["upgrade_mode"]) == (False, [], "update")
    host.release("v2")

    before = snapshot_of_disk(host)
    checked = succeed(host, "upgrade", check=True)
    assert_unchanged(before, host)
    assert checked["changed"]
    assert names(checked) == ["lab-app", "lab-gui", "lab-kernel", "lab-lib", "lab-tool"]
    assert succeed(host, "update", check=True)["changed"]
    assert_unchanged(before, host)

    result = succeed(host, "upgrade")
    assert (result["state"], result["held_back"], result["vendor_changes"]) == ("staged", [], [])
    assert result["fingerprint"] == checked["fingerprint"]
    assert names(result) == names(checked)
    assert steps(result) == steps(checked)
    assert host.rpm_version("lab-app") == "1.0", "the running system stays as it is"
    assert succeed(host, "upgrade")["changed"] is False
    host.reboot()
    assert host.rpm_version("lab-kernel") == "2.0"
    assert host.run(["test", "-e", "/var/log/snapshots-ran"], check=False).returncode != 0
    assert host.sh(f"stat -c %a {plugin}") == "755"
    assert succeed(host, "upgrade")["upgrades"] == []
    assert succeed(host, "confirm")["state"] in ("clean", "confirmed")
    succeed(host, "rollback")
    host.reboot()
    assert host.rpm_version("lab-app") == "1.0"
    assert "post 2.0" not in host.sh("cat /var/log/lab-app.post")


def test_what_is_refused_leaves_the_host_alone(host: Host) -> None:
    """Each for its own reason, and one that mends the host lets it go on."""
    host.release("v2")
    succeed(host, "update")
    before = snapshot_of_disk(host)

    assert_refused(call(host, "upgrade", {"packages": ["no-such"]}), "package_unknown", "no-such")
    assert_refused(call(host, "upgrade", {"packages": ["lab-app"], "upgrade_mode": "dup"}), "bad_argument", "dup")
    assert_refused(call(host, "upgrade", {"release": "trixie"}), "release_unsupported", "zypper")
    host.run(["zypper", "--non-interactive", "addlock", "lab-lib"])
    assert_refused(call(host, "upgrade", {"packages": ["lab-lib"]}), "package_manager_failed", "conflicting requests")
    held = succeed(host, "upgrade", check=True)
    assert "lab-lib 2.0-1 from lab is left out: the package is locked (zypper locks)." in held["held_back"]
    host.run(["zypper", "--non-interactive", "removelock", "lab-lib"])

    host.sh(f"sed -i s/^gpgcheck=1/gpgcheck=0/ {REPOSITORY}")
    assert_refused(call(host, "upgrade"), "gpg_policy", "lab")
    host.sh(f"sed -i s/^gpgcheck=0/gpgcheck=1/ {REPOSITORY}")
    host.enable_repo("missing")
    assert_refused(call(host, "upgrade"), "repository_failed", "missing")
    host.disable_repo("missing")
    host.sh(f"sed -i s/^enabled=1/enabled=0/ {REPOSITORY}")
    assert_refused(call(host, "upgrade"), "repository_failed", "no enabled repository")
    host.sh(f"sed -i s/^enabled=0/enabled=1/ {REPOSITORY}")
    host.enable_repo("unsigned")
    assert_refused(call(host, "upgrade"), "package_untrusted", "lab-unsigned")
    host.disable_repo("unsigned")
    after = snapshot_of_disk(host).without_history
    # Of the running root only what this test did itself, and the package lists, is different
    for what in ("default", "subvolumes", "top", "boot", "record"):
        assert getattr(after, what) == getattr(before.without_history, what), what
    assert succeed(host, "upgrade")["state"] == "staged"


@pytest.mark.parametrize("which", ["post-fails", "pre-fails", "preun-fails"])
def test_broken_scripts(host: Host, which: str) -> None:
    host.enable_repo(which)
    package = f"lab-{which.replace('-fails', 'fail')}"
    before = snapshot_of_disk(host)
    result = call(host, "upgrade", {"packages": [package]})
    if which == "preun-fails":
        # What happens to the old version then is up to rpm; it is told, never called good
        assert result.get("error_id") == "package_manager_failed", result
    else:
        assert_refused(result, "package_manager_failed", package)
    assert_unchanged(before, host, history=False)
    assert host.rpm_version(package) == "1.0"


def test_hostile_scripts(host: Host) -> None:
    """A script that leaves a process behind, and one that wants to be everywhere: it ends, and the host is untouched."""
    host.enable_repo("hostile")
    result = succeed(host, "upgrade", {"packages": ["lab-hostile"]})
    assert result["state"] == "staged"
    assert host.run(["test", "-e", "/boot/lab-hostile"], check=False).returncode != 0
    assert host.run(["pgrep", "-f", "sleep 1000"], check=False).returncode != 0


def test_obsoletes_and_removals_are_shown(host: Host) -> None:
    host.enable_repo("obsoletes")
    host.enable_repo("unsatisfiable")
    result = succeed(host, "upgrade", check=True)
    shown = {entry["name"]: (entry["installed"], entry["available"]) for entry in result["upgrades"]}
    assert shown == {"lab-new": (None, "2.0-1"), "lab-old": ("1.0-1", None)}
    assert "lab-unsat" in result["held_back"][0]
    assert "lab-nobody-has-this" in result["held_back"][0]
    dup = succeed(host, "upgrade", {"upgrade_mode": "dup"}, check=True)
    assert dup["held_back"] == result["held_back"]
    assert dup["removed"] == ["lab-old"]
    host.disable_repo("unsatisfiable")
    staged = succeed(host, "upgrade", {"upgrade_mode": "dup"})
    assert (staged["upgrade_mode"], staged["removed"]) == ("dup", ["lab-old"])
    host.reboot()
    assert (host.rpm_version("lab-new"), host.rpm_version("lab-old")) == ("2.0", None)


def test_packages_with_the_same_file(host: Host, tmp_path: Path) -> None:
    """zypper tells which only beside its error, which says to look there."""
    theirs = Package("own-theirs", "1.0", (), {"/usr/share/own/file": b"theirs\n"})
    mine = [Package("own-mine", version, (), {"/usr/share/own-mine": b"m"}) for version in ("1.0", "2.0")]
    mine[1].files["/usr/share/own/file"] = b"mine\n"
    files = build(tmp_path, theirs, *mine)
    install(host, files["own-theirs-1.0"], files["own-mine-1.0"])
    offer(host, files["own-mine-2.0"])
    before = snapshot_of_disk(host)
    result = call(host, "upgrade")
    assert_refused(
        result, "package_manager_failed", "file conflicts: own-mine-2.0-1 and own-theirs-1.0-1 both have /usr/share/"
    )
    assert "/usr/share/own/file" in result["stdout"]
    assert_unchanged(before, host, history=False)


def test_another_one_at_work(host: Host) -> None:
    """A transaction of zypper's is not copied into a snapshot; who it is, is told."""
    host.release("v2")
    succeed(host, "update")
    before = snapshot_of_disk(host)
    other = host.popen(["/bin/bash", "-c", "echo $$ > /run/zypp.pid; exec -a zypper sleep 600"])
    try:
        host.sh("until grep -qs zypper /proc/$(cat /run/zypp.pid)/cmdline; do sleep 0.1; done")
        result = call(host, "upgrade", {"update_cache": False}, timeout=200)
        assert_refused(result, "locked")
        assert result["holder"]["path"] == "/run/zypp.pid"
    finally:
        # The one on the host: what is killed here would only be the way to it
        host.sh("kill $(cat /run/zypp.pid); rm -f /run/zypp.pid")
        other.communicate(timeout=60)
    assert_unchanged(before, host, history=False)
