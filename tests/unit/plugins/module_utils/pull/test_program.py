# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that a host runs on its timer: real processes and a real receiver, only Ansible is played by a script."""

from __future__ import annotations

import datetime as dt
import errno
import http.server
import json
import os
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull import arguments as pull_arguments
from ansible_collections.overc.system.plugins.module_utils.pull import files, program

from tests.unit.plugins.module_utils.pull.repository import Repository

LAUNCHER = Path(__file__).resolve().parents[5] / "roles/pull/files/overc_pull.py"


def later() -> str:
    """A window that is not open now."""
    hour = dt.datetime.now(dt.timezone.utc).hour
    return f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"


class Place:
    """A host's directories, and an Ansible that does what a test says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("bin", "state", "run"):
            (directory / name).mkdir()
        self.config: dict[str, t.Any] = {
            "url": "",
            "checkout": "",
            "directory": str(directory / "checkout"),
            "playbook": "local.yml",
            "inventory": "",
            "arguments": [],
            "environment": {"COLOUR": "red"},
            "program_directory": str(directory / "bin"),
            "window": "",
            "reboot": True,
            "timeout": 30,
            "report_url": "",
            "report_token": "",
        }

    def ansible(self, script: str) -> None:
        path = self.directory / "bin/ansible-playbook"
        path.write_text(
            f'#!/bin/sh\necho "$@" >> {self.directory}/called\nOUT={self.directory}/run/outcome.json\n{script}\n'
        )
        path.chmod(0o755)

    def pull(self, **config: t.Any) -> t.Any:
        return program.Pull(
            {**self.config, **config},
            state=str(self.directory / "state"),
            run=str(self.directory / "run"),
            pauses=(0, 0),
        )

    def result(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.directory / "state/result.json").read_text()))

    def note(self, boot_id: str = "before") -> Path:
        path = self.directory / "state/attempt.json"
        path.write_text(json.dumps({"boot_id": boot_id, "fingerprint": "f"}))
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("window", "clock", "is_open"),
    [
        ("", "12:00", True),
        ("01:00-05:00", "00:59", False),
        ("01:00-05:00", "01:00", True),
        ("01:00-05:00", "04:59", True),
        ("01:00-05:00", "05:00", False),
        ("22:00-04:00", "23:30", True),
        ("22:00-04:00", "03:59", True),
        ("22:00-04:00", "04:00", False),
        ("22:00-04:00", "21:59", False),
    ],
)
def test_window(window: str, clock: str, is_open: bool) -> None:
    hour, minute = map(int, clock.split(":"))
    assert program.window_open(window, dt.datetime(2026, 11, 25, hour, minute, tzinfo=dt.timezone.utc)) is is_open


def test_a_playbook_that_prints_for_ever_fills_neither_memory_nor_log(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.ansible("echo begin; yes 0123456789 | head -c 20000000; echo; echo 'ERROR! the end'; exit 2")
    assert place.pull().upgrade() is False
    result, log = place.result(), capsys.readouterr().out
    assert (result["status"], result["reason"]) == ("failed", "ERROR! the end")
    assert log.startswith("begin\n")
    assert "bytes were left out here" in log
    assert log.endswith("ERROR! the end\n")
    assert len(log) < 1_100_000


def test_staged_and_rebooting(place: Place) -> None:
    place.ansible('echo \'{"status": "staged", "reason": "", "reboot": true, "upgrades": [1]}\' > $OUT; echo $COLOUR')
    assert place.pull().upgrade() is True
    result = place.result()
    assert (result["status"], result["upgrades"], result["rc"]) == ("staged", [1], 0)
    assert "output" not in result
    called = (place.directory / "called").read_text()
    assert called.startswith("--inventory=localhost, --limit=localhost,"), called
    assert called.endswith(" local.yml\n")
    variables = json.loads((place.directory / "run/variables.json").read_text())["__pull_run"]
    assert (variables["phase"], variables["reboot"]) == ("upgrade", True)


def test_arguments_of_the_pull_are_not_for_the_playbook(place: Place) -> None:
    """Nothing is pulled after the reboot, and ansible-playbook would end over an option that it does not know."""
    place.ansible('echo \'{"status": "upgraded", "reason": ""}\' > $OUT')
    place.note()
    arguments = ["--verify-commit", "--clean", "--accept-host-key", "--vault-password-file", "/etc/vault", "-f"]
    place.pull(arguments=arguments).verify()
    called = (place.directory / "called").read_text()
    assert ",127.0.0.1 --vault-password-file /etc/vault --extra-vars=@" in called, called
    assert place.result()["status"] == "upgraded"


def test_window_that_is_closed(place: Place) -> None:
    place.ansible("exit 1")
    assert place.pull(window=later()).upgrade() is False
    assert place.result()["status"] == "postponed"
    assert not (place.directory / "called").exists()


def test_window_that_closes_meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.ansible('echo \'{"status": "staged", "reason": "", "reboot": true}\' > $OUT')
    answers = iter([True, False])
    monkeypatch.setattr(program, "window_open", lambda *_args: next(answers))
    assert place.pull().upgrade() is False
    assert place.result()["status"] == "staged"
    assert "window closed" in place.result()["reason"]


def test_host_that_is_out_of_service_does_not_wait_for_the_next_window(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.ansible('echo \'{"status": "staged", "reason": "", "reboot": true, "drained": true}\' > $OUT')
    answers = iter([True, False])
    monkeypatch.setattr(program, "window_open", lambda *_args: next(answers))
    assert place.pull().upgrade() is True
    assert "drained" not in place.result()


def test_run_that_says_nothing(place: Place) -> None:
    """The repository is not to be had, the playbook is broken ..."""
    place.ansible('echo "[ERROR]: cannot clone"; exit 3')
    assert place.pull().upgrade() is False
    result = place.result()
    assert (result["status"], result["rc"], result["reason"]) == ("failed", 3, "[ERROR]: cannot clone")
    assert "cannot clone" in result["output"]


def test_no_ansible_and_no_end(place: Place) -> None:
    assert place.pull().upgrade() is False
    assert "No such file" in place.result()["output"]
    place.ansible("echo begun; exec sleep 60")
    assert place.pull(timeout=1).upgrade() is False
    assert "begun" in place.result()["output"]
    assert "ended after 1 seconds" in place.result()["output"]


def test_after_the_reboot(place: Place) -> None:
    note = place.note()
    place.ansible('echo \'{"status": "upgraded", "reason": ""}\' > $OUT')
    pull = place.pull()
    assert pull.rebooted()
    assert pull.verify() is False
    assert not note.exists()
    assert place.result()["status"] == "upgraded"
    assert "--inventory=localhost," in (place.directory / "called").read_text()


def test_no_reboot_yet(place: Place) -> None:
    assert not place.pull().rebooted()
    place.note(Path(program.BOOT_ID).read_text().strip())
    assert not place.pull().rebooted()


def test_bad_system_goes_back_and_is_remembered(place: Place) -> None:
    note = place.note()
    place.ansible('echo \'{"status": "failed", "reason": "no", "reboot": true}\' > $OUT')
    assert place.pull().verify() is True
    assert note.exists(), "the system that it returns to has a note of its own, and this one may come back"
    place.ansible('echo \'{"status": "rolled_back", "reason": "back"}\' > $OUT')
    for _time in range(2):
        place.note()
        assert place.pull().verify() is False
        assert json.loads((place.directory / "state/rejected.json").read_text()) == ["f"]
    place.pull().play("verify")
    assert json.loads((place.directory / "run/variables.json").read_text())["__pull_run"]["rejected"] == ["f"]


def test_verification_that_says_nothing_is_tried_again(place: Place) -> None:
    note = place.note()
    place.ansible("exit 4")
    assert place.pull().verify() is False
    assert note.exists()
    assert place.result()["reason"] == "The run ended with exit code 4."


class Receiver(http.server.BaseHTTPRequestHandler):
    taken: t.ClassVar[list[tuple[str | None, dict[str, t.Any]]]] = []
    answer = 200
    location = ""
    seen: t.ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(self.path)
        if self.answer == 200:
            self.taken.append((self.headers["Authorization"], body))
        self.send_response(self.answer)
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def test_reports_until_somebody_takes_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        config = {"report_url": f"http://127.0.0.1:{server.server_port}/", "report_token": "s3cret"}
        monkeypatch.setattr(Receiver, "answer", 503)
        place.pull(**config, window=later()).upgrade()
        assert place.result()["reported"] is False
        assert Receiver.taken == []
        monkeypatch.setattr(Receiver, "answer", 200)
        place.pull(**config).send_again()
        assert place.result()["reported"] is True
        place.pull(**config).send_again()
        assert [(token, body["status"]) for token, body in Receiver.taken] == [("Bearer s3cret", "postponed")]
    finally:
        server.shutdown()
        server.server_close()


def test_without_configuration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program, "CONFIG", "/nowhere/overc-pull.json")
    assert program.main() == 1
    assert "run the role overc.system.pull" in capsys.readouterr().err


def full(path: str, *_data: t.Any) -> t.NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def full_below(directory: str, real: t.Callable[..., None]) -> t.Callable[..., None]:
    """What writes or removes, as it is where a disk is full."""

    def attempt(path: str, *data: t.Any) -> None:
        if directory in path:
            full(path)
        real(path, *data)

    return attempt


def test_full_disk_takes_no_reboot_away(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host is out of service and staged: that its result cannot be written down does not leave it there."""
    place.ansible('echo \'{"status": "staged", "reason": "", "reboot": true, "drained": true}\' > $OUT')
    monkeypatch.setattr(program, "write", full_below("/state/", files.write))
    assert place.pull().upgrade() is True
    said = capsys.readouterr().err
    assert "the result cannot be written down" in said
    assert "No space left on device" in said


