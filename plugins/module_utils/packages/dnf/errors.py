# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the output of DNF 4 says went wrong, whatever its exit code. Pure.

Facts come from dnf(8) and the recorded outputs in tests/unit/transcripts/dnf4 (DNF 4.14).
"""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError
from .. import rpmdb
from ..dnf_words import NEEDED, NO_SPACE, problems

if t.TYPE_CHECKING:
    from ...runner import Completed


_UNKNOWN: t.Final = (
    re.compile(r"^No match for argument: (\S+)", re.MULTILINE),
    re.compile(r"^Package (\S+) available, but not installed", re.MULTILINE),
)


def unknown_packages(text: str) -> tuple[str, ...]:
    """Names DNF could not match, sorted; DNF 4 goes on without them and exits 0 if any other name matched."""
    return tuple(sorted({match.group(1) for pattern in _UNKNOWN for match in pattern.finditer(text)}))


_FAILURES: t.Final = (
    NO_SPACE,
    (
        "package_untrusted",
        "A package or repository failed its signature check",
        re.compile(
            r"GPG check FAILED|PGP check .*failed|You have enabled checking of packages via GPG keys"
            r"|Refusing to automatically import keys|is not signed|Public key for .* is not installed"
            r"|GPG signature verification error|Bad (?:GPG|PGP) signature|OpenPGP signature|does not verify: ",
            re.IGNORECASE,
        ),
    ),
    NEEDED,
    (
        "repository_failed",
        "A package repository could not be read",
        re.compile(
            r"Errors during downloading metadata for |Failed to download (?:metadata|packages|files)|Ignoring repositories: "
            r"|There are no enabled repositories"
            r"|failed loading '[^']*', skipping|Bad id for repo: "  # DNF 4 goes on without what such a file names
            r"|Error downloading packages|incorrect checksum|No more mirrors to try|All mirrors were tried"
            r"|Cannot download|Cannot find a valid baseurl|Status code: \d+ for|loading repo .* failure",
            re.IGNORECASE,
        ),
    ),
)


def is_locked(completed: Completed) -> bool:
    """Did DNF give up, before doing anything, because of another one? (dnf(8): exit code 200.)"""
    return completed.rc == 200


def failure(completed: Completed) -> OvercError | None:
    """The error an output tells of, whatever the exit code; None if it tells of none of the known kinds."""
    text = f"{completed.stderr}\n{completed.stdout}"
    if is_locked(completed):
        return OvercError(
            "locked", "Another package manager process holds DNF's lock; wait for it to end.", **completed.facts()
        )
    for error_id, meaning, pattern in _FAILURES:
        found = [text[text.rfind("\n", 0, match.start()) + 1 :].splitlines()[:2] for match in pattern.finditer(text)]
        if found:
            lines = found[0]
            goes_on = lines[0].rstrip().endswith(":") or lines[-1].startswith(" ")
            line = " ".join(each.strip() for each in lines[: 2 if goes_on else 1])
            return OvercError(error_id, f"{meaning}: {line}", **completed.facts())
    return None


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    known = failure(completed)
    if known is not None:
        return known
    if completed.rc < 0:
        what = f"DNF was ended by signal {-completed.rc} while {doing}"
    else:
        what = f"DNF exited with {completed.rc} while {doing}"
    return OvercError("package_manager_failed", ": ".join((what, *_reasons(completed)[:1])), **completed.facts())


def _reasons(completed: Completed) -> tuple[str, ...]:
    """Why it failed, the most telling first."""
    output = f"{completed.stdout}\n{completed.stderr}"
    last = [line.strip() for line in completed.stderr.splitlines() if line.strip()][-1:]
    return (
        problems(completed.stderr)
        or rpmdb.scriptlet_failures(output)
        or _package_failures(output)
        or _error_lines(completed.stderr)
        or tuple(last)
    )


# rpm's own words ("error: unpacking of archive failed on file /x: cpio: rename failed"), and DNF's about them
_UNPACKING: t.Final = re.compile(r"^(error: |Error unpacking rpm package )(.+)$", re.MULTILINE)


def _package_failures(text: str) -> tuple[str, ...]:
    """Which package could not be unpacked, and on which file, as one sentence."""
    found = dict.fromkeys((match.group(1) + match.group(2)).strip() for match in _UNPACKING.finditer(text))
    return ("; ".join(found),) if found else ()


_WARNING: t.Final = re.compile(r"^(warning: .+)$", re.MULTILINE)


def warnings(text: str) -> tuple[str, ...]:
    """rpm's warnings: above all, which files of the administrator were kept or put aside."""
    return tuple(dict.fromkeys(match.group(1).strip() for match in _WARNING.finditer(text)))


def _error_lines(text: str) -> tuple[str, ...]:
    """The "Error: " lines; one that ends in a colon together with the line that follows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(
        f"{line} {following}" if line.endswith(":") else line
        for line, following in zip(lines, [*lines[1:], ""])
        if line.startswith("Error:")
    )


__all__ = ("failure", "is_locked", "unknown_packages", "unsuccessful", "warnings")
