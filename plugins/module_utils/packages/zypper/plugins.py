# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins of libzypp's are programs that it runs around a transaction, for instance to make snapshots of the running system.

In a new root they have nothing to do: while packages are installed there, they are not executable, so that libzypp leaves
them out.
"""

from __future__ import annotations

import contextlib
import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...runner import Runner

_DIRECTORIES: t.Final = ("/usr/lib/zypp/plugins/commit", "/usr/lib/zypp/plugins/system")


@contextlib.contextmanager
def no_plugins(runner: Runner) -> t.Iterator[None]:
    """While the block runs. What packages bring or replace meanwhile keeps the mode that it came with.

    Raises package_manager_failed.
    """
    before = _executables(runner)
    for path in before:
        _change(runner, "a-x", path)
    try:
        yield
    finally:
        now = _files(runner, []) if before else {}
        for path, (mode, inode) in before.items():
            if now.get(path, ("", ""))[1] == inode:
                _change(runner, mode, path)


def _executables(runner: Runner) -> dict[str, tuple[str, str]]:
    return _files(runner, ["-perm", "/111"])


def _files(runner: Runner, tests: list[str]) -> dict[str, tuple[str, str]]:
    """Path -> mode (octal) and inode of each plugin."""
    argv = ["find", "-L", *_DIRECTORIES, "-maxdepth", "1", "-type", "f", *tests, "-printf", r"%m %i %p\0"]
    rows = (row.split(" ", 2) for row in runner.run(argv).stdout.split("\0"))
    return {row[2]: (row[0], row[1]) for row in rows if len(row) == 3}


def _change(runner: Runner, mode: str, path: str) -> None:
    completed = runner.run(["chmod", mode, path])
    if completed.rc != 0:
        raise OvercError(
            "package_manager_failed",
            f"The plugin {path} of libzypp in the new root cannot be kept from running, or made what it was.",
            **completed.facts(),
        )


__all__ = ("no_plugins",)
