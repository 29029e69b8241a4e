# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How zypper is called: the host's zypp.conf with our settings at its end, and nothing of the environment.

libzypp reads one file, which it is given in memory; of a setting that is there twice the last one counts (libzypp 17.35).
Packages that are to be left out are locks for this one call, beside those of the host.
"""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass

from ...errors import OvercError

# zypper's own configuration file says nothing that options do not override; what is said here, libzypp reads:
#   all packages are fetched before the first one is installed, whole ones, and lists whenever they are asked for
#   another vendor is a matter of options; with this setting zypper would not even tell who
_SETTINGS: t.Final = (
    "commit.downloadMode = DownloadInAdvance",
    "download.use_deltarpm = false",
    "repo.refresh.delay = 0",
    "solver.allowVendorChange = false",
    "solver.dupAllowVendorChange = false",
)
# Of every call. The variable is what snapper's own plugin obeys; what others of libzypp's plugins would do is in ``plugins``.
ENVIRONMENT: t.Final = {"DISABLE_SNAPPER_ZYPP_PLUGIN": "1", "HOME": "/root"}
GLOBAL: t.Final = ("--non-interactive", "--no-color", "--xmlout")
# A question: not even the log of it is the host's
QUIET: t.Final = {"ZYPP_LOGFILE": "/dev/null"}

_MAIN: t.Final = ("/etc/zypp/zypp.conf", "/usr/etc/zypp/zypp.conf")
_DROP_INS: t.Final = ("/etc/zypp/zypp.conf.d", "/usr/etc/zypp/zypp.conf.d")
# What ``find`` is asked for
CONFIGURATION_FILES: t.Final = (*_MAIN, *_DROP_INS)
# Directories and files of this host's own tree that zypper is configured in
CONFIGURED_IN: t.Final = ("/etc/zypp", "/usr/etc/zypp", "/etc/products.d")


@dataclass(frozen=True)
class Configuration:
    """``text``: what the host's zypp.conf says, its drop-ins included. Where lists, libsolv's files and locks are."""

    text: str = ""
    lists: str = "/var/cache/zypp/raw"
    solv: str = "/var/cache/zypp/solv"
    locks: str = "/etc/zypp/locks"


def files_that_count(found: t.Iterable[str]) -> tuple[str, ...]:
    """Of the files that are there, those that libzypp reads, in its order: what is in /etc hides what has its name in /usr."""
    there = sorted(found)
    main = [path for path in _MAIN if path in there][:1]
    drop_ins: dict[str, str] = {}
    for directory in reversed(_DROP_INS):
        drop_ins.update({posixpath.basename(path): path for path in there if posixpath.dirname(path) == directory})
    return (*main, *(path for _name, path in sorted(drop_ins.items())))


def parse_configuration(text: str) -> Configuration:
    """What a zypp.conf says of places."""
    cache = _value(text, "cachedir") or "/var/cache/zypp"
    return Configuration(
        text,
        _value(text, "metadatadir") or posixpath.join(cache, "raw"),
        _value(text, "solvfilesdir") or posixpath.join(cache, "solv"),
        _value(text, "locksfile.path") or Configuration.locks,
    )


def _value(text: str, key: str) -> str:
    found = re.findall(rf"^[ \t]*{re.escape(key)}[ \t]*=[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return str(found[-1]) if found else ""


def with_settings(configuration: Configuration, locks: str | None = None) -> str:
    """The text of a zypp.conf for one call; ``locks``: a file of locks to be used instead of the host's."""
    ours = [*_SETTINGS, *([f"locksfile.path = {locks}"] if locks else [])]
    return "\n".join((configuration.text, "[main]", *ours, ""))


def with_locks(text: str, names: t.Iterable[str]) -> str:
    """The text of a file of locks, with these (names or globs) added. Raises bad_argument for what cannot be a name."""
    blocks = [text]
    for name in names:
        if re.search(r"\s", name):
            raise OvercError("bad_argument", f"exclude: {name!r} is no name of a package.")
        blocks.append(f"\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {name}\n")
    return "\n".join(blocks)


def places(directory: str) -> tuple[str, ...]:
    """Options with which zypper keeps its lists and packages in ``directory``."""
    return (
        *("--cache-dir", directory),
        *("--raw-cache-dir", posixpath.join(directory, "raw")),
        *("--solv-cache-dir", posixpath.join(directory, "solv")),
        *("--pkg-cache-dir", posixpath.join(directory, "packages")),
    )


__all__ = (
    "CONFIGURATION_FILES",
    "CONFIGURED_IN",
    "ENVIRONMENT",
    "GLOBAL",
    "QUIET",
    "Configuration",
    "files_that_count",
    "parse_configuration",
    "places",
    "with_locks",
    "with_settings",
)
