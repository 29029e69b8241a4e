# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether GRUB asks for a password before it boots an entry that does not say that anybody may."""

from __future__ import annotations

import os
import re
import typing as t

from ...system.presence import text_of

USERS_FILE: t.Final = "user.cfg"
# Fedora's 01_users: each grub.cfg of it asks for a password where grub2-setpassword made that file
_CONDITIONAL: t.Final = re.compile(r"^\s*if \[ -f \$\{?prefix\}?/user\.cfg \]; then$.*?^fi$", re.MULTILINE | re.DOTALL)


def asks_for_password(menu: str) -> str | None:
    """The file that lets GRUB ask for one, of those that the grub.cfg at this path and it itself are; None where none does."""
    text = text_of(menu) or ""
    if "superusers" in _CONDITIONAL.sub("", text):
        return menu
    if "superusers" not in text:
        return None
    users = os.path.join(os.path.dirname(menu), USERS_FILE)
    return users if "GRUB2_PASSWORD" in (text_of(users) or "") else None


__all__ = ("USERS_FILE", "asks_for_password")
