# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a deployment's entry: what the running kernel was given, with a root subvolume of its own. Pure."""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError

# Of the boot loader, of the boot that runs, or said anew by each entry
_NOT_KEPT: t.Final = ("BOOT_IMAGE", "root", "rootflags", "ro", "rw", "initrd", "panic", "systemd.machine_id")
_OURS: t.Final = "overc."
# Of a boot for a repair, as in a menu's recovery entry, or typed there: no later boot is to end at the console.
# systemd(1), dracut.cmdline(7), Ubuntu's friendly-recovery
_FOR_REPAIR: t.Final = re.compile(
    r"single|[sS1]|-b|emergency|rescue|recovery|rd\.break(=.*)?|(rd\.)?systemd\.unit=(rescue|emergency)\.(target|service)"
    r"|init=(/usr)?/bin/(ba|da)?sh"
)
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


def words_of(line: str) -> tuple[str, ...]:
    """The words of a command line as the kernel takes them: a space between double quotes is part of its word.

    GRUB writes a backslash before quotes and backslashes; that is undone, because it will be written again.
    """
    return tuple(re.sub(r"\\([\\'\"])", r"\1", word.replace('"', "")) for word in _WORD.findall(line))


def _value(words: t.Sequence[str], name: str) -> str | None:
    """What the last word says for ``name``, as for the kernel."""
    return next((word[len(name) + 1 :] for word in reversed(words) if word.startswith(f"{name}=")), None)


def subvolume_of(line: str) -> str | None:
    """The root subvolume that a command line names, without a slash before it."""
    flags = (_value(words_of(line), "rootflags") or "").split(",")
    named = [flag[len("subvol=") :] for flag in flags if flag.startswith("subvol=")]
    return named[-1].lstrip("/") if named else None


def arguments_for(line: str, subvolume: str) -> tuple[str, ...]:
    """The words for an entry that boots ``subvolume``. ``line``: what the running kernel was given (/proc/cmdline).

    Words for one boot only are left out. Raises layout_unsupported where it does not say where the root is.
    """
    words = words_of(line)
    root = _value(words, "root")
    if not root:
        raise OvercError(
            "layout_unsupported",
            "The running kernel was not told by root= where its root is, so no entry can be made that boots it.",
        )
    flags = [flag for flag in (_value(words, "rootflags") or "").split(",") if flag]
    kept_flags = [flag for flag in flags if not flag.startswith(("subvol=", "subvolid="))]
    kept = [word for word in words if word.partition("=")[0] not in _NOT_KEPT]
    kept = [word for word in kept if not word.startswith(_OURS) and not _FOR_REPAIR.fullmatch(word)]
    mode = "rw" if "rw" in words and "ro" not in words else "ro"
    return (f"root={root}", mode, f"rootflags={','.join((*kept_flags, f'subvol={subvolume}'))}", *kept)


__all__ = ("arguments_for", "subvolume_of", "words_of")
