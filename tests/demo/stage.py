# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both halves of the demonstration are made of: how it looks, and a host that the real Ansible works on."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
import time
import typing as t

from tests.lab import Host, Lab, controller

WIDTH = 98
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class DemoFailed(Exception):
    """A promise that was not kept."""


def paint(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text: str) -> None:
    print("\n" + paint(f"=== {text} " + "=" * (WIDTH - len(text) - 5), "1;36"), flush=True)


def say(text: str) -> None:
    print("\n".join(textwrap.wrap(text, WIDTH)), flush=True)


def show(label: str, text: str) -> None:
    lines = textwrap.wrap(text, WIDTH - 13) or [""]
    print(f"  {label:<9}  {lines[0]}")
    for line in lines[1:]:
        print(f"             {line}")


class Stage:
    """One host, and what is said about it."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.host = host
        self.environment = {**controller.environment(lab), "ANSIBLE_DEPRECATION_WARNINGS": "0"}

    def ansible(self, module: str, *options: str) -> dict[str, t.Any]:
        """Run the very command that is shown, and return what the module returned."""
        argv = ["ansible", self.host.name, "-m", f"overc.system.{module}", *options]
        print("\n" + paint(f"$ {shlex.join(argv)}", "1;33"), flush=True)
        began = time.monotonic()
        done = controller.run(*argv, env=self.environment)
        head, found, body = done.stdout.partition("=> ")
        if not found or "UNREACHABLE" in head:
            raise DemoFailed(f"Ansible did not reach the host:\n{done.stdout}{done.stderr}")
        result: dict[str, t.Any] = json.loads(body)
        changed = "would change" if "--check" in options else "changed"
        verdict = "failed" if done.returncode else changed if result.get("changed") else "nothing changed"
        show("result", f"{verdict} ({time.monotonic() - began:.1f} s)")
        result["failed"] = bool(done.returncode)
        return result

    def check(self, true: object, promise: str) -> None:
        if not true:
            raise DemoFailed(promise)
        print(paint("  verified   ", "32") + promise, flush=True)
