# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that every host module shares."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  root_subvolume:
    description:
      - Name of the first of the two root subvolumes, in the top-level tree of the btrfs file system.
      - Root subvolumes alternate between O(root_subvolume) and O(upgrade_subvolume) from upgrade to upgrade.
    type: str
    default: rootfs
  upgrade_subvolume:
    description:
      - Name of the second of the two root subvolumes.
    type: str
    default: rootfs_upgrade
  backup_subvolume:
    description:
      - Name of the subvolume that the second entry of the boot menu boots.
    type: str
    default: rootfs_bakup
  boot_dir:
    description:
      - Where the boot partition is mounted.
    type: str
    default: /boot
  kernel:
    description:
      - Name of the kernel file in O(boot_dir).
      - If it is not given, the one of C(bzImage), C(uImage), C(zImage), C(fitImage), C(kernel7.img) and C(vmlinuz) that is
        there; of several, the one that the boot menu boots. If that does not leave exactly one, the module refuses.
    type: str
  kernel_certificate:
    description:
      - Path, on the host, of a certificate (PEM). If it is given, a kernel only becomes the one to boot if its detached
        signature (the kernel's name with C(.p7b)) was made with this certificate's key. That is verified on the boot
        partition, after the kernel was copied and before anything is switched over.
      - A kernel without a signature, a host without C(openssl) and a certificate that others than root can write to are
        refused with C(kernel_untrusted). Returning from an upgrade that failed is never refused.
    type: str
  package_manager:
    description:
      - The package manager to use. V(auto) takes the one that is installed, and refuses to choose between C(dnf),
        C(zypper) and C(smart).
      - V(dnf) is the generation of DNF that the host's C(dnf) is, so it is V(dnf5) on a host like Fedora. Where both are there,
        V(auto) takes the one that C(dnf) is; V(dnf5) takes C(dnf5) wherever it is installed.
      - Beside C(smart), and beside a C(dnf) or C(zypper) whose database of packages (rpm's) is there, V(auto) does not take
        C(apt-get).
    type: str
    default: auto
    choices: [auto, dnf, dnf5, smartpm, apt, zypper]
  boot_method:
    description:
      - How the host chooses what it boots. V(default-subvolume) has two fixed boot entries, and the default subvolume of
        btrfs decides. V(grub-entry) gives each deployment a boot entry of its own in a menu of GRUB, V(loader-entry) one of
        systemd-boot. With V(snapper), deployments are snapshots with numbers of snapper, and the default subvolume decides
        (openSUSE).
      - V(auto) takes V(grub-entry), V(loader-entry) or V(snapper) where M(overc.system.overc_bootloader) has set it up.
    type: str
    default: auto
    choices: [auto, default-subvolume, grub-entry, loader-entry, snapper]
  keep:
    description:
      - With O(boot_method=grub-entry), O(boot_method=loader-entry) or O(boot_method=snapper), how many deployments stay that
        were found good, the running one included. What runs, boots by default, is pinned or was there before the host was set
        up stays in any case.
      - From 1 to 100.
    type: int
    default: 2
requirements:
  - btrfs-progs, util-linux and coreutils on the managed host
  - Python 3.9 or newer on the managed host
author:
  - The overc.system authors (@overc)
"""
