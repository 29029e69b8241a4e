# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each example of the documentation needs to be carried out on a lab host, and why a few are not.

An example has a name: its page with a number, counted among the page's YAML, or its module. What is written in another
language has that in its name. A command is its own name.
"""

from __future__ import annotations

import re
import shlex
import tempfile
import typing as t
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.test_documentation import PAGES, commands, fenced, playbook
from tests.integration import own_packages
from tests.integration.disk_facts import place_for_containers
from tests.lab import Host
from tests.lab.packages import Package
from tests.lab.settings import REPOSITORY
from tests.unit.test_collection import MODULES, load

Prepare = Callable[[Host], None]
Check = Callable[[Host, str], None]

_ELSEWHERE: t.Final = "a test of its own does it: "
_PLACEHOLDER: t.Final = "a pattern with placeholders; commands of this form are carried out for other examples"
# Only what cannot be carried out here, each with its reason
NOT_HERE: t.Final[dict[str, str]] = {
    "README.md#ini1": _ELSEWHERE + "test_a_host_lives_with_the_installed_collection",
    "docs/adopt.md#sh3": _ELSEWHERE + "test_an_ordinary_host_is_adopted",
    "docs/adopt.md#text1": _ELSEWHERE + "test_the_page_about_fedora_comes_true",
    "docs/adopt.md#text2": _ELSEWHERE + "test_the_page_about_opensuse_comes_true",
    "docs/adopt.md#text3": _ELSEWHERE + "test_an_ordinary_host_is_adopted",
    "docs/fleet.md#1": _ELSEWHERE + "test_ansible_builder_takes_the_execution_environment",
    "docs/fleet.md#3": _ELSEWHERE + "test_the_documented_rings_can_be_meant",
    "docs/release-upgrade.md#1": _ELSEWHERE + "test_the_page_comes_true",
    "roles/pull/README.md#1": _ELSEWHERE + "test_host_upgrades_itself",
    "ansible-galaxy collection build --output-path /tmp": _ELSEWHERE + "test_the_checkout_builds_the_same",
    "ansible-galaxy collection install /tmp/overc-system-0.1.0.tar.gz": _ELSEWHERE
    + "test_a_host_lives_with_the_installed_collection",
    "ansible -i .lab/inventory.yml all -m ...": _PLACEHOLDER,
}
# Their commands are a story, which has a test of its own
STORIES: t.Final = {
    REPOSITORY / "docs/tutorial.md": "test_the_tutorial_comes_true",
    REPOSITORY / "docs/release-upgrade.md": "test_the_page_comes_true",
}


def nothing(_host: Host) -> None:
    pass


def offered(host: Host) -> None:
    host.release("v2")


def upgraded(host: Host) -> None:
    host.release("v2")
    assert host.module("overc_host_upgrade")["changed"]
    host.reboot()


def containers(host: Host) -> None:
    """c0 and c1, full copies of a part of the host, which has something below /opt for them."""
    place_for_containers(host)
    host.sh(
        "mkdir -p /opt/tool && head -c 100000 /dev/urandom >/opt/tool/data;"
        "for c in c0 c1; do mkdir -p /opt/container/$c/rootfs/usr /opt/container/$c/rootfs/opt;"
        " cp -a --reflink=never /usr/share/doc /opt/container/$c/rootfs/usr/ 2>/dev/null;"
        " cp -a --reflink=never /opt/tool /opt/container/$c/rootfs/opt/; touch /opt/container/$c/config; done"
    )


def shared(host: Host) -> None:
    containers(host)
    assert host.module("overc_overlay", {"container": "c1", "directories": ["/opt"], "sources": ["essential"]})[
        "changed"
    ]


def with_nginx(host: Host) -> None:
    """Something of that name which answers on port 80, in the root that is upgraded and so in the new one."""
    offered(host)
    host.sh("mkdir -p /srv/www && echo fine >/srv/www/health")
    host.write(
        "/etc/systemd/system/nginx.service",
        "[Service]\nExecStart=/usr/bin/python3 -m http.server 80 --directory /srv/www\n"
        "[Install]\nWantedBy=multi-user.target\n",
    )
    host.sh("systemctl daemon-reload && systemctl enable --now nginx")


def with_data(host: Host) -> None:
    offered(host)
    host.sh("mkdir -p /var/lib/myapp && echo data >/var/lib/myapp/file")


def web_offered(host: Host) -> None:
    """apache2 is installed, nginx, with a unit, is offered to be."""
    offered(host)
    unit = b"[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    with tempfile.TemporaryDirectory() as scratch:
        files = own_packages.build(
            Path(scratch),
            Package("nginx", "1.0", ("own",), {"/usr/lib/systemd/system/nginx.service": unit}),
            Package("apache2", "1.0", ("own",), {"/usr/share/lab-apache2": b"x"}),
        )
        own_packages.install(host, files["apache2-1.0"])
        own_packages.offer(host, files["nginx-1.0"])


def with_data_and_web(host: Host) -> None:
    with_data(host)
    web_offered(host)


def with_smart(host: Host) -> None:
    host.run("smart channel --add system type=rpm-sys -y", check=False)  # there already in some builds
    host.run(["smart", "channel", "--add", "lab", "type=rpm-md", "baseurl=http://10.77.0.1:8080/v2/", "-y"])


def well(_host: Host, _output: str) -> None:
    """That it ran without an error is all that is to be seen."""


def runs(version: str) -> Check:
    def check(host: Host, _output: str) -> None:
        assert host.rpm_version("lab-app") == version

    return check


def nginx_runs(host: Host, _output: str) -> None:
    """Nothing else was upgraded."""
    assert host.sh("systemctl is-active nginx; rpm -qa --qf '%{NAME} ' apache2 nginx").split() == ["active", "nginx"]
    assert host.rpm_version("lab-app") == "1.0"


def says(*words: str) -> Check:
    def check(_host: Host, output: str) -> None:
        assert [word for word in words if word not in output] == []

    return check


def protected(host: Host, _output: str) -> None:
    assert host.module("overc_host_info")["protection"] == "automatic"


def shares(*wanted: str) -> Check:
    """Exactly these, as CONTAINER:DIRECTORY."""

    def check(host: Host, _output: str) -> None:
        found = host.module("overc_overlay_info")["containers"]
        assert {f"{c['container']}:{o['directory']}" for c in found for o in c["overlays"]} == set(wanted)

    return check


@dataclass(frozen=True)
class Example:
    """``playbook``: one of ours that an example of variables is meant for. ``declares``: once more, it changes nothing."""

    prepare: Prepare = nothing
    check: Check = well
    playbook: str | None = None
    declares: bool = False
    managers: tuple[str, ...] = ("dnf",)


_ALL_SHARED: t.Final = shares("c0:/usr", "c1:/usr", "c1:/opt")
EXAMPLES: t.Final[dict[str, Example]] = {
    "README.md#1": Example(offered, runs("2.0"), declares=True),
    "docs/adopt.md#1": Example(with_smart, says("lab-app"), managers=("smart",)),
    # A host that is not like that is told what is missing
    "docs/adopt.md#2": Example(nothing, says("@upgrade", "remedy")),
    "docs/fleet.md#2": Example(offered, runs("2.0")),
    "docs/overlay.md#1": Example(containers, shares("c1:/usr", "c1:/opt"), declares=True),
    "docs/overlay.md#2": Example(containers, shares("c0:/usr", "c1:/usr"), playbook="overlay", declares=True),
    "docs/packages.md#1": Example(web_offered, nginx_runs, declares=True),
    "roles/bootloader/README.md#1": Example(nothing, protected, declares=True),
    "roles/host_rollback/README.md#1": Example(upgraded, runs("1.0")),
    "roles/host_update/README.md#1": Example(offered, says("lab-app")),
    "roles/host_upgrade/README.md#1": Example(with_nginx, runs("2.0")),
    "roles/overlay/README.md#1": Example(containers, _ALL_SHARED, declares=True),
    "overc_bootloader": Example(),
    "overc_host_confirm": Example(),
    "overc_host_health": Example(),
    "overc_host_info": Example(nothing, says("All assertions passed")),
    "overc_host_rollback": Example(upgraded, runs("1.0")),
    "overc_host_service": Example(),
    "overc_options": Example(),
    "overc_wait": Example(),
    "overc_host_update": Example(offered, says("lab-app")),
    "overc_host_upgrade": Example(with_data_and_web, runs("2.0")),
    "overc_overlay": Example(containers, shares("c1:/usr")),
    "overc_overlay_boot": Example(),
    "overc_report": Example(nothing, says("report/upgrade.json", "report/upgrade.html"), declares=True),
    "overc_overlay_info": Example(shared, says('"directory": "/opt"')),
}


def _label(page: t.Any) -> str:
    return str(page.relative_to(REPOSITORY))


def documented() -> dict[str, str]:
    """Every YAML of the pages and of the modules, by name."""
    found = {f"{_label(page)}#{n}": text for page in PAGES for n, text in enumerate(fenced(page, "ya?ml"), 1)}
    return found | {name: load(f"modules.{name}").EXAMPLES for name in MODULES}


def other_languages() -> dict[str, str]:
    """Every block of the pages that is neither YAML nor made of commands of Ansible or make, by name."""
    found: dict[str, str] = {}
    for page in PAGES:
        languages = set(re.findall(r"^ *```(\w+)$", page.read_text(), re.MULTILINE)) - {"yaml", "yml"}
        for language in languages if page not in STORIES else ():
            for number, text in enumerate(fenced(page, language), 1):
                if not all(line.startswith(("ansible", "make ", "#")) for line in text.split("\n") if line):
                    found[f"{_label(page)}#{language}{number}"] = text
    return found


def typed(page: t.Any) -> list[str]:
    """The commands of a page for hosts, in its order, as a shell takes them.

    Those of make are left out: they are about the checkout, run for minutes to hours, and what they run is what runs
    this test. That their targets exist is tested in tests/conformance.
    """
    return [shlex.join(words) for words in commands(page) if words[0] != "make"]


__all__ = (
    "EXAMPLES",
    "NOT_HERE",
    "PAGES",
    "STORIES",
    "Example",
    "containers",
    "documented",
    "offered",
    "other_languages",
    "playbook",
    "typed",
    "web_offered",
)
