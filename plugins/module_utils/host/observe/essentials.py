# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root needs besides a kernel, its modules and an init, so that the host comes up and lets somebody in."""

from __future__ import annotations

import os
import re
import stat
import typing as t

from ...boot.init import Program, find_program
from ...system.fstab import Entry, parse
from ...system.presence import is_directory, is_there, text_of
from ...system.rooted_path import regular_file_in_root, resolve_in_root

# What init mounts something on before it can make a directory
DIRECTORIES: t.Final = ("/dev", "/proc", "/run", "/sys")
# Without these a host that had them comes up without its file systems, or lets nobody in
_FILES: t.Final = ("/etc/fstab", "/etc/group")
_ACCOUNTS: t.Final = ("/etc/passwd", "/etc/shadow")
_PROGRAMS: t.Final = ("/bin/sh",)
FSTAB: t.Final = "/etc/fstab"
DEVICES: t.Final = "device for each line of its /etc/fstab"
# fstab(5): how a device is called there, and where udev has its links
_BY: t.Final = {kind: f"/dev/disk/by-{kind.lower()}" for kind in ("UUID", "LABEL", "PARTUUID", "PARTLABEL")}
_PLAIN: t.Final = re.compile(r"[A-Za-z0-9._-]+")  # udev writes other characters in its own way
FIRST_TARGET: t.Final = "default.target of systemd"
# systemd.special(7): with these as the first target nobody is let in, or the host goes off again
_NO_SYSTEM: t.Final = frozenset(
    f"{name}.target"
    for name in ("emergency", "exit", "halt", "hibernate", "kexec", "poweroff", "reboot", "rescue", "shutdown", "sleep",
                 "soft-reboot", "suspend")
)  # fmt: skip
# What each first target needs, one way or the other (bootup(7))
_BEFORE_ALL: t.Final = ("sysinit.target", "basic.target")
# systemd.special(7), systemd.unit(5): where units are looked for, first the administrator's
_UNITS: t.Final = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def essentials_of(root: str, init: Program | None, boot_dir: str) -> frozenset[str]:
    """Which of the things that matter a root has, each in words; links are followed inside the root only.

    Two roots are compared by them: what a host never had, it does not need. Raises OSError where the disk gives no answer.
    """
    found = [path for path in (*DIRECTORIES, boot_dir) if _is_directory(root, path)]
    found += [path for path in _FILES if _is_filled(root, path)]
    found += [path for path in _PROGRAMS if find_program(root, path) is not None]
    if init is not None and os.path.basename(resolve_in_root(root, init.path) or "") == "systemd" and _target(root):
        found.append(FIRST_TARGET)
    targets = {entry.target.rstrip("/") or "/" for entry in _entries(root)}
    found += [f"line for {path} in /etc/fstab" for path in ("/", boot_dir) if path in targets]
    found += [f"{path} with a line for root" for path in _ACCOUNTS if "root" in _first_words(root, path, ":")]
    # What the host itself is on may be called in many ways, and is there
    if not [source for source, target in absent_devices(root) if target.rstrip("/") not in ("", boot_dir)]:
        found.append(DEVICES)
    return frozenset(found)


def unlocked_at_boot(root: str) -> tuple[str, ...]:
    """The names of the devices that a root unlocks when it comes up (crypttab(5)). An older root need not know them all."""
    return tuple(_first_words(root, "/etc/crypttab"))


def absent_devices(root: str, base: str | None = None) -> tuple[tuple[str, str], ...]:
    """Devices that are not there, with mount points, which the fstab of ``root`` needs and the one of ``base`` does not.

    systemd ends in its emergency mode without such a device (systemd.mount(5), ``nofail``). Where nobody names devices (no
    udev), nothing is known of those that fstab calls by UUID or label.
    """
    known = {(entry.source, entry.target) for entry in _needed(base)} if base is not None else set()
    return tuple(
        (entry.source, entry.target)
        for entry in _needed(root)
        if (entry.source, entry.target) not in known and _is_absent(entry.source)
    )


