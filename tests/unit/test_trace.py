# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from strace's log does not depend on which of two processes the kernel let go on first."""

from __future__ import annotations

import pytest

from tests.integration.trace import Side, sides

_BEFORE = '7 execve("/usr/bin/nsenter", ["nsenter"], 0x1 /* 1 var */) = 0'
_MODULE = [
    '8 execve("/usr/bin/python3", ["python3"], 0x1 /* 1 var */) = 0',
    '8 openat(AT_FDCWD</>, "/run/lock", O_WRONLY|O_CREAT, 0600) = 3</run/lock>',
    "8 vfork( <unfinished ...>",
    '9 execve("/usr/bin/true", ["true"], 0x1 /* 1 var */) = 0',
    "8 <... vfork resumed>) = 3 /* 9 in strace's PID NS */",
]
_FORK = [
    "7 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
    "7 <... clone resumed>) = 2 /* 8 in strace's PID NS */",
]
_EXPECTED = (Side({"true"}, {"/run/lock"}), Side())


@pytest.mark.parametrize("later", range(len(_MODULE) + 1))
def test_a_fork_that_returns_late(later: int) -> None:
    """What makes the module's process hears of it when that one has begun, or is at its end."""
    lines = [_BEFORE, _FORK[0], *_MODULE[:later], _FORK[1], *_MODULE[later:]]
    assert sides("\n".join(lines)) == _EXPECTED


def test_a_process_that_nobody_made() -> None:
    with pytest.raises(AssertionError, match="process 10 comes from nowhere"):
        sides("\n".join([_BEFORE, *_FORK, *_MODULE, '10 openat(AT_FDCWD</>, "/x", O_WRONLY) = 3</x>']))