def test_full_disk_after_the_reboot_is_said(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.note().write_text(json.dumps({"boot_id": "before", "fingerprint": "f"}))
    place.ansible('echo \'{"status": "rolled_back", "reason": ""}\' > $OUT')
    monkeypatch.setattr(program, "write", full_below("/state/", files.write))
    assert place.pull().verify() is False
    assert "that this upgrade is not to be tried again cannot be written down" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["write", "remove"])
def test_memory_that_is_full_runs_no_playbook(place: Place, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    place.ansible("exit 0")
    monkeypatch.setattr(program, name, full_below("/run/", getattr(program, name)))
    assert place.pull().upgrade() is False
    assert "cannot be written down" in place.result()["reason"]
    assert not (place.directory / "called").exists()


def test_whatever_a_disk_says_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "read", full)
    assert program.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "No space left on device" in said


@pytest.mark.parametrize("argument", sorted(pull_arguments.REFUSED))
def test_arguments_of_the_pull_that_would_be_ignored_are_refused(place: Place, argument: str) -> None:
    place.ansible("exit 0")
    assert (
        place.pull(arguments=["--diff", f"{argument}=x" if argument.startswith("--") else argument]).upgrade() is False
    )
    assert f"pull_arguments: {argument} has no place here" in place.result()["reason"]
    assert not (place.directory / "called").exists()


