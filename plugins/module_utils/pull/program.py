# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a host upgrade itself: take a verified tree, run its playbook here, reboot if it says so, report.

A host cannot watch its own reboot. So the playbook stages an upgrade and leaves a note in the state directory, which is
carried over into the new system; after the reboot this program finds the note and runs the playbook once more, to check
the system that came up and to confirm it, or to go back. Each half verifies what it runs.

Called by systemd, without arguments, and by the playbook with ``gate FINGERPRINT``. Standard library only.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import time
import typing as t

from . import arguments, commands, report
from .files import read, redacted, remove, status, write
from .member import Member, judged
from .source import Source, SourceError, Untrusted

CONFIG: t.Final = "/etc/overc-pull.json"
STATE: t.Final = "/var/lib/overc-pull"
RUN: t.Final = "/run/overc-pull"
BOOT_ID: t.Final = "/proc/sys/kernel/random/boot_id"
_OUTPUT: t.Final = 8000  # characters of a failed run that go into the report
_REJECTED: t.Final = 100  # fingerprints that are remembered
_TAKEN: t.Final = 10  # revisions of the playbook's repository that are remembered
_PAUSES: t.Final = (0, 2, 8, 30)  # seconds before each attempt to report
_STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"
_QUIET: t.Final = ("current", "staged", "upgraded", "postponed", "waiting")  # statuses that are no trouble
PROGRAM: t.Final = ("/usr/bin/python3", "-IB", "/usr/local/lib/overc-pull/overc_pull.py")

Entry = dict[str, t.Any]


def window_open(window: str, now: dt.datetime) -> bool:
    """Whether a time of day lies in ``22:00-04:00`` (UTC); an empty window is always open."""
    if not window:
        return True
    begin, end = (tuple(map(int, clock.split(":"))) for clock in window.split("-"))
    clock = (now.hour, now.minute)
    return begin <= clock < end if begin < end else clock >= begin or clock < end


