# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that answers the Smart driver with recordings of the real smart 1.5 (tests/unit/transcripts/smart-1.5)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages import rpmdb
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
    PackagePlan,
)
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import driver as smartpm
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import output
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import plan as smartpm_plan
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

from tests.unit.smart_recordings import RECORDS, recorded


def packages_of(backend: str, *names_and_versions: str) -> list[Package]:
    found = []
    for each_one in names_and_versions:
        name, version = each_one.split("=")
        found.append(Package(name, "" if backend == "deb" else "x86_64" if name == "overc-lib" else "noarch", version))
    return found


# The lists of every channel that the recordings know
LISTS = "".join(
    f"/var/lib/smart/channels/{alias}%%http:__x_{name}\n"
    for alias in ("main", "fromfile")
    for name in ("primary", "Release")
)
RPM_SAYS = re.compile(r"(?:warning|error): (?:%\w+\(|\S+: (?:install|erase) )")


class Replay:
    """A host as the recordings found it: answers by the beginning of the arguments; lists of packages in turn."""

    def __init__(self, backend: str, lists: t.Sequence[t.Sequence[Package]] = (), **answers: Completed) -> None:
        self.backend = backend
        self.lists = [list(each_list) for each_list in lists] or [packages_of(backend, "overc-demo=1.0-1")]
        self.answers = answers
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if tuple(argv) == rpmdb.QUERY or argv[0] == "dpkg-query":
            packages = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            rpm = "".join(f"{p.name}\t{p.version}\t{p.arch}\n" for p in packages)
            deb = "".join(f"ii |{p.name}|{p.version}\n" for p in packages)
            return Completed(tuple(argv), 0, rpm if argv[0] == "rpm" else deb, "")
        if argv[0] == "find":
            return Completed(tuple(argv), 0, LISTS, "")
        if argv[0] == "mktemp":
            return Completed(tuple(argv), 0, "/var/tmp/overc-rpm-log.1\n", "")
        if argv[0] == "cat":  # what rpm itself said: the real one writes nothing else to its log
            said = self.answers["upgrade"].stderr.splitlines() if "upgrade" in self.answers else []
            return Completed(tuple(argv), 0, "".join(f"{line}\n" for line in said if RPM_SAYS.match(line)), "")
        word = self.key(argv)
        if word in self.answers:
            return self.answers[word]
        if word == "channel":
            return recorded(self.backend, "channel-show")
        if word in ("update", "dry"):
            return recorded(self.backend, {"update": "update-nothing-new", "dry": "upgrade-none"}[word])
        return Completed(tuple(argv), 0, "", "")

    @staticmethod
    def key(argv: t.Sequence[str]) -> str:
        if argv[0] != "smart":
            return argv[0]
        words = [word for word in argv[1:] if not word.startswith("-")]
        return "dry" if "dry-run=true" in argv else words[0] if words else "help"


def driver(runner: Replay) -> smartpm.SmartPm:
    return smartpm.SmartPm(runner, sleep=lambda _seconds: None)


def world(backend: str, scenario: str) -> tuple[list[Package], list[Package], PackagePlan]:
    """Installed before and after, as the recording says, and the plan its own output announces."""
    plan = output.parse_plan(said_in_advance(backend, scenario))
    moved = re.findall(
        r"^ +([-+]) (\S+) (\S+)(?: (\S+))?(?: \[install .*\])?$", RECORDS[backend, scenario]["installed"], re.MULTILINE
    )
    arch = {p.name: p.arch for p in plan.incoming}
    listed = [(sign, Package(n, "" if backend == "deb" else a or arch.get(n, "noarch"), v)) for sign, n, v, a in moved]
    gone, come = {p for sign, p in listed if sign == "-"}, {p for sign, p in listed if sign == "+"}
    old_names = {p.name for p in gone}
    before = gone | {
        Package(p.name, p.arch, "1.0-1")
        for p in plan.upgrading
        if p.name not in old_names and scenario != "upgrade-yes-renamed-package"
    }
    before |= {Package("bystander", "" if backend == "deb" else "noarch", "1-1")}
    after = (before - gone) | come
    return sorted(before), sorted(after), PackagePlan(smartpm_plan.changes(plan, before))


def said_in_advance(backend: str, scenario: str) -> str:
    """The plan that the recording's own output announces; explained, where that alone tells what is replaced."""
    text: str = RECORDS[backend, scenario]["stdout"]
    if scenario != "upgrade-yes-renamed-package":
        return text
    package = "overc-newname-1.1-1@noarch"
    return re.sub(
        rf"^  {package}.*$",
        f"  {package} [main]\n    Upgrades:\n      overc-oldname-1.0-1@noarch (upgraded)",
        text,
        flags=re.MULTILINE,
    )
