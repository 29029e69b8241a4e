# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of mounts that was put back as it was at another time: it lacks a line of ours, or has one that names nothing.

An old fstab from a backup, or the units of a host's root that was rolled back. Without its line the container sees an empty
directory, while all its files lie in the layers: the line is put back. With a line whose layers are gone it cannot start, while
its own files lie under the mount: the line goes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system import overlayfs
from ..system.presence import is_directory
from ..system.safe_path import printable
from ..system.workers import translate
from . import damaged, lxc, mount_flags, under
from .damaged import is_dead
from .kept import being_emptied, own_snapshot
from .mount import mount_on_host, prepare_table, unmount_on_host
from .record import HOME, Record
from .site import Site
from .table import Mounted


def missing(site: Site, record: Record) -> dict[str, Mounted]:
    """The finished overlays whose layers are there and that no line of the table names, by directory.

    A line of an earlier sharing, whose layers are gone since, is no line of it.
    """
    mounted, intent = site.mounted(), site.intent()
    out: dict[str, Mounted] = {}
    for directory, overlay in record.overlays.items():
        line = mounted.get(directory)
        named = line is not None and (line.id == overlay.id or not is_dead(site, line))
        if not named and (intent is None or intent.directory != directory):
            layers = damaged.layers(site, overlay.id)
            if layers is not None:
                out[directory] = Mounted(directory, layers, overlay.id, missing=True)
    return out


def _is_copy(site: Site, record: Record, found: Mounted) -> bool:
    """Whether what lies under its mount are copies that are to go, of which perhaps not all are there any more."""
    return bool(found.id) and being_emptied(site, record).get(found.directory) == found.id


def shown(site: Site, record: Record) -> dict[str, Mounted]:
    """The overlays by directory, as they are when ``mend`` has been there."""
    out = {**site.mounted(), **missing(site, record)}
    for directory, found in list(out.items()):
        dead = is_dead(site, found) and not under.is_on_host(site, found)
        if dead and not _is_copy(site, record, found) and under.first(site, directory) is not None:
            del out[directory]
        else:
            out[directory] = damaged.mended(site, found)
    for directory in damaged.strays(record, out):
        del out[directory]
    return out


def refuse(site: Site, directory: str, found: Mounted) -> None:
    """Refuse a directory of which nobody can tell what the container should see there."""
    record = site.record()
    if found.missing and not under.is_on_host(site, found) and not _is_copy(site, record, found):
        name = under.first(site, directory)
        if name is not None:
            where = printable(f"{site.path}/{HOME}/{found.id}")
            raise OvercError(
                "inconsistent",
                f"{printable(directory)} of container {printable(site.name)!r} was shared, its line is gone from the container's"
                f" table of mounts, and {printable(name)!r} lies in the directory now; nothing was changed. To have what was"
                f" shared, move away what lies there; to have that instead, delete {where} (btrfs subvolume delete). Then run"
                " the same command again.",
            )
    if is_dead(site, found):
        lies = "and nothing lies under their mount: what the container had is not known"
        if _is_copy(site, record, found):
            own = printable(f"{site.path}/{HOME}/{own_snapshot(found.id)}")
            lies = f"and of its copies under their mount some were removed already; as it was when it was shared, it is in {own}"
        raise OvercError(
            "inconsistent",
            f"The layers of {printable(directory)} of container {printable(site.name)!r} are gone, {lies}; nothing was changed."
            f" Put back {printable(f'{site.path}/{HOME}/{found.id}')}, or the files themselves at"
            f" {printable(site.root + directory)}, then run the same command again.",
        )
    damaged.refuse(site, directory, found)
    if found.id or found.original:
        under.refuse(site, found)


def _is_unread(site: Site) -> bool:
    """Whether the container's configuration names no table, though one of ours has something in it."""
    unread = site.config is not None and site.config.fstab is None and site.table.kind == "lxc"
    return unread and any(not found.foreign for found in site.mounted().values())


