# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wherever a managed host is looked at, no answer is not taken for "no": the kind, looked for in the sources."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

ROOMS = Path(__file__).resolve().parents[2] / "plugins/module_utils"
# Each of these takes every error for "not there"
_SWALLOW: t.Final = frozenset(("exists", "lexists", "isdir", "isfile", "islink", "ismount"))
# file:function -> why whatever goes wrong there may count as "no"
_ALLOWED: t.Final = {
    "host/transaction.py:_as_it_is": "the state is told as unknown",
    "host/observe/brought_back.py:_equal": "what was not seen to be equal counts as different",
    "host/observe/brought_back.py:_host_keys": "the directory as a whole is told then",
    "btrfs/paths.py:unchanged_since": "it says that something changed, and the work is done again",
    "system/lock.py:read_holder": "who holds the lock is for people only",
    "system/workers.py:_cpus": "how many processors there are decides nothing",
    "compare/files.py:same_extents": "the bytes are compared then",
    "compare/relatives/compare.py:compare": "the walk is asked then, which tells what is wrong",
    "compare/relatives/compare.py:_verdicts": "the walk is asked then, which tells what is wrong",
    "pull/member.py:instance": "without a name no verdict counts as this machine's own",
    "pull/member.py:_told": "the verdict is handed in again then",
    "host/store/progress.py:count": "for people only",
    "system/job.py:enter": "the work is done as ever then, and the host's own lock keeps two apart",
}


def _sources() -> list[Path]:
    return sorted(ROOMS.rglob("*.py"))


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _says_no(handler: ast.ExceptHandler) -> bool:
    """Whether a handler of OSError does nothing but answer, or go on."""
    caught = ast.unparse(handler.type) if handler.type else "OSError"
    plain = all(isinstance(entry, (ast.Return, ast.Continue, ast.Pass)) for entry in handler.body)
    # An answer that is made of what went wrong does not hide it
    inside = [part for entry in handler.body for part in ast.walk(entry)]
    said = any(isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Call) and part.args) for part in inside)
    return "OSError" in caught.replace("(", " ").replace(",", " ").replace(")", " ").split() and plain and not said


def violations(name: str, source: str) -> list[str]:
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            call = _called(node)
            if call.startswith("os.path.") and call.rpartition(".")[2] in _SWALLOW:
                found.append(f"{name}:{function.name}: {call}")
            if call == "os.walk" and "onerror" not in ast.unparse(node):
                found.append(f"{name}:{function.name}: os.walk without onerror")
            if isinstance(node, ast.ExceptHandler) and _says_no(node):
                found.append(f"{name}:{function.name}: an answer to any OSError")
    return [entry for entry in found if entry.rpartition(": ")[0] not in _ALLOWED]


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOMS)))
def test_no_answer_is_not_taken_for_no(path: Path) -> None:
    assert violations(str(path.relative_to(ROOMS)), path.read_text()) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("return os.path.exists(p)", 1),
        ("for a in os.walk(p): pass", 1),
        ("for a in os.walk(p, onerror=f): pass", 0),
        ("try: g()\n    except OSError: return None", 1),
        ("try: g()\n    except (OSError, ValueError): return False", 1),
        ("try: g()\n    except OSError: return set()", 1),
        ("try: g()\n    except FileNotFoundError: return None", 0),
        ("try: g()\n    except OSError as e:\n        if e.errno == 2: return None\n        raise", 0),
    ],
)
def test_the_check_finds_it(body: str, count: int) -> None:
    assert len(violations("x.py", f"def f(p):\n    {body}\n")) == count
