# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a transaction, by what is installed and by what DNF 5 said. Pure."""

from __future__ import annotations

import typing as t

from ...errors import OvercError
from .. import rpmdb
from ..proof import not_as_announced
from .errors import failure, last_words, transaction_failed, unsuccessful

if t.TYPE_CHECKING:
    from ...runner import Completed
    from ..contract import PackageChange


def judge(completed: Completed, said: t.Sequence[str], done: tuple[PackageChange, ...]) -> tuple[str, ...]:
    """What is to be told although all is installed as announced; raises where it is not, or where a script failed.

    The exit code alone says little: it is 1 as well where a plugin of DNF's failed after the transaction.
    """
    failed_scripts = rpmdb.scriptlet_failures(f"{completed.stdout}\n{completed.stderr}")
    shown = [change.as_dict() for change in done]
    only_after = completed.rc == 1 and not said and not transaction_failed(completed) and failure(completed) is None
    if failed_scripts:
        raise OvercError(
            "package_manager_failed",
            f"A package script failed during the upgrade: {failed_scripts[0]}",
            failures=list(failed_scripts),
            changes=shown,
            **completed.facts(),
        )
    if completed.rc != 0 and not only_after:
        error = unsuccessful(completed, "upgrading")
        error.facts["changes"] = shown
        raise error
    if said:
        raise failure(completed) or not_as_announced(said, done, completed)
    if completed.rc == 0:
        return ()
    why = "".join(f": {word}" for word in last_words(completed))
    return (f"DNF exited with {completed.rc} after everything was installed as announced{why}",)


__all__ = ("judge",)
