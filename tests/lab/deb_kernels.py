# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that never run, in packages that behave as Debian's: a version in every name, links, hooks, an initrd.

What their scripts call is Debian's own (linux-base, run-parts, grub's hooks), except for ``update-initramfs``: the real
one takes longer than everything else in a lab's upgrade, so the lab's makes a small file that says whose it is.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from tests.lab.debs import Deb
from tests.lab.kernel import make_kernel

META: t.Final = "linux-image-lab"
_DIGEST = 64
_PREINST = """\
set -e
if [ "$1" = install ]; then mkdir -p /lib/modules/{release}; touch /lib/modules/{release}/.fresh-install; fi
if [ -d /etc/kernel/preinst.d ]; then
    DEB_MAINT_PARAMS="$*" run-parts --report --exit-on-error --arg={release} --arg=/boot/vmlinuz-{release} \\
        /etc/kernel/preinst.d
fi
"""
_POSTINST = """\
set -e
[ "$1" = configure ] || exit 0
depmod {release}
change=upgrade
if [ -f /lib/modules/{release}/.fresh-install ]; then change=install; fi
linux-update-symlinks $change {release} /boot/vmlinuz-{release}
rm -f /lib/modules/{release}/.fresh-install
if [ -d /etc/kernel/postinst.d ]; then
    DEB_MAINT_PARAMS="$*" run-parts --report --exit-on-error --arg={release} --arg=/boot/vmlinuz-{release} \\
        /etc/kernel/postinst.d
fi
"""
_POSTRM = """\
set -e
if [ "$1" = remove ]; then linux-update-symlinks remove {release} /boot/vmlinuz-{release}; fi
if [ -d /etc/kernel/postrm.d ]; then
    DEB_MAINT_PARAMS="$*" run-parts --report --exit-on-error --arg={release} --arg=/boot/vmlinuz-{release} \\
        /etc/kernel/postrm.d
fi
if [ "$1" = purge ]; then rm -rf /lib/modules/{release}; fi
"""
_UPDATE_INITRAMFS = """\
#!/bin/sh
# update-initramfs -c|-u|-d [-k VERSION|all] as far as packages call it
set -e
mode= wanted=
while [ $# -gt 0 ]; do
    case $1 in
    -c | -u | -d) mode=$1 ;;
    -k) wanted=$2; shift ;;
    -b) shift ;;
    esac
    shift
done
# One member of a cpio archive: header, name and content, the latter two filled up to four bytes
member() {
    length=$((${#1} + 1))
    size=$(stat -L -c %s "$2")
    [ -f "$2" ] || size=0
    printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x' 1 33188 0 0 1 0 "$size" 0 0 0 0 $length 0
    printf '%s' "$1"
    zeros $((1 + (4 - (110 + length) % 4) % 4))
    cat "$2"
    zeros $(((4 - size % 4) % 4))
}
zeros() { for _ in $(seq "$1"); do printf '\\0'; done; }
case $wanted in
'' | all) wanted=$(cd /boot && ls -d vmlinuz-* 2>/dev/null | sed s/vmlinuz-//) ;;
esac
for release in $wanted; do
    file=/boot/initrd.img-$release
    if [ "$mode" = -d ]; then rm -f "$file" "$file.bak"; continue; fi
    [ -f "/lib/modules/$release/modules.dep" ] || { echo "W: missing /lib/modules/$release" >&2; continue; }
    echo "update-initramfs: Generating $file"
    {
        echo "initrd of $release"
        sha256sum /lib/modules/$release/modules.dep /etc/fstab
        printf '%065536d' 0
    } > "$file.text"
    sha256sum < "$file.text" | cut -c1-64 | tr -d '\\n' >> "$file.text"
    {
        member etc/lab-initrd "$file.text"
        member 'TRAILER!!!' /dev/null
    } > "$file.new"
    rm "$file.text"
    mv -f "$file.new" "$file"
done
"""
_HOOK = """\
#!/bin/sh -e
version=$1
[ -n "$version" ] || exit 2
case "$DEB_MAINT_PARAMS" in
abort-upgrade* | abort-remove* | abort-deconfigure*) exit 0 ;;
esac
update-initramfs {mode} -k "$version" >&2
"""


def initrd_tools() -> Deb:
    """Debian's package of this name in small: the program and the kernel's hooks, at the same places."""
    files = {
        "/usr/sbin/update-initramfs": _UPDATE_INITRAMFS.encode(),
        "/etc/kernel/postinst.d/initramfs-tools": _HOOK.format(mode="-c").encode(),
        "/etc/kernel/postrm.d/initramfs-tools": _HOOK.format(mode="-d").encode(),
    }
    return Deb(
        "initramfs-tools", "1.0", files=files, conffiles=tuple(name for name in files if name.startswith("/etc")),
        scripts={"postinst": 'if [ "$1" = triggered ]; then update-initramfs -u; fi', "triggers": "interest update-initramfs"},
        executable=frozenset(files),
    )  # fmt: skip


def kernel(release: str, *, build: str = "#1", version: str = "1.0", files: dict[str, bytes] | None = None) -> Deb:
    """``linux-image-RELEASE``: a kernel beside those that are there."""
    modules = f"/lib/modules/{release}"
    content = {
        f"/boot/vmlinuz-{release}": make_kernel(release, build),
        f"/boot/config-{release}": b"CONFIG_BTRFS_FS=m\n",
        f"/boot/System.map-{release}": b"ffffffff81000000 T _text\n",
        # No module to depmod, which would look into it
        f"{modules}/kernel/lab": f"module of {release} {build}\n".encode(),
        **{f"{modules}/modules.{name}": b"" for name in ("order", "builtin", "builtin.modinfo")},
        **(files or {}),
    }
    scripts = {"preinst": _PREINST, "postinst": _POSTINST, "postrm": _POSTRM}
    return Deb(
        f"linux-image-{release}", version, files=content,
        fields=("Depends: linux-base, initramfs-tools, kmod",),
        scripts={name: text.format(release=release) for name, text in scripts.items()},
    )  # fmt: skip


def newest(release: str, version: str) -> Deb:
    """The package that always wants the newest kernel: an upgrade of it brings a NEW package."""
    return Deb(META, version, fields=(f"Depends: linux-image-{release}",))


def initrd_release(content: bytes) -> str:
    """Whose initrd this is; ValueError says what is wrong with it."""
    size = int(content[54:62], 16) if content.startswith(b"070701") else 0
    start = (110 + int(content[94:102] or b"0", 16) + 3) // 4 * 4 if size else 0
    body, digest = content[start : start + size - _DIGEST], content[start + size - _DIGEST : start + size]
    if not size or hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("is torn: its checksum does not match")
    match = re.match(rb"initrd of (\S+)\n", body)
    if match is None:
        raise ValueError("is no initrd of this lab")
    return match[1].decode()


__all__ = ("META", "initrd_release", "initrd_tools", "kernel", "newest")
