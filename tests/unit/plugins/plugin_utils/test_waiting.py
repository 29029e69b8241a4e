# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever waits for a host is told."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.overc.system.plugins.plugin_utils import waiting


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "Failed to connect to the host via ssh: ssh: connect to host 10.0.0.9 port 22: Connection refused",
            "connect to host 10.0.0.9 port 22: Connection refused",
        ),
        (
            "Failed to connect to the host via ssh: Warning: added 'h1' to the list.\nroot@h1: Permission denied (publickey).",
            "root@h1: Permission denied (publickey)",
        ),
        ("", "no answer"),
        ("\n \n", "no answer"),
        ("x" * 500, "x" * 200),
    ],
)
def test_cause(error: str, said: str) -> None:
    assert waiting.cause(error) == said


def test_a_line_now_and_then_until_it_is_over() -> None:
    said: list[str] = []
    enough = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            enough.set()

    with waiting.Waiting(say, 600, every=0.01) as wait:
        wait.last = "Connection refused"
        assert enough.wait(10)
    count = len(said)
    assert said[-1] == "does not answer yet, 0 of 600 seconds; last: Connection refused"
    assert len(said) == count, "nothing is said after it"
    assert waiting.EVERY < 30
    assert waiting.line(120.4, 600, "") == "does not answer yet, 120 of 600 seconds"


def test_what_goes_on_the_same_is_said_again() -> None:
    """In a look that does not come back as well: nobody calls ``say`` meanwhile."""
    said: list[str] = []
    enough = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 5:
            enough.set()

    with waiting.Told(say, every=0.05) as told:
        told.say("begins", aloud=False)
        assert said == []
        told.say("upgrade 3/16: run it")
        told.say("upgrade 3/16: run it")
        told.say("")
        assert enough.wait(10)
        told.say("the connection was lost", 600, since=time.monotonic() - 30)
        assert said[-1] == "the connection was lost"
        enough.clear()
        said.clear()
        said.extend(["", "", "", ""])
        assert enough.wait(10)
    assert said[4] == "the connection was lost, 30 of 600 seconds"
    count = len(said)
    time.sleep(0.2)
    assert len(said) == count, "nothing is said after it"
    assert waiting.still("upgrade 3/16: run it", 74.7) == "upgrade 3/16: run it, for 75 seconds now"


def test_nothing_is_said_of_a_host_that_is_back_at_once() -> None:
    said: list[str] = []
    with waiting.Waiting(said.append, 600):
        pass
    assert said == []
