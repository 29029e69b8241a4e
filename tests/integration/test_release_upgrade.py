# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host gets another release of its distribution: in a new root, tried, confirmed, and taken back.

The suites are small and the lab's own, in an archive that calls itself Debian's; apt and dpkg are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.integration.commands import Result, assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.integration.documented_examples import documented, playbook, typed
from tests.integration.test_deployments import DEBIAN, adopt, root
from tests.integration.test_documented_examples import say
from tests.lab import Host, Lab
from tests.lab.apt import install, new_kernel, offer, pool, version
from tests.lab.debian import packages
from tests.lab.debs import Deb, publish
from tests.lab.settings import REPOSITORY
from tests.lab.signing import sign_release

MakeHost = Callable[..., Host]
CONF = "/etc/deb-app.conf"
ARCHIVE, SOURCES = "/srv/debian", "/etc/apt/sources.list.d/debian.sources"
STANZA = (
    f"Types: deb\nURIs: file:{ARCHIVE}\nSuites: bookworm bookworm-security\nComponents: main\n"
    "Signed-By: /etc/apt/keyrings/lab.asc\n"
)
OLD = Deb("deb-old", "1.0")
# Instead of base-files, which is too much to be made here
_BECOME = "sed -i s/bookworm/trixie/ /usr/lib/os-release"


def app(release: str, *fields: str) -> Deb:
    return Deb("deb-app", release, files={CONF: f"{release}\n".encode()}, conffiles=(CONF,), fields=fields)


def archive(host: Host, suite: str, *offered: Deb, signed: bool = True) -> None:
    place = host.root / ARCHIVE.lstrip("/")
    publish(
        place,
        [*packages(), *offered],
        pool(),
        sign=sign_release if signed else None,
        suite=suite,
        origin="Debian",
        beside=True,
    )


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """A Debian 12 that is adopted, with sources of Debian and of somebody else, and a trixie to come."""
    host = make_host("web1", flavour=DEBIAN)
    install(host, app("1.0"), OLD)
    offer(host)
    host.write(SOURCES, STANZA)
    archive(host, "bookworm", app("1.0"), OLD)
    archive(host, "bookworm-security")
    new = Deb("deb-new", "1.0", fields=("Conflicts: deb-old", "Replaces: deb-old"))
    release = Deb("deb-release", "13", scripts={"postinst": _BECOME})
    archive(host, "trixie", app("2.0", "Depends: deb-new, deb-release"), new, release, *new_kernel())
    archive(host, "trixie-security")
    adopt(host)
    host.write(CONF, "mine\n")
    assert succeed(host, "update")["upgrades"] == []
    return host


def release(host: Host, name: str = "trixie", **args: str) -> Result:
    return call(host, "upgrade", {"release": name, **args})


def test_there_and_back(host: Host) -> None:
    before = snapshot_of_disk(host)
    checked = call(host, "upgrade", {"release": "trixie", "third_party_sources": "disable"}, check=True)
    assert not checked.get("failed"), checked
    assert_unchanged(before, host)
    assert checked["changed"]
    assert checked["removed"] == ["deb-old"]
    assert {change["name"] for change in checked["upgrades"]} >= {"deb-app", "deb-new", "deb-release", "deb-old"}
    assert [(row["becomes"], row["action"]) for row in checked["release"]["sources"]] == [
        (["trixie", "trixie-security"], "rewritten"),
        ([], "disabled"),
    ]

    staged = release(host, third_party_sources="disable")
    assert (staged["state"], staged["staged"]) == ("staged", "@rootfs.overc-1"), staged
    assert (staged["removed"], staged["kept_files"]) == (["deb-old"], [CONF])
    assert (staged["release"]["from"], staged["release"]["to"]) == ("bookworm", "trixie")
    assert staged["fingerprint"] == checked["fingerprint"]
    # The running system knows nothing of it
    assert host.sh(f"cat {SOURCES}") == STANZA.strip()
    assert host.run("ls /var/lib/apt/lists | grep trixie; ls -d /var/tmp/overc-*", check=False).stdout == ""
    assert (version(host, "deb-app"), version(host, "deb-old")) == ("1.0", "1.0")
    again = release(host, third_party_sources="disable")
    assert (again["changed"], again["state"]) == (False, "staged"), again

    host.reboot()
    assert root(host) == "@rootfs.overc-1"
    assert "trixie" in host.sh("cat /etc/os-release")
    assert host.run("ls -d /var/tmp/overc-* /etc/apt/*/*.overc-new", check=False).stdout == ""
    assert host.sh(f"cat {SOURCES}") == STANZA.replace("bookworm", "trixie").strip()
    assert host.sh("cat /etc/apt/sources.list.d/lab.sources").startswith("Enabled: no\n")
    assert host.sh(f"stat -c %a:%U {SOURCES}; ls /etc/apt/sources.list.d") == "644:root\ndebian.sources\nlab.sources"
    assert (version(host, "deb-app"), version(host, "deb-new"), host.sh(f"cat {CONF}")) == ("2.0", "1.0", "mine")
    assert host.sh("dpkg --audit; systemctl --failed --plain --no-legend") == ""
    assert_refused(release(host), "unconfirmed")
    assert succeed(host, "confirm")["state"] == "clean"
    there = release(host)
    assert (there["changed"], there["msg"]) == (False, "trixie runs already; @rootfs.overc-1 runs"), there
    assert succeed(host, "upgrade")["changed"] is False
    assert_refused(release(host, "bookworm"), "release_unsupported", "older than trixie", "overc_host_rollback")

    succeed(host, "rollback")
    host.reboot()
    assert (root(host), version(host, "deb-app"), version(host, "deb-old")) == ("@rootfs", "1.0", "1.0")
    assert host.sh(f"cat {SOURCES}") == STANZA.strip()
    succeed(host, "confirm")
    assert succeed(host, "info")["state"] == "clean"


