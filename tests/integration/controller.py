# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible as a user has it, against the hosts of a lab."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab, controller


@dataclass(frozen=True)
class Answer:
    """What an ansible command said; ``results`` by host, from ad-hoc commands only."""

    rc: int
    stdout: str
    stderr: str

    @property
    def results(self) -> dict[str, dict[str, t.Any]]:
        found: dict[str, dict[str, t.Any]] = {}
        text = self.stdout
        decoder = json.JSONDecoder()
        while " => {" in text:
            head, _arrow, body = text.partition(" => ")
            name = head.splitlines()[-1].split(" | ")[0]
            found[name], end = decoder.raw_decode(body)
            text = body[end:]
        return found

    @property
    def result(self) -> dict[str, t.Any]:
        assert len(self.results) == 1, self.stdout + self.stderr
        return next(iter(self.results.values()))

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class Controller:
    """Ansible as a user has it: this checkout's ansible.cfg, the lab's inventory."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, program: str, *arguments: str, env: dict[str, str] | None = None) -> Answer:
        done = controller.run(program, *arguments, env={**controller.environment(self._lab), **(env or {})})
        return Answer(done.returncode, done.stdout, done.stderr)

    def __call__(self, host: str, module: str, *options: str, env: dict[str, str] | None = None) -> Answer:
        return self.run("ansible", host, "-m", module, *options, env=env)

    def play(self, path: Path, *options: str, hosts: str = "all", **play: t.Any) -> Answer:
        path.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, **play}]))
        return self.run("ansible-playbook", str(path), *options)