class Pull:
    """One run. The places are arguments for the tests' sake."""

    def __init__(
        self, config: Entry, *, state: str = STATE, run: str = RUN, pauses: t.Sequence[float] = _PAUSES
    ) -> None:
        self.config = config
        self.pauses = pauses
        self.state = state
        self.note = f"{state}/attempt.json"
        self.rejected = f"{state}/rejected.json"
        self.result = f"{state}/result.json"
        self.trees = f"{state}/trees"
        self.taken = f"{state}/taken.json"
        self.outcome = f"{run}/outcome.json"
        self.variables = f"{run}/variables.json"
        self.secrets = f"{run}/secrets.json"
        self.hidden: list[str] = []
        self.began = time.time()
        self.member = Member(config["rings"], state, config["environment"]) if config.get("rings") else None

    # -- what is to be done ------------------------------------------------------------------------------------------

    def rebooted(self) -> bool:
        """Whether an upgrade was staged by us, and the host was rebooted since."""
        note = read(self.note, None)
        with open(BOOT_ID, encoding="ascii") as file:
            return note is not None and note.get("boot_id") != file.read().strip()

    def take_tree(self, revision: str = "") -> str:
        """Put a tree into its place that has passed in this call, and say from which revision it is.

        Without a URL the place is somebody else's, and what is there is run as it is. Raises SourceError, OSError.
        """
        config = self.config
        wrong = arguments.refused(config["arguments"])
        if wrong:
            raise SourceError(wrong)
        if not config["url"]:
            return ""
        place = config["directory"]
        there = status(place)
        if there is not None and not stat.S_ISLNK(there.st_mode):
            raise SourceError(
                f"{place} is there and was not made by this program, which puts a link in its place. Move it away, or "
                "say another pull_directory."
            )
        source = Source(
            store=f"{self.state}/store.git",
            url=config["url"],
            checkout=config["checkout"],
            verify=arguments.VERIFY in config["arguments"],
            private_key=arguments.private_key(config["arguments"]),
            accept_host_key=arguments.ACCEPT_HOST_KEY in config["arguments"],
            environment=config["environment"],
            timeout=config["timeout"],
            taken=self.taken_before(),
        )
        os.makedirs(self.trees, mode=0o700, exist_ok=True)
        fresh = f"{self.trees}/{secrets.token_hex(8)}"
        try:
            revision = source.obtain(fresh, revision)
            link = f"{self.trees}/link"
            remove(link)
            os.symlink(fresh, link)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            self.remember_taken(revision)
            os.replace(link, place)
        finally:
            used = os.path.realpath(place)
            for tree in os.scandir(self.trees):
                if os.path.realpath(tree.path) != used:
                    shutil.rmtree(tree.path, ignore_errors=True)
        return revision

    def taken_before(self) -> list[str]:
        """Which revisions passed, of this place in this repository, the newest first."""
        known = read(self.taken, {})
        place = {"url": self.config["url"], "checkout": self.config["checkout"]}
        same = isinstance(known, dict) and {**known, **place} == known
        return [str(one) for one in known.get("revisions") or ()] if same else []

    def remember_taken(self, revision: str) -> None:
        """Before it is run: what a later run takes has to come after it. Raises OSError."""
        if arguments.VERIFY not in self.config["arguments"]:
            return
        known = self.taken_before()
        if revision not in known:
            place = {"url": self.config["url"], "checkout": self.config["checkout"]}
            write(self.taken, {**place, "revisions": [revision, *known][:_TAKEN]})

    def command(self) -> list[str]:
        """The playbook, run on this host alone."""
        config = self.config
        inventory = config["inventory"] or "localhost,"
        options = [f"--inventory={inventory}", f"--limit={arguments.this_host()}"]
        own = arguments.for_playbook(config["arguments"])
        program = f"{config['program_directory']}/ansible-playbook"
        return [program, *options, *own, f"--extra-vars=@{self.variables}", config["playbook"]]

    def play(self, phase: str, revision: str = "") -> tuple[int, str, Entry]:
        """Run the playbook: exit code, output, and what it says became of the host."""
        try:
            try:
                revision = self.take_tree(revision)
            except Untrusted as gone:
                # Its key was revoked since, or has expired. The newest may look after what it began
                if not revision:
                    raise
                sys.stderr.write(f"{gone}\n")
                revision = self.take_tree()
        except SourceError as error:
            return 1, "", {"status": "failed", "reason": str(error), "again": True}
        except OSError as error:
            said = f"The playbook's tree cannot be put into its place: {error.filename}: {error.strerror}."
            return 1, "", {"status": "failed", "reason": said, "again": True}
        variables = {
            "phase": phase,
            "outcome": self.outcome,
            "secrets": self.secrets,
            "state": self.state,
            "note": read(self.note, {}),
            "rejected": read(self.rejected, []),
            "reboot": self.config["reboot"],
            "window": self.config["window"],
            "revision": revision,
            "gate": [*PROGRAM, "gate"] if self.member else [],
        }
        try:
            write(self.variables, {"__pull_run": variables})
            remove(self.outcome)
            remove(self.secrets)
        except OSError as error:
            said = f"What the playbook is to know cannot be written down: {error.filename}: {error.strerror}."
            return 1, "", {"status": "failed", "reason": said, "again": True}
        directory = self.config["directory"]
        try:
            done = commands.run(
                self.command(),
                cwd=directory if status(directory, follow=True) else "/",
                env={**os.environ, "ANSIBLE_NOCOLOR": "1", **self.config["environment"]},
                timeout=self.config["timeout"],
                together=True,
                most=commands.MOST_SHOWN,
            )
        except subprocess.TimeoutExpired as error:
            self.hidden = [str(value) for value in read(self.secrets, [])]
            output = (error.output or b"").decode("utf-8", "replace")
            return 124, self.shown(f"{output}\nended after {self.config['timeout']} seconds"), {}
        except OSError as error:
            return 127, f"{self.command()[0]}: {error.strerror}", {}
        self.hidden = [str(value) for value in read(self.secrets, [])]
        _kept("that its secrets are gone", lambda: remove(self.secrets))
        output = self.shown(done.stdout.decode("utf-8", "replace"))
        sys.stdout.write(output)
        return done.returncode, output, read(self.outcome, {})

    # -- what came of it ---------------------------------------------------------------------------------------------

    def shown(self, text: str) -> str:
        """Text for a log: without what this host was given to keep for itself."""
        own = (self.config["report_token"], (self.config.get("rings") or {}).get("token", ""))
        return redacted(text, [*own, *sorted(self.hidden, key=len, reverse=True)])

    def finish(self, phase: str, status: str, reason: str, **more: t.Any) -> Entry:
        """Write the result down, and send it where it is wanted."""
        result = {
            "format": 1,
            "host": socket.gethostname(),
            "phase": phase,
            "status": status,
            "reason": self.shown(reason),
            "started": dt.datetime.fromtimestamp(self.began, dt.timezone.utc).strftime(_STAMP),
            "ended": dt.datetime.now(dt.timezone.utc).strftime(_STAMP),
            "seconds": round(time.time() - self.began, 1),
            **more,
        }
        # A full disk takes neither the report away nor the reboot that is to follow
        _kept("the result", lambda: write(self.result, {**result, "reported": False}))
        if self.send(result):
            _kept("the result", lambda: write(self.result, {**result, "reported": True}))
        return result

    def send(self, result: Entry) -> bool:
        """POST the result; False when nobody took it, so that the next run sends it again."""
        if not self.config["report_url"]:
            return True
        wrong = report.post(self.config["report_url"], self.config["report_token"], result, self.pauses)
        if wrong:
            sys.stderr.write(f"the report was not taken: {self.shown(wrong)}\n")
        return not wrong

    def tell(self, phase: str, outcome: Entry, *, reboots: bool) -> Entry:
        """Hand in what the other hosts have to know, before this one does anything else: what the result says of that."""
        status = judged(phase, outcome, reboots=reboots)
        if self.member is None or not status:
            return {}
        wrong = self.member.judge(status, outcome)
        if wrong:
            sys.stderr.write(f"{wrong}\n")
        return {"verdict": status, **({"verdict_trouble": wrong} if wrong else {})}

    def send_again(self) -> None:
        """What an earlier run could not report or hand in."""
        wrong = self.member.publish() if self.member else ""
        if wrong:
            sys.stderr.write(f"{wrong}\n")
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
        outcome.pop("again", None)
        if not outcome:
            self.finish("upgrade", "failed", _why(output, rc), rc=rc, output=output[-_OUTPUT:])
            return False
        reboot = bool(outcome.pop("reboot", False))
        # A host that is out of service by now would stay there until the next one
        drained = outcome.pop("drained", False)
        if reboot and not drained and not window_open(self.config["window"], dt.datetime.now(dt.timezone.utc)):
            outcome["reason"] = "The maintenance window closed before the reboot; the next one will do."
            reboot = False
        outcome.update(self.tell("upgrade", outcome, reboots=reboot))
        if outcome["status"] not in ("current", "staged", "waiting", "withheld"):
            outcome["output"] = output[-_OUTPUT:]
        self.finish("upgrade", outcome.pop("status"), outcome.pop("reason"), rc=rc, **outcome)
        return reboot

    def verify(self) -> bool:
        """Returns whether the host is to be rebooted, back into what it had."""
        note = read(self.note, {})
        rc, output, outcome = self.play("verify", str(note.get("revision") or ""))
        if not outcome:
            # The note stays, so the next run tries again
            self.finish("verify", "failed", _why(output, rc), rc=rc, output=output[-_OUTPUT:])
            return False
        reboot = bool(outcome.pop("reboot", False))
        outcome.update(self.tell("verify", outcome, reboots=reboot))
        if not reboot and not outcome.pop("again", False):
            _kept("the end of this attempt", lambda: remove(self.note))
        if outcome["status"] == "rolled_back" and note.get("fingerprint"):
            known = [entry for entry in read(self.rejected, []) if entry != note["fingerprint"]]
            rejected = [*known, note["fingerprint"]][-_REJECTED:]
            _kept("that this upgrade is not to be tried again", lambda: write(self.rejected, rejected))
        if outcome["status"] != "upgraded":
            outcome["output"] = output[-_OUTPUT:]
        self.finish("verify", outcome.pop("status"), outcome.pop("reason"), rc=rc, **outcome)
        return reboot


