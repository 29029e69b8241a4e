# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value of a variable may be. ``-e`` and INI inventories give text, YAML gives dates and numbers for what was meant as
text: each kind takes what a value plainly looks like, and refuses by name what it cannot be. Pure.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import yaml  # type: ignore[import-untyped] # Ansible itself needs it

from ..module_utils.errors import OvercError
from ..module_utils.host.packages_option import commands as argument_lists
from ..module_utils.values import whole_number

Kind = t.Callable[[str, t.Any], t.Any]
STAMP: t.Final = "%Y-%m-%dT%H:%M:%SZ"
_TRUE: t.Final = ("true", "yes", "on", "y", "t", "1")
_FALSE: t.Final = ("false", "no", "off", "n", "f", "0")
_SHOWN: t.Final = 60


class FleetError(ValueError):
    """An option that cannot be meant; the message is one sentence for people."""


def shown(value: t.Any) -> str:
    """A value as a message shows it, not too long."""
    text = repr(str(value) if isinstance(value, (str, dt.date)) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def flag(name: str, value: t.Any) -> bool:
    """True or false, as Ansible writes them."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise FleetError(f"{name}: {shown(value)} is neither true nor false.")


def number(name: str, value: t.Any) -> int:
    """A whole number, 0 or more."""
    try:
        return whole_number(name, value.strip() if isinstance(value, str) else value)
    except OvercError as error:
        raise FleetError(error.message) from None


def text(name: str, value: t.Any) -> str:
    """Text; empty where nothing was given. Whole numbers look the same as text, other things do not."""
    if value is None:
        return ""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise FleetError(f"{name}: {shown(value)} is no text. Put it in quotes.")


def choice(*choices: str) -> Kind:
    """One of these words."""

    def convert(name: str, value: t.Any) -> str:
        if isinstance(value, str) and value.strip() in choices:
            return value.strip()
        words = f"{', '.join(choices[:-1])} nor {choices[-1]}"
        raise FleetError(f"{name}: {shown(value)} is neither {words}.")

    return convert


def flow(name: str, value: t.Any) -> t.Any:
    """``[a, b]`` and ``{a: b}`` are a list and a mapping, also where they arrive as text."""
    if not isinstance(value, str) or not value.strip().startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise FleetError(f"{name}: {shown(value)} begins like a list or a mapping, and is none.") from None


def _entries(name: str, value: t.Any, separator: str | None) -> list[t.Any]:
    value = flow(name, value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, str):
        return [part.strip() for part in re.split(separator, value.strip())] if separator else [value]
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    raise FleetError(f"{name}: {shown(value)} is no list.")


def _words(name: str, entries: t.Iterable[t.Any]) -> list[str]:
    found = []
    for entry in entries:
        word = text(name, entry) if not isinstance(entry, (dict, list)) else ""
        if not word.strip():
            raise FleetError(f"{name}: {shown(entry)} cannot be an entry of this list.")
        found.append(word)
    return found


def texts(name: str, value: t.Any) -> list[str]:
    """A list of text; ``a,b`` is one as well."""
    return _words(name, _entries(name, value, r"\s*,\s*"))


def commands(name: str, value: t.Any) -> list[str]:
    """A list of command lines. One may be given alone, unless it has a comma and so may be meant as several."""
    if isinstance(value, str) and "," in value and not value.strip().startswith("["):
        raise FleetError(f"{name}: {shown(value)} may be one command or several. Write it as a list.")
    # a test is a command too: [ -e /file ]
    if isinstance(value, str) and value.strip().startswith("[ "):
        return [value.strip()]
    return _words(name, _entries(name, value, None))


def arguments(name: str, value: t.Any) -> list[list[str]]:
    """Commands as argument lists, as the module takes them: a list of words is one command."""
    given = flow(name, value)
    if given is None or given == "":
        return []
    if not isinstance(given, (list, tuple)):
        raise FleetError(f"{name}: {shown(value)} is no list of arguments, the program first.")
    try:
        return [list(argv) for argv in argument_lists(given)]
    except OvercError as error:
        raise FleetError(f"{name}{error.message.removeprefix('run')}") from None


def addresses(name: str, value: t.Any) -> list[t.Any]:
    """A list of addresses; a comma belongs to an address unless the next one begins after it."""
    return _entries(name, value, r"\s*,\s*(?=https?://)")


def ports(name: str, value: t.Any) -> list[t.Any]:
    """A list of ports, numbers or mappings."""
    return _entries(name, value, r"\s*,\s*")


def mapping(name: str, value: t.Any) -> dict[str, t.Any]:
    """A mapping; empty where nothing was given."""
    value = flow(name, value)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise FleetError(f"{name}: {shown(value)} is no mapping.")
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
        raise FleetError(f"{name}: {shown(odd[0])} is no name of a key. Put it in quotes.")
    return dict(value)


def count_of(value: t.Any, total: int, option: str) -> int:
    """A number of hosts from ``3`` or ``"25%"``; a percentage is at least one host, ``0%`` is none."""
    match = re.fullmatch(r"(\d{1,9})(%?)", str(value).strip(), re.ASCII)
    if match is None or isinstance(value, bool) or (match[2] and int(match[1]) > 100):
        raise FleetError(f"{option}: {shown(value)} is neither a number of hosts nor a percentage.")
    if not match[2] or not int(match[1]):
        return int(match[1])
    return max(1, total * int(match[1]) // 100)


def count(name: str, value: t.Any) -> int | str:
    """``3`` or ``25%``."""
    count_of(value, 0, name)
    return str(value).strip() if "%" in str(value) else int(value)


def steps(name: str, value: t.Any) -> list[int | str]:
    """Sizes of waves: numbers of hosts or percentages, ``1,10,25%``."""
    found = [count(name, entry) for entry in _entries(name, value, r"\s*,\s*")]
    if not found or any(count_of(entry, 1, name) == 0 for entry in found):
        raise FleetError(f"{name}: a wave needs at least one host.")
    return found


def percentage(name: str, value: t.Any) -> float:
    """From 0 to 100, with the sign or without."""
    given = value.strip().removesuffix("%").strip() if isinstance(value, str) else value
    try:
        found = -1.0 if isinstance(given, (bool, dt.date)) else float(given)
    except (OverflowError, TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= 100:
        raise FleetError(f"{name}: {shown(value)} is not a percentage between 0 and 100.")
    return found


def moment(name: str, value: t.Any) -> str:
    """A moment, UTC, as 2026-12-01T04:00:00Z; empty for none. YAML makes a date of it where it is not quoted."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    found = value
    if isinstance(value, str):
        try:
            # Python 3.10 and older do not know the Z
            found = dt.datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value.strip()))
        except ValueError:
            found = None
        if found is not None and found.tzinfo is None:
            found = None
    if not isinstance(found, dt.datetime):
        raise FleetError(f"{name}: {shown(value)} is not of the form 2026-12-01T04:00:00Z (UTC).")
    if found.tzinfo is None:  # as YAML reads a time without a zone
        found = found.replace(tzinfo=dt.timezone.utc)
    return found.astimezone(dt.timezone.utc).strftime(STAMP)


_CLOCK: t.Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def minutes(name: str, value: str) -> tuple[int, int]:
    """Begin and end of a time of day, in minutes after midnight."""
    match = _CLOCK.fullmatch(value.strip())
    if match is None:
        raise FleetError(f"{name}: {shown(value)} is not of the form 22:00-04:00 (UTC).")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise FleetError(f"{name}: {shown(value)} is empty.")
    return begin, end


def window(name: str, value: t.Any) -> str:
    """A time of day, ``22:00-04:00``; empty for any."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not isinstance(value, str):
        raise FleetError(f"{name}: {shown(value)} is not of the form 22:00-04:00 (UTC).")
    minutes(name, value)
    return value.strip()


__all__ = (
    "STAMP",
    "FleetError",
    "Kind",
    "addresses",
    "arguments",
    "choice",
    "commands",
    "count",
    "count_of",
    "flag",
    "flow",
    "mapping",
    "minutes",
    "moment",
    "number",
    "percentage",
    "ports",
    "shown",
    "steps",
    "text",
    "texts",
    "window",
)
