# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories that cannot be read or trusted."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

from tests.contract.apt.shared import NEW, apply, driver, pending, prepared
from tests.contract.proofs import failing, told

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


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