def _kept(what: str, attempt: t.Callable[[], None]) -> None:
    """Something for later runs; where it cannot be written down, that is said, and this run goes on."""
    try:
        attempt()
    except OSError as error:
        sys.stderr.write(f"{what} cannot be written down: {error.filename}: {error.strerror}\n")


def _why(output: str, rc: int) -> str:
    """One line for people from the output of a run that said nothing of its own."""
    said = [line.strip() for line in output.splitlines() if line.startswith(("[ERROR]", "ERROR", "fatal:"))]
    if rc == 0 and not said:
        return (
            "The playbook ended without a word of what became of this host: it has to run overc.system.pull on it, as a whole "
            "(no tags that leave it out, no inventory without this host)."
        )
    return (said[0] if said else f"The run ended with exit code {rc}.")[:500]


@contextlib.contextmanager
def _alone() -> t.Iterator[bool]:
    for directory in (STATE, RUN):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    with open(f"{RUN}/lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def main() -> int:
    try:
        return _run()
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'a file'}: {error.strerror or error}. The next run tries again.\n")
        return 1


def _run() -> int:
    config = read(CONFIG, None)
    if config is None:
        sys.stderr.write(f"{CONFIG} is not there or cannot be read; run the role overc.system.pull on this host.\n")
        return 1
    if sys.argv[1:2] == ["gate"] and len(sys.argv) == 3:
        answer = Member(config["rings"], STATE, config["environment"]).gate(sys.argv[2])
        sys.stdout.write(json.dumps(answer) + "\n")
        return 0
    with _alone() as alone:
        if not alone:
            sys.stdout.write("another run is under way\n")
            return 0
        pull = Pull(config)
        pull.send_again()
        reboot = pull.verify() if pull.rebooted() else pull.upgrade()
    status = read(pull.result, {}).get("status")
    sys.stdout.write(f"{status}: {read(pull.result, {}).get('reason')}\n")
    if reboot:
        return subprocess.run(  # pylint: disable=ansible-bad-function
            ["systemctl", "reboot"], check=False
        ).returncode
    return 0 if status in _QUIET else 1
