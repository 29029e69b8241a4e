# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.overc.system.plugins.module_utils.runner import ModuleRunner, wait_for_its_end


def started(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_program_that_closed_its_output_and_is_about_to_end_has_ended() -> None:
    with started("exec >&- 2>&-; sleep 0.02; exit 3") as process:
        assert process.stdout is not None
        process.stdout.read()
        wait_for_its_end(process)
        assert process.poll() == 3
        assert process.poll() == 3


def test_a_program_that_goes_on_is_not_waited_for() -> None:
    with started("exec sleep 60") as process:
        wait_for_its_end(process)
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize("number", [0, 7])
def test_exit_code_and_output_are_what_the_program_left(number: int) -> None:
    with patch_module_args({}):
        runner = ModuleRunner(AnsibleModule(argument_spec={}))
    done = runner.run(["sh", "-c", f"echo out; echo err >&2; exit {number}"])
    assert (done.rc, done.stdout, done.stderr) == (number, "out\n", "err\n")


def test_output_of_what_a_program_leaves_behind_is_not_waited_for() -> None:
    """A daemon that a package starts may keep the pipe open for ever."""
    with patch_module_args({}):
        runner = ModuleRunner(AnsibleModule(argument_spec={}))
    done = runner.run(["sh", "-c", "sleep 30 & echo started"])
    assert (done.rc, done.stdout) == (0, "started\n")
