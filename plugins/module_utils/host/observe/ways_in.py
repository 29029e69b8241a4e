# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which ways sshd of a root lets an account in: keys that it would accept, a password, others; as far as files tell.

An account that is not in the root's own files, and a file on another file system than the root, are as they are on the host.
What cannot be told here (an address, a directory server) is taken for a way, in both roots that are compared.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import os
import stat
import struct
import time
import typing as t

from ...people import names
from ...system.mount_table import is_on_another, mounts
from ...system.presence import status, text_of
from ...system.rooted_path import regular_file_in_root, resolve_in_root

# sshd_config(5), as `sshd -T` prints it: option -> its values
Settings = t.Mapping[str, t.Sequence[str]]

_ROOT: t.Final = "root"
_DAY: t.Final = 86_400  # seconds
_OTHERS: t.Final = {"gssapiauthentication": "gssapi-with-mic", "hostbasedauthentication": "hostbased"}
_ALL_METHODS: t.Final = "any"


class Key(t.NamedTuple):
    kind: str
    blob: str


class Ways(t.NamedTuple):
    """``methods``: as sshd calls them. ``keys``: those that it would accept. ``lost_keys``: why there are none, ``closed``: why
    there is no way at all; in words.
    """

    methods: frozenset[str] = frozenset()
    keys: frozenset[Key] = frozenset()
    lost_keys: str = ""
    closed: str = ""


class _Account(t.NamedTuple):
    name: str
    uid: int
    home: str
    groups: frozenset[str]
    password: str | None  # shadow(5); None: not in the file
    expires: str


def parse_settings(text: str) -> dict[str, list[str]]:
    """What `sshd -T` prints; some options are there more than once. OpenSSH 10 writes their names in upper and lower case."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _blank, value = line.strip().partition(" ")
        if value:
            found.setdefault(name.lower(), []).append(value)
    return found


def ways_in(root: str, user: str, settings: Settings) -> Ways | None:
    """None where the account is not in the root's files, or sshd does not tell its settings."""
    account = _account(root, user)
    if account is None or not settings:
        return None
    closed = _kept_out(account, settings)
    if closed:
        return Ways(closed=closed)
    keys, why = _keys(root, account, settings)
    methods = {_OTHERS[name] for name in _OTHERS if _is_on(settings, name)}
    if _is_on(settings, "pubkeyauthentication") and (keys or _by_command(settings)):
        methods.add("publickey")
    if user != _ROOT or _one(settings, "permitrootlogin") == "yes":
        if account.password is None or account.password[:1] not in ("!", "*"):
            methods |= {
                method
                for name, method in (
                    ("passwordauthentication", "password"),
                    ("kbdinteractiveauthentication", "keyboard-interactive"),
                )
                if _is_on(settings, name)
            }
    if not _suffices(methods, settings):
        wanted = _one(settings, "authenticationmethods")
        return Ways(closed=why if not keys else f"AuthenticationMethods ask for {wanted}")
    return Ways(frozenset(methods), keys, "" if keys else why)


def _account(root: str, user: str) -> _Account | None:
    fields = _line(root, "etc/passwd", user, 7)
    if fields is None or not fields[2].isdecimal():
        return None
    groups = set()
    for line in _text(root, "etc/group").splitlines():
        each = line.split(":")
        if len(each) == 4 and (each[2] == fields[3] or user in each[3].split(",")):
            groups.add(each[0])
    shadow = _line(root, "etc/shadow", user, 9)
    password = shadow[1] if shadow else None
    return _Account(user, int(fields[2]), fields[5] or "/", frozenset(groups), password, shadow[7] if shadow else "")


def _text(root: str, path: str) -> str:
    found = regular_file_in_root(root, path)
    return (text_of(found) if found else None) or ""


def _line(root: str, path: str, user: str, count: int) -> list[str] | None:
    fields = (line.split(":") for line in _text(root, path).splitlines())
    return next((each for each in fields if len(each) == count and each[0] == user), None)


def _one(settings: Settings, name: str) -> str:
    return (settings.get(name) or [""])[0]


def _is_on(settings: Settings, name: str) -> bool:
    return _one(settings, name) == "yes"


def _by_command(settings: Settings) -> bool:
    """Whether keys come from elsewhere than from files: what would come is not known here."""
    return any(_one(settings, name) not in ("", "none") for name in ("authorizedkeyscommand", "trustedusercakeys"))


