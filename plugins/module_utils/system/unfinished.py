# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ending of what is written beside its final name, and renamed when it is whole and durable: files, subvolumes."""

from __future__ import annotations

import typing as t

NEW_SUFFIX: t.Final = ".overc-new"

__all__ = ("NEW_SUFFIX",)
