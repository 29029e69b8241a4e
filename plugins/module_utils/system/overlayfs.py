# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options of overlayfs: what is asked for and why, their escaping, their limit, and reading them back.

Escaping as the kernel undoes it (fs/overlayfs/params.c, measured): the option string is split at commas unless a
backslash stands before; ``lowerdir`` is split at colons unless a backslash stands before; in both, a backslash takes
the next character as it is. mount(2) copies one page of options.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from . import syscalls
from .presence import is_directory, is_there
from .workers import apart

_LIMIT: t.Final = 4095
_UMOUNT_NOFOLLOW: t.Final = 8

# nofollow: a planted redirect mark would aim the container's directory at another one of the layer (it is followed even
# with redirect_dir=off). metacopy=off: the same for a file's bytes. index=off: with it, the same upper layer over a
# younger snapshot answers ESTALE. (Parameter of the module, option): an old kernel does not know them all.
_SAFETY: t.Final = (("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off"))


@dataclass(frozen=True)
class Layers:
    """Directories of an overlay by absolute path; ``lower`` topmost first."""

    lower: tuple[str, ...]
    upper: str
    work: str


def escape(path: str, *, lower: bool) -> str:
    path = path.replace("\\", "\\\\").replace(",", "\\,")
    return path.replace(":", "\\:") if lower else path


def supported_safety() -> tuple[tuple[str, str], ...]:
    """The safety options this kernel's overlayfs knows; all of them when the module is not loaded yet."""
    parameters = "/sys/module/overlay/parameters"
    if not is_directory(parameters):
        return _SAFETY
    return tuple((name, value) for name, value in _SAFETY if is_there(f"{parameters}/{name}"))


def options(layers: Layers, safety: t.Iterable[tuple[str, str]] = _SAFETY) -> str:
    """The option string; refuses what does not fit in a page."""
    lower = ":".join(escape(path, lower=True) for path in layers.lower)
    text = ",".join(
        [
            f"lowerdir={lower}",
            f"upperdir={escape(layers.upper, lower=False)}",
            f"workdir={escape(layers.work, lower=False)}",
            *(f"{name}={value}" for name, value in safety),
        ]
    )
    size = len(os.fsencode(text))
    if size > _LIMIT:
        raise OvercError(
            "bad_argument",
            f"The paths of the layers do not fit in one mount call ({size} of {_LIMIT} bytes); nothing was changed. Name fewer"
            " sources, or have the containers at a shorter path.",
        )
    return text


def split_escaped(text: str, separator: str, *, keep_backslash: bool) -> list[str]:
    """Split where the separator has no backslash before it."""
    out, current, escaped = [], "", False
    for char in text:
        if escaped:
            current += ("\\" if keep_backslash else "") + char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == separator:
            out.append(current)
            current = ""
        else:
            current += char
    return [*out, current + ("\\" if escaped else "")]


def named_layers(text: str) -> Layers:
    """The layers an option string names, "" or nothing for what it does not name."""
    values: dict[str, str] = {}
    for item in split_escaped(text, ",", keep_backslash=True):
        name, sep, value = item.partition("=")
        if sep:
            values[name] = value
    lower = tuple(split_escaped(values.get("lowerdir", ""), ":", keep_backslash=False))
    upper, work = (split_escaped(values.get(key, ""), "\0", keep_backslash=False)[0] for key in ("upperdir", "workdir"))
    return Layers(tuple(path for path in lower if path), upper, work)


def mount(layers_options: str, target: str, flags: int = 0) -> None:
    """mount(2) an overlay, with its flags; OSError as the kernel answers."""
    syscalls.mount("overlay", target, "overlay", flags, layers_options)


def unmount(target: str) -> None:
    syscalls.umount(target, _UMOUNT_NOFOLLOW)


def _privately(what: t.Callable[[], None]) -> str | None:
    """Do it in a private mount namespace, whose mounts end with it; None, or the reason why the kernel refused."""

    def refused() -> str:
        try:
            syscalls.unshare_mounts()
            what()
        except OSError as error:
            return error.strerror or str(error)
        return ""

    reason: str = apart(refused, doing="trying whether the kernel mounts an overlay")
    return reason or None


def probe(layers_options: str, target: str) -> str | None:
    """Prove in a private mount namespace that the kernel takes these layers; None, or the reason why it does not."""

    def once() -> None:
        mount(layers_options, target)
        syscalls.umount(target, syscalls.MNT_DETACH)

    return _privately(once)


def kernel_refuses(place: str) -> str | None:
    """Why this kernel would mount no overlay of ours at all, None if it does; ``place``: any directory.

    Tried upon a file system in memory that only a private mount namespace sees, so nothing is written.
    """

    def once() -> None:
        syscalls.mount("tmpfs", place, "tmpfs")
        layers = Layers((f"{place}/lower",), f"{place}/upper", f"{place}/work")
        for path in (*layers.lower, layers.upper, layers.work):
            os.mkdir(path)
        mount(options(layers, supported_safety()), place)

    return _privately(once)


__all__ = (
    "Layers",
    "escape",
    "kernel_refuses",
    "mount",
    "named_layers",
    "options",
    "probe",
    "split_escaped",
    "supported_safety",
    "unmount",
)
