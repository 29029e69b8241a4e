# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in the OverC layout whose packages are Debian's: the real apt and dpkg, from the lists to the way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, steps, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.test_quiet_base import held
from tests.lab import Host
from tests.lab.debs import Deb, built, publish
from tests.lab.kernel import make_kernel
from tests.lab.signing import public_key, sign_release

MakeHost = Callable[..., Host]
CONF = "/etc/deb-app.conf"
SECRET = "S3cretPassw0rd"  # noqa: S105 - it is looked for in what comes out
# What a kernel's scripts do on Debian where a grub.cfg is in sight, and what services would do
_SCRIPT = """\
if [ -e /boot/grub/grub.cfg ]; then echo "grub.cfg is in sight" >&2; exit 1; fi
invoke-rc.d lab-svc start || exit 1
"""
_SERVICE = {"/etc/init.d/lab-svc": b"#!/bin/sh\ntouch /var/log/lab-svc-started\n"}


def app(version: str) -> Deb:
    return Deb("deb-app", version, files={CONF: f"{version}\n".encode()}, conffiles=(CONF,))


def kernel(version: str) -> Deb:
    release = f"{version}-lab"
    modules = {f"/usr/lib/modules/{release}/modules.dep": b"kernel/lab.ko:\n"}
    files = {"/boot/bzImage": make_kernel(release), "/boot/grub/theme": b"x\n", **modules, **_SERVICE}
    return Deb("deb-kernel", version, files=files, scripts={"postinst": _SCRIPT} if version != "1.0" else {})


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debs")


@pytest.fixture
def host(make_host: MakeHost, debs: Path) -> Host:
    host = make_host(managers=("apt",))
    etc = host.root / "etc/apt"
    (etc / "sources.list").unlink(missing_ok=True)
    (etc / "keyrings").mkdir(exist_ok=True)
    shutil.copy(public_key(), etc / "keyrings/lab.asc")
    source = "Types: deb\nURIs: file:/srv/repo\nSuites: lab\nComponents: main\nSigned-By: /etc/apt/keyrings/lab.asc\n"
    host.write("/etc/apt/sources.list.d/lab.sources", source)
    place = host.root / "srv/old"
    place.mkdir()
    for package in (app("1.0"), kernel("1.0")):
        shutil.copy(built(package, debs), place)
    host.sh("dpkg -i /srv/old/*.deb && rm -r /srv/old")
    offer(host, debs, app("1.0"))
    return host


def offer(host: Host, debs: Path, *packages: Deb) -> None:
    publish(host.root / "srv/repo", packages, debs, sign=sign_release)


def version(host: Host, package: str) -> str:
    return host.sh(f"dpkg-query -W -f '${{Version}}' {package}")


def test_from_the_lists_to_the_way_back(host: Host, debs: Path) -> None:
    info = succeed(host, "info")
    assert (info["state"], info["package_manager"]) == ("clean", "apt"), info
    assert succeed(host, "update")["upgrades"] == []
    offer(host, debs, app("2.0"), kernel("2.0"))
    host.write(CONF, "mine\n")

    before = snapshot_of_disk(host)
    for command in ("update", "upgrade"):
        checked = call(host, command, check=True)
        assert {change["name"] for change in checked["upgrades"]} == {"deb-app", "deb-kernel"}, checked
    assert_unchanged(before, host)

    assert succeed(host, "update")["changed"]
    assert not succeed(host, "update")["changed"]
    result = succeed(host, "upgrade")
    assert result["state"] == "staged"
    assert "download_packages" in steps(result)
    assert {change["name"]: change["available"] for change in result["upgrades"]} == {
        "deb-app": "2.0",
        "deb-kernel": "2.0",
    }
    assert f"{CONF}.dpkg-dist" in str(result["warnings"])
    assert version(host, "deb-app") == "1.0"
    host.reboot()
    assert (version(host, "deb-app"), version(host, "deb-kernel")) == ("2.0", "2.0")
    assert host.sh(f"cat {CONF}") == "mine"
    assert host.run("ls /var/log/lab-svc-started /usr/sbin/policy-rc.d", check=False).returncode != 0
    assert succeed(host, "info")["state"] == "clean"
    assert succeed(host, "upgrade")["changed"] is False

    bad = Deb("deb-app", "3.0", scripts={"postinst": "echo lab: no >&2; exit 3"})
    offer(host, debs, bad)
    before = snapshot_of_disk(host)
    failed = call(host, "upgrade")
    assert_refused(failed, "package_manager_failed", "deb-app (configure)", "post-installation script")
    assert failed["state"] == "clean"
    assert snapshot_of_disk(host).subvolumes == before.subvolumes
    assert version(host, "deb-app") == "2.0"

    assert succeed(host, "rollback")["changed"]
    host.reboot()
    assert (version(host, "deb-app"), version(host, "deb-kernel")) == ("1.0", "1.0")
    assert host.sh("dpkg --audit") == ""


def test_what_is_refused(host: Host, debs: Path) -> None:
    """Locks of apt and dpkg, an interrupted dpkg, unsigned sources, sources that cannot be read; and no secret comes out."""
    offer(host, debs, app("2.0"))
    for path in ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"):
        with held(host, path):
            result = call(host, "upgrade", check=True)
            assert_refused(result, "locked", path)
            assert result["holder"]["pid"] > 0
    host.sh("touch /var/lib/dpkg/updates/0001")
    assert_refused(call(host, "upgrade"), "package_manager_failed", "dpkg --configure -a")
    host.sh("rm /var/lib/dpkg/updates/0001")
    host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo lab main\n")
    host.sh("mv /etc/apt/sources.list.d/lab.sources /srv")
    refused = call(host, "upgrade")
    assert_refused(refused, "gpg_policy", "file:/srv/repo lab")
    assert refused["unchecked_repositories"] == ["file:/srv/repo lab"]
    host.write("/etc/apt/sources.list", f"deb http://user:{SECRET}@10.77.0.1:9/debian lab main\n")
    for command in ("update", "upgrade"):
        result = call(host, command)
        assert_refused(result, "repository_failed")
        assert SECRET not in json.dumps(result)
    assert succeed(host, "info")["state"] == "clean"