@pytest.mark.one_day_in(2)
def test_what_is_refused_before_anything_is_built(host: Host) -> None:
    before = snapshot_of_disk(host)

    def refused(error_id: str, *words: str, to: str = "trixie", **args: str) -> None:
        assert_refused(call(host, "upgrade", {"release": to, **args}), error_id, *words)

    refused("release_sources", "file:/srv/repo lab", "third_party_sources")
    refused("release_unsupported", "leaves out a release", to="forky")
    refused("release_unsupported", "older than bookworm", to="bullseye")
    refused("release_unsupported", "no release of Debian", to="trixy")
    refused("release_unsupported", "as time goes by", to="stable")
    refused("bad_argument", "no code name", to="13")
    refused("bad_argument", "cannot go together", packages="deb-app")

    def with_file(path: str, text: str, error_id: str, *words: str, **args: str) -> None:
        kept = host.run(f"cat {path}", check=False).stdout
        host.write(path, text)
        refused(error_id, *words, **{"third_party_sources": "keep", **args})
        if kept:
            host.write(path, kept)
        else:
            host.sh(f"rm {path}")

    lab = "/etc/apt/sources.list.d/other.list"
    with_file(
        lab, f"deb [trusted=yes] file:{ARCHIVE} stable main\n", "release_sources", "stable", "write the code name"
    )
    with_file(
        "/etc/apt/apt.conf.d/99x", 'APT::Default-Release "bookworm";\n', "release_sources", "Default-Release bookworm"
    )
    pin = "Package: *\nPin: release n=bookworm\nPin-Priority: 990\n"
    with_file("/etc/apt/preferences.d/x", pin, "release_sources", "pin of * to release n=bookworm")
    elsewhere = "deb [trusted=yes] file:/srv/none bookworm main\n"
    with_file(lab, elsewhere, "repository_failed", "/srv/none", "disable", third_party_sources="rewrite")

    assert snapshot_of_disk(host).subvolumes == before.subvolumes
    assert_refused(call(host, "upgrade", {"release": "trixie"}, check=True), "release_sources", "third_party_sources")
    host.sh("apt-mark hold deb-app")
    refused("release_sources", "on hold: deb-app", "apt-mark unhold", third_party_sources="keep")
    host.sh("apt-mark unhold deb-app && dpkg --unpack /srv/repo/pool/linux-image-lab_*.deb")
    refused("package_manager_failed", "dpkg --configure -a", third_party_sources="keep")
    host.sh("dpkg --configure -a")
    archive(host, "trixie", app("2.0"), signed=False)
    refused("package_untrusted", "keyring", third_party_sources="disable")
    assert snapshot_of_disk(host).subvolumes == before.subvolumes


@pytest.mark.one_day_in(3)
def test_a_release_that_does_not_come(host: Host) -> None:
    """The packages are upgraded, but what says which release it is stays behind; and a script that fails half-way."""
    archive(host, "trixie", app("2.0"))
    assert_refused(release(host, third_party_sources="disable"), "package_manager_failed", "calls itself bookworm")
    archive(host, "trixie", app("2.0"), Deb("deb-old", "2.0", scripts={"postinst": "exit 3"}))
    assert_refused(release(host, third_party_sources="disable"), "package_manager_failed", "deb-old (configure)")
    become = Deb("deb-release", "13", scripts={"postinst": _BECOME})
    archive(
        host, "trixie", app("2.0", "Depends: deb-release"), become, Deb("deb-old", "2.0", fields=("Depends: none",))
    )
    kept = call(host, "upgrade", {"release": "trixie", "third_party_sources": "disable"}, check=True)
    assert "Not everything becomes trixie: 1 package kept back" in str(kept["warnings"]), kept
    assert "deb-old" in str(kept["held_back"])
    assert (root(host), version(host, "deb-app")) == ("@rootfs", "1.0")
    info = succeed(host, "info")
    assert (info["state"], host.sh("btrfs subvolume list / | wc -l")) == ("clean", "1"), info


PAGE = REPOSITORY / "docs/release-upgrade.md"


@pytest.mark.one_day_in(6)
def test_the_page_comes_true(host: Host, lab: Lab, tmp_path: Path) -> None:
    """Its commands one after another, as somebody types them; then its playbook, which does the same at once."""
    said = {line: say(line, lab, tmp_path) for line in typed(PAGE)}
    built = next(text for line, text in said.items() if line.endswith("third_party_sources=disable'"))
    assert '"state": "staged"' in built
    assert CONF in built
    assert len(said) == 8
    assert (root(host), version(host, "deb-app")) == ("@rootfs", "1.0")
    succeed(host, "confirm")
    (tmp_path / "play.yml").write_text(yaml.safe_dump(playbook(documented()["docs/release-upgrade.md#1"])))
    for changed in (True, False):
        output = say("ansible-playbook play.yml", lab, tmp_path)
        assert ("changed=0" not in output) == changed, output
        assert "trixie" in host.sh("cat /etc/os-release")
        assert succeed(host, "info")["state"] == "clean"
