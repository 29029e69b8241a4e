# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages are fetched by the running system and installed in the new root: what counts for the one counts for the other."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, call, kill_at, succeed
from tests.lab import Host
from tests.lab.process import run

_REPOSITORY: t.Final = "/etc/yum.repos.d/lab.repo"
# Copies a repository of the lab into a directory of the host
_COPY: t.Final = """\
import gzip, os, re, sys, urllib.request
base, place = "http://10.77.0.1:8080/v2/", sys.argv[1]
def get(name):
    path = os.path.join(place, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = urllib.request.urlopen(base + name).read()
    open(path, "wb").write(data)
    return data
for name in re.findall('href="([^"]+)"', get("repodata/repomd.xml").decode()):
    data = get(name)
    if "primary.xml" in name:
        for package in re.findall('location href="([^"]+)"', gzip.decompress(data).decode()):
            get(package)
"""


def own_repository(host: Host, place: str, more: str = "") -> None:
    """The only repository of the host from now on, in its own file tree."""
    host.run(["python3", "-c", _COPY, place])
    url = place.replace(" ", "%20")
    host.write(_REPOSITORY, f"[lab]\nname=lab\nbaseurl=file://{url}\nenabled=1\n{more}")


def downloads(host: Host) -> list[str]:
    with host.top() as top:
        return sorted(path.name for path in (top / ".overc").iterdir())


# How /etc/resolv.conf is reached on hosts with connman, systemd-resolved or a volatile /var
_CHAINS: t.Final = {
    "var-run": "ln -sfn /run /var/run; mkdir -p /run/connman; F=/run/connman/resolv.conf; "
    "ln -sf ../var/run/connman/resolv.conf /etc/resolv.conf",
    "two links": "mkdir -p /run/connman; F=/run/connman/resolv.conf; ln -sf /var/run/connman/resolv.conf "
    "/etc/resolv-conf.connman; ln -sf resolv-conf.connman /etc/resolv.conf",
    "volatile": "mkdir -p /var/volatile; mount -t tmpfs v /var/volatile; mkdir /var/volatile/net; "
    "F=/var/volatile/net/resolv.conf; ln -sf ../var/volatile/net/resolv.conf /etc/resolv.conf",
    "bind mount": "F=/run/resolv.conf; echo '# fresh' > $F; mount --bind $F /etc/resolv.conf",
}


@pytest.mark.parametrize("chain", _CHAINS)
def test_the_resolver_of_the_host_is_that_of_the_new_root(host: Host, chain: str) -> None:
    """A script in the new root sees the host's name servers, whichever way they are reached; nothing of it stays there."""
    host.sh(f"rm -f /etc/resolv.conf; echo '# stale' > /etc/resolv.conf; {_CHAINS[chain]}; echo '# fresh' > $F")
    host.release("v2")
    assert "# fresh" in host.sh("cat /etc/resolv.conf")
    result = succeed(host, "upgrade", prelude=_LOOK.format(place="/etc/resolv.conf"))
    assert "# fresh" in host.sh("cat /run/seen")
    with host.top() as top:
        assert not list((top / "rootfs_upgrade/var").glob("volatile/*"))
    assert result["state"] == "staged"


# Looks at a path of the new root while the packages are being installed in it
_LOOK = """\
from ansible_collections.overc.system.plugins.module_utils.host.steps import build_root
class Seen(build_root.NewRoot):
    def run(self, argv, **more):
        if argv[0] == "dnf":
            text = super().run(["cat", "{place}"]).stdout
            open("/run/seen", "w").write(text)
        return super().run(argv, **more)
build_root.NewRoot = Seen
"""


@pytest.mark.parametrize("place", ["/srv/repository", "/mnt", "/var/lib/a b/c", "/run/media/iso"])
def test_a_repository_on_a_file_system_of_its_own(host: Host, place: str) -> None:
    """Mounted itself, or below what is mounted; its address is that of a file, with whatever needs escapes."""
    mount = str(Path(place).parent) if place.startswith("/var") else place
    host.sh(f"mkdir -p '{mount}'; mount -t tmpfs repository '{mount}'; mkdir -p '{place}'")
    own_repository(host, place)
    result = succeed(host, "upgrade")
    assert {change["name"] for change in result["upgrades"]} >= {"lab-app", "lab-kernel"}
    with host.top() as top:
        assert not list((top / f"rootfs_upgrade/{place}").glob("*"))
        assert not (top / "rootfs_upgrade/var/lib/a b/c").exists()
    assert "packages" not in downloads(host)
    host.reboot()
    assert host.rpm_version("lab-app") == "2.0"


def test_a_configuration_that_only_the_running_system_has(host: Host) -> None:
    host.release("v2")
    host.sh(
        "mkdir /run/repositories /run/vars; mv /etc/yum.repos.d/lab.repo /run/repositories; mv /etc/dnf/vars/* /run/vars"
    )
    host.sh("printf 'reposdir=/run/repositories\\nvarsdir=/run/vars\\n' >> /etc/dnf/dnf.conf")
    assert succeed(host, "upgrade")["state"] == "staged"


