# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims: what tables, configurations and mounts say that somebody uses of the host's paths. Pure: text in, claims out."""

from __future__ import annotations

import os
import shlex
import typing as t
from dataclasses import dataclass, replace

from ..errors import OvercError
from ..system import fstab, overlayfs
from ..system.mount_table import Mount
from ..system.safe_path import printable
from .service_files import of_command, words

_LAYER_OPTIONS: t.Final = frozenset(("lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir"))
# Of services and their kind: see systemd.exec
_UNIT_BINDS: t.Final = frozenset(("BindPaths", "BindReadOnlyPaths"))
_UNIT_MOUNTS: t.Final = frozenset(("What", "Where", "Options"))
_UNIT_ROOTS: t.Final = frozenset(("RootDirectory", "RootImage"))
# nspawn: systemd.nspawn(5), section [Files]
_NSPAWN_BINDS: t.Final = frozenset(("Bind", "BindReadOnly"))
_NSPAWN_OVERLAYS: t.Final = frozenset(("Overlay", "OverlayReadOnly"))


@dataclass(frozen=True)
class Claim:
    """Somebody uses what is at ``path``.

    ``how``: "layer" of an overlay, "source" of another mount, "root" of a container, "target", which is mounted upon, or
    "named", for whatever reason.
    ``who`` and ``where`` are for people. ``container`` is the directory of the container whose own words these are ("" for
    others), ``directory`` the place inside it that the mount is for.
    Without ``device``, ``path`` is a path on the host (``through``: as seen below this other root). With it, ``path`` is the
    one within that file system, as mountinfo has both, and ``target`` where it is mounted. ``root`` tells what the root of
    those is that see the mount.
    """

    path: str
    how: str
    who: str
    where: str
    container: str = ""
    directory: str = ""
    device: str = ""
    target: str = ""
    through: str = ""
    root: str = ""


def layer_paths(options: t.Iterable[str]) -> list[str]:
    """The paths of all layers that the options of an overlay name, as far as they are absolute."""
    out: list[str] = []
    for option in options:
        name, sep, value = option.partition("=")
        if not sep or name not in _LAYER_OPTIONS:
            continue
        if name == "lowerdir":
            out += overlayfs.split_escaped(value, ":", keep_backslash=False)
        else:
            out += overlayfs.split_escaped(value, "\0", keep_backslash=False)
            out.append(value)  # lowerdir+ knows no escapes
    return [path for path in dict.fromkeys(out) if path.startswith("/")]


def of_entry(entry: fstab.Entry, claim: Claim) -> list[Claim]:
    """What one line of a table of mounts uses. ``claim`` has who and where."""
    options = overlayfs.split_escaped(entry.options, ",", keep_backslash=True)
    out = [replace(claim, path=path, how="layer") for path in layer_paths(options)]
    if entry.source.startswith("/"):
        out.append(replace(claim, path=entry.source, how="source"))
    return out


def unit_settings(text: str) -> list[tuple[str, str]]:
    """(key, value) of every setting of a unit or a drop-in, in order, as systemd.syntax(7) has them."""
    out: list[tuple[str, str]] = []
    line = ""
    for part in text.split("\n"):
        if part.lstrip().startswith(("#", ";")):
            continue  # within a continued line, too
        line += part
        if line.endswith("\\"):
            line = line[:-1] + " "
            continue
        key, sep, value = line.partition("=")
        if sep:
            out.append((key.strip(), value.strip()))
        line = ""
    return out


def of_units(text: str, claim: Claim) -> list[Claim]:
    """What a systemd unit uses: a mount unit, with the place that it mounts upon; what a service has bound, and its root.

    The place of an overlay is its ``directory``. A drop-in is taken for itself.
    """
    settings = unit_settings(text)
    values = dict(settings)
    where = values.get("Where", "")
    entry = fstab.Entry(values.get("What", ""), where, values.get("Type", ""), values.get("Options", ""))
    claim = replace(claim, directory=where)
    out = of_entry(entry, claim)
    if where.startswith("/"):
        out.append(replace(claim, path=where, how="target"))
    for key, value in settings:
        if key in _UNIT_BINDS:
            sources = (overlayfs.split_escaped(word, ":", keep_backslash=False)[0] for word in _words(value))
            out += [replace(claim, path=source.lstrip("-+"), how="source") for source in sources]
        elif key in _UNIT_ROOTS:
            out.append(replace(claim, path=value.lstrip("-+"), how="root"))
        elif key.startswith("Exec"):
            out += [replace(claim, path=path, how="root") for path in of_command(value)]
        if key not in _UNIT_MOUNTS and not key.startswith("D"):  # Description, Documentation
            out += [replace(claim, path=path, how="named") for path in words(value)]
    return [found for found in out if found.path.startswith("/")]


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def of_nspawn(text: str, claim: Claim) -> list[Claim]:
    """What the settings of a systemd-nspawn container use."""
    out: list[Claim] = []
    for line in text.split("\n"):
        key, sep, value = line.strip().partition("=")
        if not sep:
            continue
        parts = overlayfs.split_escaped(value.strip(), ":", keep_backslash=False)
        if key.strip() in _NSPAWN_BINDS:
            out.append(replace(claim, path=parts[0], how="source"))
        elif key.strip() in _NSPAWN_OVERLAYS:
            out += [replace(claim, path=path, how="layer") for path in parts[:-1]]
    return [replace(found, path=os.path.normpath(found.path)) for found in out if found.path.startswith("/")]


def of_mount(found: Mount, claim: Claim) -> list[Claim]:
    """What an active mount uses."""
    if found.fstype == "overlay":
        return [
            replace(claim, path=path, how="layer", target=found.target) for path in layer_paths(found.of_filesystem)
        ]
    return [replace(claim, path=found.root, how="source", device=found.device, target=found.target)]


def describe(claims: t.Iterable[Claim]) -> list[dict[str, str]]:
    """For the result: everybody once."""
    out: list[dict[str, str]] = []
    for claim in claims:
        item = {"who": claim.who, "where": claim.where, "path": printable(claim.path)}
        if item not in out:
            out.append(item)
    return out


def refuse(container: str, directory: str, used: t.Sequence[Claim]) -> None:
    """Raises overlay_in_use if there is any claim."""
    if not used:
        return
    shown = describe(used)
    first = "; ".join(f"{item['who']} ({item['where']}: {item['path']})" for item in shown[:5])
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    raise OvercError(
        "overlay_in_use",
        f"What {printable(directory)} of container {printable(container)!r} has on disk is used by {first}{more}, who would lose"
        " it. Give each a copy of its own (an overlay: state=absent there; a clone: lxc-copy without -s; a mount: remove it), or"
        " stop the program, then run the same command again.",
        users=shown,
    )


__all__ = (
    "Claim",
    "describe",
    "layer_paths",
    "of_entry",
    "of_mount",
    "of_nspawn",
    "of_units",
    "refuse",
    "unit_settings",
)
