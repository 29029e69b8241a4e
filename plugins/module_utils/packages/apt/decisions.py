# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a host's sources and pins when it gets another release, and what has to be decided before. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ...errors import OvercError
from ...redact import redact
from ..contract import Edit
from . import preferences, source_files
from .releases import NAMES, is_official, names_release, renamed, renamed_anywhere
from .source_files import Entry, Fate
from .sources import UnreadableSources

Policy = t.Literal["refuse", "keep", "rewrite", "disable"]
# Since bookworm, firmware that was in non-free has a component of its own: without it a network card may be silent
_FIRMWARE: t.Final = ("bookworm", "non-free", "non-free-firmware")


@dataclass(frozen=True)
class Step:
    """From which release to which, and what was decided. ``origins``: address of a source -> the Origin of its Release."""

    distribution: str
    before: str
    after: str
    third_parties: Policy = "refuse"
    tied_pins: Policy = "refuse"
    origins: t.Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """``sources`` and ``pins`` as results show them; ``disabled`` names sources (``Source.name``) that are left out;
    ``base``: some official source has the new release itself.
    """

    edits: list[Edit] = field(default_factory=list)
    sources: list[dict[str, t.Any]] = field(default_factory=list)
    pins: list[dict[str, t.Any]] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    base: bool = False
    undecided: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def plan(step: Step, sources: t.Mapping[str, str], pins: t.Mapping[str, str]) -> Outcome:
    """``sources`` and ``pins``: path -> text of each file that apt reads. Raises release_sources, repository_failed."""
    outcome = Outcome()
    for path, text in sources.items():
        try:
            after = source_files.rewritten(path, text, lambda entry, path=path: _fate(step, path, entry, outcome))  # type: ignore[misc]
        except UnreadableSources as error:
            raise OvercError("repository_failed", f"apt's sources cannot be read: {redact(str(error))}") from None
        if after != text:
            outcome.edits.append(Edit(path, text, after))
    for path, text in pins.items():
        _look_at_pins(step, path, text, outcome)
    _refuse(step, outcome)
    return outcome


def _refuse(step: Step, outcome: Outcome) -> None:
    facts = {"sources": outcome.sources, "pins": outcome.pins}
    if outcome.wrong:
        raise OvercError("release_sources", f"{' '.join(outcome.wrong)} Nothing was changed.", **facts)
    if outcome.undecided:
        raise OvercError(
            "release_sources",
            f"Say what shall become of these when {step.before} becomes {step.after}: {'; '.join(outcome.undecided)}. "
            "Options third_party_sources and pins: keep, rewrite or disable. Nothing was changed.",
            **facts,
        )
    if not outcome.base:
        raise OvercError(
            "release_sources",
            f"No enabled source of {NAMES[step.distribution]} itself has the suite {step.before}, so there is nothing that "
            f"{step.after} could come from. Add one to /etc/apt/sources.list, then run the same command again.",
            **facts,
        )


def _fate(step: Step, path: str, entry: Entry, outcome: Outcome) -> Fate:
    """What becomes of one entry, which is noted in ``outcome``."""
    if any(uri.startswith("cdrom:") for uri in entry.uris):
        return _noted(outcome, path, entry, Fate(disabled=True), third_party=False)
    official = {is_official(step.distribution, uri, step.origins.get(uri.rstrip("/"))) for uri in entry.uris}
    if len(official) > 1:
        outcome.wrong.append(
            f"{path} has addresses of {NAMES[step.distribution]} and of others in one entry ({_named(entry)}): write two of it."
        )
        return Fate()
    if official == {True}:
        return _fate_of_official(step, path, entry, outcome)
    return _fate_of_third_party(step, path, entry, outcome)


