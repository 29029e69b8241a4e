# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong is no success."""

from __future__ import annotations

import shutil
import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest

from tests.contract.apt.shared import NEW, OLD, app, apply, driver, pending, prepared
from tests.contract.proofs import DIRECTORY, failing, told
from tests.lab.debs import Deb, built

if t.TYPE_CHECKING:
    from tests.contract.apt_root import Root


# Holds a record lock, as apt and dpkg take it, while the rest of the words runs
HOLD = """\
use Fcntl; my $lock = pack("s s x4 q q i", F_WRLCK, 0, 0, 0, 0);
open(my $f, "+>>", shift) or die; fcntl($f, F_SETLK, $lock) or die "$!";
exit(system(@ARGV) >> 8);
"""


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
