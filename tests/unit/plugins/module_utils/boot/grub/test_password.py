# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does GRUB ask for a password?"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.grub.password import asks_for_password

CONDITIONAL = """\
set timeout=5
if [ -f ${prefix}/user.cfg ]; then
  source ${prefix}/user.cfg
  if [ -n "${GRUB2_PASSWORD}" ]; then
    set superusers="root"
    export superusers
    password_pbkdf2 root ${GRUB2_PASSWORD}
  fi
fi
blscfg
"""


@pytest.mark.parametrize(("menu", "users", "asks"), [
    ("blscfg\n", None, None),
    (CONDITIONAL, None, None),
    (CONDITIONAL, "", None),
    (CONDITIONAL, "GRUB2_PASSWORD=grub.pbkdf2\n", "user.cfg"),
    (f"{CONDITIONAL}set superusers=admin\n", None, "grub.cfg"),
    ("set superusers=admin\n", None, "grub.cfg"),
    ("blscfg\n", "GRUB2_PASSWORD=grub.pbkdf2\n", None),
])  # fmt: skip
def test_what_it_depends_on(tmp_path: Path, menu: str, users: str | None, asks: str | None) -> None:
    (tmp_path / "grub.cfg").write_text(menu)
    if users is not None:
        (tmp_path / "user.cfg").write_text(users)
    found = asks_for_password(str(tmp_path / "grub.cfg"))
    assert found == (str(tmp_path / asks) if asks else None)
    assert asks_for_password(str(tmp_path / "gone")) is None
