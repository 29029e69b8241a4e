# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an error is told, whichever module it comes from."""

from __future__ import annotations

import importlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.failures import as_error
from ansible_collections.overc.system.plugins.module_utils.module_entry import failure


def test_what_is_no_refusal_is_a_defect() -> None:
    told = failure(as_error(ZeroDivisionError("by zero")))
    assert (told["error_id"], told["changed"]) == ("internal", False)
    assert "ZeroDivisionError: by zero" in told["msg"]


@pytest.mark.parametrize(
    ("facts", "changed"),
    [({}, False), ({"repaired": []}, False), ({"repaired": [{"step": "close"}]}, True), ({"changed": True}, True)],
)
def test_a_failure_says_whether_the_host_was_changed_before(facts: dict[str, t.Any], changed: bool) -> None:
    assert failure(OvercError("no_space", "No space.", **facts))["changed"] is changed


def test_a_message_is_no_longer_than_somebody_reads() -> None:
    told = failure(OvercError("no_space", f"begin {'word ' * 1_000_000} end"))
    assert told["msg"].startswith("begin word")
    assert "left out" in told["msg"]
    assert len(told["msg"]) < 30_000


def test_facts_are_told_without_secrets_and_notes_are_not_facts() -> None:
    error = OvercError("no_space", "No space.", url="https://u:secret@host/", notes=["later"])
    told = failure(error)
    assert "secret" not in str(told)
    assert "notes" not in told


MODULES = sorted(path.stem for path in (Path(__file__).resolve().parents[4] / "plugins/modules").glob("overc_*.py"))
# These are action plugins; what stands there is for ansible-doc
ACTIONS = ("overc_report", "overc_options", "overc_wait")


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ACTIONS])
@pytest.mark.parametrize("wrong", [{"rebot": True}, {"containers_dir": {}, "kernel": []}])
def test_arguments_that_ansible_refuses_have_an_id_too(
    name: str, wrong: dict[str, t.Any], capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"ansible_collections.overc.system.plugins.modules.{name}")
    with patch_module_args(wrong), pytest.raises(SystemExit):
        module.main()
    told = json.loads(capsys.readouterr().out)
    assert (told["failed"], told["error_id"], told["changed"]) == (True, "bad_argument", False)
