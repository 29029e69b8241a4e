# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt's and dpkg's output says went wrong, whatever the exit code. Pure.

Nearly everything is exit code 100; the words tell it apart. Facts come from the recorded outputs in
tests/unit/transcripts/apt.
"""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError
from ...failures import FULL

if t.TYPE_CHECKING:
    from ...runner import Completed

_LOCKED: t.Final = re.compile(
    r"^E: (?:Could not get lock (?P<path>\S+?)\.? |Unable to acquire the dpkg frontend lock|Unable to lock (?:the )?"
    r"(?:administration |download )?directory|dpkg frontend lock)",
    re.MULTILINE,
)
_DPKG_LOCKED: t.Final = re.compile(
    r"^dpkg(?:-\w+)?: error: (?:dpkg frontend lock|dpkg (?:status )?database).* (?:was|is) locked", re.MULTILINE
)
_HOLDER: t.Final = re.compile(r"Could not get lock (\S+?)\. It is held by process (\d+) \(([^)]*)\)")


def is_locked(completed: Completed) -> bool:
    """Did apt or dpkg give up, before doing anything, because of another one?"""
    found = _LOCKED.search(completed.stderr) or _DPKG_LOCKED.search(completed.stderr)
    return completed.rc != 0 and found is not None


_FAILURES: t.Final = (
    (
        "no_space",
        "There is not enough free space",
        re.compile(rf"{FULL}|have enough free space", re.IGNORECASE),
    ),
    (
        "package_untrusted",
        "A package or repository failed its signature check",
        re.compile(
            r"is not signed|is no longer signed|signatures? (?:were|was|could)|signature verification|GPG error|NO_PUBKEY|BADSIG"
            r"|EXPKEYSIG|REVKEYSIG|unauthenticated packages|cannot be authenticated|/sqv returned|/gpgv returned|NODATA",
        ),
    ),
    (
        "package_needed",
        "apt does not remove what the system needs",
        re.compile(r"[Ee]ssential .*packages|protected packages", re.IGNORECASE),
    ),
    (
        "package_unknown",
        "No source offers that",
        re.compile(r"Unable to locate package|has no installation candidate|find any package by"),
    ),
    (
        "repository_failed",
        "A package repository could not be read",
        re.compile(
            r"Failed to fetch|Some index files failed|Unable to fetch some archives|Hash Sum mismatch"
            r"|does not have a Release file|Release file .* (?:expired|is not valid yet)|changed its '[^']+' value"
            r"|Unable to (?:read|parse) .*(?:/lists/|sources)|Malformed (?:entry|line|stanza)"
            r"|The list of sources could not be read"
            r"|could not be parsed or opened|Problem with MergeList|apt-cdrom",
        ),
    ),
)


def _own_lines(text: str) -> tuple[str, ...]:
    """What apt and dpkg themselves complain about; a package's script may print anything else, in any form."""
    found: list[str] = []
    goes_on = False
    for line in text.splitlines():
        begins = line.startswith(("E: ", "W: ", "dpkg: error", "dpkg-deb: error"))
        if begins:
            found.append(line.strip())
        elif goes_on and line.startswith(" "):
            found[-1] += " " + line.strip()
        goes_on = begins or (goes_on and line.startswith(" "))
    return tuple(found)


def failure(completed: Completed) -> OvercError | None:
    """The error that an output tells of, whatever the exit code; None if it tells of none of the known kinds."""
    if is_locked(completed):
        return _locked(completed)
    lines = _own_lines(completed.stderr)
    for error_id, meaning, pattern in _FAILURES:
        # an error says more than a warning, and apt's last words, that "some" failed, least of all
        for line in sorted(lines, key=lambda line: (line.startswith("W: "), "Some index files" in line)):
            if pattern.search(line):
                return OvercError(error_id, f"{meaning}: {_without_mark(line)}", **completed.facts())
    return None


