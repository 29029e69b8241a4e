# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded outputs of DNF 5.4 (tests/unit/transcripts/dnf5), and hosts that answer with them."""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages import rpmdb
from ansible_collections.overc.system.plugins.module_utils.packages.contract import Package
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

FILE = pathlib.Path(__file__).parent / "transcripts" / "dnf5" / "dnf.jsonl"
RECORDS: dict[str, dict[str, t.Any]] = {r["scenario"]: r for r in map(json.loads, FILE.read_text("utf-8").splitlines())}

# After dnf5/main.cpp, dump_repository_configuration; not a recording.
REPOSITORIES = """\
======== Main configuration: ========
gpgcheck = 1
pkg_gpgcheck = 1
reposdir = /etc/yum.repos.d,/etc/distro.repos.d
system_cachedir = /var/cache/libdnf5
======== "both" repository configuration: ========
enabled = 1
gpgcheck = 0
pkg_gpgcheck = 1
gpgkey
======== "off" repository configuration: ========
enabled = 1
gpgcheck = 0
repo_gpgcheck = 1
======== "newer-off" repository configuration: ========
pkg_gpgcheck = 0
gpgcheck = 1
======== "disabled" repository configuration: ========
enabled = 1
gpgcheck = 0
======== "silent" repository configuration: ========
enabled = 1
[
  {
    "id":"both",
    "is_enabled":true
  },
  {
    "id":"disabled",
    "is_enabled":false
  },
  {
    "id":"newer-off",
    "is_enabled":true
  },
  {
    "id":"off",
    "is_enabled":true
  },
  {
    "id":"silent",
    "is_enabled":true
  }
]
"""


class Saying:
    """Answers calls of `dnf5` that do something with one output, and `rpm -qa` with the package lists given, in turn."""

    def __init__(self, rc: int, stdout: str, stderr: str = "", *installed: t.Iterable[Package]) -> None:
        self.answer = Completed(("dnf5",), rc, stdout, stderr)
        self.lists = [list(packages) for packages in installed] or [[]]
        self.offers = "{}"
        self.stored = ""
        self.unknown: dict[str, str] = {}  # a word of the call -> what an older DNF 5 says to it
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if tuple(argv) == rpmdb.QUERY:
            packages = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            text = "".join(f"{p.name}\t{p.version}\t{p.arch}\n" for p in packages)
            return Completed(tuple(argv), 0, text, "")
        if argv[0] == "cat":
            return Completed(tuple(argv), 0, self.stored, "")
        if argv[0] != "dnf5":
            return Completed(tuple(argv), 0, "", "")
        unknown = next((said for word, said in self.unknown.items() if word in argv), None)
        if unknown is not None:
            return Completed(tuple(argv), 2, "", unknown)
        if "repo" in argv:
            return Completed(tuple(argv), 0, REPOSITORIES, "")
        if "check-upgrade" in argv:
            return Completed(tuple(argv), 0, self.offers, "")
        if "repoquery" in argv:
            return Completed(tuple(argv), 0, RECORDS["repoquery-sizes"]["stdout"], "")
        return self.answer


def recorded(scenario: str, *installed: t.Iterable[Package]) -> Saying:
    record = RECORDS[scenario]
    return Saying(record["rc"], record["stdout"], record["stderr"], *installed)
