# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a host upgrade itself: pull a repository, run its playbook here, reboot if it says so, report.

A host cannot watch its own reboot. So the playbook stages an upgrade and leaves a note in the state directory, which is
carried over into the new system; after the reboot this program finds the note and runs the playbook once more, to check
the system that came up and to confirm it, or to go back.

Called by systemd, without arguments. Standard library only.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request

CONFIG: t.Final = "/etc/overc-pull.json"
STATE: t.Final = "/var/lib/overc-pull"
RUN: t.Final = "/run/overc-pull"
BOOT_ID: t.Final = "/proc/sys/kernel/random/boot_id"
_OUTPUT: t.Final = 8000  # characters of a failed run that go into the report
_REJECTED: t.Final = 100  # fingerprints that are remembered
_PAUSES: t.Final = (0, 2, 8, 30)  # seconds before each attempt to report
_STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"

# What ansible-pull takes and ansible-playbook does not
_FLAGS_OF_PULL: t.Final = frozenset((
    "--accept-host-key", "--clean", "--force", "-f", "--full", "--only-if-changed", "-o", "--purge", "--track-subs",
    "--verify-commit",
))  # fmt: skip
_OPTIONS_OF_PULL: t.Final = frozenset((
    "--checkout", "-C", "--directory", "-d", "--module-name", "-m", "--sleep", "-s", "--url", "-U",
))  # fmt: skip

Entry = dict[str, t.Any]


def for_playbook(arguments: t.Sequence[str]) -> list[str]:
    """The arguments of a run of ansible-pull that are meant for the playbook."""
    kept: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in _OPTIONS_OF_PULL:
            next(rest, None)
        elif word not in _FLAGS_OF_PULL and word.partition("=")[0] not in _OPTIONS_OF_PULL:
            kept.append(word)
    return kept


