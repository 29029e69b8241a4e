# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: its power, its console, the way in. Emulated (TCG), so that no machine is too small for it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import LabError, run, wait_for
from tests.lab.system import ssh_key
from tests.vm import disk

_OVMF = Path("/usr/share/OVMF")
_MEMORY = 512  # MiB
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
# Emulation on a busy machine: a boot that takes 20 seconds alone may take minutes
PATIENCE = 900.0


class Off(LabError):
    """The machine is off, or went off while it was asked."""


@dataclass(frozen=True)
class Saved:
    """A running machine, kept: its disk and what was in its memory."""

    disk: Path
    memory: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machine:
    """``directory`` is the machine's own; its name must be short: sockets live in it."""

    def __init__(self, directory: Path, base: Path, *, firmware: str = "bios") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.firmware = firmware
        self.memory = _MEMORY
        self.disk = directory / "disk.qcow2"
        self.port = _free_port()
        self.console_log = directory / "console.log"
        self.console_log.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._serial: socket.socket | None = None
        disk.overlay(base, self.disk)
        self._write_ssh_files()

    # --- power ------------------------------------------------------------------------------------------------

    def _arguments(self, drive: list[str]) -> list[str]:
        arguments = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=256", "-machine", "q35,hpet=off", "-cpu", "Nehalem",
            "-smp", "1", "-m", str(self.memory), "-display", "none", "-vga", "none", "-nodefaults", "-no-user-config",
            *drive,
            "-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci",
            "-chardev", f"socket,id=serial,path={self.directory}/serial,server=on,wait=on", "-serial", "chardev:serial",
            "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
        ]  # fmt: skip
        if self.firmware == "efi":
            variables = self.directory / "variables.fd"
            if not variables.exists():
                shutil.copyfile(_OVMF / "OVMF_VARS_4M.fd", variables)
            code = f"if=pflash,format=raw,readonly=on,file={_OVMF / 'OVMF_CODE_4M.fd'}"
            arguments += ["-drive", code, "-drive", f"if=pflash,format=raw,file={variables}"]
        return arguments

    def _drive(self, log: Path | None) -> list[str]:
        # This machine's own page cache survives a killed emulator, so nothing the guest wrote is lost without flushes
        image = (
            f"driver=qcow2,node-name=disk,cache.no-flush=on,discard=unmap,file.driver=file,file.filename={self.disk}"
        )
        device = ["-device", "virtio-blk-pci,drive=seen,addr=05"]
        if log is None:
            return ["-blockdev", image.replace("node-name=disk", "node-name=seen"), *device]
        log.touch()
        recorder = [
            "-blockdev", f"driver=file,node-name=log,cache.no-flush=on,filename={log}",
            "-blockdev", "driver=blklogwrites,node-name=seen,file=disk,log=log",
        ]  # fmt: skip
        return ["-blockdev", image, *recorder, *device]

    def start(self, *more: str, log: Path | None = None) -> None:
        """Press the power button; returns at once. With ``log``, every write and flush of the disk is recorded there."""
        assert not self.is_on
        for name in ("serial", "qmp"):
            (self.directory / name).unlink(missing_ok=True)
        with (self.directory / "qemu.log").open("ab") as said:
            self._process = subprocess.Popen(
                [*self._arguments(self._drive(log)), *more],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        self._serial = self._connected("serial")
        threading.Thread(target=self._read_console, args=(self._serial,), daemon=True).start()

    def _connected(self, name: str) -> socket.socket:
        def connect() -> socket.socket | None:
            if not self.is_on:
                raise Off(f"the emulator ended: {(self.directory / 'qemu.log').read_text()[-1000:]}")
            attempt = socket.socket(socket.AF_UNIX)
            try:
                attempt.connect(str(self.directory / name))
            except OSError:
                attempt.close()
                return None
            return attempt

        return t.cast("socket.socket", wait_for(connect, f"the {name} socket of the emulator", 60))

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def cut(self) -> None:
        """The power goes: SIGKILL of the emulator."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        self.forget_connection()

    def cpu_seconds(self) -> float:
        """What the emulator has used so far."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def qmp(self, command: str, **arguments: t.Any) -> dict[str, t.Any]:
        with contextlib.closing(self._connected("qmp")) as connection, connection.makefile("rw") as stream:
            stream.readline()
            answer: dict[str, t.Any] = {}
            for message in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise LabError(f"{command}: {answer['error']}")
                    if "return" in answer:
                        break
        return answer

    def save(self, directory: Path) -> Saved:
        """Freeze the running machine, keep it, and end it here."""
        directory.mkdir(parents=True, exist_ok=True)
        saved = Saved(directory / "disk.qcow2", directory / "memory.zst")
        self.forget_connection()
        time.sleep(0.5)
        self.qmp("stop")
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 10**10})
        self.qmp("migrate", uri=f"exec:zstd -q -1 > {saved.memory}")

        def over() -> bool:
            status = self.qmp("query-migrate")["return"].get("status")
            if status == "failed":
                raise LabError("the state of the machine could not be saved")
            return bool(status == "completed")

        wait_for(over, "the state of the machine to be saved", 120, interval=0.1)
        self.qmp("quit")
        assert self._process is not None
        self._process.wait()
        self.cut()
        shutil.copyfile(self.disk, saved.disk)
        return saved

    def resume(self, saved: Saved, log: Path | None = None) -> None:
        """Go on where a machine was saved. The disk must have been made from the saved one."""
        self.start("-incoming", f"exec:zstd -dcq {saved.memory}", log=log)
        wait_for(lambda: self.qmp("query-status")["return"]["status"] != "inmigrate", "the state to be loaded", 60)
        self.qmp("cont")

    # --- console ----------------------------------------------------------------------------------------------

    def _read_console(self, connection: socket.socket) -> None:
        with self.console_log.open("ab") as log, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                log.write(data)
                log.flush()

    @property
    def console(self) -> str:
        return _ESCAPES.sub("", self.console_log.read_text(errors="replace"))

    def mark(self) -> int:
        """Where the console is now: what comes later comes after it."""
        return self.console_log.stat().st_size

    def console_since(self, mark: int) -> str:
        with self.console_log.open("rb") as stream:
            stream.seek(mark)
            return _ESCAPES.sub("", stream.read().decode(errors="replace"))

    def wait_console(self, text: str, since: int, timeout: float = PATIENCE) -> None:
        def seen() -> bool:
            if text in self.console_since(since):
                return True
            if not self.is_on:
                raise Off(f"the machine went off before it said {text!r}")
            return False

        wait_for(seen, f"{text!r} on the console, which ends with {self.console[-800:]!r}", timeout)

    def press(self, keys: bytes) -> None:
        assert self._serial is not None
        self._serial.sendall(keys)

    # --- the way in -------------------------------------------------------------------------------------------

    @property
    def control_socket(self) -> Path:
        return self.directory / "ssh"

    def _write_ssh_files(self) -> None:
        public = ssh_key("host").with_suffix(".pub").read_text().split()
        (self.directory / "known_hosts").write_text(f"vm {public[0]} {public[1]}\n")
        lines = [
            "Host *", "User root", "HostName 127.0.0.1", f"Port {self.port}", "HostKeyAlias vm",
            f'IdentityFile "{ssh_key("controller")}"', "IdentitiesOnly yes",
            f'UserKnownHostsFile "{self.directory}/known_hosts"', "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes", "CheckHostIP no", "HostKeyAlgorithms ssh-ed25519", "BatchMode yes",
            "LogLevel ERROR", "ConnectTimeout 30", "ServerAliveInterval 5", "ServerAliveCountMax 6",
        ]  # fmt: skip
        (self.directory / "ssh_config").write_text("\n".join(lines) + "\n")
        common = f"-F {self.directory}/ssh_config"
        inventory = {
            "all": {
                "hosts": {"vm": {"ansible_host": "vm", "ansible_control_path": str(self.control_socket)}},
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_common_args": common,
                    "ansible_python_interpreter": "/usr/bin/python3",
                },
            }
        }
        (self.directory / "inventory.yml").write_text(json.dumps(inventory))  # JSON is YAML

    def forget_connection(self) -> None:
        """A shared connection to a machine that lost its power would hang."""
        if self.control_socket.exists():
            argv = ["ssh", "-F", "none", "-o", f"ControlPath={self.control_socket}", "-O", "exit", "vm"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(argv, capture_output=True, timeout=10, check=False)
            self.control_socket.unlink(missing_ok=True)

    def ssh(self, script: str, *, check: bool = True, timeout: float = 300) -> str:
        """Run a piece of shell in the machine and return what it printed."""
        control = f"ControlPath={self.control_socket}"
        argv = ["ssh", "-F", str(self.directory / "ssh_config"), "-o", control, "vm", script]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode == 255:
            raise Off(f"ssh: {done.stderr.strip()}")
        if check and done.returncode != 0:
            raise LabError(f"{script!r} failed with {done.returncode}: {(done.stderr + done.stdout).strip()[-2000:]}")
        return str(done.stdout).strip()

    def _answers(self) -> bool:
        if not self.is_on:
            raise Off(f"the machine is off: {self.console[-1500:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.settimeout(5)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_ssh(self, timeout: float = PATIENCE) -> None:
        wait_for(self._answers, f"ssh of the machine, whose console ends with {self.console[-1500:]!r}", timeout, 0.2)

    def boot_id(self) -> str:
        return self.ssh("cat /proc/sys/kernel/random/boot_id", timeout=60)

    def wait_other_boot(self, before: str, timeout: float = PATIENCE) -> None:
        """Until a boot answers that is not ``before``."""

        def other() -> bool:
            self.wait_ssh(timeout)
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                return self.boot_id() != before
            return False

        wait_for(other, "another boot", timeout, 0.5)

    def reboot(self) -> None:
        """An orderly reboot, until the next boot answers."""
        before = self.boot_id()
        self.ssh("systemctl reboot", check=False)
        self.forget_connection()
        self.wait_other_boot(before)

    def poweroff(self) -> None:
        """An orderly shutdown."""
        self.ssh("systemctl poweroff", check=False)
        wait_for(lambda: not self.is_on, "the machine to go off", PATIENCE)
        self.cut()

    def close(self) -> None:
        """Off, and nothing left but the directory."""
        self.cut()
        run(["rm", "-f", self.disk])