def _kept_out(account: _Account, settings: Settings) -> str:
    """Why the account may not come in whatever it brings, in words. An address in a pattern is taken to fit, or not to deny."""
    name = account.name
    denied = [pattern for pattern in _words(settings, "denyusers") if "@" not in pattern]
    if _fits((name,), denied):
        return f"DenyUsers keeps {name} out"
    allowed = [pattern.partition("@")[0] for pattern in _words(settings, "allowusers")]
    if allowed and not _fits((name,), allowed):
        return f"AllowUsers does not name {name}"
    if _fits(account.groups, _words(settings, "denygroups")):
        return f"DenyGroups keeps {name} out"
    groups = _words(settings, "allowgroups")
    if groups and not _fits(account.groups, groups):
        return f"AllowGroups names no group of {name}"
    if name == _ROOT and _one(settings, "permitrootlogin") == "no":
        return "PermitRootLogin is no"
    if account.password is not None and account.password.startswith("!") and not _is_on(settings, "usepam"):
        return f"{name} is locked in /etc/shadow, and sshd does not ask PAM"
    if account.expires.isdecimal() and int(account.expires) * _DAY <= time.time():
        return f"the account {name} has expired (/etc/shadow)"
    return ""


def _words(settings: Settings, name: str) -> list[str]:
    return [word for value in settings.get(name, ()) for word in value.split()]


def _fits(called: t.Iterable[str], patterns: t.Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in called for pattern in patterns)


def _suffices(methods: t.Collection[str], settings: Settings) -> bool:
    """Whether one of the lists in AuthenticationMethods can be gone through."""
    wanted = _one(settings, "authenticationmethods")
    if not wanted or wanted == _ALL_METHODS:
        return bool(methods)
    lists = ([method.partition(":")[0] for method in each.split(",")] for each in wanted.split())
    return any(all(method in methods or method == "none" for method in each) for each in lists)


def _keys(root: str, account: _Account, settings: Settings) -> tuple[frozenset[Key], str]:
    """The keys that sshd would accept, and why it would not accept others."""
    if not _is_on(settings, "pubkeyauthentication"):
        return frozenset(), "PubkeyAuthentication is no"
    found: set[Key] = set()
    looked_at, refused = [], ""
    for name in _words(settings, "authorizedkeysfile"):
        if name == "none":
            continue
        path = _expanded(name, account)
        looked_at.append(path)
        text, why = _read(root, path, account, strict=_is_on(settings, "strictmodes"))
        keys = _in_text(text)
        accepted = {key for key in keys if _is_accepted(key, settings)}
        found |= accepted
        refused = (
            refused or why or (f"sshd accepts none of the kinds of keys in {path}" if keys and not accepted else "")
        )
    places = names(looked_at) if looked_at else "no file (AuthorizedKeysFile)"
    return frozenset(found), refused or f"there is no key for {account.name} in {places}"


def _expanded(name: str, account: _Account) -> str:
    for token, value in (("%h", account.home), ("%u", account.name), ("%U", str(account.uid)), ("%%", "%")):
        name = name.replace(token, value)
    return name if name.startswith("/") else os.path.join(account.home, name)


def _read(root: str, path: str, account: _Account, *, strict: bool) -> tuple[str, str]:
    """The text of a file of keys, and why sshd would not read it."""
    place = "/" if is_on_another(mounts(), os.path.dirname(os.path.realpath(path))) and root != "/" else root
    file = regular_file_in_root(place, path)
    if file is None:
        return "", ""
    if strict:
        open_to_others = _open_to_others(place, file, path, account)
        if open_to_others:
            return "", f"{open_to_others} belongs to, or can be written by, others (StrictModes)"
    return text_of(file) or "", ""


def _open_to_others(root: str, file: str, path: str, account: _Account) -> str:
    """What sshd refuses to trust: the file, or a directory up to the home of the account or to /; empty where it trusts all."""
    home = resolve_in_root(root, account.home)
    here = file
    while True:
        found = status(here)
        if found is None or found.st_uid not in (0, account.uid) or stat.S_IMODE(found.st_mode) & 0o022:
            return path if here == file else f"/{os.path.relpath(here, root)}"
        if here in (home, root, "/"):
            return ""
        here = os.path.dirname(here)


def _in_text(text: str) -> set[Key]:
    """The keys of an authorized_keys file (sshd(8)): options may come first, a comment last."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        for kind, blob in zip(words, words[1:]):
            if _kind_in(blob) == kind:
                found.add(Key(kind, blob))
                break
    return found


def _kind_in(blob: str) -> str | None:
    """The kind of key that is written in its own bytes."""
    parts = _parts(blob)
    return parts[0].decode("ascii", "replace") if parts else None


def _parts(blob: str) -> list[bytes]:
    """The strings that a key consists of (RFC 4253, 6.6)."""
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return []
    parts, at = [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 4 + length > len(data):
            return []
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


def _is_accepted(key: Key, settings: Settings) -> bool:
    accepted = _one(settings, "pubkeyacceptedalgorithms") or _one(settings, "pubkeyacceptedkeytypes")
    kinds = {"ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"} if key.kind == "ssh-rsa" else {key.kind}
    if accepted and not kinds & set(accepted.split(",")):
        return False
    least = _one(settings, "requiredrsasize")
    if key.kind == "ssh-rsa" and least.isdecimal():
        parts = _parts(key.blob)
        return len(parts) < 3 or int.from_bytes(parts[2], "big").bit_length() >= int(least)
    return True


__all__ = ("Key", "Settings", "Ways", "parse_settings", "ways_in")
