# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a lab."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import typing as t
from collections.abc import Sequence
from pathlib import Path

from tests.lab import cgroup, disk, network, pool, python_in_host
from tests.lab.layouts import OPENSUSE, ZYPPER
from tests.lab.process import LabError, alive, read_json, run, start_background, started_at, wait_for, write_atomic
from tests.lab.settings import (
    CONSOLE_FILE,
    GATEWAY,
    HTTP_PORT,
    MENU_FILE,
    RECORD_FILE,
    REPOSITORY,
    STATE_FILE,
    LabNames,
)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DROPPED = "-sys_module,-sys_rawio,-sys_time,-mac_admin,-syslog"
# Joins the host's control group before it enters, so that a power loss takes this process along
_ENTER = 'echo 0 > "$1/cgroup.procs" && shift && exec "$@"'

Completed = subprocess.CompletedProcess[str]


class Host:
    """Everything a test does to a machine, from its power button to a command on it.

    What is known about a host is in its directory, so any process may make a Host object for it at any time.
    """

    def __init__(self, names: LabNames, name: str) -> None:
        self.names = names
        self.name = name
        self.directory = names.directory / "hosts" / name
        self.record = read_json(self.directory / RECORD_FILE)
        if not self.record:
            raise LabError(f"there is no host {name} in {names.directory}")

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def image(self) -> Path:
        return Path(self.record["image"])

    @property
    def address(self) -> str:
        return str(self.record["address"])

    @property
    def control_path(self) -> Path:
        """Where connections to it are shared; each user's has a dash and the user's name at the end."""
        return self.names.run_directory / str(self.record["nonce"])

    @property
    def group(self) -> Path:
        return Path(self.record["cgroup"])

    @property
    def state(self) -> dict[str, t.Any]:
        return read_json(self.directory / STATE_FILE)

    @property
    def is_on(self) -> bool:
        """Between power-on and power-off, also while it boots."""
        pid, start = self.state.get("supervisor") or (None, None)
        return alive(pid, start)

    @property
    def boots(self) -> int:
        """How often it has been started so far."""
        return int(self.state.get("boots", 0))

    @property
    def boot_failed(self) -> str | None:
        """Why the last boot did not happen; None when it did."""
        return t.cast("str | None", self.state.get("boot_failed"))

    @property
    def init_pid(self) -> int:
        pid, start = self.state.get("init") or (None, None)
        if pid is None or not alive(pid, start):
            raise LabError(f"{self.name} is not running")
        return int(pid)

    @property
    def root(self) -> Path:
        """The running host's file tree seen from outside. Absolute symbolic links in it lead outside: take care."""
        return Path(f"/proc/{self.init_pid}/root")

    @property
    def boot_failures(self) -> list[str]:
        """All failed boots since it was switched on: with ``panic=`` a host tries again by itself."""
        return t.cast("list[str]", self.state.get("boot_failures", []))

    def console(self) -> str:
        path = self.directory / CONSOLE_FILE
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(line for line in text.replace("\r", "\n").split("\n") if line)

    # --- power ------------------------------------------------------------------------------------------------

    def start(self, wait: bool = True) -> None:
        """Press the power button. With ``wait``, return when sshd answers or raise when the boot failed."""
        if not self.is_on:
            disk.attach(self.image)
            write_atomic(self.directory / STATE_FILE, json.dumps({**self.state, "power": "starting", "init": None}))
            before = self.boots
            argv = [sys.executable, "-m", "tests.lab.supervisor", str(self.directory)]
            supervisor = start_background(argv, self.directory / CONSOLE_FILE, REPOSITORY)
            wait_for(
                lambda: self._decided(before) or started_at(supervisor) is None,
                f"{self.name} to boot", timeout=60, interval=0.005,
            )  # fmt: skip
            if not self._decided(before):
                raise LabError(f"the supervisor of {self.name} ended: {self.console()[-2000:]}")
        if wait:
            self.wait_ssh()

    def _decided(self, boots_before: int) -> bool:
        state = self.state
        return bool(state["power"] == "off" or (state["power"] == "on" and state["boots"] > boots_before))

    def wait_ssh(self, timeout: float = 60) -> None:
        if self.boot_failed:
            raise LabError(f"{self.name} did not boot: {self.boot_failed}")
        network.wait_banner(self.names.netns, self.address, timeout)

    def wait_off(self, timeout: float = 60) -> None:
        wait_for(lambda: not self.is_on, f"{self.name} to be off", timeout)

    def wait_boot(self, boots: int, timeout: float = 60) -> None:
        """Until it has booted that many times in all, and sshd answers; raises when it stays off instead."""
        wait_for(lambda: self.boots >= boots or not self.is_on, f"boot {boots} of {self.name}", timeout, 0.01)
        if self.boots < boots:
            raise LabError(f"{self.name} did not boot: {self.boot_failed or 'it was switched off'}")
        self.wait_ssh(timeout)

    def reboot(self, wait: bool = True) -> None:
        """An orderly reboot."""
        before = self.boots
        self.run(["systemctl", "reboot"], check=False)
        if wait:
            self.wait_boot(before + 1)

    def poweroff(self) -> None:
        """An orderly shutdown."""
        self.run(["systemctl", "poweroff"], check=False)
        self.wait_off()

    def stop(self) -> None:
        """Off, at once, with nothing lost: the kernel writes out what it has. Also how a process kill looks."""
        pid, start = self.state.get("supervisor") or (None, None)
        cgroup.kill(self.group)
        with contextlib.suppress(LabError):
            wait_for(lambda: not alive(pid, start), f"{self.name} to stop", timeout=10, interval=0.005)
        if pid is not None and alive(pid, start):  # between two boots the group is empty, and the supervisor goes on
            os.kill(pid, signal.SIGKILL)
            cgroup.kill(self.group)
            wait_for(lambda: not alive(pid, start), f"{self.name} to stop", timeout=10)

    powercut = stop

    def powerloss(self) -> None:
        """Off as if the cable was pulled: whatever was not yet written to the disk is gone. Start it again yourself."""
        network.set_link(self.names.netns, self.record["port"], up=False)  # the others hear nothing of it
        try:
            cgroup.freeze(self.group)
            cut = self.image.with_suffix(".cut")
            pool.clone(self.image, cut)
            self.stop()
            disk.detach(self.image)
            cut.replace(self.image)
        finally:
            network.set_link(self.names.netns, self.record["port"], up=True)

    def boot_entry(self, choice: int | str | None) -> None:
        """A human at the boot menu, for the next boot only; None sends them away.

        They pick the entry with this number, or, where the lab carries out GRUB's own menu, this identifier or title.
        """
        path = self.directory / MENU_FILE
        if choice is None:
            path.unlink(missing_ok=True)
        else:
            write_atomic(path, str(choice))

    # --- at work ----------------------------------------------------------------------------------------------

    def _enter(self, argv: Sequence[str]) -> list[str]:
        place = self.group / "lab-exec"
        with contextlib.suppress(FileExistsError):
            place.mkdir()
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time", "--root=", "--wd="]
        target = f"--target={self.init_pid}"
        root = f"/proc/{self.init_pid}/root"
        namespaces[-2:] = [f"--root={root}", f"--wd={root}"]
        restricted = ["/usr/bin/setpriv", f"--bounding-set={_DROPPED}", *argv]
        return ["/bin/sh", "-c", _ENTER, "sh", str(place), "nsenter", target, *namespaces, *restricted]

    def popen(self, argv: Sequence[str], env: dict[str, str] | None = None, **more: t.Any) -> subprocess.Popen[str]:
        """Start a program on the running host. It is killed with the host."""
        environment = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **(env or {})}
        options: dict[str, t.Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self._enter(argv), env=environment, text=True, **{**options, **more})

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        stdin: str = "",
        timeout: float = 300,
        env: dict[str, str] | None = None,
    ) -> Completed:
        """Run a program (list) or a piece of shell (string) on the running host; milliseconds, no ssh."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        with self.popen(argv, env=env, stdin=subprocess.PIPE) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        done = Completed(argv, process.returncode, stdout, stderr)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {command} failed with {done.returncode}: {(stderr + stdout).strip()[-3000:]}")
        return done

    def sh(self, script: str) -> str:
        """Short form: run a piece of shell, insist on success, return what it printed without the last newline."""
        return self.run(script).stdout.rstrip("\n")

    def ssh(self, *command: str, check: bool = True, timeout: float = 120) -> Completed:
        """The long way round, through the real sshd."""
        argv = ["ssh", "-F", str(self.names.directory / "ssh_config"), self.name, *command]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise LabError(
                f"ssh {self.name} failed with {done.returncode}: {(done.stderr + done.stdout).strip()[-3000:]}"
            )
        return done

    def module_start(
        self,
        name: str,
        args: dict[str, t.Any] | None = None,
        *,
        check: bool = False,
        diff: bool = False,
        env: dict[str, str] | None = None,
        prelude: str = "",
    ) -> python_in_host.ModuleRun:
        """Start a module; ``prelude`` is Python run right before it, for instance to install a kill point."""
        python_in_host.refresh(self.root, name)
        internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/run/lab-tmp"}
        # All of a result, as with -v
        internal["_ansible_verbosity"] = 1
        argv = python_in_host.command(name, {**(args or {}), **internal}, prelude)
        return python_in_host.ModuleRun(self.popen(argv, env=env))

    def module(
        self,
        name: str,
        args: dict[str, t.Any] | None = None,
        *,
        check: bool = False,
        diff: bool = False,
        env: dict[str, str] | None = None,
        prelude: str = "",
        timeout: float = 300,
    ) -> dict[str, t.Any]:
        """Run a module of this collection in the host and return its result, ``failed`` or not."""
        return self.module_start(name, args, check=check, diff=diff, env=env, prelude=prelude).wait(timeout)

    # --- its packages -----------------------------------------------------------------------------------------

    def release(self, name: str) -> None:
        """Follow release v1, v2 or v3 of the lab's repository from now on."""
        self.write("/etc/zypp/vars.d/labrel" if self.has_zypper else "/etc/dnf/vars/labrel", f"{name}\n")

    def enable_repo(self, name: str, *, gpgcheck: bool = True) -> None:
        """Add an optional repository, see packages.py; ``corrupt`` and ``missing`` exist as well."""
        text = f"[lab-{name}]\nname=lab-{name}\nbaseurl={repository_url(name)}\nenabled=1\ngpgcheck={int(gpgcheck)}\n"
        more = "repo_gpgcheck=0\nautorefresh=1\n" if self.has_zypper else ""
        self.write(self.repository_file(f"lab-{name}"), text + more)

    def disable_repo(self, name: str) -> None:
        self.run(["rm", "-f", self.repository_file(f"lab-{name}")])

    @property
    def has_zypper(self) -> bool:
        return bool(self.record.get("flavour") in (OPENSUSE, ZYPPER))

    def repository_file(self, name: str) -> str:
        """Where a repository of this name is configured."""
        return f"/etc/{'zypp/repos.d' if self.has_zypper else 'yum.repos.d'}/{name}.repo"

    def write(self, path: str, text: str) -> None:
        """Write a file on the running host."""
        self.run(["/bin/sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path], stdin=text)

    def rpm_version(self, package: str) -> str | None:
        done = self.run(["rpm", "-q", "--qf", "%{VERSION}", package], check=False)
        return done.stdout if done.returncode == 0 else None

    # --- its disk ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def top(self) -> t.Iterator[Path]:
        """The top level of its btrfs (all subvolumes), on or off, mounted in nobody's view."""
        with disk.top_level(disk.attach(self.image)) as path:
            yield path

    @contextlib.contextmanager
    def boot_partition(self) -> t.Iterator[Path]:
        """Its boot partition, on or off."""
        with disk.boot_partition(disk.attach(self.image)) as path:
            yield path

    def default_subvolume(self) -> str:
        with self.top() as top:
            return disk.default_subvolume(top)

    def save(self, path: Path | None = None) -> Path:
        """A copy of its disk, to start other hosts from. It must be off. Without a path: kept as long as the lab."""
        if self.is_on:
            raise LabError(f"{self.name} is on: its disk can only be saved when it is off")
        target = path or self.image.with_name(f"saved-{self.name}-{os.urandom(4).hex()}.img")
        # Detaching flushes everything the loop device may still hold
        disk.detach(self.image)
        pool.clone(self.image, target)
        return target

    def restore(self, image: Path) -> None:
        """Put a saved disk into this host; identity and all. It must be off."""
        if self.is_on:
            raise LabError(f"{self.name} is on: its disk can only be replaced when it is off")
        disk.detach(self.image)
        self.image.unlink()
        pool.clone(image, self.image)

    # --- its end ----------------------------------------------------------------------------------------------

    def destroy(self) -> None:
        """Remove every trace."""
        self.stop()
        cgroup.remove(self.group)
        for socket in self.control_path.parent.glob(f"{self.control_path.name}-*"):
            run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", self.address], check=False)
        network.delete(self.record["netns"])
        disk.detach(self.image)
        self.image.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def repository_url(name: str) -> str:
    return f"http://{GATEWAY}:{HTTP_PORT}/{name}/"
