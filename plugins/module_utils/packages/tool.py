# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every driver calls its tool: patient with another one at work, where there is space, on a copy of the tool's own files."""

from __future__ import annotations

import posixpath
import typing as t

from ..errors import OvercError
from ..failures import says_full
from ..redact import redact
from ..values import decimal

if t.TYPE_CHECKING:
    from ..runner import Completed, Runner

_ATTEMPTS: t.Final = 12
_PAUSE: t.Final = 5.0  # seconds
_SPACE_MARGIN: t.Final = 16 << 20  # bytes; the copy of the lists, and what the tool makes of them


def run_when_free(
    call: t.Callable[[], Completed],
    is_locked: t.Callable[[Completed], bool],
    sleep: t.Callable[[float], None],
) -> Completed:
    """Call again while another process holds the tool's lock, for a minute; the last answer may still say so."""
    for _attempt in range(_ATTEMPTS - 1):
        completed = call()
        if not is_locked(completed):
            return completed
        sleep(_PAUSE)
    return call()


def not_configured(message: str, completed: Completed, why: str = "") -> OvercError:
    """For a tool that cannot say how it is configured: no package is to be mended for that."""
    reason = why or next((line.strip() for line in reversed(completed.stderr.splitlines()) if line.strip()), "")
    said = f"{message.rstrip('.')}{f': {redact(reason)}' if reason else ''}".rstrip(".")
    return OvercError(
        "package_manager_failed",
        f"{said}. Mend the host's configuration of it, then run the same command again.",
        **completed.facts(),
    )


def copy_directory(runner: Runner, source: str, target: str, *, may_be_missing: bool = False) -> None:
    """Copy the content of ``source`` into the new directory ``target``, which only root may enter.

    Raises no_space, package_manager_failed.
    """
    for argv in (["mkdir", "-m", "0700", target], ["cp", "-a", "--reflink=auto", posixpath.join(source, "."), target]):
        completed = runner.run(argv)
        if completed.rc == 0 or (may_be_missing and "No such file" in completed.stderr):
            continue
        full = says_full(completed.stderr)
        raise OvercError(
            "no_space" if full else "package_manager_failed",
            f"{source} could not be copied to {target}{': no space is left there' if full else ''}.",
            **completed.facts(),
        )


def require_space(runner: Runner, directory: str, packages: int) -> None:
    """``packages``: bytes that are to come into ``directory``, besides the lists. Raises no_space."""
    need = packages + _SPACE_MARGIN
    shown = runner.run(["stat", "-f", "-c", "%a %S", directory]).stdout.split()
    blocks, size = (decimal(word) for word in shown) if len(shown) == 2 else (None, None)
    if blocks is not None and size is not None and blocks * size < need:
        raise OvercError(
            "no_space",
            f"The root file system has {blocks * size} bytes free; downloading the packages needs {need}. Free some space "
            "on it.",
        )


__all__ = ("copy_directory", "not_configured", "require_space", "run_when_free")
