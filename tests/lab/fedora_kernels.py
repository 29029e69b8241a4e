# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that never run, in packages that behave as Fedora's, and the tools that their scripts lead to.

``kernel-install`` itself is the real one. Its plugins, dracut and grub2's tools are rebuilt here after what Fedora's do: a
kernel's files and a snippet in /boot, an initrd, a rescue kernel where there is none, ``saved_entry``.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.lab.kernel import make_kernel
from tests.lab.packages import Package
from tests.lab.settings import digest

PACKAGE: t.Final = "kernel-core"
VERSIONS: t.Final = ("6.17.1", "6.17.2")
# The kernel that each host has as installed, and a newer one
FIRST_KERNEL, NEW_KERNEL = (f"{version}-1.fc43.x86_64" for version in VERSIONS)

_POSTTRANS: t.Final = "kernel-install add {release} /lib/modules/{release}/vmlinuz || exit $?"
_PREUN: t.Final = "kernel-install remove {release} || exit $?"

_GRUB_PLUGIN: t.Final = """\
#!/bin/bash
# 20-grub.install: what Fedora's does, as far as a boot depends on it
[[ -n $KERNEL_INSTALL_MACHINE_ID ]] || exit 0
command=$1 release=$2 entry_directory=$3 image=$4
[[ -d $entry_directory ]] && exit 0
snippet=/boot/loader/entries/$KERNEL_INSTALL_MACHINE_ID-$release.conf
if [[ $command = remove ]]; then
    rm -f "$snippet" /boot/{vmlinuz,System.map,config}-"$release" /boot/symvers-"$release".xz
    exit 0
fi
[[ $command = add ]] || exit 0
. /etc/os-release
cp --remove-destination --preserve=timestamps -T "$image" /boot/vmlinuz-"$release"
for name in System.map config; do
    cp --remove-destination --preserve=timestamps -T "${image%/*}/$name" /boot/$name-"$release"
done
ln -fs "${image%/*}/symvers.xz" /boot/symvers-"$release".xz
if [[ -f /etc/kernel/cmdline ]]; then
    [[ /etc/kernel/cmdline -ot /etc/default/grub ]] && grub2-mkconfig -o /etc/grub2.cfg
    options=$(cat /etc/kernel/cmdline)
else
    options=$(tr ' ' '\\n' < /proc/cmdline | grep -v -e ^BOOT_IMAGE= -e ^initrd= | tr '\\n' ' ')
fi
mkdir -m 0700 -p /boot/loader/entries
printf '%s\\n' "title $NAME ($release) $VERSION" "version $release" "linux /vmlinuz-$release" \\
    "initrd /initramfs-$release.img" "options $options" 'grub_users $grub_users' 'grub_arg --unrestricted' \\
    "grub_class fedora" > "$snippet"
grub2-editenv - set "saved_entry=$KERNEL_INSTALL_MACHINE_ID-$release"
exit 0
"""
_DRACUT_PLUGIN: t.Final = """\
#!/bin/bash
# 50-dracut.install
case $1 in
add) dracut -f "/boot/initramfs-$2.img" "$2" ;;
remove) rm -f "/boot/initramfs-$2.img" ;;
esac
"""
_RESCUE_PLUGIN: t.Final = """\
#!/bin/bash
# 51-dracut-rescue.install: once, from the first kernel that is installed where there is none
id=$KERNEL_INSTALL_MACHINE_ID
[[ $1 = add && ! -e /boot/vmlinuz-0-rescue-$id ]] || exit 0
cp "$4" "/boot/vmlinuz-0-rescue-$id"
dracut -f "/boot/initramfs-0-rescue-$id.img" "$2"
cd /boot/loader/entries
sed -e "s/^title.*/title Rescue/; s/$2/0-rescue-$id/" "$id-$2.conf" > "$id-0-rescue.conf"
"""
DRACUT: t.Final = """\
#!/usr/bin/python3
# dracut -f FILE RELEASE: an initrd that says whose it is, with the options that the real one writes where it is told to
import glob, hashlib, os, re, subprocess, sys
_, _, file, release = sys.argv
def member(name, content):
    head = "070701" + "".join("%08x" % n for n in (1, 33188, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0))
    parts = head.encode() + name.encode() + b"\\0"
    return parts + bytes(-len(parts) % 4) + content + bytes(-len(content) % 4)
index = open("/lib/modules/%s/modules.dep" % release, "rb").read()
text = b"initrd of %s\\n%s\\n" % (release.encode(), hashlib.sha256(index).hexdigest().encode()) + bytes(65536)
made = member("etc/lab-initrd", text + hashlib.sha256(text).hexdigest().encode())
settings = "".join(open(path).read() for path in glob.glob("/etc/dracut.conf.d/*.conf"))
if re.search(r'^hostonly_cmdline="?yes', settings, re.M):
    said = subprocess.check_output(["findmnt", "-nvo", "UUID,FSROOT", "/"], text=True).split()
    line = " root=UUID=%s rootfstype=btrfs rootflags=rw,subvol=%s\\n" % (said[0], said[-1])
    made += member("etc/cmdline.d/95root-dev.conf", line.encode())
with open(file + ".new", "wb") as initrd:
    initrd.write(made + member("TRAILER!!!", b""))
os.rename(file + ".new", file)
"""
_EDITENV: t.Final = """\
#!/usr/bin/python3
# grub2-editenv FILE|- list | set NAME=VALUE... | unset NAME...
import sys
file, command, names = sys.argv[1], sys.argv[2], sys.argv[3:]
file = "/boot/grub2/grubenv" if file == "-" else file
head = "# GRUB Environment Block\\n"
try:
    lines = open(file).read()[len(head):].rstrip("#").splitlines()
except FileNotFoundError:
    sys.exit(f"grub2-editenv: error: cannot open `{file}'")
values = dict(line.split("=", 1) for line in lines if "=" in line)
if command == "list":
    print(*(f"{name}={value}" for name, value in values.items()), sep="\\n")
    sys.exit()
for name in names:
    values.pop(name.partition("=")[0], None)
    if command == "set":
        values[name.partition("=")[0]] = name.partition("=")[2]
with open(file, "w") as block:
    block.write((head + "".join(f"{name}={value}\\n" for name, value in values.items())).ljust(1024, "#"))
"""
_MKCONFIG: t.Final = """\
#!/bin/bash
# grub2-mkconfig: its part that is not the menu, which stays as it is. All snippets get the options of what runs.
set -e
root=$(findmnt -nvo FSROOT /)
. /etc/default/grub
options="root=UUID=$(findmnt -nvo UUID /) ro rootflags=subvol=${root#/} $GRUB_CMDLINE_LINUX"
if [[ ! -f /etc/kernel/cmdline || /etc/kernel/cmdline -ot /etc/default/grub ]]; then echo "$options" > /etc/kernel/cmdline; fi
for snippet in /boot/loader/entries/*.conf; do sed -i -e "s|^options.*|options $options|" "$snippet"; done
"""
TOOLS: t.Final = {
    "usr/lib/kernel/install.d/20-grub.install": _GRUB_PLUGIN,
    "usr/lib/kernel/install.d/50-dracut.install": _DRACUT_PLUGIN,
    "usr/lib/kernel/install.d/51-dracut-rescue.install": _RESCUE_PLUGIN,
    "usr/bin/dracut": DRACUT,
    "usr/bin/grub2-editenv": _EDITENV,
    "usr/sbin/grub2-mkconfig": _MKCONFIG,
}


