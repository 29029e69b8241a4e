# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of PAM as distributions write them, in roots where a module is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe import pam

_RULES = r"""
# comment pam_comment.so
@include common-auth
auth       include      system-auth
account    substack     deeper
-session   required     pam_minus.so
session    optional     pam_optional.so
session    [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close
session    [success=1 default=ignore] \
           pam_continued.so
session    required     /opt/own/pam_path.so   # words
password   include      /etc/own/rules
account    required
"""
_NEEDED = {
    "pam_debian.so",
    "pam_fedora.so",
    "pam_deeper.so",
    "pam_continued.so",
    "/opt/own/pam_path.so",
    "pam_by_path.so",
}


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, {
        "/etc/pam.d/sshd": _RULES,
        "/usr/lib/pam.d/sshd": "auth required pam_hidden.so",
        "/etc/pam.d/common-auth": "auth sufficient pam_debian.so",
        "/usr/lib/pam.d/system-auth": "auth required pam_fedora.so\n@include sshd\n",
        "/usr/share/pam.d/deeper": "account required pam_deeper.so",
        "/etc/own/rules": "password requisite pam_by_path.so",
    })  # fmt: skip
    return tmp_path


def test_what_rules_need(root: Path) -> None:
    """An optional module may be missing, and files that include each other have an end."""
    assert pam.missing_modules(str(root), "sshd") == _NEEDED


def test_where_modules_are(root: Path) -> None:
    write(root, {"/usr/lib/x86_64-linux-gnu/security/pam_debian.so": "", "/usr/lib64/security/pam_fedora.so": ""})
    write(root, {"/opt/own/pam_path.so": "", "/usr/lib/security/pam_deeper.so": "", "/usr/lib/pam_continued.so": ""})
    (root / "lib").symlink_to("/usr/lib")  # never the host's
    assert pam.missing_modules(str(root), "sshd") == {"pam_continued.so", "pam_by_path.so"}


def test_no_rules(tmp_path: Path) -> None:
    assert not pam.has_rules(str(tmp_path), "sshd")
    assert pam.missing_modules(str(tmp_path), "sshd") == frozenset()