def is_incomplete(completed: Completed) -> bool:
    """Did a refresh go on without a source? apt before 2.1 knows no error mode: it ends well, and says so in a warning.

    Other warnings are none of it: a source that is trusted without a key is warned about each time.
    """
    said = ("Some index files failed to download", "Failed to fetch ")
    return completed.rc != 0 or any(words in line for line in _own_lines(completed.stderr) for words in said)


def _locked(completed: Completed) -> OvercError:
    found = _HOLDER.search(f"{completed.stderr}\n{completed.stdout}")
    if found is None:
        return OvercError(
            "locked", "Another process holds a lock of apt or dpkg; wait for it to end.", **completed.facts()
        )
    path, pid, command = found.groups()
    return OvercError(
        "locked",
        f"{command} (process {pid}) holds {path}; wait for it to end.",
        holder={"pid": int(pid), "command": command, "path": path},
        **completed.facts(),
    )


# What the administrator has in apt.conf to be run around lists and packages
_HOOK: t.Final = re.compile(r"Problem executing scripts |Failure running (?:script|hook)", re.IGNORECASE)
_INTERRUPTED: t.Final = "dpkg was interrupted"
_PACKAGE: t.Final = re.compile(
    r"dpkg: error processing (?:package|archive) (\S+) \(--([\w-]+)\):\n ?(.+)$", re.MULTILINE
)


def failed_packages(text: str) -> tuple[str, ...]:
    """The packages that dpkg could not unpack, configure or remove, each with dpkg's own reason."""
    return tuple(
        dict.fromkeys(
            f"{name.rpartition('/')[2].partition('_')[0]} ({step}): {reason.strip()}"
            for name, step, reason in _PACKAGE.findall(text)
        )
    )


def unsuccessful(completed: Completed, doing: str) -> OvercError:
    """The error for a call that did not succeed."""
    packages = failed_packages(completed.stderr)
    hook = next((line for line in _own_lines(completed.stderr) if _HOOK.search(line)), None) if not packages else None
    if hook is not None:
        return OvercError(
            "package_manager_failed",
            f"A hook of apt's configuration failed while {doing}: {_without_mark(hook).rstrip('.')}. Mend that hook, or take it "
            "out (`apt-config dump` shows it), then run the same command again.",
            **completed.facts(),
        )
    known = failure(completed)
    if known is not None and (known.error_id in ("no_space", "locked") or not packages):
        return known
    if _INTERRUPTED in completed.stderr:
        return interrupted(**completed.facts())
    if completed.rc < 0:
        what = f"apt-get was ended by signal {-completed.rc} while {doing}"
    else:
        what = f"apt-get exited with {completed.rc} while {doing}"
    reasons = packages or tuple(_without_mark(line) for line in _own_lines(completed.stderr) if line.startswith("E: "))
    last = [line.strip() for line in completed.stderr.splitlines() if line.strip()][-1:]
    why = "; ".join(reasons or last)
    facts: dict[str, t.Any] = {"failures": list(packages)} if packages else {}
    return OvercError("package_manager_failed", f"{what}: {why}" if why else what, **facts, **completed.facts())


def interrupted(**facts: t.Any) -> OvercError:
    """dpkg's journal holds what a run of dpkg, cut off, had not finished; apt's simulation does not look at it."""
    return OvercError(
        "package_manager_failed",
        "dpkg was interrupted on this host before, so what is installed is unknown. Run `dpkg --configure -a` there, then the "
        "same command again.",
        **facts,
    )


_WARNING: t.Final = re.compile(r"^(dpkg: warning: .+|W: .+)$", re.MULTILINE)


def warnings(text: str) -> tuple[str, ...]:
    """dpkg's and apt's warnings."""
    return tuple(dict.fromkeys(match.group(1).strip() for match in _WARNING.finditer(text)))


def _without_mark(line: str) -> str:
    return line.removeprefix("E: ").removeprefix("W: ")


__all__ = ("failed_packages", "failure", "interrupted", "is_incomplete", "is_locked", "unsuccessful", "warnings")
