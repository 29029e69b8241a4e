# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that never run, in packages that behave as openSUSE's, and the tools that their scripts lead to.

Rebuilt here after what openSUSE's do: the kernel's file in its modules' directory and a link to it in /boot, an initrd by
dracut, and a menu by grub2-mkconfig, which takes paths from the default subvolume on. As the real ones they touch the boot
loader only where there is a menu.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.lab.fedora_kernels import DRACUT
from tests.lab.kernel import make_kernel
from tests.lab.packages import Package
from tests.lab.settings import digest

PACKAGE: t.Final = "kernel-default"
VERSIONS: t.Final = ("6.12.1", "6.12.2")
# The kernel that each host has as installed, and a newer one
FIRST_KERNEL, NEW_KERNEL = (f"{version}-1-default" for version in VERSIONS)

_POST: t.Final = """\
ln -sfn ../usr/lib/modules/{release}/vmlinuz /boot/vmlinuz-{release}
ln -sfn vmlinuz-{release} /boot/vmlinuz
"""
_POSTTRANS: t.Final = """\
dracut -f /boot/initrd-{release} {release} || exit $?
ln -sfn initrd-{release} /boot/initrd
if [ -f /etc/sysconfig/bootloader ] && [ -f /boot/grub2/grub.cfg ]; then
    /usr/lib/bootloader/bootloader_entry add default {release} vmlinuz-{release} initrd-{release} || exit $?
fi
"""
_POSTUN: t.Final = "rm -f /boot/vmlinuz-{release} /boot/initrd-{release}"
_ENTRY: t.Final = """\
#!/bin/bash
# bootloader_entry add FLAVOUR RELEASE IMAGE INITRD
exec grub2-mkconfig -o /boot/grub2/grub.cfg
"""
# What only draws is left out; `btrfs_relative_path` and `extra_cmdline` are SUSE's
_MKCONFIG: t.Final = r"""#!/bin/bash
# grub2-mkconfig -o FILE: openSUSE's, as far as a boot depends on it
set -e
device=$(findmnt -nvo SOURCE /)
if [[ ! -b $device ]]; then
    echo "/usr/sbin/grub2-probe: error: failed to get canonical path of \`$device'." >&2
    exit 1
fi
uuid=$(blkid -p -o value -s UUID "$device")
. /etc/os-release
. /etc/default/grub
entry() {  # TITLE ID RELEASE
    cat <<END
menuentry '$1'  --class opensuse --class gnu-linux --class gnu --class os \$menuentry_id_option '$2' {
	load_video
	set gfxpayload=keep
	insmod gzio
	insmod part_gpt
	insmod btrfs
	search --no-floppy --fs-uuid --set=root $uuid
	echo	'Loading Linux $3 ...'
	linux	/boot/vmlinuz-$3 root=UUID=$uuid  \${extra_cmdline} $GRUB_CMDLINE_LINUX_DEFAULT
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd-$3
}
END
}
{
cat <<'END'
### BEGIN /etc/grub.d/00_header ###
set btrfs_relative_path="y"
export btrfs_relative_path
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
function load_video {
  insmod all_video
}
set timeout_style=menu
set timeout=8
### END /etc/grub.d/00_header ###

### BEGIN /etc/grub.d/10_linux ###
END
releases=$(cd /boot; ls -d vmlinuz-* | sed s/^vmlinuz-// | sort -rV)
entry "$PRETTY_NAME" "gnulinux-simple-$uuid" "$(echo "$releases" | head -1)"
echo "submenu 'Advanced options for $PRETTY_NAME' --hotkey=1 \$menuentry_id_option 'gnulinux-advanced-$uuid' {"
for release in $releases; do
    entry "$PRETTY_NAME, with Linux $release" "gnulinux-$release-advanced-$uuid" "$release"
done
echo "}"
cat <<'END'
### END /etc/grub.d/10_linux ###

### BEGIN /etc/grub.d/41_custom ###
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
elif [ -z "${config_directory}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
### END /etc/grub.d/41_custom ###

### BEGIN /etc/grub.d/80_suse_btrfs_snapshot ###
if [ -f "/.snapshots/grub-snapshot.cfg" ]; then
  source "/.snapshots/grub-snapshot.cfg"
fi
### END /etc/grub.d/80_suse_btrfs_snapshot ###
END
} > "$2.new"
mv "$2.new" "$2"
"""
TOOLS: t.Final = {
    "usr/bin/dracut": DRACUT,
    "usr/lib/bootloader/bootloader_entry": _ENTRY,
    "usr/sbin/grub2-mkconfig": _MKCONFIG,
}


def _repository(version: str) -> str:
    return f"opensuse-{version}-{digest(Path(__file__))[:6]}"


# What offers the newer kernel
NEWER: t.Final = _repository(VERSIONS[1])
FIRST: t.Final = _repository(VERSIONS[0])


def kernel(version: str) -> Package:
    """``kernel-default``: a kernel beside those that are there; everything of it is in /usr/lib/modules."""
    release = f"{version}-1-default"
    modules = f"/usr/lib/modules/{release}"
    files = {
        "vmlinuz": make_kernel(release),
        "config": b"CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\nCONFIG_BTRFS_FS=m\n",
        "System.map": b"ffffffff81000000 T _text\n",
        "kernel/lab.ko": f"module of {release}\n".encode(),
        "modules.dep": b"kernel/lab.ko:\n",
        **{f"modules.{name}": b"" for name in ("order", "builtin", "builtin.modinfo")},
    }
    scripts = {"post": _POST, "posttrans": _POSTTRANS, "postun": _POSTUN}
    return Package(
        PACKAGE, version, (_repository(version),),
        files={f"{modules}/{name}": content for name, content in files.items()},
        header=("Provides: multiversion(kernel)",),
        scriptlets={name: text.format(release=release) for name, text in scripts.items()},
    )  # fmt: skip


__all__ = ("FIRST", "FIRST_KERNEL", "NEWER", "NEW_KERNEL", "PACKAGE", "TOOLS", "VERSIONS", "kernel")
