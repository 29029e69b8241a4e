# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing unsigned comes in by default, and what a repository's address holds of secrets does not get out."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, assert_refused, assert_unchanged, call, succeed
from tests.integration.controller import Controller
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host, Lab

MakeHost = Callable[..., Host]
SECRETS = ("S3cretPassw0rd", "t0kenOfTheMirror", "pr0xyPassw0rd")


# -- signatures --------------------------------------------------------------------------------------------------------


def refused(host: Host, *named: str) -> None:
    before = snapshot_of_disk(host)
    for check in (True, False):
        result = call(host, "upgrade", check=check)
        assert_refused(result, "gpg_policy", *named, "gpg_policy: report")
        assert result["unchecked_repositories"] == list(named)
    assert_unchanged(before, host)


def test_a_repository_without_signature_check_is_refused(host: Host) -> None:
    """Whether its packages are signed or not: nobody would look."""
    host.enable_repo("unsigned", gpgcheck=False)
    refused(host, "lab-unsigned")
    allowed = succeed(host, "upgrade", {"gpg_policy": "report"})
    assert allowed["unchecked_repositories"] == ["lab-unsigned"]
    assert "lab-unsigned" in str(allowed["warnings"])
    assert {entry["name"] for entry in allowed["upgrades"]} == {"lab-unsigned"}
    # Staged with the risk known: the same plan is not argued about again
    assert succeed(host, "upgrade")["changed"] is False


def test_the_check_is_inherited_from_the_main_section(host: Host) -> None:
    host.release("v2")
    host.sh("sed -i s/^gpgcheck=1/gpgcheck=0/ /etc/dnf/dnf.conf")
    host.enable_repo("bulk-1")
    refused(host, "lab")
    host.sh("sed -i '$a gpgcheck=yes' /etc/yum.repos.d/lab.repo")
    assert succeed(host, "upgrade")["unchecked_repositories"] == []


def test_nothing_pending_is_no_matter_for_the_policy(host: Host) -> None:
    host.sh("sed -i s/^gpgcheck=1/gpgcheck=0/ /etc/dnf/dnf.conf")
    assert succeed(host, "upgrade")["changed"] is False


def test_smart_without_signature_check_is_refused(make_host: MakeHost) -> None:
    host = make_host(managers=("smart",))
    host.run("smart channel --add system type=rpm-sys -y", check=False)
    host.run(["smart", "channel", "--add", "lab", "type=rpm-md", "baseurl=http://10.77.0.1:8080/v2/", "-y"])
    host.sh("smart config --set rpm-check-signatures=false")
    succeed(host, "update")
    refused(host, "lab")


_PLUGIN = """\
import dnf
class Own(dnf.Plugin):
    name = "own"
    def __init__(self, base, cli):
        super().__init__(base, cli)
        {first}
    def config(self):
        repository = dnf.repo.Repo("from-plugin", self.base.conf)
        repository.baseurl = ["http://10.77.0.1:8080/unsigned/"]
        repository.gpgcheck = False
        repository.enable()
        self.base.repos.add(repository)
"""


@pytest.mark.parametrize(
    ("first", "named"),
    [("pass", "from-plugin"), ("cli.demands", "repositories that plugins of DNF may add")],
    ids=["asked", "cannot be asked"],
)
def test_a_repository_that_a_plugin_of_dnf_adds(host: Host, first: str, named: str) -> None:
    """No file tells of it; a plugin that wants more than DNF's interface promises cannot be asked."""
    place = (
        host.sh("python3 -c 'import os, dnf; print(os.path.dirname(os.path.dirname(dnf.__file__)))'") + "/dnf-plugins"
    )
    host.sh(f"mkdir -p {place}")
    host.write(f"{place}/own.py", _PLUGIN.format(first=first))
    refused(host, named)
    allowed = succeed(host, "upgrade", {"gpg_policy": "report"})
    assert allowed["unchecked_repositories"] == [named]
    assert {entry["name"] for entry in allowed["upgrades"]} == {"lab-unsigned"}


# -- secrets -----------------------------------------------------------------------------------------------------------


def repository(host: Host, baseurl: str, more: str = "") -> None:
    host.sh("rm -f /etc/yum.repos.d/*")
    host.write("/etc/yum.repos.d/lab.repo", f"[lab]\nname=lab\n{baseurl}\nenabled=1\n{more}")


def assert_no_secret(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


def what_the_host_keeps(host: Host) -> str:
    """Our own files and the system's log; DNF's own logs and configuration are DNF's."""
    with host.top() as top:
        ours = "".join(path.read_text() for path in sorted((top / ".overc").rglob("*")) if path.is_file())
    return ours + host.sh("cat /run/overc-system/* 2>/dev/null; journalctl --no-pager --output=json 2>/dev/null; true")


def everything_it_says(host: Host) -> t.Iterator[Result]:
    yield call(host, "update", check=True)
    yield call(host, "update")
    yield call(host, "upgrade", diff=True)
    yield call(host, "info")


def test_credentials_stay_on_the_host(lab: Lab, make_host: MakeHost) -> None:
    host = make_host()
    user = f"user:{SECRETS[0]}"
    broken = {
        "refused": f"baseurl=http://{user}@10.77.0.1:9/v2/",
        "not found": f"baseurl=http://{user}@10.77.0.1:8080/nowhere/",
        "list of mirrors": f"mirrorlist=http://{user}@10.77.0.1:8080/mirrors?token={SECRETS[1]}&repo=lab",
    }
    for why, baseurl in broken.items():
        repository(host, baseurl)
        for result in everything_it_says(host):
            assert_no_secret(json.dumps(result))
            assert result.get("error_id") in (None, "repository_failed"), why
            # It still says which address it was
            assert "error_id" not in result or "***@10.77.0.1" in result["stderr"] + result["stdout"], why
    verbose = Controller(lab)(host.name, "overc.system.overc_host_upgrade", "-vvv")
    assert verbose.result["error_id"] == "repository_failed"
    assert_no_secret(verbose.output)

    repository(host, f"baseurl=http://{user}@10.77.0.1:8080/v2/", f"proxy_password={SECRETS[2]}\n")
    results = list(everything_it_says(host))
    assert results[-1]["state"] == "staged"
    verbose = Controller(lab)(host.name, "overc.system.overc_host_upgrade", "-vvv", "-a", "force=true")
    assert verbose.result["changed"]
    assert_no_secret(json.dumps(results) + verbose.output)
    assert_no_secret(what_the_host_keeps(host))


def test_smart_credentials_stay_on_the_host(make_host: MakeHost) -> None:
    host = make_host(managers=("smart",))
    host.run("smart channel --add system type=rpm-sys -y", check=False)
    for path in ("nowhere", "corrupt", "v2"):
        url = f"http://user:{SECRETS[0]}@10.77.0.1:8080/{path}/"
        host.run(["smart", "channel", "--remove", "lab", "-y"])
        host.run(["smart", "channel", "--add", "lab", "type=rpm-md", f"baseurl={url}", "-y"])
        for result in everything_it_says(host):
            assert_no_secret(json.dumps(result))
    assert_no_secret(what_the_host_keeps(host))
