# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a path of a root is to its owner, told by its name: an account, a key, or one of a thousand logs. Pure."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ...system.unfinished import NEW_SUFFIX

Kind = t.Literal["accounts", "keys", "packages", "configuration", "programs", "data", "system", "bookkeeping"]
# What is missed most, first
KINDS: t.Final[tuple[Kind, ...]] = (
    "accounts", "keys", "packages", "configuration", "programs", "data", "system", "bookkeeping",
)  # fmt: skip

_ACCOUNTS: t.Final = frozenset(
    f"/etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid", "sudoers", "doas.conf")
)
# Where the packages of a root are registered, by all the names there are
_DATABASES: t.Final = ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm", "/var/lib/dpkg")
_DATABASE_NOISE: t.Final = re.compile(
    r"/(?:\.?(?:rpm\.)?lock|lock-frontend|__db\.[0-9]+|[^/]*-(?:shm|wal)|triggers/Lock)$"
)
# What machines write by themselves: read by nobody, or made again
_BOOKKEEPING: t.Final = re.compile(
    r"/(?:"
    r"(?:tmp|run|dev|proc|sys|lost\+found)(?:/.*)?"
    r"|var/(?:log|cache|tmp|run|lock|spool/(?:anacron|cron/lastrun)|lib/(?:systemd|private/systemd|dnf|rpm-state|smart|apt"
    r"|PackageKit|dhcp|dhclient|dhcpcd|NetworkManager|connman|logrotate|chrony|ntp|ntpsec|urandom|mlocate|plocate|man-db"
    r"|command-not-found|sss/(?:db|mc)|ucf/cache|update-notifier|logrotate\.status|random-seed))(?:/.*)?"
    r"|(?:etc|var)/\.updated|etc/(?:mtab|adjtime|ld\.so\.cache|\.pwd\.lock|(?:passwd|shadow|group|gshadow|subuid|subgid)-)"
    r"|.*/(?:\.ansible|\.cache|__pycache__)(?:/.*)?"
    r"|.*/\.(?:bash_history|ash_history|zsh_history|python_history|lesshst|viminfo|wget-hsts)"
    rf"|.*{re.escape(NEW_SUFFIX)}"
    r")"
)
# Among those, what people and programs decide once, and miss: who may run without being logged in, the keys of credentials and
# of homes, which packages were asked for, networks that were set up
_DECIDED: t.Final = re.compile(
    r"/var/lib/(?:systemd/(?:linger|home|credential\.secret)(?:/.*)?|apt/extended_states|connman/[^/]+\.config)"
)
_KEYS: t.Final = re.compile(
    r"/etc/(?:ssh|pki|ssl|letsencrypt|wireguard|ipsec\.d|openvpn|krb5\.keytab|swanctl)(?:/.*)?|.*/\.(?:ssh|gnupg)(?:/.*)?"
)
_PROGRAMS: t.Final = ("/usr/local/", "/opt/")
_SYSTEM: t.Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot")


def kind_of(path: str) -> Kind:
    """The kind of an absolute path."""
    if path in _ACCOUNTS or path.startswith(("/etc/sudoers.d/", "/etc/security/")):
        return "accounts"
    if any(path == database or path.startswith(database + "/") for database in _DATABASES):
        noise = path in _DATABASES or _DATABASE_NOISE.search(path)
        return "bookkeeping" if noise else "packages"
    if _BOOKKEEPING.fullmatch(path):
        return "data" if _DECIDED.fullmatch(path) else "bookkeeping"
    if _KEYS.fullmatch(path):
        return "keys"
    if path.startswith("/etc/"):
        return "configuration"
    if path.startswith(_PROGRAMS):
        return "programs"
    top = "/" + path.split("/")[1]
    return "system" if top in _SYSTEM or posixpath.dirname(path) == "/" else "data"


__all__ = ("KINDS", "Kind", "kind_of")
