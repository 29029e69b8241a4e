# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of crash points in docs/reliability.md, from a run of all of them and from nothing less."""

from __future__ import annotations

import sys
import typing as t
from collections import Counter
from pathlib import Path

from tests.integration import crash_report
from tests.integration.crash_bench import EVERYTHING, WAYS
from tests.integration.crash_points import IN_PACKAGES, automatic, repairs, steps_and_calls, with_packages
from tests.integration.crash_points_snapper import cases
from tests.integration.crash_report import Row
from tests.lab.layouts import DNF5, ZYPPER
from tests.lab.settings import REPOSITORY
from tests.marked import replace, table

DOCUMENT: t.Final = REPOSITORY / "docs/reliability.md"
# What each command of the tests is, in the order of the table
_COMMANDS: t.Final = {
    "first": "upgrade, the first of a host",
    "second": "upgrade, one of many, with `carry_over`",
    "replace": "upgrade of a host with a staged system",
    "rollback": "rollback",
    "cancel": "rollback before the reboot",
    "restore": "rollback on the backup entry",
    "packages": "upgrade, while packages are installed",
    "repair-of-second": "repair of a killed upgrade",
    "repair-of-replace": "repair of a killed upgrade of a staged system",
    "repair-of-rollback": "repair of a killed rollback",
    "repair-of-restore": "repair of a killed rollback on the backup entry",
    "automatic-upgrade": "automatic protection: upgrade",
    "automatic-confirm": "automatic protection: confirm",
    "automatic-rollback": "automatic protection: rollback",
    "automatic-restore": "automatic protection: rollback after a failed trial",
    "automatic-give_up": "automatic protection: rollback of a system on trial",
    "automatic-cancel": "automatic protection: rollback before the reboot",
    "automatic-replace": "automatic protection: upgrade of a host with a staged system",
}
FLAVOURS: t.Final = {DNF5: "DNF 5", ZYPPER: "zypper"}
# The same, of other package managers
_OF_PACKAGE_MANAGERS: t.Final = {
    f"{flavour}-{command}": f"{name}: {_COMMANDS[command]}"
    for flavour, name in FLAVOURS.items()
    for command in ("first", "second", "replace", "packages")
}
# On hosts in openSUSE's layout
_OF_SNAPPER: t.Final = {
    f"snapper-{name}": said
    for name, said in {
        "set-up": "setting up",
        "upgrade": "upgrade, with `carry_over` and `run`",
        "replace": "upgrade of a host with a staged system",
        "prune": "upgrade that lets an older deployment go (`keep`)",
        "rollback": "rollback",
        "cancel": "rollback before the reboot",
        "stay": "rollback taken back before the reboot",
        "elsewhere": "what runs made the default again",
        "give-back": "giving back",
    }.items()
}
_THEN: t.Final = {
    "reboot": "reboot",
    "powerloss": "power cut",
    "at_once": "next command at once",
    "at_once_powerloss": "both",
}


def expected() -> list[tuple[str, str]]:
    """(command, point) of everything that a whole run tries."""
    return [
        *((transaction.name, str(point)) for transaction, point in steps_and_calls()),
        *(("packages", moment) for moment in IN_PACKAGES),
        *(
            (f"repair-of-{entry.transaction.name}", f"{entry.at}/{point}")
            for entry, point in repairs(everything=EVERYTHING)
        ),
        *((f"automatic-{transaction.name}", str(point)) for transaction, point in automatic()),
    ]


def expected_of_package_managers() -> list[tuple[str, str]]:
    return [
        *(
            (f"{flavour}-{transaction.name}", str(point))
            for flavour in FLAVOURS
            for transaction, point in with_packages()
        ),
        *((f"{flavour}-packages", moment) for flavour in FLAVOURS for moment in IN_PACKAGES),
    ]


def expected_of_snapper() -> list[tuple[str, str]]:
    return [(f"snapper-{case.command.name}", f"{case.point}") for case in cases()]


class Table(t.NamedTuple):
    """What a whole run tries, as (command, point), and what each command is."""

    points: t.Callable[[], list[tuple[str, str]]]
    commands: dict[str, str]


# By the marks that they stand between
MAIN: t.Final = "crash points"
TABLES: t.Final = {
    MAIN: Table(expected, _COMMANDS),
    "crash points of package managers": Table(expected_of_package_managers, _OF_PACKAGE_MANAGERS),
    "crash points of snapper": Table(expected_of_snapper, _OF_SNAPPER),
}


def render(rows: t.Sequence[Row], wanted: Table) -> str:
    """``rows`` has every expected point; of a point that was tried again in the same way, the last time counts."""
    last = {(row["command"], row["point"], row["way"]): row for row in rows}
    all_points = wanted.points()
    kills = [row for (command, point, _way), row in last.items() if (command, point) in set(all_points)]

    def cells(command: str) -> list[str]:
        found = [row for row in kills if row["command"] == command]
        failed = sum(row["outcome"] != "passed" for row in found)
        ways = Counter(row["way"] for row in found)
        count = sum(name == command for name, _point in all_points)
        outcome = f"{failed} FAILED" if failed else "all converge"
        return [wanted.commands[command], str(count), *(str(ways[way]) for way in WAYS), outcome]

    commands = [name for name in wanted.commands if any(name == command for command, _point in all_points)]
    day = max(row["day"] for row in kills)
    summary = (
        f"{day}: {len(all_points)} points, {len(kills)} kills. Each was followed by a reboot, by a power cut that loses what "
        "was not written, by the next command at once, or by that command and then the power cut."
    )
    head = ["command", "points", *(f"then {_THEN[way]}" for way in WAYS), "outcome"]
    return "\n".join([summary, "", *table(head, map(cells, commands))])


def write(rows: t.Sequence[Row], document: Path = DOCUMENT, name: str = MAIN) -> None:
    """Refuses a run that left points out, and leaves the page as it is."""
    wanted = set(TABLES[name].points())
    unknown = {command for command, _point in wanted} - set(TABLES[name].commands)
    if unknown:
        raise SystemExit(f"{__file__}: these commands have no name for people: {', '.join(sorted(unknown))}")
    tried = wanted & {(row["command"], row["point"]) for row in rows}
    if tried != wanted:
        raise SystemExit(f"{len(tried)} of {len(wanted)} crash points were tried; {document.name} is left as it is")
    replace(document, name, render(rows, TABLES[name]))


if __name__ == "__main__":
    for each in sys.argv[1:] or TABLES:
        write(crash_report.read(), name=each)
