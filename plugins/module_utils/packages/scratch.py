# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private directory for package lists that must not become the host's."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import typing as t


@contextlib.contextmanager
def scratch_directory() -> t.Iterator[str]:
    """Its path; it goes at the end, whatever happened meanwhile."""
    path = tempfile.mkdtemp(prefix="overc-check-", dir="/var/tmp")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


__all__ = ("scratch_directory",)