def covered_by_fstab(root: str, base: str, needed: t.Iterable[str]) -> tuple[tuple[str, str], ...]:
    """What the fstab of ``root`` mounts over one of the ``needed`` paths, and where, if that of ``base`` mounts nothing there.

    What is built into such a directory is not what runs. A bind mount or an overlay shows it all the same.
    """
    known = {entry.target.rstrip("/") for entry in _entries(base)}
    paths = [found for found in (resolve_in_root(root, path) for path in needed) if found is not None]
    covered = []
    for entry in _entries(root):
        options = set(entry.options.split(","))
        if (
            entry.target.rstrip("/") in known
            or entry.fstype in ("swap", "overlay")
            or options & {"bind", "rbind", "noauto"}
        ):
            continue
        place = resolve_in_root(root, entry.target) if entry.target.startswith("/") else None
        over = place is not None and any(path.startswith(place.rstrip("/") + "/") for path in paths)
        if over and not ("nofail" in options and _is_absent(entry.source)):
            covered.append((entry.source, entry.target))
    return tuple(covered)


def _entries(root: str) -> list[Entry]:
    fstab = regular_file_in_root(root, "etc/fstab")
    return parse((text_of(fstab) if fstab else None) or "")


def _needed(root: str) -> list[Entry]:
    entries = _entries(root)
    optional = {"noauto", "nofail", "x-systemd.automount", "_netdev"}
    return [entry for entry in entries if entry.fstype != "swap" and not optional & set(entry.options.split(","))]


def _is_absent(source: str) -> bool:
    if source.startswith("/dev/"):
        return not is_there(source)
    kind, equals, name = source.partition("=")
    directory = _BY.get(kind)
    name = name.strip('"')
    if not equals or directory is None or not is_directory(directory) or not _PLAIN.fullmatch(name):
        return False
    return not is_there(f"{directory}/{name}") and not is_there(f"{directory}/{name.lower()}")


def _first_words(root: str, path: str, end: str | None = None) -> list[str]:
    """The first field of each line of a file that is no comment; ``end`` is what ends it, blanks by default."""
    found = regular_file_in_root(root, path)
    lines = ((text_of(found) if found else None) or "").splitlines()
    return [line.split(end)[0] for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _is_directory(root: str, path: str) -> bool:
    found = resolve_in_root(root, path)
    return found is not None and is_directory(found)


def _is_filled(root: str, path: str) -> bool:
    found = regular_file_in_root(root, path)
    return found is not None and os.lstat(found).st_size > 0


def _target(root: str) -> bool:
    first = _unit(root, "default.target")
    if first is None:
        return False
    name = os.path.basename(first)
    known = (_unit(root, other) for other in (name, *_BEFORE_ALL) if other == name or _is_anywhere(root, other))
    return name not in _NO_SYSTEM and None not in known


def _is_anywhere(root: str, name: str) -> bool:
    return any(is_there(os.path.join(home, name)) for home in _homes(root))


def _homes(root: str) -> list[str]:
    return [home for home in (resolve_in_root(root, directory) for directory in _UNITS) if home is not None]


def _unit(root: str, name: str) -> str | None:
    """The file of a unit, None where there is none or it is masked: the first place that has the name decides."""
    home = next((home for home in _homes(root) if is_there(os.path.join(home, name))), None)
    found = resolve_in_root(root, os.path.join(os.path.relpath(home, root), name)) if home is not None else None
    return found if found is not None and stat.S_ISREG(os.lstat(found).st_mode) else None


__all__ = (
    "DEVICES",
    "DIRECTORIES",
    "FIRST_TARGET",
    "FSTAB",
    "absent_devices",
    "covered_by_fstab",
    "essentials_of",
    "unlocked_at_boot",
)