def test_what_was_downloaded_is_removed_whatever_happens(host: Host) -> None:
    host.release("v2")
    host.enable_repo("post-fails")
    result = call(host, "upgrade")
    assert_refused(result, "package_manager_failed", "lab-postfail")
    assert "packages" not in downloads(host)
    host.disable_repo("post-fails")
    for when, step in (("after", "download_packages"), ("before", "run_packages"), ("after", "run_packages")):
        kill_at(host, "upgrade", when, step)
        assert ("packages" in downloads(host)) is (step == "download_packages" or when == "before")
        assert "drop_downloads" in [action["step"] for action in succeed(host, "confirm")["repaired"]]
        assert "packages" not in downloads(host)
    assert succeed(host, "upgrade")["state"] == "staged"


def test_a_mirror_that_breaks_in_the_middle_leaves_nothing(host: Host) -> None:
    """Lists are read, packages are gone: refused before anything was built."""
    host.release("v2")
    succeed(host, "update")
    host.sh("printf 'metadata_expire=-1\\n' >> /etc/dnf/dnf.conf; ip route add unreachable 10.77.0.1/32")
    result = call(host, "upgrade", {"update_cache": False})
    assert_refused(result, "repository_failed")
    assert "packages" not in downloads(host)
    with host.top() as top:
        assert not (top / "rootfs_upgrade.overc-new").exists()


def signature(text: str) -> tuple[str, str]:
    """A new key, and its signature of a text."""
    with tempfile.TemporaryDirectory(prefix="overc-gpg-", dir="/tmp") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--passphrase", ""]
        (Path(home) / "text").write_text(text)
        try:
            run([*gpg, "--quick-generate-key", "lists <lists@localhost>", "rsa2048", "sign", "never"])
            return run([*gpg, "--armor", "--export"]), run(
                [*gpg, "--armor", "--output", "-", "--detach-sign", f"{home}/text"]
            )
        finally:
            run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def test_lists_signed_with_a_configured_key(host: Host) -> None:
    """Nobody has told DNF's own keyring of the key yet: at the first use in check mode, in a refresh, in an upgrade."""
    own_repository(host, "/srv/repository", "repo_gpgcheck=1\ngpgkey=file:///etc/pki/lists.asc\n")
    key, signed = signature(host.run(["cat", "/srv/repository/repodata/repomd.xml"]).stdout)
    host.write("/srv/repository/repodata/repomd.xml.asc", signed)
    host.write("/etc/pki/lists.asc", key)
    for command, check in (("update", True), ("upgrade", True), ("update", False), ("upgrade", False)):
        if not check:
            host.sh("dnf -q clean all")
        result = succeed(host, command, check=check)
        assert {change["name"] for change in result["upgrades"]} >= {"lab-app", "lab-kernel"}, (command, check)
        # Keys of lists are DNF's own; rpm's, for packages, are not touched in the running system
        assert host.sh("rpm -qa gpg-pubkey | wc -l") == "1"
    assert result["state"] == "staged"


def test_lists_signed_with_another_key_are_refused(host: Host) -> None:
    own_repository(host, "/srv/repository", "repo_gpgcheck=1\ngpgkey=file:///etc/pki/lists.asc\n")
    text = host.run(["cat", "/srv/repository/repodata/repomd.xml"]).stdout
    host.write("/srv/repository/repodata/repomd.xml.asc", signature(text)[1])
    host.write("/etc/pki/lists.asc", signature(text)[0])
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "package_untrusted", "lab")


def test_what_a_script_leaves_behind_ends_with_the_package_manager(host: Host) -> None:
    host.enable_repo("hostile")
    assert succeed(host, "upgrade")["state"] == "staged"
    assert host.run(["pgrep", "-x", "sleep"], check=False).stdout == ""


def test_a_dead_repository_is_skipped_where_both_sides_allow_it(host: Host) -> None:
    host.release("v2")
    host.enable_repo("missing")
    for options in ({}, {"skip_if_unavailable": True}):  # its own configuration does not allow it
        assert_refused(call(host, "upgrade", options), "repository_failed", "lab-missing")
    host.sh("echo skip_if_unavailable=1 >> /etc/yum.repos.d/lab-missing.repo")
    assert_refused(call(host, "upgrade"), "repository_failed", "lab-missing")
    for command, check in (("update", True), ("update", False), ("upgrade", True), ("upgrade", False)):
        result = succeed(host, command, {"skip_if_unavailable": True}, check=check)
        assert result["skipped_repositories"] == ["lab-missing"]
        assert "lab-missing could not be read" in str(result["warnings"])
        assert {change["name"] for change in result["upgrades"]} >= {"lab-app", "lab-kernel"}
    assert result["state"] == "staged"
    # One that may not be skipped is an error all the same
    host.enable_repo("corrupt")
    assert_refused(call(host, "update", {"skip_if_unavailable": True}), "repository_failed", "lab-corrupt")