def _in_other(site: Site) -> list[Mounted]:
    """What the other kind of table has of ours, that of before the container was given, or lost, a user map.

    Only what the right one has too, or whose layers are gone: nothing depends on it any more.
    """
    if site.other is None:
        return []
    mounted = site.mounted()

    def is_left(found: Mounted) -> bool:
        line = mounted.get(found.directory)
        return is_dead(site, found) or (line is not None and line.id == found.id)

    return [found for found in site.other.overlays() if found.id and is_left(found)]


_KINDS: t.Final = {"lxc": "the container's fstab", "systemd": "a mount unit of the host"}


def _elsewhere(site: Site, found: Mounted) -> str:
    other = site.other.kind if site.other is not None else ""
    return f"{printable(found.directory)} is mounted by {_KINDS[site.table.kind]} now, and by {_KINDS[other]} too"


def _is_down(site: Site, found: Mounted) -> bool:
    """Whether the host should have mounted it, and has not."""
    whole = found.layers.lower and all(map(is_directory, (found.layers.upper, *found.layers.lower)))
    due = site.table.kind == "systemd" and bool(found.id) and not found.missing
    return bool(due and whole and not site.host_mounts(found.directory))


def problems(site: Site, found: Mounted) -> list[str]:
    """What a container does not see because of its table."""
    out = []
    if found.missing and found.directory in site.mounted():
        out.append("its line in the container's table of mounts is of an earlier sharing; overc_overlay puts it back")
    elif found.missing:
        out.append("its line is gone from the container's table of mounts; overc_overlay puts it back")
    elif _is_unread(site):
        out.append("the container's configuration names no lxc.mount.fstab any more; overc_overlay puts it back")
    elif damaged.problem(site, found) is not None:
        out.append(damaged.problem(site, found) or "")
    elif _is_down(site, found):
        out.append("it is not mounted on the host, though its unit is there; overc_overlay mounts it")
    if any(other.directory == found.directory for other in _in_other(site)):
        out.append(f"{_elsewhere(site, found)}; overc_overlay takes the latter away")
    hidden = under.problem(site, found)
    if hidden is not None and not is_dead(site, found):
        out.append(hidden)
    idmap = lxc.map_of_root(site.config) if site.config is not None else None
    if idmap is not None:
        out.append(
            f"lxc.rootfs.options {printable(idmap)}: LXC starts no container with an overlay in such a root; remove that option,"
            " or stop sharing (state=absent)"
        )
    return out


@dataclass(frozen=True)
class _Repairs:
    """What is to be done to lines: ``gone`` put back, ``bent`` put right, ``dead``, ``stray`` and ``other`` (of the other
    kind) taken away; and mounts.
    """

    gone: tuple[Mounted, ...] = ()
    bent: tuple[Mounted, ...] = ()
    stray: tuple[str, ...] = ()
    dead: tuple[Mounted, ...] = ()
    other: tuple[Mounted, ...] = ()
    down: tuple[Mounted, ...] = ()
    unread: bool = False


def _to_mend(site: Site, record: Record, mount: bool) -> _Repairs:
    """What cannot be decided is left to ``refuse``; what runs, to the next boot."""
    if site.running():
        return _Repairs()
    after, mounted = shown(site, record), site.mounted()
    lost = [found for found in after.values() if found.missing]
    gone = [
        f
        for f in lost
        if under.is_on_host(site, f) or _is_copy(site, record, f) or under.first(site, f.directory) is None
    ]
    down = [found for found in after.values() if mount and _is_down(site, found) and under.problem(site, found) is None]
    bent = [found for found in after.values() if found.bent and under.problem(site, found) is None]
    stray = damaged.strays(record, {**after, **{d: f for d, f in mounted.items() if d not in after}})
    return _Repairs(
        tuple(gone),
        tuple(bent),
        tuple(stray),
        tuple(found for directory, found in mounted.items() if directory not in after and directory not in stray),
        tuple(_in_other(site)),
        tuple(down),
        _is_unread(site),
    )


