# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rpm itself says of a transaction, apart from what package scripts print.

Smart prints both together, and with the C library of 2018 and later nothing of it at all. Its option ``rpm-log-file`` makes
rpm write its own messages, and only those, to a file.
"""

from __future__ import annotations

import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...runner import Runner

_TEMPLATE: t.Final = "/var/tmp/overc-rpm-log.XXXXXXXX"  # noqa: S108 - made by mktemp, mode 0600


class RpmLog:
    """Context manager: a fresh file in the root behind ``runner``, gone afterwards. Without ``wanted`` it is none."""

    def __init__(self, runner: Runner, *, wanted: bool) -> None:
        self._runner = runner
        self._wanted = wanted
        self._path = ""

    def __enter__(self) -> RpmLog:
        if self._wanted:
            made = self._runner.run(["mktemp", _TEMPLATE])
            self._path = made.stdout.strip()
            if made.rc != 0 or not self._path:
                raise OvercError("package_manager_failed", "No file for rpm's messages can be made.", **made.facts())
        return self

    @property
    def options(self) -> tuple[str, ...]:
        """For the call of Smart."""
        return ("-o", f"rpm-log-file={self._path}") if self._path else ()

    def read(self) -> str:
        """What rpm said. Raises package_manager_failed: without it nobody knows whether a script failed."""
        shown = self._runner.run(["cat", self._path])
        if shown.rc != 0:
            raise OvercError("package_manager_failed", "rpm's messages cannot be read.", **shown.facts())
        return shown.stdout

    def __exit__(self, *_exc: object) -> None:
        if self._path:
            self._runner.run(["rm", "-f", self._path])


__all__ = ("RpmLog",)