@pytest.mark.parametrize(
    "given",
    [["--tags", "x"], ["--tags=all"], ["-t", "x"], ["-tx"], ["--skip-tags", "a,untagged"], ["--skip-tags=all"], ["--check"],
     ["--start-at-task", "x"], ["--list-tasks"], ["--step"]],
    ids=" ".join,
)  # fmt: skip
def test_a_part_of_an_upgrade_is_refused(place: Place, given: list[str]) -> None:
    place.ansible("exit 0")
    assert place.pull(arguments=[*given, "--diff"]).upgrade() is False
    assert "has no place here" in place.result()["reason"]
    assert not (place.directory / "called").exists()


def test_a_playbook_that_left_the_upgrade_out(place: Place) -> None:
    place.ansible("exit 0")
    assert place.pull(arguments=["--skip-tags", "slow"]).upgrade() is False
    assert "ended without a word of what became of this host" in place.result()["reason"]


# Says that it is good, and which playbook was there to be run
SAY = 'cat local.yml >> {0}/ran; echo \'{{"status": "upgraded", "reason": ""}}\' > $OUT'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def verified(place: Place, repository: Repository) -> dict[str, t.Any]:
    place.ansible(SAY.format(place.directory))
    return {"url": str(repository.path), "arguments": ["--verify-commit"], "environment": repository.environment}


def ran(place: Place) -> str:
    path = place.directory / "ran"
    return path.read_text() if path.exists() else ""


def test_what_was_refused_is_not_run_after_the_next_boot_either(place: Place, repository: Repository) -> None:
    config = verified(place, repository)
    good = repository.commit({"local.yml": "good "})
    place.pull(**config).upgrade()
    assert ran(place) == "good "
    variables = json.loads((place.directory / "run/variables.json").read_text())["__pull_run"]
    assert variables["revision"] == good
    repository.commit({"local.yml": "evil "}, "")
    assert place.pull(**config).upgrade() is False
    assert place.result()["status"] == "failed"
    assert "no good signature" in place.result()["reason"]
    assert (place.directory / "checkout/local.yml").read_text() == "good "
    for note in ({"revision": good}, {}, {"revision": repository.git("rev-parse", "HEAD")}):
        path = place.directory / "state/attempt.json"
        path.write_text(json.dumps({"boot_id": "before", "fingerprint": "f", **note}))
        place.pull(**config).verify()
        assert path.exists() is (note != {"revision": good}), "what could not be verified is tried again"
    assert ran(place) == "good good "


