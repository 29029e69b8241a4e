# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a machine of Debian's packages one that enforces Debian's SELinux policy from its first boot on."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.lab.process import run

PACKAGES: t.Final = "selinux-policy-default,policycoreutils,selinux-utils"
CONTEXTS: t.Final = "/etc/selinux/default/contexts/files/file_contexts"
RELEASE: t.Final = "selinux"
ARGUMENTS: t.Final = "security=selinux enforcing=1"
# What programs and scripts do that know SELinux, and some that do not: here it is as if there were none
SCRIPT: t.Final = """\
set -e
if selinuxenabled; then echo 'SELinux is seen' >&2; exit 9; fi
useradd --system vm-app
echo secret >/etc/ssh/ssh_host_vm_key
if load_policy; then echo 'a policy was loaded' >&2; exit 8; fi
"""
# A policy that comes with the packages has a type for files of theirs that the running one does not know (secilc(8), semodule(8))
NEW_POLICY: t.Final = "selinux-policy"
NEW_TYPE: t.Final = "vm_data_t"
INSTALL_POLICY: t.Final = f"""\
set -e
cat >/tmp/vm-policy.cil <<'END'
(type {NEW_TYPE})
(roletype object_r {NEW_TYPE})
(typeattributeset file_type ({NEW_TYPE}))
(filecon "/usr/share/vm-app(/.*)?" any (system_u object_r {NEW_TYPE} ((s0) (s0))))
END
semodule --install /tmp/vm-policy.cil
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
}
DEBIAN: t.Final = {"/var/lib/dpkg/status": "dpkg_var_lib_t", "/vmlinuz": "boot_t"}
FEDORA: t.Final = {"/var/lib/rpm/rpmdb.sqlite": "var_lib_t", "/boot/grub2/grubenv": "boot_t"}
# What the policy of Debian's next release does not yet let its own systemd do: its log and its helpers speak through sockets that
# were made before the policy was loaded, and look for credentials. Found by a start without enforcing, as audit2allow finds it
_OF_SYSTEMD: t.Final = """\
(allow domain kernel_t (unix_dgram_socket (sendto)))
(allow syslogd_t kernel_t (fd (use)))
(allow syslogd_t kernel_t (unix_stream_socket (getattr read write)))
(allow syslogd_t kernel_t (unix_dgram_socket (getattr read write)))
(allow syslogd_t cgroup_t (file (getattr open read write)))
(allow syslogd_t ramfs_t (dir (search)))
(allow systemd_logind_t cgroup_t (file (getattr open read write)))
(allow udev_t kernel_t (netlink_kobject_uevent_socket (getattr getopt read setopt write)))
(allow udev_t tmpfs_t (file (getattr map read write)))
(allow udev_t ramfs_t (dir (getattr open read search)))
(allow fsadm_t udev_runtime_t (file (getattr open read)))
(allow systemd_tmpfiles_t bin_t (dir (getattr search)))
(allow systemd_tmpfiles_t bin_t (lnk_file (getattr read)))
(allow systemd_tmpfiles_t tmpfs_t (dir (write add_name)))
(allow systemd_tmpfiles_t tmpfs_t (lnk_file (create getattr read)))
(allow systemd_tmpfiles_t var_lib_t (file (getattr)))
"""
_ENVIRONMENT: t.Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def configure(root: Path) -> None:
    """As ``selinux-activate`` does it, and enforcing."""
    enforce(root)
    grub = root / "etc/default/grub"
    text = grub.read_text()
    words = 'GRUB_CMDLINE_LINUX="'
    assert words in text
    grub.write_text(text.replace(words, f"{words}{ARGUMENTS} "))


def enforce(root: Path) -> None:
    config = root / "etc/selinux/config"
    text = config.read_text()
    assert "SELINUX=permissive" in text
    config.write_text(text.replace("SELINUX=permissive", "SELINUX=enforcing"))


def let_systemd_start(root: Path) -> None:
    """A module of its own in the policy of a machine; nothing of it is about packages, or about us."""
    module = root / "run/vm-systemd.cil"
    module.write_text(_OF_SYSTEMD)
    run(["chroot", root, "semodule", "--noreload", "--install", "/run/vm-systemd.cil"], env=_ENVIRONMENT)
    module.unlink()


def label(root: Path) -> None:
    """What is mounted at /boot gets its labels as well, but not the directory under it, as on a machine that was installed and
    then relabelled. The kernel here needs no policy for that.
    """
    run(["mount", "-t", "proc", "proc", root / "proc"])
    run(["chroot", root, "setfiles", "-F", "-m", CONTEXTS, "/", "/boot"], env=_ENVIRONMENT)
    run(["umount", root / "proc"])


__all__ = (
    "ARGUMENTS",
    "CONTEXTS",
    "DEBIAN",
    "FEDORA",
    "INSTALL_POLICY",
    "LABELS",
    "NEW_POLICY",
    "NEW_TYPE",
    "PACKAGES",
    "RELEASE",
    "SCRIPT",
    "configure",
    "enforce",
    "label",
    "let_systemd_start",
)
