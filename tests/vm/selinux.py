# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a machine with Debian one that enforces Debian's SELinux policy from its first boot on."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.lab.process import run

PACKAGES: t.Final = "selinux-policy-default,policycoreutils,selinux-utils"
CONTEXTS: t.Final = "/etc/selinux/default/contexts/files/file_contexts"
RELEASE: t.Final = "selinux"
# What programs and scripts do that know SELinux, and some that do not: here it is as if there were none
SCRIPT: t.Final = """\
set -e
if selinuxenabled; then echo 'SELinux is seen' >&2; exit 9; fi
useradd --system vm-app
echo secret >/etc/ssh/ssh_host_vm_key
if load_policy; then echo 'a policy was loaded' >&2; exit 8; fi
"""
# Path -> type, of what the packages bring and their scripts make, and of what is ours
LABELS: t.Final = {
    "/boot": "boot_t",
    "/etc/fstab": "etc_t",
    "/etc/overc/trial-guard": "etc_t",
    "/etc/passwd": "etc_t",
    "/etc/shadow": "shadow_t",
    "/etc/ssh/ssh_host_vm_key": "sshd_key_t",
    "/etc/systemd/system/overc-trial-guard.service": "systemd_unit_t",
    "/usr/share/vm-app/version": "usr_t",
    "/var/lib/dpkg/status": "dpkg_var_lib_t",
    "/vmlinuz": "boot_t",
}
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
    """What is mounted at /boot gets its labels as well, but not the directory under it, as on a machine that was installed and
    then relabelled. The kernel here needs no policy for that.
    """
    run(["mount", "-t", "proc", "proc", root / "proc"])
    run(["chroot", root, "setfiles", "-F", "-m", CONTEXTS, "/", "/boot"], env=_ENVIRONMENT)
    run(["umount", root / "proc"])


__all__ = ("CONTEXTS", "LABELS", "PACKAGES", "RELEASE", "SCRIPT", "configure", "label")
