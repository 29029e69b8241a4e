# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of the documentation is carried out on a real host, or says why it is not.

A run takes a part of them, the next day's run another; ``OVERC_SAMPLE=all``, as a release has it, takes them all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.integration.disk_facts import in_top
from tests.integration.documented_examples import (
    EXAMPLES,
    NOT_HERE,
    PAGES,
    STORIES,
    containers,
    documented,
    offered,
    other_languages,
    playbook,
    typed,
    web_offered,
)
from tests.lab import Host, Lab
from tests.lab.process import run
from tests.lab.settings import REPOSITORY
from tests.sampling import rotating

MakeHost = Callable[..., t.Any]
# Groups that the examples name; the host is in all of them
GROUPS: t.Final = ("edge", "web", "overc")
TYPED: t.Final = [page for page in PAGES if page not in STORIES and [c for c in typed(page) if c not in NOT_HERE]]


# What an inventory declares for the commands of a page: one of its own examples
DECLARED: t.Final = {REPOSITORY / "docs/overlay.md": "docs/overlay.md#2"}
ONE_IN: t.Final = 6


def say(line: str, lab: Lab, directory: Path, variables: dict[str, t.Any] | None = None, host: str = "web1") -> str:
    """Type it as a user of this checkout does, in a directory of one's own, and return what it says."""
    groups = directory / "groups.yml"
    entry = {"hosts": {host: {}}, "vars": variables or {}}
    groups.write_text(yaml.safe_dump(dict.fromkeys(GROUPS, entry)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_INVENTORY": f"{lab.inventory(directory / 'hosts.yml', only={host})},{groups}",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", line], cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{line}\n{done.stdout[-6000:]}"
    assert "Traceback" not in done.stdout
    return done.stdout


def test_each_example_is_carried_out_or_says_why_not() -> None:
    found = set(documented()) | set(other_languages())
    found |= {line for page in PAGES if page not in STORIES for line in typed(page)}
    lines = {line for page in TYPED for line in typed(page)} - set(NOT_HERE)
    assert found - set(EXAMPLES) - lines == set(NOT_HERE), "each has a test or a reason, and no reason is left over"
    assert set(EXAMPLES) <= found
    there = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    named = {name for reason in (*NOT_HERE.values(), *STORIES.values()) for name in re.findall(r"\btest_\w+", reason)}
    assert [name for name in named if f"def {name}(" not in there] == []


@pytest.mark.parametrize("name", rotating(sorted(EXAMPLES), ONE_IN))
def test_playbook(name: str, lab: Lab, make_host: MakeHost, tmp_path: Path) -> None:
    example, text = EXAMPLES[name], documented()[name]
    host = make_host("web1", managers=example.managers)
    example.prepare(host)
    if example.playbook:
        (tmp_path / "variables.yml").write_text(text)
        command = f"ansible-playbook overc.system.{example.playbook} -e @variables.yml -e target=web1"
    else:
        plays = playbook(text)
        assert plays is not None
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
        command = "ansible-playbook play.yml -v -e target=web1"
    output = say(command, lab, tmp_path)
    assert re.search(r"^web1 +: ok=[1-9].* failed=0 ", output, re.MULTILINE), (
        "a play that matches no host shows nothing"
    )
    example.check(host, output)
    if example.declares:
        again = say(command, lab, tmp_path)
        assert re.search(r"^web1 +: ok=[1-9]\d* +changed=0 .* failed=0 ", again, re.MULTILINE), again
        example.check(host, again)


@pytest.mark.parametrize("page", rotating(TYPED, ONE_IN), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands(page: Path, lab: Lab, make_host: MakeHost, tmp_path: Path) -> None:
    """From top to bottom on one host, as somebody who reads and types."""
    host = make_host("web1")
    web_offered(host)
    containers(host)
    variables = yaml.safe_load(documented()[DECLARED[page]]) if page in DECLARED else None
    for line in typed(page):
        if line in NOT_HERE:
            continue
        output = say(line, lab, tmp_path, variables)
        if "--check" not in line and "_upgrade -a" in line:
            assert host.rpm_version("lab-app") == "2.0"
        elif "rollback" in line:
            assert host.rpm_version("lab-app") == "1.0", line
        if not line.startswith("ansible-doc"):
            assert re.search(r"^web1 +(\||: ok=[1-9])", output, re.MULTILINE), output


def test_an_ordinary_host_is_adopted(host: Host) -> None:
    """Its root lies in the top-level tree, its menu has one entry: docs/adopt.md leads from there to an upgrade and back."""
    host.stop()
    with host.top() as top, host.boot_partition() as boot:
        run(["sh", "-c", 'cp -a --reflink=always "$1"/rootfs/. "$1"/', "sh", top])
        run(["btrfs", "subvolume", "set-default", "5", top])
        menu = boot / "grub/grub.cfg"
        menu.write_text(menu.read_text().partition("}\n")[0] + "}\n")
    host.start()
    in_top(host, "btrfs subvolume delete rootfs")
    unmet = [entry["id"] for entry in host.module("overc_host_info")["requirements"] if not entry["ok"]]
    assert unmet == ["root_subvolume", "default_subvolume", "boot_entries"]
    blocks, device = other_languages(), host.sh("findmnt -nvo SOURCE /")
    host.sh("set -e\n" + blocks["docs/adopt.md#sh3"].replace("/dev/sda2", device))
    with host.boot_partition() as boot, (boot / "grub/grub.cfg").open("a") as file:
        file.write(blocks["docs/adopt.md#text3"].replace("/dev/sda2", device))
    host.reboot()
    info = host.module("overc_host_info")
    assert (info["state"], [entry for entry in info["requirements"] if not entry["ok"]]) == ("clean", [])
    offered(host)
    assert host.module("overc_host_upgrade")["staged"] == "rootfs_upgrade"
    host.boot_entry(1)
    host.reboot()
    assert (host.module("overc_host_info")["state"], host.rpm_version("lab-app")) == ("backup", "1.0")
    host.reboot()
    assert (host.module("overc_host_info")["state"], host.rpm_version("lab-app")) == ("clean", "2.0")
