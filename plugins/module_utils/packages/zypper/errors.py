# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zypper's exit code and words say went wrong. Pure.

Exit codes as zypper(8) has them and tests/unit/transcripts/zypper-1.14 has seen them: some name an error, some a success with
something to add, and many errors share one of them. So words count, those of zypper itself and not of packages' scripts.
"""

from __future__ import annotations

import html
import re
import typing as t
from dataclasses import replace

from ...errors import OvercError
from ...failures import FULL
from ...people import names
from .. import rpmdb
from .output import Stream, UnreadableOutput, parse_stream

if t.TYPE_CHECKING:
    from ...runner import Completed

NO_REPOSITORIES: t.Final = 6
_LOCKED: t.Final = 7
_AGAIN: t.Final = 103
_UNKNOWN: t.Final = 104
_SKIPPED: t.Final = 106
SCRIPT_FAILED: t.Final = 107
# 102: the host is to be rebooted, which it is; 103: zypper itself was upgraded, and may know of more now
GOOD: t.Final = (0, 102, _AGAIN)
_MEANINGS: t.Final[dict[int, str]] = {
    1: "failed",
    2: "does not know an option it was given",
    3: "does not like an argument it was given",
    4: "found a problem",
    5: "was not run as root",
    NO_REPOSITORIES: "has no enabled repository",
    8: "could not install everything",
    100: "says that patches are needed",
    101: "says that security patches are needed",
    105: "was ended by a signal",
    _SKIPPED: "went on without a repository that could not be read",
    SCRIPT_FAILED: "installed everything, and a package's script failed",
}


def stream_of(completed: Completed) -> Stream | None:
    """The document; None where it is not whole."""
    try:
        return parse_stream(completed.stdout)
    except UnreadableOutput:
        return None


def words(completed: Completed) -> str:
    """All that was said, as a person would have read it, as far as it came."""
    stream = stream_of(completed)
    said = stream.text if stream is not None else html.unescape(re.sub(r"<[^<>]*>", "", completed.stdout))
    return "\n".join(part for part in (said, completed.stderr) if part.strip())


def readable(completed: Completed) -> Completed:
    """The same with words instead of the document, for results."""
    stream = stream_of(completed)
    return completed if stream is None else replace(completed, stdout=f"{stream.text}\n" if stream.text else "")


_FAILURES: t.Final = (
    (
        "no_space",
        "There is not enough free space",
        re.compile(
            rf"more (?:space|inodes) (?:needed )?on the|{FULL}|Not enough (?:disk )?space",
            re.IGNORECASE,
        ),
    ),
    (
        "package_untrusted",
        "A package or repository failed its signature check",
        re.compile(
            r"Signature verification failed|is unsigned|is not signed|signing key received|signed with an unknown key"
            r"|Signature trust (?:failed|check)|public key is not available|Unknown GPG key",
            re.IGNORECASE,
        ),
    ),
    (
        "repository_failed",
        "A package repository could not be read",
        re.compile(
            r"^Repository '.*' is invalid|Failed to retrieve new repository metadata|not found on medium"
            r"|seems to be corrupted during transfer|Digest verification failed|Failed to cache repo|Skipping repository"
            r"|Could not refresh the repositories|have not been refreshed because of an error|Failed to provide Package"
            r"|^Download \(curl\) error|^Timeout exceeded when accessing|^Error building the cache|No provider for media"
            r"|^Can't (?:access|provide) |^Location '.*' is temporarily unaccessible|^Error code: (?:Curl|HTTP)",
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    (
        "package_manager_failed",
        "A package wants its licence to be agreed to; agree once by hand, or let zypper.conf say autoAgreeWithLicenses",
        re.compile(r"need for license confirmation|agree with the terms of the license", re.IGNORECASE),
    ),
)
_HOLDER: t.Final = re.compile(r"locked by the application with pid (\d+) \((.*)\)\.?$", re.MULTILINE)
_PROBLEM: t.Final = re.compile(r"^\s*Problem: (?:\d+: )?(.+)$", re.MULTILINE)
_VENDOR: t.Final = re.compile(r"^\s*Solution \d+: (?:install )?(\S+) from vendor (.+)$", re.MULTILINE)
_NOBODY: t.Final = re.compile(r"^(?:No provider of '(.+)' found|Package '(.+)' not found)\.$", re.MULTILINE)
_NOT_INSTALLED: t.Final = re.compile(r"^Package '(.+)' is not installed\.$", re.MULTILINE)


def is_locked(completed: Completed) -> bool:
    """Did zypper give up, before doing anything, because of another program of libzypp's?"""
    return completed.rc == _LOCKED


def problems(text: str) -> tuple[str, ...]:
    """What the resolver asks about, without its proposals."""
    return tuple(dict.fromkeys(match.group(1).strip() for match in _PROBLEM.finditer(text)))


def wants_key(completed: Completed) -> bool:
    """Whether it would go on with a key that the host does not know."""
    return re.search(r"signing key received|unknown key|key is not available", words(completed)) is not None


def unknown_packages(completed: Completed, named: t.Collection[str]) -> tuple[str, ...]:
    """Which of these names (or globs) nobody has, or are not installed, sorted: zypper goes on without the second."""
    text = words(completed)
    found = (
        {match.group(1) or match.group(2) for match in _NOBODY.finditer(text)} if completed.rc == _UNKNOWN else set()
    )
    found |= {match.group(1) for match in _NOT_INSTALLED.finditer(text) if match.group(1) in named}
    return tuple(sorted(found))


