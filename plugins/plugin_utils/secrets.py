# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory keeps in a vault stays out of plans, results, records, reports, and the logs of hosts.

A health check with a token in it fails, and its command is the reason: that goes to the screen, into a page that is sent around.
"""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote, quote_plus

from ansible.parsing.vault import EncryptedString

from .options import public

_HEADER: t.Final = b"$ANSIBLE_VAULT;"
# What is shorter would take ordinary words with it, and is no secret for long
_SHORTEST: t.Final = 6
_DEPTH: t.Final = 20
_ANSIBLES: t.Final = frozenset({"hostvars", "vars", "groups", "ansible_facts"})
_NOT_LOOKED_AT: t.Final = _ANSIBLES | frozenset(public()) - {"host_upgrade_health", "host_rollback_health"}
SHOWN: t.Final = "********"
# What of a result is for people; the rest is what playbooks go on with
_TEXTS: t.Final = frozenset(
    {"msg", "reason", "output", "check", "passed", "cmd", "exception", "warnings", "complaints", "announced"}
    # With what commands a module was asked, and what they said
    | {"invocation", "run", "ran"}
    | {
        f"{prefix}{name}{suffix}"
        for prefix in ("", "module_")
        for name in ("stdout", "stderr")
        for suffix in ("", "_lines")
    }
)


def vaulted(variables: t.Mapping[str, t.Any]) -> frozenset[str]:
    """The values that come from a vault, among a host's variables as they are before they are templated: single ones, and
    all of files that are encrypted as a whole. One whose password is not known cannot be shown by anybody.

    Whoever encrypts everything has names of subvolumes and packages in it as well: of our own options, only the health checks
    are looked at.
    """
    found: set[str] = set()
    files: dict[str, bool] = {}
    for name, value in list(variables.items()):
        # Neither what roles set themselves, nor what a task has registered, nor what Ansible has of all hosts is of this host's
        # inventory; merely to look at some of that makes Ansible warn
        registered = isinstance(value, dict) and any(isinstance(value.get(key), bool) for key in ("changed", "skipped"))
        if name not in _NOT_LOOKED_AT and not name.startswith("__") and not registered:
            _collect(value, found, files, _DEPTH)
    return frozenset(found)


def told_without(result: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> dict[str, t.Any]:
    """A result without the secrets in what people read of it.

    Since ansible-core 2.19 ``exception`` is an object of Ansible's own that repeats the message: it is left out, and made anew
    from the message that is left.
    """
    kept = {
        key: value
        for key, value in result.items()
        if not (secrets and key == "exception" and not isinstance(value, str))
    }
    return {key: without(value, secrets) if key in _TEXTS else value for key, value in kept.items()}


def without(data: t.Any, secrets: t.Collection[str]) -> t.Any:
    """The same, of texts, lists and mappings, with ``********`` in place of each secret, the longest first."""
    if not secrets:
        return data
    ordered = sorted(secrets, key=len, reverse=True)

    def clean(value: t.Any) -> t.Any:
        if isinstance(value, str):
            for secret in ordered:
                if secret in value:
                    value = value.replace(secret, SHOWN)
            return value
        if isinstance(value, t.Mapping):
            return {key: clean(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(entry) for entry in value]
        return SHOWN if isinstance(value, int) and str(value) in secrets else value

    return clean(data)


def _collect(value: t.Any, found: set[str], files: dict[str, bool], depth: int) -> None:
    if isinstance(value, EncryptedString):
        try:
            _add(str(value), found)
        except Exception:  # noqa: BLE001 - no password for this one, so nothing of it was decrypted anywhere
            return
    elif isinstance(value, dict) and depth:
        for entry in list(value.values()):
            _collect(entry, found, files, depth - 1)
    elif isinstance(value, (list, tuple)) and depth:
        for entry in value:
            _collect(entry, found, files, depth - 1)
    elif isinstance(value, (str, int)) and not isinstance(value, bool) and _from_a_vault(value, files):
        _add(str(value), found)


def _add(text: str, found: set[str]) -> None:
    """A value, and each line of it: a key is shown in parts as well. Also as programs write it: in JSON, for a shell, in an
    address.
    """
    for part in {text, text.strip(), *map(str.strip, text.splitlines())}:
        if len(part) >= _SHORTEST:
            found.update((part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]))
            found.update((part.replace("'", "'\"'\"'"), quote(part), quote(part, safe=""), quote_plus(part)))


def _from_a_vault(value: t.Any, files: dict[str, bool]) -> bool:
    """Whether the file that a value says it was read from is encrypted."""
    for tag in dict(getattr(value, "_ansible_tags_mapping", None) or {}).values():
        path = getattr(tag, "path", None)
        if path:
            if path not in files:
                files[path] = _is_encrypted(str(path))
            return files[path]
    return False


def _is_encrypted(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False  # it is not on this machine, or gone: a description, as "<CLI option '-e'>"


__all__ = ("SHOWN", "told_without", "vaulted", "without")
