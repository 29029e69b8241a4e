# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of services say that they use of the host's paths: exports, container engines, virtual machines. Pure."""

from __future__ import annotations

import html
import json
import re
import shlex
import typing as t

from ..system.mount_table import unescape

_PATH: t.Final = re.compile(r"""(?:^|(?<=[\s"'=:,;(+!@-]))/[^\s"',;:()]+""")
_DISK: t.Final = re.compile(r"""^[\s-]*source:\s*["']?(/[^\n"']*?)["']?\s*$""", re.MULTILINE)
# exports(5): the path is the first word, perhaps in quotes; blanks in it are octal
_EXPORT: t.Final = re.compile(r'^\s*(?:"([^"]*)"|([^\s#"]\S*))')
# Of Docker's, Podman's and other engines' descriptions of a container or a volume
_SOURCES: t.Final = frozenset(("binds", "device", "hostpath", "mountdevice", "source"))
# libvirt: <source dir='/x'/>, <source file="/y"/>, <path>/z</path>
_XML_VALUE: t.Final = re.compile(
    r"""\b(?:dev|dir|file|path)\s*=\s*(?:'(/[^']*)'|"(/[^"]*)")|<(?:path|dir)>\s*(/[^<]*?)\s*</"""
)
_SHARE: t.Final = re.compile(
    r'^\s*(?:path|directory|root directory)\s*=\s*"?(/\S.*?)"?\s*$', re.IGNORECASE | re.MULTILINE
)
# Samba's (in which %m and the like stand for what is only known then) and rsync's
_INCLUDE: t.Final = re.compile(
    r'^\s*(?:(?:include|config file)\s*=|&(?:include|merge)\s)\s*"?(/\S.*?)"?\s*$', re.IGNORECASE | re.MULTILINE
)
# Engines that are started with directories of the host as arguments, and those of their options that name one
_ENGINES: t.Final = ("systemd-nspawn", "docker", "podman", "lxc-execute", "bwrap", "chroot")


def words(text: str) -> list[str]:
    """Every absolute path in a file of settings, whatever it is for; comments are left out."""
    lines = (line.strip() for line in text.split("\n"))
    said = [line for line in lines if not line.startswith(("#", ";"))]
    return _absolute(match for line in said for match in _PATH.findall(line))


def of_disks(text: str) -> list[str]:
    """The directories and files that a container of LXD or Incus has as disks, in its ``backup.yaml``."""
    return _absolute(match[1] for match in _DISK.finditer(text))


def of_exports(text: str) -> list[str]:
    """The directories of an exports file, or of the table of what is exported now."""
    lines = text.replace("\\\n", " ").split("\n")
    found = [match for match in map(_EXPORT.match, lines) if match]
    return _absolute(unescape(match[1] or match[2]) for match in found)


def of_engine(text: str) -> list[str]:
    """The host's paths in a container engine's JSON. Raises ValueError for what is none."""
    found: list[str] = []

    def look(value: t.Any, named: bool) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                look(inner, named=key.lower() in _SOURCES)
        elif isinstance(value, list):
            for inner in value:
                look(inner, named)
        elif isinstance(value, str) and named:
            found.extend((value, value.partition(":")[0]))

    look(json.loads(text), named=False)
    return _absolute(found)


def of_xml(text: str) -> list[str]:
    """The paths in a description of libvirt's: disks and file systems of machines, storage pools."""
    return _absolute(html.unescape(next(filter(None, match.groups()))) for match in _XML_VALUE.finditer(text))


def of_shares(text: str) -> list[str]:
    """The directories of a file of settings in which ``path = /x`` is one, as Samba's and rsync's."""
    return _absolute(match[1] for match in _SHARE.finditer(text))


def of_includes(text: str) -> list[str]:
    """The files and directories that such a file of settings takes further ones from."""
    return _absolute(match[1] for match in _INCLUDE.finditer(text))


def of_command(line: str) -> list[str]:
    """The host's paths among the arguments of a unit's command that starts a container of some kind."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    if not any(word.lstrip("-+@:!").rpartition("/")[2] in _ENGINES for word in words[:1]):
        return []
    found: list[str] = []
    for word in words[1:]:
        value = word.partition("=")[2] if word.startswith("-") else word
        value = value or (word[2:] if re.match("-[A-Za-z]/", word) else "")
        for part in value.split(","):
            path = part.rpartition("=")[2]
            found += [path, *path.split(":")]
    return _absolute(found)


def _absolute(paths: t.Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path for path in paths if path.startswith("/") and path != "/"))


__all__ = ("of_command", "of_disks", "of_engine", "of_exports", "of_includes", "of_shares", "of_xml", "words")
