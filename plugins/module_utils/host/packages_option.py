# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options about packages that come and go and commands that run with them, looked at before anything is asked. Pure."""

from __future__ import annotations

import re
import typing as t

from ..errors import OvercError
from ..packages.written import split
from ..values import whole_number

# Arguments of the module, as AnsibleModule takes them
PACKAGES_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "upgrade": {"type": "bool", "default": True},
    "install": {"type": "list", "elements": "str", "default": []},
    "remove": {"type": "list", "elements": "str", "default": []},
    "run": {"type": "list", "elements": "raw", "default": []},
    "run_timeout": {"type": "int", "default": 600},
    "run_creates": {"type": "str"},
    "advisories": {"type": "str", "choices": ["security"]},
}
# What dpkg and rpm allow in a name, and an architecture after a colon or, as a part of the name here, a dot. No option, pattern,
# path, address, version or group can be written with it
_NAME: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?::[a-z0-9-]+)?")


def exact_names(option: str, names: t.Sequence[str]) -> tuple[str, ...]:
    """The names, without repetitions. Raises bad_argument for what cannot be one."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise OvercError(
                "bad_argument",
                f"{option}: {name!r} is no name of a package. Give exact names; patterns, versions, files, addresses and groups "
                "are not taken.",
            )
    return tuple(dict.fromkeys(names))


def refuse_combinations(params: t.Mapping[str, t.Any]) -> None:
    """Raises bad_argument for options that cannot be meant together."""
    come, go = ([split(name) for name in params[option]] for option in ("install", "remove"))
    # One without an architecture may be any
    both = sorted(
        {name for name, arch in come for other, its in go if name == other and (arch == its or not arch or not its)}
    )
    if both:
        raise OvercError(
            "bad_argument",
            f"{', '.join(both)} is in install and in remove. For one architecture in place of another, write both of them.",
        )
    edits = [name for name in ("install", "remove") if params[name]]
    given = [*edits, *([] if params["upgrade"] else ["upgrade: false"])]
    if params["packages"] and (given or params["advisories"]):
        other = (given or ["advisories"])[0]
        raise OvercError(
            "bad_argument", f"packages and {other} cannot go together: packages says what is upgraded, and no more."
        )
    if params["advisories"] and given:
        raise OvercError("bad_argument", f"advisories and {given[0]} cannot go together. Do it in two runs.")
    if not (params["upgrade"] or edits or params["run"] or params["force"]):
        raise OvercError("bad_argument", "upgrade: false leaves nothing to do without install, remove or run.")
    if params["run_creates"] is not None and not re.fullmatch(r"/[^\0]*", params["run_creates"]):
        raise OvercError("bad_argument", f"run_creates: {params['run_creates']!r} is no absolute path.")
    if params["run_creates"] is not None and not params["run"]:
        raise OvercError("bad_argument", "run_creates says when run is done already, and there is no run.")


def commands(given: t.Sequence[t.Any]) -> tuple[tuple[str, ...], ...]:
    """Argument lists. A list of words is one of them. Raises bad_argument."""
    listed = [list(given)] if given and all(isinstance(entry, str) for entry in given) else list(given)
    return tuple(_command(entry) for entry in listed)


def _command(entry: t.Any) -> tuple[str, ...]:
    if not isinstance(entry, (list, tuple)) or not entry:
        raise OvercError("bad_argument", f"run: {entry!r:.80} is no list of arguments, the program first.")
    words = []
    for word in entry:
        # YAML makes numbers of words; of what else it makes, nobody can tell how it was written
        if isinstance(word, bool) or not isinstance(word, (str, int)):
            raise OvercError("bad_argument", f"run: {word!r:.80} is no text. Quote it.")
        words.append(str(word))
    program = words[0]
    # What has a "=" is a variable to env(1), by which it is started
    if not program or re.search(r"[\s=]", program) or ("/" in program and not program.startswith("/")):
        raise OvercError(
            "bad_argument",
            f"run: {program!r:.80} is no program. Give its name or absolute path, and each argument as an entry of its own; "
            "there is no shell.",
        )
    if any("\0" in word for word in words):
        raise OvercError("bad_argument", "run: an argument has a NUL byte in it.")
    return tuple(words)


def seconds(value: t.Any) -> int:
    """How long each command may take. Raises bad_argument."""
    number = whole_number("run_timeout", value)
    if not number:
        raise OvercError("bad_argument", "run_timeout: 0 seconds are too few.")
    return number


__all__ = ("PACKAGES_SPEC", "commands", "exact_names", "refuse_combinations", "seconds")
