# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result that fits a screen. The whole of it is for programs, which ask for it with the option ``full``. Pure."""

from __future__ import annotations

import re
import typing as t

from ..people import human_bytes
from .words import change_line, left_behind_line

FULL_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {"full": {"type": "bool", "default": False}}

Result = dict[str, t.Any]

# How many packages are listed, and how many lines of what a tool printed
_PACKAGES: t.Final = 20
_LINES: t.Final = 12
# For programs alone; of the first ones people get lines instead, see below
_WHOLE: t.Final = frozenset(
    {"actions", "upgrades", "state_at_risk", "stdout", "stderr", "stdout_lines", "stderr_lines"}
    | {"cmd", "announced", "complaints", "undone", "events"}
)
_ONLY_FAILED: t.Final = frozenset({"rc"})
_LINED: t.Final = ("steps", "changes", "at_risk", "output")
_DEPLOYMENT: t.Final = ("subvolume", "uuid", "kernel", "asked", "defects")
# Lines in which a tool says what went wrong
_TELLING: t.Final = re.compile(
    r"(?<![\w-])(error|fail(s|ed|ure)?|cannot|could not|unable|denied|no space|not found|problem|conflicts?)\b",
    re.IGNORECASE,
)


def brief(result: t.Mapping[str, t.Any]) -> Result:
    """What people read of a result: as it is, but for long parts.

    Packages and the steps of check mode are ``changes`` and ``steps``, a line for each; what a switch may lose is
    ``at_risk``; of requirements only those are left that are not met; what a tool printed is ``output``, once, only
    where something failed, and what tells why comes first.
    """
    failed = bool(result.get("failed") or result.get("error_id"))
    left_out = _WHOLE if failed else _WHOLE | _ONLY_FAILED
    shown = {key: _shortened(key, value) for key, value in result.items() if key not in {*left_out, *_LINED}}
    lines = {
        "steps": [entry["description"] for entry in result.get("actions") or () if entry["status"] == "planned"],
        "changes": [] if failed else _packages(result.get("upgrades")),
        "at_risk": [f"{entry['path']} ({_size(entry)})" for entry in result.get("state_at_risk") or ()],
        "output": _output(result) if failed else None,
    }
    return {**shown, **{key: said for key, said in lines.items() if said}}


def _packages(changes: t.Sequence[t.Mapping[str, t.Any]] | None) -> list[str]:
    lines = [
        change_line(change) + (f", {human_bytes(change['size'])}" if change.get("size") else "")
        for change in changes or ()
    ]
    return _first(lines, len(lines))


def _size(entry: t.Mapping[str, t.Any]) -> str:
    return f"{human_bytes(entry['bytes'])}{'' if entry.get('complete', True) else ' or more'}"


def _output(result: t.Mapping[str, t.Any]) -> list[str]:
    """All lines of a tool that said little; of others those that tell what went wrong, or else the last ones."""
    errors, printed = (_lines(result.get(key)) for key in ("stderr", "stdout"))
    if len(errors) + len(printed) <= _LINES:
        return [*errors, *printed]
    telling = [line for line in [*errors, *printed] if _TELLING.search(line)]
    return list(dict.fromkeys(telling))[:_LINES] or [*errors, *printed][-_LINES:]


def _lines(text: t.Any) -> list[str]:
    return [line.rstrip() for line in str(text or "").splitlines() if line.strip()]


def _shortened(key: str, value: t.Any) -> t.Any:
    if key in ("requirements", "protection_requirements"):
        return [entry for entry in value if not entry.get("ok")]
    if key == "left_behind" and value:
        return _left_behind(value)
    if key == "carry_conflicts" and value:
        return _first(
            [entry["path"] + (f" ({entry['what']})" if entry.get("what") else "") for entry in value], len(value)
        )
    if key == "reboot" and value:
        return {name: _deployment(part) for name, part in value.items()}
    return _deployment(value)


def _left_behind(value: t.Mapping[str, t.Any]) -> t.Any:
    """A line for each of the first paths and packages, and the number of the rest; None where there is nothing."""
    if not any(value.get(part) for part in ("paths", "packages", "removed_packages", "problem")):
        return None
    number = sum(count for kind, count in (value.get("counts") or {}).items() if kind != "bookkeeping")
    shown = {
        **value,
        "paths": _first([left_behind_line(entry) for entry in value.get("paths") or ()], number),
        **{key: _first(value[key], len(value[key])) for key in ("packages", "removed_packages") if value.get(key)},
    }
    return {key: part for key, part in shown.items() if part not in (None, [], {}) and key != "complete"}


def _first(lines: t.Sequence[str], number: int) -> list[str]:
    """As many of them as fit a screen. ``number``: how many there are, of which the lines may be the first ones."""
    more = number - _PACKAGES
    return list(lines) if more <= 1 else [*lines[:_PACKAGES], f"and {more} more, listed with full=true"]


def _deployment(value: t.Any) -> t.Any:
    """A deployment as people tell it from others; anything else as it is."""
    if not isinstance(value, dict) or not {"subvolume", "uuid", "kernel"} <= set(value):
        return value
    known = {name: value[name] for name in _DEPLOYMENT if value.get(name)}
    release = (known.pop("kernel", None) or {}).get("release")
    return {**known, "kernel": {"release": release}}


# Deployments in the order in which they matter: one that was shown is not shown again
_IN_ORDER: t.Final = ("booted", "next_boot", "staged", "backup", "default", "previous")
_PATHS: t.Final = 4


def brief_look(result: t.Mapping[str, t.Any]) -> Result:
    """The same of what overc_host_info found, which is asked most often: what is so, and nothing of what is not.

    What is empty is left out, but for ``requirements`` and ``booted``; so is a deployment that is shown already, and what
    automatic protection lacks. Free space is ``free``, in words.
    """
    if result.get("failed") or result.get("error_id"):
        return brief(result)
    seen: list[t.Any] = []
    shown = brief(result)
    for key in _IN_ORDER:
        uuid = (result.get(key) or {}).get("uuid")
        if uuid and uuid in seen:
            del shown[key]
        seen.append(uuid)
    for key in _IN_ORDER:
        if shown.get(key):
            shown[key] = {name: value for name, value in shown[key].items() if name != "uuid"}
    space = shown.pop("free_space", None) or {}
    shown.pop("protection_requirements", None)
    shown["free"] = ", ".join(
        f"{human_bytes(free)} on {place}" for place, free in sorted(space.items()) if free is not None
    )
    event = shown.get("last_event") or {}
    shown["last_event"] = {key: event[key] for key in ("operation", "event", "outcome", "time") if event.get(key)}
    paths = shown.get("at_risk") or []
    if len(paths) > _PATHS:
        shown["at_risk"] = [*paths[: _PATHS - 1], f"and {len(paths) - _PATHS + 1} more, listed with full=true"]
    return {
        key: value
        for key, value in shown.items()
        if value not in (None, [], {}, "") or key in ("requirements", "booted")
    }


__all__ = ("FULL_SPEC", "brief", "brief_look")