def _fate_of_official(step: Step, path: str, entry: Entry, outcome: Outcome) -> Fate:
    suites = {suite: renamed(suite, step.before, step.after) for suite in entry.suites}
    strange = [suite for suite, new in suites.items() if not names_release(new, step.after)]
    if strange:
        outcome.wrong.append(
            f"{path} has the suite {', '.join(strange)} of {NAMES[step.distribution]}, which is neither of {step.before} nor of "
            f"{step.after} by its name: write the code name, {step.before}, or take it out."
        )
        return Fate()
    outcome.base |= "deb" in entry.types and step.after in suites.values()
    firmware = step.after == _FIRMWARE[0] and _FIRMWARE[1] in entry.components
    fate = Fate(
        {old: new for old, new in suites.items() if old != new},
        (_FIRMWARE[2],) if firmware and _FIRMWARE[2] not in entry.components else (),
    )
    return _noted(outcome, path, entry, fate, third_party=False)


def _fate_of_third_party(step: Step, path: str, entry: Entry, outcome: Outcome) -> Fate:
    if step.third_parties == "refuse":
        unknown = all(uri.rstrip("/") not in step.origins for uri in entry.uris)
        hint = (
            " (its lists were never fetched here; after overc_host_update it is known whose it is)" if unknown else ""
        )
        outcome.undecided.append(f"{path}: {_named(entry)}{hint}")
        return _noted(outcome, path, entry, Fate(), third_party=True)
    if step.third_parties == "disable":
        return _noted(outcome, path, entry, Fate(disabled=True), third_party=True)
    suites = {suite: renamed_anywhere(suite, step.before, step.after) for suite in entry.suites}
    changed = {old: new for old, new in suites.items() if old != new} if step.third_parties == "rewrite" else {}
    in_address = [uri for uri in entry.uris if renamed_anywhere(_path(uri), step.before, step.after) != _path(uri)]
    if step.third_parties == "rewrite" and in_address:
        outcome.wrong.append(
            f"{path} has {step.before} in an address of somebody else ({redact(in_address[0])}), which is not rewritten: write "
            f"the one for {step.after}, or disable the source."
        )
    return _noted(outcome, path, entry, Fate(changed), third_party=True)


def _path(uri: str) -> str:
    """Of an address what is after the host."""
    return re.sub(r"^[a-z+]+:(?://[^/]*)?", "", uri)


def _named(entry: Entry) -> str:
    return redact(f"{' '.join(entry.uris)} {' '.join(entry.suites)}")


def _noted(outcome: Outcome, path: str, entry: Entry, fate: Fate, *, third_party: bool) -> Fate:
    changed = bool(fate.suites or fate.components)
    outcome.sources.append(
        {
            "file": path,
            "uris": [redact(uri) for uri in entry.uris],
            "suites": list(entry.suites),
            "becomes": [] if fate.disabled else [fate.suites.get(suite, suite) for suite in entry.suites],
            "third_party": third_party,
            "action": "disabled" if fate.disabled else "rewritten" if changed else "kept",
        }
    )
    if fate.disabled:
        outcome.disabled += [f"{uri} {suite}" for uri in entry.uris for suite in entry.suites]
    return fate


def _look_at_pins(step: Step, path: str, text: str, outcome: Outcome) -> None:
    tied = False
    for pin in preferences.pins(text, step.before):
        tied = tied or pin.tied
        action = {"rewrite": "rewritten", "disable": "disabled"}.get(step.tied_pins, "kept") if pin.tied else "kept"
        shown = {"file": path, "package": pin.package, "pin": pin.pin, "priority": pin.priority, "action": action}
        outcome.pins.append(shown)
        if (pin.tied or pin.moving) and step.tied_pins == "refuse":
            outcome.undecided.append(f"{path}: pin of {pin.package} to {pin.pin}")
    if tied and step.tied_pins in ("rewrite", "disable"):
        after = preferences.rewritten(text, step.before, step.after, disable=step.tied_pins == "disable")
        outcome.edits.append(Edit(path, text, after))


__all__ = ("Outcome", "Policy", "Step", "plan")
