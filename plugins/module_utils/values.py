# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that nobody vouches for: numbers and JSON that may be damaged, options that YAML made something odd of. Pure.

What is read from a disk or a program: the right kind of value, or a ValueError that says where. What a user gave: the right
kind of value, or bad_argument.
"""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import MISSING, fields

from .errors import OvercError

Made = t.TypeVar("Made")
_DIGITS: t.Final = 18  # more than any size or id has; and Python refuses to read thousands of them


def decimal(text: str) -> int | None:
    """The number that plain ASCII digits write, None for anything else.

    ``str.isdigit`` is true for characters that ``int`` does not take, a superscript two for instance.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def load_object(data: bytes | str) -> dict[str, t.Any]:
    """A JSON object. Raises ValueError, also where the nesting is too deep or the bytes are no UTF-8."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:  # Python's own words help nobody who has to mend a file
        raise ValueError("it is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


# What JSON may have where a dataclass has this annotation. Annotations are text: Python 3.9 cannot evaluate "str | None".
_KINDS: t.Final[dict[str, t.Callable[[object], bool]]] = {
    "str": _is_text,
    "str | None": lambda value: value is None or isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "int | None": lambda value: value is None or (isinstance(value, int) and not isinstance(value, bool)),
    "float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "tuple[str, ...]": _is_texts,
    "t.Mapping[str, str]": lambda value: _is_mapping(value) and _is_texts(list(t.cast("t.Any", value).values())),
    "t.Mapping[str, t.Any]": _is_mapping,
    "t.Mapping[str, t.Any] | None": lambda value: value is None or _is_mapping(value),
    "dict[str, int]": lambda value: (
        # a bool is an int for isinstance
        # pylint: disable-next=unidiomatic-typecheck
        _is_mapping(value) and all(type(entry) is int for entry in t.cast("t.Any", value).values())
    ),
    "dict[str, t.Any]": _is_mapping,
    "dict[str, t.Any] | None": lambda value: value is None or _is_mapping(value),
}


def build(cls: type[Made], raw: object, **ready: t.Any) -> Made:
    """An instance of a dataclass from a JSON object; ``ready`` are fields that the caller has read itself.

    Raises ValueError for an unknown or missing key and for a value of the wrong kind.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"{cls.__name__} is not an object")
    known = {entry.name: entry for entry in fields(t.cast("t.Any", cls))}
    unknown = sorted(str(key) for key in raw if key not in known)
    if unknown:
        raise ValueError(f"{cls.__name__} has an unknown key {unknown[0]!r}")
    values: dict[str, t.Any] = dict(ready)
    for name, entry in known.items():
        if name in ready:
            continue
        if name not in raw:
            if entry.default is MISSING and entry.default_factory is MISSING:
                raise ValueError(f"{cls.__name__} lacks {name!r}")
            continue
        value = raw[name]
        if not _KINDS[str(entry.type)](value):
            raise ValueError(f"{cls.__name__}.{name} cannot be {value!r:.40}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


def texts(raw: object, what: str) -> tuple[str, ...]:
    """A JSON list of strings."""
    if not _is_texts(raw):
        raise ValueError(f"{what} is no list of words")
    return tuple(t.cast("t.Sequence[str]", raw))


# What a timer of 32 bits holds; as seconds, 68 years
LARGEST: t.Final = 2**31 - 1
_SHOWN: t.Final = 40


def whole_number(option: str, value: t.Any) -> int:
    """``value`` (a number, or text that is one) as an int from 0 to ``LARGEST``. Raises bad_argument.

    Ansible's own conversion ends in a traceback for infinity, goes on without end for ``1e999999999``, and takes ``true``
    for 1.
    """
    number = _number(value)
    if number is None or not 0 <= number <= LARGEST:
        raise OvercError("bad_argument", f"{option}: {_shown(value)} is not a whole number from 0 to {LARGEST}.")
    return number


def _number(value: t.Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _shown(value: t.Any) -> str:
    if isinstance(value, int) and value.bit_length() > 4 * _SHOWN:
        # Python refuses to write out numbers of thousands of digits
        return "a number of more than forty digits"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


__all__ = ("LARGEST", "build", "decimal", "load_object", "texts", "whole_number")
