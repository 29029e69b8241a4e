# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that calls of both generations of DNF are given, by the same names. Pure."""

from __future__ import annotations

import typing as t

# The transaction that was announced is the one to perform: lists fetched meanwhile must not change it.
LISTS_AS_THEY_ARE: t.Final = {"metadata_expire": "-1", "*.metadata_expire": "-1"}
# By option as well: a setting of the same name would win over `--assumeno` and `-y`.
NO: t.Final = {"assumeno": "True", "assumeyes": "False"}
YES: t.Final = {"assumeyes": "True"}


def options(settings: t.Mapping[str, str]) -> list[str]:
    return [f"--setopt={key}={value}" for key, value in settings.items()]


__all__ = ("LISTS_AS_THEY_ARE", "NO", "YES", "options")
