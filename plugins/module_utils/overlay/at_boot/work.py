# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that waits for the next boot: remembering which containers have some, and the unit that does it.

The unit and its code are put on the host when the first request is made, and go with the last one. Installed for good,
they stay, and the boot also looks after containers whose work was cut off or asked for without the list.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import typing as t

from ...btrfs import ioctl
from ...errors import OvercError
from ...failures import need_root
from ...system import mount_unit, own_archive, syscalls
from ...system.presence import NOT_THERE, is_directory, is_file, is_link, is_there
from ...system.safe_path import OPEN_DIR, components, printable
from ...values import load_object, texts
from ..layers.remove import empty
from .places import UNIT, Places, held, read, sync_above, unlink, write

_PYTHON: t.Final = "/usr/bin/python3"
_DEFAULT: t.Final = "/opt/container"


def _pointer(containers_dir: str, container: str) -> str:
    name = os.fsencode(f"{containers_dir}/{container}")
    return hashlib.sha256(name).hexdigest()[:24] + ".json"


def waiting(places: Places, unreadable: list[OvercError] | None = None) -> list[tuple[str, str]]:
    """(containers_dir, container) of every container on the list.

    Raises inconsistent for a file that cannot be read; with ``unreadable`` the error goes there, and the rest is told.
    """
    try:
        names = sorted(os.listdir(places.pending))
    except FileNotFoundError:
        return []
    out = []
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            path = f"{places.pending}/{name}"
            try:
                data = load_object(read(path) or b"")
                containers_dir, container = texts([data["containers_dir"], data["container"]], path)
            except (ValueError, KeyError) as error:
                refusal = OvercError(
                    "inconsistent",
                    f"{path} cannot be read ({error}); nothing is guessed. Remove it to forget that work.",
                )
                if unreadable is None:
                    raise refusal from None
                unreadable.append(refusal)
                continue
            out.append((containers_dir, container))
    return out


def installed(places: Places) -> list[str] | None:
    """The directories of containers that every boot looks after; None when the unit is not there for good."""
    raw = read(places.installed)
    if raw is None:
        return None
    try:
        return list(texts(load_object(raw)["containers_dirs"], "containers_dirs"))
    except (ValueError, KeyError) as error:
        raise OvercError(
            "inconsistent",
            f"{places.installed} cannot be read ({error}); nothing is guessed. Remove it, then install the unit again"
            " (overc_overlay_boot).",
        ) from error


def _looked_after(places: Places) -> list[str]:
    """The same for what has no need to know: what cannot be read is told by whoever does."""
    with contextlib.suppress(OvercError):
        return installed(places) or []
    return []


def known_places(places: Places) -> list[str]:
    """The directories of containers that are known here; what cannot be read is told by whoever needs it."""
    unreadable: list[OvercError] = []
    found = [containers_dir for containers_dir, _name in waiting(places, unreadable)]
    found += _looked_after(places)
    return list(dict.fromkeys(found))


