# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab on the command line: ``python -m tests.lab --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.lab.gc import collect
from tests.lab.lab import Lab
from tests.lab.layouts import DNF5, FLAVOURS, OVERC, ZYPPER
from tests.lab.process import LabError, say
from tests.lab.settings import DEFAULT_DIRECTORY, DiskSize


def _up(lab: Lab, options: argparse.Namespace) -> None:
    lab.up()
    have = {host.name for host in lab.hosts()}
    missing = [n for n in (f"h{i}" for i in range(1, options.count + 1)) if n not in have]
    size = DiskSize(options.disk, options.boot)
    managers = options.managers.split(",")
    lab.create_many(missing, size=size, backup=options.backup, managers=managers, flavour=options.flavour)
    for host in lab.hosts():
        host.start()
    inventory = lab.inventory()
    say(f"{len(lab.hosts())} hosts are up; inventory: {inventory}")


def _list(lab: Lab, _options: argparse.Namespace) -> None:
    for host in lab.hosts():
        condition = "on" if host.is_on else "off"
        problem = f"  BOOT FAILED: {host.boot_failed}" if host.boot_failed else ""
        print(f"{host.name:<12} {host.address:<14} {condition:<4} boots={host.boots}{problem}")


def _ssh(lab: Lab, options: argparse.Namespace) -> None:
    config = lab.directory / "ssh_config"
    os.execvp("ssh", ["ssh", "-F", str(config), lab.host(options.name).name, *options.command])


def _reboot(lab: Lab, options: argparse.Namespace) -> None:
    host = lab.host(options.name)
    host.boot_entry(options.entry)
    host.reboot()


def _power(lab: Lab, options: argparse.Namespace) -> None:
    host = lab.host(options.name)
    host.powercut() if options.action == "powercut" else host.powerloss()
    say(f"{host.name} lost its power; starting it again")
    host.boot_entry(options.entry)
    host.start()


def _start(lab: Lab, options: argparse.Namespace) -> None:
    host = lab.host(options.name)
    host.boot_entry(options.entry)
    host.start()


def _destroy(lab: Lab, options: argparse.Namespace) -> None:
    lab.host(options.name).destroy()
    lab.inventory()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="where the lab lives")
    actions = parser.add_subparsers(dest="action", required=True)

    up = actions.add_parser("up", help="make and start hosts h1 ... hN")
    up.add_argument("count", type=int)
    up.add_argument("--disk", type=int, default=DiskSize().disk_mib, help="size of a disk in MiB")
    up.add_argument("--boot", type=int, default=DiskSize().boot_mib, help="size of /boot in MiB")
    up.add_argument("--backup", action="store_true", help="with rootfs_bakup and bzImage_bakup from the start")
    up.add_argument(
        "--managers", default="dnf", help="package managers of the hosts: dnf, smart, apt, or several with commas"
    )
    up.add_argument(
        "--flavour", default=OVERC, choices=(OVERC, DNF5, ZYPPER, *FLAVOURS), help="whose hosts they are, and layout"
    )
    up.set_defaults(call=_up)

    down = actions.add_parser("down", help="remove the lab and everything in it")
    down.set_defaults(call=lambda lab, _: lab.down())
    actions.add_parser("list", help="the hosts and whether they are on").set_defaults(call=_list)
    actions.add_parser("gc", help="clean up after labs whose process was killed").set_defaults(
        call=lambda lab, _: collect(lab.directory)
    )

    ssh = actions.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("name")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    ssh.set_defaults(call=_ssh)

    for name, call, text in (
        ("reboot", _reboot, "an orderly reboot"),
        ("powercut", _power, "kill everything, then start again"),
        ("powerloss", _power, "lose what was not yet written to the disk, then start again"),
        ("start", _start, "switch on"),
        ("stop", lambda lab, options: lab.host(options.name).stop(), "switch off at once"),
        ("destroy", _destroy, "remove one host"),
        ("console", lambda lab, options: print(lab.host(options.name).console()), "what it printed on its console"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("name")
        action.add_argument("--entry", help="what a human picks at the boot menu, for this boot")
        action.set_defaults(call=call)
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        options.call(Lab(options.directory), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
