# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mains and the mainboard of one host: boots it, again and again, until it is switched off.

Started as a process of its own, one per host, so that a host outlives the command that made it. All it knows comes
from the host's record file, all it says goes to the host's state file and console log.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
import typing as t
import uuid
from pathlib import Path

from tests.lab import cgroup, disk, linux
from tests.lab.bootloader import BootFailed, Entry, Panicked, Restarted
from tests.lab.layouts import OVERC
from tests.lab.loader_boot import DIRECTORY as VARIABLES
from tests.lab.process import read_json, started_at, write_atomic
from tests.lab.settings import CONSOLE_FILE, MENU_FILE, RECORD_FILE, STATE_FILE, LabNames
from tests.lab.stage1 import Machine, boot

# A machine that panics for ever is switched off in the end.
_PANICS = 5


class Supervisor:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.record = read_json(directory / RECORD_FILE)
        self.cgroup = Path(self.record["cgroup"])
        self.state: dict[str, t.Any] = {"boots": read_json(directory / STATE_FILE).get("boots", 0)}
        self.log = (directory / CONSOLE_FILE).open("ab", buffering=0)

    def say(self, text: str) -> None:
        self.log.write(f"[lab] {text}\n".encode())

    def publish(self, **changes: t.Any) -> None:
        self.state.update(changes)
        write_atomic(self.directory / STATE_FILE, json.dumps(self.state))

    def run(self) -> None:
        own = os.getpid()
        me = [own, started_at(own)]
        self.publish(power="booting", supervisor=me, boot_failed=None, boot_failures=[], init=None)
        loop = disk.attach(Path(self.record["image"]))
        # Held for as long as the host is on: another program's `losetup -D` then cannot take the disk away
        held = [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in (loop, f"{loop}p1", f"{loop}p2")]
        # A new one: rules for devices add up, and the disk may be another loop device than last time
        cgroup.remove(self.cgroup)
        cgroup.create(self.cgroup)
        cgroup.allow_only(self.cgroup, list(disk.device_numbers(loop).values()))
        try:
            while self.one_boot(loop):
                pass
        finally:
            for number in held:
                os.close(number)
            cgroup.kill(self.cgroup)
            self.publish(power="off", init=None)

    def one_boot(self, loop: str) -> bool:
        """True when the host asked for a reboot."""
        menu = self.directory / MENU_FILE
        choice = menu.read_text() if menu.exists() else None
        menu.unlink(missing_ok=True)
        who = disk.identity(loop)
        master, slave = os.openpty()
        machine = Machine(
            name=self.record["name"], stage=self.directory / "stage", loop=loop, devices=disk.device_numbers(loop),
            root_uuid=who.root_uuid, boot_uuid=who.boot_uuid, boot_id=str(uuid.uuid4()), menu_choice=choice,
            flavour=self.record.get("flavour", OVERC), console=os.ttyname(slave),
            python=LabNames(self.directory.parents[1]).shared_python, variables=self._variables(),
        )  # fmt: skip
        machine.stage.mkdir(exist_ok=True)
        machine.python.mkdir(parents=True, exist_ok=True)
        self.state["boot_failed"] = None
        self.say(f"power on, boot {self.state['boots'] + 1}")
        result, writer = os.pipe()
        launcher = os.fork()
        if launcher == 0:
            os.close(result)
            _launch(machine, self.cgroup, self.record["netns"], writer)
        os.close(writer)
        os.close(slave)
        self.watch_start(result, machine.boot_id)
        self.pump_console(master, launcher)
        status = os.waitpid(launcher, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        cgroup.empty(self.cgroup)
        self.say(f"ended with {code}")
        self.publish(init=None)
        if self.state.pop("restarts", False) and len(self.state["boot_failures"]) < _PANICS:
            return True
        return code == signal.SIGHUP  # how the kernel reports reboot(RESTART) of a pid namespace

    def _variables(self) -> Path | None:
        place = self.directory / VARIABLES
        return place if place.is_dir() else None

    def watch_start(self, result: int, boot_id: str) -> None:
        """Read what the boot reports until it is init (end of file) or has failed."""
        with os.fdopen(result) as lines:
            for line in lines:
                message = json.loads(line)
                if "boot_failed" in message:
                    self.say(f"BOOT FAILED: {message['boot_failed']}")
                    message["boot_failures"] = [*self.state["boot_failures"], message["boot_failed"]]
                self.publish(**message)
        if self.state["boot_failed"] is None:
            self.publish(power="on", boots=self.state["boots"] + 1, boot_id=boot_id)

    def pump_console(self, master: int, launcher: int) -> None:
        ended = os.pidfd_open(launcher)
        waiting = select.poll()
        waiting.register(master, select.POLLIN)
        waiting.register(ended, select.POLLIN)
        try:
            while True:
                ready = {number for number, _event in waiting.poll()}
                if master in ready:
                    try:
                        self.log.write(os.read(master, 65536))
                    except OSError:  # nobody has the other end open at this moment
                        if ended not in ready:
                            time.sleep(0.05)
                elif ended in ready:
                    return
                if ended in ready and master in ready:
                    return
        finally:
            os.close(ended)
            os.close(master)


def _launch(machine: Machine, group: Path, netns: str, report: int) -> t.NoReturn:
    """Make the namespaces, start pid 1 in them and pass on how it ended. Never returns."""
    code = 99  # no signal has this number
    try:
        linux.die_with_parent(signal.SIGKILL)
        cgroup.join(group)
        number = os.open(f"/run/netns/{netns}", os.O_RDONLY | os.O_CLOEXEC)
        linux.setns(number, linux.CLONE_NEWNET)
        os.close(number)
        linux.unshare(
            linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC
            | linux.CLONE_NEWCGROUP | linux.CLONE_NEWTIME
        )  # fmt: skip
        linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
        # The host's clocks start at its power-on, whatever the machine's say
        clocks = {"boottime": time.CLOCK_BOOTTIME, "monotonic": time.CLOCK_MONOTONIC}
        offsets = [f"{name} -{int(time.clock_gettime(clock))} 0" for name, clock in clocks.items()]
        Path("/proc/self/timens_offsets").write_text("\n".join(offsets))
        init = os.fork()
        if init == 0:
            _first_process(machine, report)
        os.write(report, (json.dumps({"init": [init, started_at(init)]}) + "\n").encode())
        os.close(report)
        status = os.waitpid(init, 0)[1]
        code = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status) + 100
    except BaseException:
        _report_failure(report, traceback.format_exc())
    os._exit(code)


def _first_process(machine: Machine, report: int) -> t.NoReturn:
    restarts = False

    def announce(entry: Entry) -> None:
        nonlocal restarts
        restarts = entry.restarts_after_panic
        os.write(
            report,
            (json.dumps({"entry": entry.number, "title": entry.title, "cmdline": entry.cmdline}) + "\n").encode(),
        )

    try:
        linux.die_with_parent(signal.SIGKILL)
        boot(machine, announce)
    except Restarted as error:
        _report_failure(report, str(error), restarts=True)
    except Panicked as error:
        _report_failure(report, str(error), restarts=restarts)
    except BootFailed as error:
        _report_failure(report, str(error))
    except BaseException:
        _report_failure(report, traceback.format_exc())
    os._exit(1)


def _report_failure(report: int, reason: str, *, restarts: bool = False) -> None:
    os.write(report, (json.dumps({"boot_failed": reason, "restarts": restarts}) + "\n").encode())


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