def test_an_older_signed_commit_is_not_run(place: Place, repository: Repository) -> None:
    config = verified(place, repository)
    old = repository.commit({"local.yml": "old "})
    new = repository.commit({"local.yml": "new "})
    place.pull(**config).upgrade()
    repository.git("reset", "-q", "--hard", old)
    assert place.pull(**config).upgrade() is False
    assert "not built upon" in place.result()["reason"]
    assert ran(place) == "new "
    taken = place.directory / "state/taken.json"
    assert json.loads(taken.read_text())["revisions"] == [new]
    place.pull(**config, checkout="main").upgrade()  # somebody says anew what is meant
    assert ran(place) == "new old "
    taken.write_text("[1]")
    place.pull(**config).upgrade()
    assert ran(place) == "new old old "


def test_whose_key_was_revoked_meanwhile_is_looked_after_by_the_newest(place: Place, repository: Repository) -> None:
    """The noted commit is never run again; the host does not stay unchecked for that."""
    config = verified(place, repository)
    old = repository.commit({"local.yml": "old "})
    place.pull(**config).upgrade()
    (place.directory / "state/attempt.json").write_text(json.dumps({"boot_id": "before", "revision": old}))
    signers = repository.keys / "signers"
    signers.write_text(signers.read_text() + "admin@example.net " + (repository.keys / "stranger.pub").read_text())
    repository.commit({"local.yml": "new "}, "stranger")
    signers.write_text(signers.read_text().splitlines()[1] + "\n")
    place.pull(**config).verify()
    assert (ran(place), place.result()["status"]) == ("old new ", "upgraded")


def test_a_tree_that_was_changed_on_the_disk_is_not_run(place: Place, repository: Repository) -> None:
    config = verified(place, repository)
    good = repository.commit({"local.yml": "good "})
    place.pull(**config).upgrade()
    (place.directory / "checkout/local.yml").write_text("evil ")
    (place.directory / "checkout/ansible.cfg").write_text("evil")
    (place.directory / "state/attempt.json").write_text(json.dumps({"boot_id": "before", "revision": good}))
    place.pull(**config).verify()
    assert ran(place) == "good good "
    assert not (place.directory / "checkout/ansible.cfg").exists()
    assert len(list((place.directory / "state/trees").iterdir())) == 1


def test_a_directory_of_somebody_else_stays(place: Place, repository: Repository) -> None:
    repository.commit({"local.yml": "good "})
    (place.directory / "checkout").mkdir()
    (place.directory / "checkout/mine").write_text("")
    place.pull(**verified(place, repository)).upgrade()
    assert "Move it away" in place.result()["reason"]
    assert (place.directory / "checkout/mine").exists()
    assert ran(place) == ""


def test_credentials_do_not_reach_the_result(place: Place) -> None:
    place.ansible("echo 'ERROR: https://me:pw12345@git.example.net and t0ken-t0ken'; exit 1")
    place.pull(report_token="t0ken-t0ken").upgrade()  # noqa: S106 - not one
    text = (place.directory / "state/result.json").read_text()
    assert "pw12345" not in text
    assert "t0ken" not in text
    assert "***@git.example.net" in text


def test_a_token_does_not_follow_a_redirect(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setattr(Receiver, "seen", [])
    monkeypatch.setattr(Receiver, "answer", 302)
    monkeypatch.setattr(Receiver, "location", f"http://127.0.0.1:{server.server_port}/elsewhere")
    try:
        config = {"report_url": f"http://127.0.0.1:{server.server_port}/", "report_token": "s3cret"}
        place.pull(**config, window=later()).upgrade()
        assert place.result()["reported"] is False
        assert Receiver.seen == ["/", "/"]
    finally:
        server.shutdown()
        server.server_close()


def test_the_launcher_finds_the_program() -> None:
    done = subprocess.run([sys.executable, "-IB", LAUNCHER], capture_output=True, text=True, check=False)
    assert "overc_pull" in done.stderr  # nothing is installed on this machine


def test_what_the_playbook_has_from_a_vault_is_not_shown(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.ansible(
        f'echo \'["token-of-ours", "token-of-ours-and-more"]\' > {place.directory}/run/secrets.json\n'
        "echo 'fatal: curl token-of-ours-and-more token-of-ours'\nexit 2"
    )
    assert place.pull().upgrade() is False
    assert "fatal: curl *** ***" in place.result()["output"]
    assert "token-of" not in json.dumps(place.result()) + capsys.readouterr().out
    assert not (place.directory / "run/secrets.json").exists()
