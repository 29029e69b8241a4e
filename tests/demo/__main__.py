# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: the lives of two hosts, with real Ansible over real SSH. ``make demo``.

Every table is read from the host's disk, not from what the modules report, and every stage is checked: a demonstration
that does not come true exits with 1.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import typing as t

from tests.demo.debian import FLAVOUR, DebianDemo
from tests.demo.facts import Facts, Observer
from tests.demo.stage import DemoFailed, Stage, heading, paint, say, show
from tests.lab import Host, Lab, LabError
from tests.lab.gc import TEST_LABS, collect
from tests.lab.process import locked
from tests.lab.settings import DEFAULT_DIRECTORY

NAME, DEBIAN = "h1", "d1"


def table(facts: Facts) -> None:
    print()
    for number, (name, *cells) in enumerate(facts.rows()):
        line = f"  {name:<16}" + "".join(f"{cell:<18}" for cell in cells)
        print(paint(line.rstrip(), "1") if number == 0 else line.rstrip())
    print(f"  subvolumes:     {', '.join(facts.subvolumes)}", flush=True)


# --- what it does -----------------------------------------------------------------------------------------------------


class Demo(Stage):
    def __init__(self, lab: Lab, host: Host) -> None:
        super().__init__(lab, host)
        self.observer = Observer(host)

    def look(self) -> Facts:
        facts = self.observer.look()
        table(facts)
        print()
        return facts

    def run(self) -> None:
        before = self.first_look()
        self.update()
        self.check_mode(before)
        self.upgrade(before)
        after = self.reboot()
        self.bad_package(after)
        self.rollback(before)

    def first_look(self) -> Facts:
        heading("1. A host as the documentation wants it")
        say("Root is a btrfs subvolume, /boot a partition; the boot menu has a second entry for the backup.")
        info = self.ansible("overc_host_info")
        wanted = [entry["id"] for entry in info["requirements"]]
        show("state", info["msg"])
        facts = self.look()
        self.check(info["state"] == "clean" and not wanted, "the host can be upgraded")
        self.check(facts.running.versions == {"1.0"}, "every package is at version 1.0")
        return facts

    def update(self) -> None:
        heading("2. Update: what is pending?")
        say("The lab publishes version 2.0 of some packages, a new kernel among them.")
        self.host.release("v2")
        update = self.ansible("overc_host_update")
        for line in update["changes"]:
            show("pending", line)
        named = {line.split()[0] for line in update["changes"]}
        self.check({"lab-app", "lab-kernel"} <= named, "the upgrades are announced")

    def check_mode(self, before: Facts) -> None:
        heading("3. Check mode: what would an upgrade do?")
        planned = self.ansible("overc_host_upgrade", "--check")
        for number, step in enumerate(planned["steps"], 1):
            print(f"    {number:>2}. {step}")
        self.check(self.observer.look() == before, "nothing was changed")

    def upgrade(self, before: Facts) -> None:
        heading("4. Upgrade: the new system is built beside the running one")
        done = self.ansible("overc_host_upgrade")
        show("state", f"{done['state']}: {done['staged']} boots next")
        facts = self.look()
        self.check(facts.running == before.running, "the running system is untouched")
        self.check(facts.next_boot.versions == {"2.0"} and facts.next_boot.kernel == "2.0-lab", "2.0 boots next")
        backup = facts.backup
        self.check(
            backup and (backup.kernel, backup.packages) == (before.running.kernel, before.running.packages),
            "the backup entry has the system as it was",
        )

    def reboot(self) -> Facts:
        heading("5. Reboot, and verify what came up")
        say("The same command once more: the upgrade is staged already, so all that is left is the reboot.")
        done = self.ansible("overc_host_upgrade", "-a", "reboot=true")
        came_up = (done.get("reboot") or {}).get("came_up") or {}
        show("came up", f"{came_up.get('subvolume')}, {(done.get('reboot') or {}).get('elapsed')} s after the reboot")
        facts = self.look()
        self.check(not done["failed"] and facts.running == facts.next_boot, "the new system runs, with its new kernel")
        self.check(facts.running.versions == {"2.0"}, "every package is at version 2.0")
        again = self.ansible("overc_host_upgrade")
        self.check(not again["changed"] and not again["failed"], "a second upgrade finds nothing to do")
        return facts

    def bad_package(self, before: Facts) -> None:
        heading("6. A bad package: its scriptlet fails in the middle of the upgrade")
        self.host.enable_repo("pre-fails")
        done = self.ansible("overc_host_upgrade")
        show("error_id", str(done.get("error_id")))
        show("message", str(done.get("msg")))
        for line in str(done.get("stderr", "")).strip().splitlines()[:3]:
            show("stderr", line.strip())
        facts = self.look()
        self.check(done["failed"] and done.get("error_id") == "package_manager_failed", "the upgrade is refused")
        self.check(facts == before, "the host is exactly as it was")
        self.host.disable_repo("pre-fails")

    def rollback(self, first: Facts) -> None:
        heading("7. Rollback: back to the system before the upgrade")
        done = self.ansible("overc_host_rollback", "-a", "reboot=true")
        facts = self.look()
        self.check(not done["failed"] and facts.running == first.running, "the first system runs again, kernel and all")
        again = self.ansible("overc_host_rollback")
        self.check(not again["changed"] and not again["failed"], "a rollback is never rolled back by a second one")


NEXT = """\
What to try next:

  make lab HOSTS=3                                        three hosts to play with, h1 to h3
  ansible -i .lab/inventory.yml all -m overc.system.overc_host_info
  ansible -i .lab/inventory.yml all -m ansible.builtin.copy -a 'content=v2 dest=/etc/dnf/vars/labrel'
  ansible -i .lab/inventory.yml all -m overc.system.overc_host_upgrade -a reboot=true
  python -m tests.lab ssh h1                              log in
  python -m tests.lab reboot h1 --entry 1                 choose the backup entry in the boot menu
  make lab-down                                           remove them

(`ansible` and `python` are in .venv/bin: source .venv/bin/activate)"""


def _interrupted(*_: object) -> t.NoReturn:
    raise KeyboardInterrupt


def remove(lab: Lab) -> None:
    try:
        lab.down()
    except LabError as error:
        print(f"Not everything could be removed, the next run tries again: {error}", file=sys.stderr)
    else:
        shutil.rmtree(lab.directory, ignore_errors=True)


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGHUP, _interrupted)
    with locked(DEFAULT_DIRECTORY / "gc.lock"):
        collect(DEFAULT_DIRECTORY)
    lab = Lab(DEFAULT_DIRECTORY / TEST_LABS / f"demo-{os.getpid()}")
    began = time.monotonic()
    try:
        try:
            print("Starting two hosts (the first time their disk images are built: minutes) ...", flush=True)
            lab.up(owned=True)
            host, debian = lab.create(NAME), lab.create(DEBIAN, flavour=FLAVOUR)
            for each in (host, debian):
                each.start()
            set_up, began = time.monotonic() - began, time.monotonic()
            Demo(lab, host).run()
            DebianDemo(lab, debian).run()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # whoever presses Ctrl-C twice still gets a clean machine
            took = time.monotonic() - began
            remove(lab)
    except KeyboardInterrupt:
        print("\nInterrupted; the hosts are removed.", file=sys.stderr)
        return 130
    except (DemoFailed, LabError) as error:
        print(paint(f"\nThe demonstration FAILED: {error}", "1;31"), file=sys.stderr)
        return 1
    print("\n" + paint(f"Everything came true in {took:.0f} s (after {set_up:.0f} s to start the hosts).", "1;32"))
    print(f"The hosts are removed.\n\n{NEXT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
