# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's health consists of, as options: looked at before a host is rebooted, not when they are needed after it."""

from __future__ import annotations

import shlex
import typing as t

from ..errors import OvercError
from ..values import whole_number

# Numbers are raw, because Ansible's own conversion of what is none ends in a traceback: see whole_number
CHECKS_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "units": {"type": "bool", "default": True},
    "services": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "raw", "default": []},
    "urls": {"type": "list", "elements": "raw", "default": []},
    "commands": {"type": "list", "elements": "str", "default": []},
    "retries": {"type": "raw", "default": 10},
    "delay": {"type": "raw", "default": 3},
}
HEALTH_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {"health": {"type": "dict", "options": CHECKS_SPEC}}
FAILED_BEFORE_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "failed_before": {"type": "list", "elements": "str", "default": []}
}


class Port(t.NamedTuple):
    """A TCP port that must be open."""

    host: str
    port: int


class Address(t.NamedTuple):
    """A URL that must answer with this HTTP status."""

    url: str
    status: int
    validate_certs: bool


class Checks(t.NamedTuple):
    """Everything that is asked; ``delay`` in seconds."""

    units: bool
    services: tuple[str, ...]
    ports: tuple[Port, ...]
    urls: tuple[Address, ...]
    commands: tuple[tuple[str, ...], ...]
    retries: int
    delay: int
    failed_before: tuple[str, ...]


def checks_from(health: t.Mapping[str, t.Any], failed_before: t.Iterable[str], within: str = "") -> Checks:
    """The options of CHECKS_SPEC as what they mean. Raises bad_argument; ``within`` is what they are options of."""
    return Checks(
        units=bool(health["units"]),
        services=tuple(_service(within, name) for name in health["services"] or ()),
        ports=tuple(_port(within, entry) for entry in health["ports"] or ()),
        urls=tuple(_address(within, entry) for entry in health["urls"] or ()),
        commands=tuple(_words(within, command) for command in health["commands"] or ()),
        retries=whole_number(f"{within}retries", health["retries"]),
        delay=whole_number(f"{within}delay", health["delay"]),
        failed_before=tuple(failed_before),
    )


def health_from(params: t.Mapping[str, t.Any]) -> Checks | None:
    """What the option ``health`` asks for, None for nothing. Raises bad_argument."""
    if params["health"] is None:
        return None
    return checks_from(params["health"], params.get("failed_before") or (), "health.")


def _bad(option: str, entry: t.Any, what: str) -> OvercError:
    shown = repr(entry)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    return OvercError("bad_argument", f"{option}: {shown} {what}. Nothing was changed.")


def _service(within: str, name: str) -> str:
    if not name or name.startswith("-") or not name.isprintable():
        raise _bad(f"{within}services", name, "is no name of a service")
    return name


def _mapping(option: str, entry: t.Any, key: str, others: tuple[str, ...]) -> dict[str, t.Any]:
    """A mapping with ``key``, or its value alone."""
    found = entry if isinstance(entry, dict) else {key: entry}
    if key not in found or not set(found) <= {key, *others}:
        raise _bad(option, entry, f"is no mapping with {key} and perhaps {' and '.join(others)}")
    return found


def _port(within: str, entry: t.Any) -> Port:
    option = f"{within}ports"
    found = _mapping(option, entry, "port", ("host",))
    number, host = whole_number(option, found["port"]), found.get("host", "127.0.0.1")
    if not 0 < number < 65536:
        raise _bad(option, entry, "is not a port from 1 to 65535")
    if not isinstance(host, str) or not host or not host.isprintable():
        raise _bad(option, entry, "has no host that can be asked")
    return Port(host, number)


def _address(within: str, entry: t.Any) -> Address:
    option = f"{within}urls"
    found = _mapping(option, entry, "url", ("status", "validate_certs"))
    url, certs = found["url"], found.get("validate_certs", True)
    if not isinstance(url, str) or not url.isprintable() or not url.lower().startswith(("http://", "https://")):
        raise _bad(option, entry, "is no address (http or https)")
    # As YAML and the command line write it
    if str(certs).lower() not in ("true", "yes", "1", "false", "no", "0"):
        raise _bad(option, entry, "does not say whether certificates are to be validated")
    return Address(url, whole_number(option, found.get("status", 200)), str(certs).lower() in ("true", "yes", "1"))


def _words(within: str, command: str) -> tuple[str, ...]:
    option = f"{within}commands"
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise _bad(option, command, f"is no command ({error})") from None
    if not words or "\0" in command:
        raise _bad(option, command, "is no command")
    return words


__all__ = (
    "CHECKS_SPEC",
    "FAILED_BEFORE_SPEC",
    "HEALTH_SPEC",
    "Address",
    "Checks",
    "Port",
    "checks_from",
    "health_from",
)
