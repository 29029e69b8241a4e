# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Smart's output says went wrong, whatever its exit code. Pure.

The exit code lies: it is 0 for declined, for failed scripts and for upgrades nobody can satisfy, and 2 for "nothing to
upgrade", also after the lists were lost. The comments name the recordings in tests/unit/transcripts/smart-1.5.
"""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError
from ...failures import FULL
from .. import rpmdb

if t.TYPE_CHECKING:
    from ...runner import Completed

_LOCKED: t.Final = (
    "warning: The Smart library is already in use by another process.",
    "error: Configuration is in readonly mode.",
    "error: Channel information is locked for writing.",
)


def is_locked(completed: Completed) -> bool:
    """Did Smart start while another one was at work? It says so before all else, and nothing was done then.

    Also when the exit code is 0 or 2: what such a run saw may be the other one's half-done state (transcripts lock-*).
    """
    return completed.stderr.lstrip().startswith(_LOCKED)


_SCRIPT_OUTPUT: t.Final = re.compile(r"^Output from \S+:$", re.MULTILINE)


def own_words(completed: Completed) -> str:
    """stderr without what package scripts printed there.

    RPM: Smart prints all of it below "Output from NAME:", and nothing marks where that ends. What Smart itself has to say
    afterwards is one error, the last lines, with an exit code that is not 0. Debian: scripts write straight to stderr, and
    Smart's own last line tells that dpkg failed (transcripts upgrade-yes-bad*).
    """
    begin = _SCRIPT_OUTPUT.search(completed.stderr)
    if begin is None:
        return completed.stderr
    lines = completed.stderr[begin.end() :].splitlines()
    last = len(lines)
    while completed.rc != 0 and last and lines[last - 1].startswith("error:"):
        last -= 1
    return "\n".join((completed.stderr[: begin.start()], *lines[last:]))


def dpkg_failed(completed: Completed) -> bool:
    """Whether Smart says, with exit code 0, that dpkg failed (transcripts upgrade-yes-bad*, deb)."""
    return re.search(r"^error: Sub-process dpkg ", completed.stderr, re.MULTILINE) is not None


def error_lines(text: str) -> tuple[str, ...]:
    """The lines of stderr that tell of an error, in order; for a traceback its last line."""
    lines = text.splitlines()
    found = [line.strip() for line in lines if line.startswith(("error:", "dpkg: error"))]
    if any(line.startswith("Traceback") for line in lines):
        found.append(next(line for line in reversed(lines) if line.strip()).strip())
    return tuple(dict.fromkeys(found))


_UNKNOWN: t.Final = re.compile(r"^(?:error|warning): '([^']+)' matches no (?:installed )?packages", re.MULTILINE)


def unknown_packages(text: str) -> tuple[str, ...]:
    """Names Smart knows no package for (an error), or none that is installed (only a warning, exit code 0)."""
    return tuple(sorted(set(_UNKNOWN.findall(text))))


# Smart's own file, not the server's: transcripts *-broken-index, finding 12 of a damaged repomd.xml
_DAMAGED: t.Final = re.compile(r"^error: Invalid XML file:\s*\nerror:\s+\S*?/channels/(\S+)", re.MULTILINE)

_FAILURES: t.Final = (
    (
        "locked",
        "Another process holds the lock of the package database",
        re.compile(
            r"can't create transaction lock|(?:database|frontend) lock was locked|status database is locked",
            re.IGNORECASE,
        ),
    ),
    (
        "no_space",
        "There is not enough free space",
        re.compile(rf"more (?:space|inodes) (?:needed )?on the|{FULL}", re.IGNORECASE),
    ),
    (
        "package_untrusted",
        "A package or channel failed its signature check",
        re.compile(r"package is not signed|signature|public key|GPG|does not verify", re.IGNORECASE),
    ),
    ("repository_failed", "A package could not be fetched", re.compile(r"Failed to download packages")),
    (
        "repository_failed",
        "A channel could not be read, so what is pending is unknown",
        re.compile(
            r"Failed acquiring|Invalid (?:XML|SHA|MD5|size)|File not found|Interrupted"
            r"|Failed fetching|Connection refused|timed out|/channels/",
            re.IGNORECASE,
        ),
    ),
)


def failure(completed: Completed, rpm_said: str = "") -> OvercError | None:
    """The error an output tells of, whatever the exit code; None if there is no error line.

    ``rpm_said``: rpm's own messages, where they were kept apart.
    """
    if is_locked(completed):
        return OvercError(
            "locked",
            "Another process uses Smart (or its data directory cannot be written); wait for it to end.",
            **completed.facts(),
        )
    if re.search(r"^Interrupted$", completed.stdout, re.MULTILINE):
        return OvercError("repository_failed", "Smart was interrupted.", **completed.facts())
    words = f"{rpm_said}\n{own_words(completed)}"
    lines = error_lines(words)
    # dpkg tells the reason in a line of its own below "dpkg: error"
    lines += tuple(line.strip() for line in words.splitlines() if lines and line.startswith(" "))
    damaged = _DAMAGED.search(words)
    if damaged is not None:
        return OvercError(
            "repository_failed",
            f"A list that Smart fetched before is damaged on the host: {damaged.group(1)}. Delete that file in the directory "
            "`channels` of Smart's data directory, then run overc_host_update; Smart itself fetches only what is newer",
            **completed.facts(),
        )
    for error_id, meaning, pattern in _FAILURES:
        for index, line in enumerate(lines):
            if pattern.search(line):
                following = lines[index + 1 : index + 2] if line.endswith(":") else ()
                detail = " ".join((line, *following)).replace("error:", "")
                return OvercError(error_id, f"{meaning}: {' '.join(detail.split())}", **completed.facts())
    if "Traceback" in words and "/smart/channels/" in words:
        # transcripts update-known-channel-*: from then on every command ends like this
        return OvercError(
            "repository_failed",
            "Smart cannot read the lists of a channel it fetched before. Delete that channel's files in the "
            f"directory `channels` of its data directory, then run `smart update`: {lines[-1]}",
            **completed.facts(),
        )
    if lines:
        return OvercError("package_manager_failed", f"Smart failed: {lines[0]}", **completed.facts())
    return None


def unsuccessful(completed: Completed, doing: str, rpm_said: str = "") -> OvercError:
    """The error for a call that did not succeed; ``rpm_said`` as for ``failure``.

    What rpm says of a script counts more than any other words: those may be the script's.
    """
    scripts = rpmdb.scriptlet_failures(rpm_said)
    if scripts:
        return OvercError("package_manager_failed", f"A package script failed: {scripts[0]}", **completed.facts())
    known = failure(completed, rpm_said)
    if known is not None:
        return known
    how = f"was ended by signal {-completed.rc}" if completed.rc < 0 else f"exited with {completed.rc}"
    return OvercError("package_manager_failed", f"Smart {how} while {doing}.", **completed.facts())


__all__ = ("dpkg_failed", "error_lines", "failure", "is_locked", "own_words", "unknown_packages", "unsuccessful")