def _repository(version: str) -> str:
    return f"fedora-{version}-{digest(Path(__file__))[:6]}"


# What offers the newer kernel
NEWER: t.Final = _repository(VERSIONS[1])
FIRST: t.Final = _repository(VERSIONS[0])


def kernel(version: str) -> Package:
    """``kernel-core``: a kernel beside those that are there; everything of it is in /lib/modules."""
    release = f"{version}-1.fc43.x86_64"
    modules = f"/lib/modules/{release}"
    files = {
        "vmlinuz": make_kernel(release),
        "config": b"CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\nCONFIG_BTRFS_FS=y\n",
        "System.map": b"ffffffff81000000 T _text\n",
        "symvers.xz": b"",
        "kernel/lab": f"module of {release}\n".encode(),
        **{f"modules.{name}": b"" for name in ("order", "builtin", "builtin.modinfo")},
    }
    return Package(
        PACKAGE, version, (_repository(version),),
        files={f"{modules}/{name}": content for name, content in files.items()},
        header=("Provides: installonlypkg(kernel)",),
        scriptlets={"posttrans": _POSTTRANS.format(release=release), "preun": _PREUN.format(release=release)},
    )  # fmt: skip


__all__ = ("DRACUT", "FIRST", "FIRST_KERNEL", "NEWER", "NEW_KERNEL", "PACKAGE", "TOOLS", "VERSIONS", "kernel")
