# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this checkout's own ansible-pull understands; a host's Python has none beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils.pull import arguments as pull_arguments


def test_every_argument_of_the_pull_is_known() -> None:
    def options(name: str) -> set[str]:
        done = subprocess.run(
            [Path(sys.executable).with_name(name), "--help"], capture_output=True, text=True, check=True
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("  -")]
        return {word for line in lines for word in re.findall(r"(?:^|[ ,])(--?[A-Za-z][a-z-]*)", line.split("   ")[0])}

    # Of one letter, ansible-playbook knows some that mean something else there
    only = {word for word in options("ansible-pull") - options("ansible-playbook") if word.startswith("--")}
    ours = {pull_arguments.VERIFY, pull_arguments.ACCEPT_HOST_KEY, *pull_arguments._NO_MEANING, *pull_arguments.REFUSED}
    assert only == {word for word in ours if word.startswith("--")}
