# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what services of the host have in files of their own: what is exported, and what stopped containers and machines have.

What runs is seen by its mounts. A stopped container of Docker has none, and gets its directory back as it is at the next start.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import OvercError
from ..system.presence import is_directory, is_file, is_link
from ..system.safe_path import printable
from . import service_files
from .claims import Claim

Read = t.Callable[[str], str]
Entries = t.Callable[[str], list[str]]
# who -> where its files are (``*``: every entry), and what reads them
_SERVICES: t.Final[tuple[tuple[str, str, t.Callable[[str], list[str]]], ...]] = (
    ("the NFS server", "/etc/exports", service_files.of_exports),
    ("the NFS server", "/etc/exports.d/*.exports", service_files.of_exports),
    ("the NFS server", "/var/lib/nfs/etab", service_files.of_exports),
    ("a container of Docker", "/var/lib/docker/containers/*/config.v2.json", service_files.of_engine),
    ("a container of Docker", "/var/lib/docker/containers/*/hostconfig.json", service_files.of_engine),
    ("a volume of Docker", "/var/lib/docker/volumes/*/opts.json", service_files.of_engine),
    (
        "a container of Podman",
        "/var/lib/containers/storage/overlay-containers/*/userdata/config.json",
        service_files.of_engine,
    ),
    (
        "a container of Podman",
        "/var/lib/containers/storage/btrfs-containers/*/userdata/config.json",
        service_files.of_engine,
    ),
    (
        "a container of Podman",
        "/var/lib/containers/storage/vfs-containers/*/userdata/config.json",
        service_files.of_engine,
    ),
    ("libvirt", "/etc/libvirt/qemu/*.xml", service_files.of_xml),
    ("libvirt", "/etc/libvirt/lxc/*.xml", service_files.of_xml),
    ("libvirt", "/etc/libvirt/storage/*.xml", service_files.of_xml),
    ("Samba", "/etc/samba/smb.conf", service_files.of_shares),
    ("Samba", "/var/lib/samba/usershares/*", service_files.of_shares),
    ("rsync", "/etc/rsyncd.conf", service_files.of_shares),
    ("a container of LXD", "/var/lib/lxd/storage-pools/*/containers/*/backup.yaml", service_files.of_disks),
    ("a container of LXD", "/var/snap/lxd/common/lxd/storage-pools/*/containers/*/backup.yaml", service_files.of_disks),
    ("a container of Incus", "/var/lib/incus/storage-pools/*/containers/*/backup.yaml", service_files.of_disks),
    ("the automounter", "/etc/auto.*", service_files.words),
    ("the automounter", "/etc/auto.master.d/*", service_files.words),
    ("schroot", "/etc/schroot/schroot.conf", service_files.words),
    ("schroot", "/etc/schroot/chroot.d/*", service_files.words),
)
# The same, where a path matters only if it is, or lies in, what would be emptied
_NAMED: t.Final[tuple[tuple[str, str], ...]] = (
    ("the host", "/etc/crypttab"),
    ("cron", "/etc/crontab"),
    ("cron", "/etc/cron.d/*"),
    ("cron", "/var/spool/cron/*"),
    ("cron", "/var/spool/cron/crontabs/*"),
    ("an iSCSI target", "/etc/tgt/targets.conf"),
    ("an iSCSI target", "/etc/tgt/conf.d/*"),
    ("an iSCSI target", "/etc/target/saveconfig.json"),
    ("an iSCSI target", "/etc/rtslib-fb-target/saveconfig.json"),
    ("the NBD server", "/etc/nbd-server/config"),
    ("the NBD server", "/etc/nbd-server/conf.d/*"),
    ("a web server", "/etc/nginx/conf.d/*"),
    ("a web server", "/etc/nginx/sites-enabled/*"),
    ("a web server", "/etc/apache2/sites-enabled/*"),
    ("a web server", "/etc/httpd/conf.d/*"),
)
_MACHINES: t.Final = "/var/lib/machines"
_ROOT = ""  # of the host; another one in tests


def of_services(read: Read, entries: Entries) -> list[Claim]:
    """``read`` and ``entries`` answer with nothing for what is not there, and raise inconsistent for what cannot be read."""
    out: list[Claim] = []
    for who, pattern, paths in _SERVICES:
        for file in _files(_ROOT + pattern, entries):
            if paths is service_files.words and not is_file(file):
                continue
            try:
                if paths is service_files.of_shares:
                    found = [path for text in _with_includes(file, read, entries, set()) for path in paths(text)]
                else:
                    found = paths(read(file) or "null") if paths is service_files.of_engine else paths(read(file))
            except ValueError as error:
                raise OvercError(
                    "inconsistent",
                    f"{printable(file)} is not understood ({error}), so whether {who} uses what would be removed is not known."
                    " Mend or remove it, then run the same command again.",
                ) from error
            out += [Claim(path, "source", who, printable(file)) for path in found]
    for who, pattern in _NAMED:
        for file in filter(is_file, _files(_ROOT + pattern, entries)):
            out += [Claim(path, "named", who, printable(file)) for path in service_files.words(read(file))]
    for name in entries(_ROOT + _MACHINES):
        machine = f"{_ROOT}{_MACHINES}/{name}"
        if is_link(machine):
            out.append(
                Claim(os.path.realpath(machine), "root", f"container {printable(name)!r} of systemd-nspawn", machine)
            )
    return out


def _files(pattern: str, entries: Entries) -> list[str]:
    before, star, rest = pattern.partition("*")
    if not star:
        return [pattern]
    directory, _slash, beginning = before.rpartition("/")
    ending, slash, below = rest.partition("/")
    names = [name for name in entries(directory) if name.startswith(beginning) and name.endswith(ending)]
    return [file for name in names for file in _files(f"{directory}/{name}{slash}{below}", entries)]


def _with_includes(file: str, read: Read, entries: Entries, seen: set[str]) -> t.Iterator[str]:
    """The text of a file of settings, and of all that it takes further ones from."""
    if file in seen:
        return
    seen.add(file)
    text = read(file)
    yield text
    for path in service_files.of_includes(text):
        known, percent, _rest = f"{_ROOT}{path}".partition("%")
        directory, _slash, name = known.rpartition("/")
        if not percent and is_directory(known):
            directory, name, percent = known, "", "%"
        # Samba's %m stands for the name of whoever asks
        found = (
            (f"{directory}/{entry}" for entry in entries(directory) if entry.startswith(name)) if percent else [known]
        )
        for inner in filter(is_file, found):
            yield from _with_includes(inner, read, entries, seen)


__all__ = ("of_services",)