def would_mend(site: Site, record: Record, *, mount: bool = True) -> str | None:
    """What ``mend`` would do, for people; None for nothing."""
    work = _to_mend(site, record, mount)
    told = [f"the line of {printable(f.directory)} would be put back into the table of mounts" for f in work.gone]
    told += [f"the line of {printable(f.directory)} would be put right in the table of mounts" for f in work.bent]
    told += [f"the line of {printable(d)}, whose layers are another directory's, would be removed" for d in work.stray]
    told += [f"the line of {printable(f.directory)}, whose layers are gone, would be removed" for f in work.dead]
    told += [f"{_elsewhere(site, f)}, which would be removed" for f in work.other]
    told += [f"{printable(f.directory)} would be mounted on the host, as its unit says" for f in work.down]
    if work.unread:
        told.append("the table of mounts would be named in the container's configuration again")
    return "; ".join(told) or None


def _put_back(site: Site, found: Mounted) -> None:
    site.table.check(found.directory)
    prepare_table(site)
    damaged.make_work(site, found.id)
    # Before its line, by which the next run would take it for done
    mount_on_host(site, found.directory, found)
    options = overlayfs.options(found.layers, overlayfs.supported_safety())
    site.table.commit(found.directory, mount_flags.with_flags(options, mount_flags.wanted(site)))


def _forget(site: Site, dead: Mounted) -> None:
    """The container has its own files where it shared: what was noted of that is of no use any more."""
    record = site.record()
    overlay = record.overlays.get(dead.directory)
    if overlay is not None and overlay.id == dead.id:
        del record.overlays[dead.directory]
    damaged.forget_name(site, dead.id)
    site.store.write(record)


def mend(site: Site, *, mount: bool = True) -> str | None:
    """Put back the lines that are missing, remove those that name nothing or are of the other kind; says what it did.

    ``mount``: also mount on the host what its unit has not. A failure says what was done before it.
    """
    work = _to_mend(site, site.record(), mount)
    told: list[str] = []
    try:
        _mend(site, work, told)
    except (OvercError, OSError) as raised:
        error = translate(raised, "mending the table of mounts") if isinstance(raised, OSError) else raised
        if told:
            error.facts.update(changed=True)
            error.message = f"{error.message} Done before that: {'; '.join(told)}."
        raise error from raised
    return "; ".join(told) or None


def _mend(site: Site, work: _Repairs, told: list[str]) -> None:
    for found in work.gone:
        _put_back(site, found)
        told.append(f"the line of {printable(found.directory)}, which the table of mounts had lost, was put back")
    for found in work.bent:
        unmount_on_host(site, found.directory)
        _put_back(site, found)
        told.append(
            f"the line of {printable(found.directory)}, which did not name the layers that are there, was put right"
        )
    for directory in work.stray:
        unmount_on_host(site, directory)
        site.table.commit(directory, None)
        told.append(f"the line of {printable(directory)}, whose layers are another directory's, was removed")
    for found in work.dead:
        site.table.commit(found.directory, None)
        _forget(site, found)
        told.append(f"the line of {printable(found.directory)}, whose layers are gone, was removed")
    # (Once more, because what was just put back makes the other one superfluous.)
    for found in _in_other(site) if work.gone or work.other else ():
        if site.other is not None:
            if site.other.kind == "systemd":
                unmount_on_host(site, found.directory)
            site.other.commit(found.directory, None)
            told.append(f"{_elsewhere(site, found)}, which was removed")
    for found in work.down:
        mount_on_host(site, found.directory)
        told.append(f"{printable(found.directory)} was mounted on the host, as its unit says")
    if work.unread and not site.running():
        prepare_table(site)
        told.append("the table of mounts is named in the container's configuration again")
    if told and site.running():
        told.append("the container was started meanwhile and may not see that before it is started again")


__all__ = ("mend", "missing", "problems", "refuse", "shown", "would_mend")