def window_open(window: str, now: dt.datetime) -> bool:
    """Whether a time of day lies in ``22:00-04:00`` (UTC); an empty window is always open."""
    if not window:
        return True
    begin, end = (tuple(map(int, clock.split(":"))) for clock in window.split("-"))
    clock = (now.hour, now.minute)
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def read(path: str, default: t.Any) -> t.Any:
    """A JSON file; the default when there is none, or half of one."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return default


def write(path: str, data: t.Any) -> None:
    """Readers see the old file or the new one, whole."""
    beside = f"{path}.new"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


class Pull:
    """One run. The places are arguments for the tests' sake."""

    def __init__(self, config: Entry, *, state: str = STATE, run: str = RUN) -> None:
        self.config = config
        self.state = state
        self.note = f"{state}/attempt.json"
        self.rejected = f"{state}/rejected.json"
        self.result = f"{state}/result.json"
        self.outcome = f"{run}/outcome.json"
        self.variables = f"{run}/variables.json"
        self.began = time.time()

    # -- what is to be done ------------------------------------------------------------------------------------------

    def rebooted(self) -> bool:
        """Whether an upgrade was staged by us, and the host was rebooted since."""
        note = read(self.note, None)
        with open(BOOT_ID, encoding="ascii") as file:
            return note is not None and note.get("boot_id") != file.read().strip()

    def command(self, phase: str) -> list[str]:
        programs, playbook = self.config["program_directory"], self.config["playbook"]
        more = [f"--extra-vars=@{self.variables}"]
        if self.config["inventory"]:
            more.append(f"--inventory={self.config['inventory']}")
        if self.config["url"] and phase == "upgrade":
            pull = [f"{programs}/ansible-pull", f"--url={self.config['url']}", "--clean"]
            if self.config["checkout"]:
                pull.append(f"--checkout={self.config['checkout']}")
            return [*pull, f"--directory={self.config['directory']}", *self.config["arguments"], *more, playbook]
        inventory = [] if self.config["inventory"] else ["--inventory=localhost,"]
        return [f"{programs}/ansible-playbook", *inventory, *for_playbook(self.config["arguments"]), *more, playbook]

    def play(self, phase: str) -> tuple[int, str, Entry]:
        """Run the playbook: exit code, output, and what it says became of the host."""
        variables = {
            "phase": phase,
            "outcome": self.outcome,
            "state": self.state,
            "note": read(self.note, {}),
            "rejected": read(self.rejected, []),
            "reboot": self.config["reboot"],
        }
        write(self.variables, {"pull_run": variables})
        remove(self.outcome)
        directory = self.config["directory"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", **self.config["environment"]}
        try:
            done = subprocess.run(
                self.command(phase),
                cwd=directory if os.path.isdir(directory) else "/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=self.config["timeout"],
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            output = (error.output or b"").decode("utf-8", "replace")
            return 124, f"{output}\nended after {self.config['timeout']} seconds", {}
        except OSError as error:
            return 127, f"{self.command(phase)[0]}: {error.strerror}", {}
        sys.stdout.buffer.write(done.stdout)
        return done.returncode, done.stdout.decode("utf-8", "replace"), read(self.outcome, {})

    # -- what came of it ---------------------------------------------------------------------------------------------

    def finish(self, phase: str, status: str, reason: str, **more: t.Any) -> Entry:
        """Write the result down, and send it where it is wanted."""
        result = {
            "format": 1,
            "host": socket.gethostname(),
            "phase": phase,
            "status": status,
            "reason": reason,
            "started": dt.datetime.fromtimestamp(self.began, dt.timezone.utc).strftime(_STAMP),
            "ended": dt.datetime.now(dt.timezone.utc).strftime(_STAMP),
            "seconds": round(time.time() - self.began, 1),
            **more,
        }
        write(self.result, {**result, "reported": False})
        if self.send(result):
            write(self.result, {**result, "reported": True})
        return result

    def send(self, result: Entry) -> bool:
        """POST the result; False when nobody took it, so that the next run sends it again."""
        if not self.config["report_url"]:
            return True
        headers = {"Content-Type": "application/json"}
        if self.config["report_token"]:
            headers["Authorization"] = f"Bearer {self.config['report_token']}"
        data = json.dumps(result).encode("utf-8")
        for pause in _PAUSES:
            time.sleep(pause)
            request = urllib.request.Request(self.config["report_url"], data, headers)  # noqa: S310 - checked by the role
            try:
                with urllib.request.urlopen(request, timeout=20):  # noqa: S310
                    return True
            except (OSError, ValueError) as error:
                sys.stderr.write(f"the report was not taken: {error}\n")
        return False

    def send_again(self) -> None:
        """What an earlier run could not report."""
        last = read(self.result, {})
        if last and last.pop("reported", True) is False and self.send(last):
            write(self.result, {**last, "reported": True})

    # -- the two halves ----------------------------------------------------------------------------------------------

    def upgrade(self) -> bool:
        """Returns whether the host is to be rebooted."""
        if not window_open(self.config["window"], dt.datetime.now(dt.timezone.utc)):
            self.finish("upgrade", "postponed", f"The maintenance window {self.config['window']} (UTC) is closed.")
            return False
        rc, output, outcome = self.play("upgrade")
        if not outcome:
            self.finish("upgrade", "failed", _why(output, rc), rc=rc, output=output[-_OUTPUT:])
            return False
        reboot = bool(outcome.pop("reboot", False))
        if reboot and not window_open(self.config["window"], dt.datetime.now(dt.timezone.utc)):
            outcome["reason"] = "The maintenance window closed before the reboot; the next one will do."
            reboot = False
        if outcome["status"] not in ("current", "staged", "withheld"):
            outcome["output"] = output[-_OUTPUT:]
        self.finish("upgrade", outcome.pop("status"), outcome.pop("reason"), rc=rc, **outcome)
        return reboot

    def verify(self) -> bool:
        """Returns whether the host is to be rebooted, back into what it had."""
        note = read(self.note, {})
        rc, output, outcome = self.play("verify")
        if not outcome:
            # The note stays, so the next run tries again
            self.finish("verify", "failed", _why(output, rc), rc=rc, output=output[-_OUTPUT:])
            return False
        reboot = bool(outcome.pop("reboot", False))
        if not reboot:
            remove(self.note)
        if outcome["status"] == "rolled_back" and note.get("fingerprint"):
            known = [entry for entry in read(self.rejected, []) if entry != note["fingerprint"]]
            write(self.rejected, [*known, note["fingerprint"]][-_REJECTED:])
        if outcome["status"] != "upgraded":
            outcome["output"] = output[-_OUTPUT:]
        self.finish("verify", outcome.pop("status"), outcome.pop("reason"), rc=rc, **outcome)
        return reboot


def _why(output: str, rc: int) -> str:
    """One line for people from the output of a run that said nothing of its own."""
    said = [line.strip() for line in output.splitlines() if line.startswith(("[ERROR]", "ERROR", "fatal:"))]
    return (said[0] if said else f"The run ended with exit code {rc}.")[:500]


def main() -> int:
    config = read(CONFIG, None)
    if config is None:
        sys.stderr.write(f"{CONFIG} is not there or cannot be read; run the role overc.system.pull on this host.\n")
        return 1
    for directory in (STATE, RUN):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(f"{RUN}/lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write("another run is under way\n")
            return 0
        pull = Pull(config)
        pull.send_again()
        reboot = pull.verify() if pull.rebooted() else pull.upgrade()
    status = read(pull.result, {}).get("status")
    sys.stdout.write(f"{status}: {read(pull.result, {}).get('reason')}\n")
    if reboot:
        return subprocess.run(["systemctl", "reboot"], check=False).returncode
    return 0 if status in ("current", "staged", "upgraded", "postponed") else 1


if __name__ == "__main__":
    sys.exit(main())
