# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs within bounds: real ones, which print for ever, wait for ever, or leave somebody behind who holds their output."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.overc.system.plugins.module_utils.pull import commands


def shell(script: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    return commands.run(["/bin/sh", "-c", script], **{"timeout": 60, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_of_endless_output_both_ends_are_kept(stream: str) -> None:
    script = "echo first; yes 0123456789 | head -c 20000000; echo; echo last"
    done = shell(script if stream == "stdout" else f"({script}) >&2", most=100_000)
    output = getattr(done, stream)
    assert done.returncode == 0
    assert len(output) < 100_200
    assert output.startswith(b"first\n")
    assert output.endswith(b"last\n")
    lines = [line for line in output.split(b"\n") if line and line not in (b"first", b"last")]
    (note,) = (line for line in lines if b"left out" in line)
    assert all(line == b"0123456789" for line in lines[:-1] if line is not note), "no line is kept in part"


def test_what_fits_is_whole() -> None:
    output = shell("yes 0123456789 | head -c 100000", most=100_000).stdout
    assert output == (b"0123456789\n" * 10_000)[:100_000]


@pytest.mark.parametrize("blank", [b" ", b"", b"\n"])
def test_a_word_without_end_takes_no_time(blank: bytes) -> None:
    kept = commands._Kept(1 << 20)
    for _count in range(64):
        kept.add(b"x" * (1 << 16))
        kept.add(blank)
    assert b"bytes were left out here" in kept.whole()


def test_who_prints_for_ever_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        commands.run(["yes", "for ever"], timeout=1, most=10_000)
    assert len(caught.value.output) < 10_200


def test_who_says_nothing_is_ended() -> None:
    for script in ("exec sleep 60", "exec >&- 2>&-; exec sleep 60"):
        with pytest.raises(subprocess.TimeoutExpired):
            shell(script, timeout=0.5)


def test_who_stays_behind_with_the_output_is_not_waited_for() -> None:
    done = shell("sleep 60 & echo $!", timeout=50)
    subprocess.run(["kill", done.stdout.decode().strip()], check=True)
    assert done.returncode == 0


def test_input_goes_in_whatever_comes_out() -> None:
    data = b"0123456789\n" * 200_000
    assert commands.run(["cat"], timeout=60, data=data).stdout == data
    assert commands.run(["true"], timeout=60, data=data).returncode == 0


def test_both_streams_together() -> None:
    assert shell("echo one; echo two >&2", together=True).stdout == b"one\ntwo\n"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        commands.run(["/nonexistent/program"], timeout=1)
