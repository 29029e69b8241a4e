# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded outputs of DNF 4.14 (tests/unit/transcripts/dnf4), and hosts that answer with them."""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.overc.system.plugins.module_utils.packages import rpmdb
from ansible_collections.overc.system.plugins.module_utils.packages.contract import (
    Package,
)
from ansible_collections.overc.system.plugins.module_utils.runner import Completed

Record = dict[str, t.Any]
FILE = pathlib.Path(__file__).parent / "transcripts" / "dnf4" / "dnf.jsonl"
RECORDS: dict[str, Record] = {r["scenario"]: r for r in map(json.loads, FILE.read_text("utf-8").splitlines())}
INSTALLED = rpmdb.parse_query("\n".join(RECORDS["apply"]["installed_before"]))


def recorded(scenario: str) -> Completed:
    record = RECORDS[scenario]
    return Completed(tuple(record["cmd"]), record["rc"], record["stdout"], record["stderr"])


EFFECTIVE_4 = json.dumps({
    "cache": "/var/cache/dnf", "state": "/var/lib/dnf", "read": ["/etc/yum.repos.d"], "plugins": True, "excludes": False, "tsflags": [],
    "repositories": {
        "lab": {"checked": True, "signed_lists": False, "optional": False, "packages": ["http://lab/"], "keys": []},
    },
})  # fmt: skip


class Replay:
    """Answers `dnf` calls with one transcript and `rpm -qa` with the package lists given, the last one for ever."""

    def __init__(self, scenario: str, *installed: t.Iterable[Package]) -> None:
        self.answer = recorded(scenario)
        self.lists = [list(packages) for packages in installed] or [list(INSTALLED)]
        self.calls: list[tuple[str, ...]] = []

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}"

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.calls.append(tuple(argv))
        if tuple(argv) == rpmdb.QUERY:
            packages = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            text = "".join(f"{p.name}\t{p.version}\t{p.arch}\n" for p in packages)
            return Completed(tuple(argv), 0, text, "")
        if argv[0] == "readlink":
            return Completed(tuple(argv), 0, "/usr/bin/dnf-3\n", "")
        if argv[0] == "python3":
            return Completed(tuple(argv), 0, EFFECTIVE_4, "")
        if argv[0] != "dnf":
            return Completed(tuple(argv), 0, "", "")
        if "repoquery" in argv:
            return recorded("repoquery-sizes")
        return self.answer


def before_and_after(scenario: str) -> tuple[tuple[Package, ...], tuple[Package, ...]]:
    record = RECORDS[scenario]
    before = set(record["installed_before"])
    after = (before - set(record["removed"])) | set(record["added"])
    return rpmdb.parse_query("\n".join(before)), rpmdb.parse_query("\n".join(after))


# -- a host's own settings ---------------------------------------------------------------------------------------------
class Saying(Replay):
    """As Replay, with one answer for every call of `dnf`."""

    def __init__(self, rc: int, stdout: str, stderr: str = "") -> None:
        super().__init__("nothing")
        self.answer = Completed(("dnf",), rc, stdout, stderr)