def _mounts(directories: t.Iterable[str]) -> list[str]:
    """The mount units that these directories may need: a file system with ``nofail``, or of the network, may come late."""
    paths: set[str] = set()
    for directory in directories:
        for path in (directory, os.path.realpath(directory)):
            parts = path.strip("/").split("/")
            paths |= {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return [unit for unit in map(mount_unit.unit_name, sorted(paths)) if len(unit) <= mount_unit.LONGEST]


def _unit(places: Places, containers: t.Collection[tuple[str, str]], looked_after: t.Iterable[str]) -> str:
    """Services that run one container are named too: not each of them comes after the target of all."""
    mounts = _mounts((*looked_after, *(containers_dir for containers_dir, _name in containers)))
    plain = sorted({c for _dir, c in containers if printable(c) == c and not set(c) & set(" \t\n%\\\"'")})
    services = [s for c in plain for s in (f"lxc@{c}.service", f"systemd-nspawn@{c}.service")]
    after = " ".join(["local-fs.target", *mounts])
    before = " ".join(["lxc.service", "machines.target", "machine.slice", *services])
    python = _PYTHON if os.access(_PYTHON, os.X_OK) else sys.executable
    return (
        "# Made by the collection overc.system for overlay work that waits for a boot.\n"
        "[Unit]\nDescription=Share files among containers, as recorded\n"
        f"After={after}\nBefore={before}\n"
        f"ConditionPathExists={places.code}\n"
        "\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
        # Isolated: neither the environment nor packages of a user decide what runs here
        f"ExecStart={python} -I {places.code}\n"
        "\n[Install]\nWantedBy=multi-user.target\n"
    )


def _code(places: Places) -> bytes:
    call = f"manage.run_waiting(work.Places({places.base!r}, {places.units!r}))"
    return own_archive.archive("overlay.manage", "overlay.at_boot.work", call)


def _put(
    places: Places, containers: t.Collection[tuple[str, str]], looked_after: t.Iterable[str], program: bytes
) -> None:
    """The code and the unit, as they have to be for these containers."""
    write(places.code, program)
    write(f"{places.units}/{UNIT}", _unit(places, containers, looked_after).encode("utf-8"))
    os.makedirs(os.path.dirname(places.wants), exist_ok=True)
    if not is_link(places.wants):
        os.symlink(f"../{UNIT}", places.wants)
    # Also one that was there: the run that made it may have been cut off before it was on the disk
    syscalls.fsync_directory(os.path.dirname(places.wants))


def remember(places: Places, containers_dir: str, container: str) -> None:
    """Put a container on the list, and the code and the unit where the boot finds them."""
    content = {"containers_dir": containers_dir, "container": container, "place": _place(containers_dir)}
    data = json.dumps(content).encode("ascii")
    program = _code(places)
    with held(places):
        _put(places, [*waiting(places), (containers_dir, container)], _looked_after(places), program)
        write(f"{places.pending}/{_pointer(containers_dir, container)}", data)


def _place(containers_dir: str) -> str:
    """Which directory that is, to tell it from the empty one below a file system that is not mounted; "" if none."""
    try:
        fd = os.open(containers_dir, OPEN_DIR)
    except OSError as error:
        if error.errno in NOT_THERE:
            return ""
        raise
    try:
        return f"{(ioctl.filesystem_id(fd) or b'').hex()} {os.fstat(fd).st_ino}"
    finally:
        os.close(fd)


def is_destroyed(places: Places, containers_dir: str, container: str) -> bool:
    """Whether a container on the list is certainly no more: its place is the very same, and has no such directory."""
    try:
        data = load_object(read(f"{places.pending}/{_pointer(containers_dir, container)}") or b"")
    except ValueError:
        return False
    place = _place(containers_dir)
    return bool(place) and data.get("place") == place and not is_there(f"{containers_dir}/{container}")


def will_do(places: Places, containers_dir: str, container: str) -> bool:
    """Whether the next boot of this root does what waits for a container: unit and code are there, and lead to it.

    They lie on the host's root, which may have been rolled back or replaced since; a container may have been renamed.
    """
    if not (is_link(places.wants) and is_file(f"{places.units}/{UNIT}") and is_file(places.code)):
        return False
    if on_list(places, containers_dir, container):
        return True
    return containers_dir in map(os.path.realpath, _looked_after(places))


def on_list(places: Places, containers_dir: str, container: str) -> bool:
    return is_file(f"{places.pending}/{_pointer(containers_dir, container)}")


def is_left_over(places: Places) -> bool:
    """Whether the unit and its code are there for nothing: a run was cut off while it removed them."""
    if not is_directory(places.base):
        return False
    unreadable: list[OvercError] = []
    with held(places):
        return not waiting(places, unreadable) and not is_there(places.installed) and not unreadable


def forget(places: Places, containers_dir: str, container: str) -> None:
    """Take a container off the list; with the last one, everything goes that is not there for good."""
    with held(places):
        unlink(f"{places.pending}/{_pointer(containers_dir, container)}")
        _tidy(places)
        sync_above(places.pending)


def make_durable(places: Places) -> None:
    """What a run that was cut off removed from the host is perhaps only gone in memory."""
    for path in dict.fromkeys((places.pending, places.units, os.path.dirname(places.wants))):
        sync_above(path)


def tidy(places: Places) -> None:
    """Leave on the host what the list and the installation for good ask for, and nothing else."""
    with held(places):
        _tidy(places)


def _tidy(places: Places) -> None:
    unreadable: list[OvercError] = []
    left = waiting(places, unreadable)
    looked_after: list[str] | None = None
    try:
        looked_after = installed(places)
    except OvercError as error:
        unreadable.append(error)
    if unreadable:
        return  # there may be work that nobody can read: all stays for whoever looks into it
    if left or looked_after is not None:
        if looked_after is not None and not left and is_directory(places.pending):
            os.rmdir(places.pending)
        write(f"{places.units}/{UNIT}", _unit(places, left, looked_after or ()).encode("utf-8"))
        return
    if is_directory(places.base):
        unlink(places.wants)
        unlink(f"{places.units}/{UNIT}")
        # On the disk before the code goes: by the code it is seen that something is left over, so a unit that came back alone
        # would stay for ever
        for path in (places.units, os.path.dirname(places.wants)):
            sync_above(path)
        fd = os.open(places.base, OPEN_DIR)
        try:
            empty(fd, jobs=1)
        finally:
            os.close(fd)
        os.rmdir(places.base)
    # Also what a run before has removed: it may have been cut off before that was on the disk
    for path in (os.path.dirname(places.base), os.path.dirname(places.wants)):
        with contextlib.suppress(OSError):  # there is something else in it
            os.rmdir(path)
    for path in (places.base, places.units):
        sync_above(path)


def _state(places: Places) -> dict[str, t.Any]:
    """What is on the host now, to see whether it has to change."""
    return {
        "containers_dirs": installed(places),
        "code": read(places.code),
        "unit": read(f"{places.units}/{UNIT}"),
        "enabled": is_link(places.wants),
    }


def _wanted(places: Places, containers_dirs: t.Sequence[str]) -> dict[str, t.Any]:
    return {
        "containers_dirs": list(containers_dirs),
        "code": _code(places),
        "unit": _unit(places, waiting(places), containers_dirs).encode("utf-8"),
        "enabled": True,
    }


def _lines(state: dict[str, t.Any]) -> str:
    """For people: the unit as it is, of the code only which one it is."""
    if state["unit"] is None:
        return ""
    code = "none" if state["code"] is None else hashlib.sha256(state["code"]).hexdigest()[:12]
    looked = ", ".join(map(printable, state["containers_dirs"] or ())) or "only what is on the list"
    return f"# code {code}; looks after: {looked}\n{state['unit'].decode('utf-8', 'replace')}"


def _after(state: str, before: t.Sequence[str] | None, named: t.Sequence[str] | None) -> list[str] | None:
    """The directories that are looked after then; None: it is not there for good any more. ``named`` None: not said."""
    if state == "absent":
        left = [] if named is None else [path for path in before or () if path not in named]
        return left or None
    return list(dict.fromkeys([*(before or ()), *((_DEFAULT,) if named is None else named)]))


def manage(
    state: str, containers_dirs: t.Sequence[str] | None, *, check: bool, places: Places | None = None
) -> dict[str, t.Any]:
    """Have the unit look after these directories too for good, or no longer; returns the module's result.

    ``containers_dirs`` None: the usual place is added, or all that there are are taken out. The unit goes with the last.
    """
    need_root()
    places = places or Places()
    named = None if containers_dirs is None else ["/" + "/".join(components(path)) for path in containers_dirs]
    if check:
        return _manage(state, named, places, check=True)
    with held(places):
        return _manage(state, named, places, check=False)


def _manage(state: str, named: t.Sequence[str] | None, places: Places, *, check: bool) -> dict[str, t.Any]:
    now = _state(places)
    left = waiting(places)
    directories = _after(state, now["containers_dirs"], named)
    if state == "present":
        after = _wanted(places, directories or ())
    elif directories or left:
        after = {**now, "containers_dirs": directories}
    else:
        after = dict.fromkeys(now)
    changed = now != after if state == "present" else now["containers_dirs"] != directories
    if changed and not check:
        if directories is None:
            unlink(places.installed)
            _tidy(places)
        else:
            write(places.installed, json.dumps({"containers_dirs": directories}).encode("ascii") + b"\n")
        if state == "present":
            _put(places, left, directories or (), after["code"])
    return {
        "changed": changed,
        "unit": UNIT,
        "waiting": [{"containers_dir": printable(d), "container": printable(c)} for d, c in left],
        "diff": {"before": _lines(now), "after": _lines(after) if changed else _lines(now)},
    }


__all__ = (
    "UNIT",
    "Places",
    "forget",
    "installed",
    "is_destroyed",
    "is_left_over",
    "known_places",
    "make_durable",
    "manage",
    "on_list",
    "remember",
    "tidy",
    "waiting",
    "will_do",
)