def failure(completed: Completed) -> OvercError | None:
    """The error that words or exit code name; None where they name none of the known kinds."""
    if completed.rc == _LOCKED:
        return _locked(completed)
    said = (*_errors(completed), words(completed))
    for error_id, meaning, pattern in _FAILURES:
        match, text = next(((found, text) for text in said if (found := pattern.search(text))), (None, ""))
        if match is not None:
            return OvercError(error_id, f"{meaning}: {_sentence(text, match)}", **readable(completed).facts())
    if completed.rc in (NO_REPOSITORIES, _SKIPPED):
        return OvercError("repository_failed", f"zypper {_MEANINGS[completed.rc]}.", **readable(completed).facts())
    return None


def _locked(completed: Completed) -> OvercError:
    found = _HOLDER.search(words(completed))
    pid, command = (int(found.group(1)[:18]), found.group(2)) if found else (0, "?")
    who = f"{command} (process {pid})" if found else "another program"
    return OvercError(
        "locked",
        f"The packages of this host are being changed: {who} holds zypper's lock. Wait for it to end.",
        holder={"pid": pid, "command": command, "path": "/run/zypp.pid"},
        **readable(completed).facts(),
    )


def _errors(completed: Completed) -> tuple[str, ...]:
    """What zypper itself calls an error, one text each: scripts and questions say the same words."""
    stream = stream_of(completed)
    found = [said for kind, said in stream.messages if kind == "error"] if stream is not None else []
    return tuple(text for text in (*found, completed.stderr) if text.strip())


_CONFLICTS: t.Final = 3  # that a message has
_NO_NEWS: t.Final = ("History:", "Please check if the URIs")
_LINES: t.Final = 4


def _sentence(text: str, match: re.Match[str]) -> str:
    """The lines of an error around what was found: a repository's name comes before it, the reason after it."""
    begin = text.rfind("Repository '", 0, match.end())
    begin = begin if begin >= 0 else text.rfind("\n", 0, match.start()) + 1
    lines = [line.strip().removeprefix("- ") for line in text[begin:].splitlines()]
    told = [line for line in lines if line and not line.startswith(_NO_NEWS)]
    return " ".join(told[: _LINES if text[begin:].startswith("Repository '") else 1])


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    text = words(completed)
    found = problems(text)
    facts = readable(completed).facts()
    if found:
        vendors = dict.fromkeys(f"{match.group(1)} from {match.group(2).strip()}" for match in _VENDOR.finditer(text))
        if vendors:
            return OvercError(
                "vendor_change",
                f"While {doing}, zypper could only go on with packages of another vendor: {'; '.join(vendors)} "
                f"({'; '.join(found)}).",
                **facts,
            )
        return OvercError("package_manager_failed", f"zypper asks while {doing}: {'; '.join(found)}", **facts)
    known = failure(completed)
    if known is not None:
        return known
    if completed.rc < 0:
        what = f"zypper was ended by signal {-completed.rc}"
    else:
        what = f"zypper {_MEANINGS.get(completed.rc, 'ended')} (exit code {completed.rc})"
    return OvercError("package_manager_failed", ": ".join((f"{what} while {doing}", *_reasons(completed))), **facts)


def _reasons(completed: Completed) -> tuple[str, ...]:
    """Why it failed, the most telling words only."""
    text, stream = words(completed), stream_of(completed)
    if stream is not None and stream.conflicts:
        return (f"file conflicts: {names(stream.conflicts, _CONFLICTS)}",)
    last = [line.strip() for line in text.splitlines() if line.strip()][-1:]
    return (
        rpmdb.scriptlet_failures(text) or tuple(" ".join(said.split()) for said in _errors(completed)) or tuple(last)
    )[:1]


def not_understood(completed: Completed, why: object) -> OvercError:
    """For an answer that is none: "nothing" is only what was said to be nothing."""
    return OvercError(
        "package_manager_failed",
        f"zypper's answer was not understood, so what is pending is unknown ({why}).",
        **completed.facts(),
    )


_WARNING: t.Final = re.compile(r"^(?:warning: )?((/.+) (created|saved) as (/.+))$", re.MULTILINE)


def warnings(completed: Completed) -> tuple[str, ...]:
    """What rpm says of files of the administrator, and zypper of itself."""
    found = [match.group(1).strip() for match in _WARNING.finditer(words(completed))]
    again = (
        ["zypper itself was upgraded: there may be more to upgrade after the reboot."] if completed.rc == _AGAIN else []
    )
    return tuple(dict.fromkeys([*found, *again]))


def kept_files(completed: Completed) -> tuple[str, ...]:
    """The configuration files that stayed as they were although packages brought others, sorted."""
    found = {match.group(2) for match in _WARNING.finditer(words(completed)) if match.group(3) == "created"}
    return tuple(sorted(found))


__all__ = (
    "GOOD",
    "NO_REPOSITORIES",
    "SCRIPT_FAILED",
    "failure",
    "is_locked",
    "kept_files",
    "not_understood",
    "problems",
    "readable",
    "stream_of",
    "unknown_packages",
    "unsuccessful",
    "wants_key",
    "warnings",
    "words",
)
