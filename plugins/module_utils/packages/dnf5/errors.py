# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What DNF 5's output says went wrong, whatever its exit code. Pure.

Facts come from the recorded outputs in tests/unit/transcripts/dnf5 and from the contract tests. DNF 5 prints reasons without a
mark, on its standard error; what begins with ">>>" are its notes to the line above, and rpm's words.
"""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError
from .. import rpmdb
from ..dnf_words import NEEDED, NO_SPACE, problems

if t.TYPE_CHECKING:
    from ...runner import Completed

_LOCKED: t.Final = "Failed to obtain rpm transaction lock"
_UNKNOWN: t.Final = (
    re.compile(r"^No match for argument: (\S+)", re.MULTILINE),
    re.compile(r"^Packages for argument '([^']+)' available, but not installed", re.MULTILINE),
    re.compile(r"^Argument '([^']+)' matches only excluded packages", re.MULTILINE),
)
_NOT_KNOWN: t.Final = re.compile(r'^Unknown argument "([^"]+)" for command "([^"]+)"', re.MULTILINE)
_TRANSACTION: t.Final = "Transaction failed: "
_FAILURES: t.Final = (
    NO_SPACE,
    (
        "package_untrusted",
        "A package or repository failed its signature check",
        re.compile(
            r"PGP check .*failed|is not signed|Public key for .* is not installed|Bad (?:GPG|PGP) signature|OpenPGP signature"
            r"|Signature verification failed|does not verify: |GPG signature verification error"
            r"|public key is not (?:installed|trusted)",
            re.IGNORECASE,
        ),
    ),
    NEEDED,
    (
        "repository_failed",
        "A package repository could not be read",
        re.compile(
            r"Failed to download (?:metadata|packages|files)|Failed to load .*repositor|Cannot download "
            r"|incorrect checksum|No more mirrors to try|All mirrors were tried|Status code: \d+ for"
            r"|Cache-only enabled but no cache for repository|Failed to download "
            r"|librepo/\S+: .*Assertion",  # it ends itself where the first file of a repository is cut off (5.4)
            re.IGNORECASE,
        ),
    ),
)
# rpm's own words ("error: unpacking of archive failed on file /x: cpio: rename failed"), and DNF's about them
_UNPACKING: t.Final = re.compile(
    r"^(?:>>> (?:\[RPM\] )?)?(error: |Error unpacking rpm package |Unpack error: )(.+)$", re.MULTILINE
)
_WARNING: t.Final = re.compile(r"^(?:>>> \[RPM\] )?(warning: .+|/\S.* (?:created|saved) as /.+)$", re.MULTILINE)


def unknown_packages(text: str) -> tuple[str, ...]:
    """Names that DNF could not match, sorted."""
    return tuple(sorted({match.group(1) for pattern in _UNKNOWN for match in pattern.finditer(text)}))


def is_locked(completed: Completed) -> bool:
    """Did it give up, before doing anything, because of another one?"""
    return completed.rc != 0 and _LOCKED in completed.stderr


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
            # ">>>" marks what was tried on the way, and what the transaction failed with says not for which package
            marks = (">>>", _TRANSACTION)
            lines = next((lines for lines in found if not lines[0].startswith(marks)), found[0])
            goes_on = lines[0].rstrip().endswith(":") or lines[-1].startswith(" ")
            line = " ".join(each.strip() for each in lines[: 2 if goes_on else 1])
            return OvercError(error_id, f"{meaning}: {line}", **completed.facts())
    return None


def too_old(completed: Completed) -> OvercError | None:
    """The error for a DNF 5 that does not know what it was asked for: before 5.4 `check-upgrade` has no `--json`, and before
    that there was no `do`, `replay` or `--store` either. No word of a user's or a repository's stands where these do.
    """
    found = _NOT_KNOWN.search(completed.stderr) if completed.rc == 2 else None
    if found is None:
        return None
    return OvercError(
        "packages_unsupported",
        f"DNF 5.4 or newer is needed: the one of this host does not know {found[1]} of {found[2]}. Nothing was changed.",
        **completed.facts(),
    )


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    known = too_old(completed) or failure(completed)
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
    return (
        problems(completed.stderr)
        or rpmdb.scriptlet_failures(output)
        or _package_failures(output)
        or _transaction_failures(completed.stderr)
        or last_words(completed)
    )


def last_words(completed: Completed) -> tuple[str, ...]:
    """The last line of the standard error, where there is one: that is where DNF 5 says what stopped it."""
    return tuple([line.strip() for line in completed.stderr.splitlines() if line.strip()][-1:])


def _package_failures(text: str) -> tuple[str, ...]:
    """Which package could not be unpacked, and on which file, as one sentence."""
    found = dict.fromkeys((match.group(1) + match.group(2)).strip() for match in _UNPACKING.finditer(text))
    return ("; ".join(found),) if found else ()


def transaction_failed(completed: Completed) -> bool:
    """Whether rpm, and not something after it, was what failed."""
    return _TRANSACTION in completed.stderr


def _transaction_failures(text: str) -> tuple[str, ...]:
    """The lines below "Transaction failed: ..." that say for what, as one sentence."""
    _head, found, rest = text.partition(_TRANSACTION)
    lines = rest.splitlines()
    reasons = [line.strip()[2:] for line in lines[1:] if line.lstrip().startswith("- ")]
    return ("; ".join(reasons),) if found and reasons else ()


def warnings(text: str) -> tuple[str, ...]:
    """rpm's warnings: above all, which files of the administrator were kept or put aside."""
    return tuple(dict.fromkeys(match.group(1).strip() for match in _WARNING.finditer(text)))


__all__ = (
    "failure",
    "is_locked",
    "last_words",
    "too_old",
    "transaction_failed",
    "unknown_packages",
    "unsuccessful",
    "warnings",
)
