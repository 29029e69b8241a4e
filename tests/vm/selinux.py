# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a machine with Debian one that enforces Debian's SELinux policy from its first boot on."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.lab.process import run

PACKAGES: t.Final = "selinux-policy-default,policycoreutils,selinux-utils"
_POLICY: t.Final = "etc/selinux/default"
_ENVIRONMENT: t.Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def configure(root: Path) -> None:
    """As ``selinux-activate`` does it, and enforcing."""
    config = root / "etc/selinux/config"
    config.write_text(config.read_text().replace("SELINUX=permissive", "SELINUX=enforcing"))
    grub = root / "etc/default/grub"
    text = grub.read_text()
    words = 'GRUB_CMDLINE_LINUX="'
    assert words in text
    grub.write_text(text.replace(words, f"{words}security=selinux enforcing=1 "))


def label(root: Path) -> None:
    """What is mounted below gets its labels as well; the kernel here needs no policy for that."""
    run(["mount", "-t", "proc", "proc", root / "proc"])
    argv = ["setfiles", "-F", "-e", "/proc", f"/{_POLICY}/contexts/files/file_contexts", "/"]
    run(["chroot", root, *argv], env=_ENVIRONMENT)
    run(["umount", root / "proc"])


__all__ = ("PACKAGES", "configure", "label")
