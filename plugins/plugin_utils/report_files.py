# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: the data and the page, each replaced as a whole, and between them what has changed, a line a time.

A large fleet is written as a whole only when its run begins, when it ends, and a few times in between: otherwise the work would
rise with hosts times waves. Whoever reads the data adds the lines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import typing as t

import jinja2

from . import record_file
from .host_outcome import Entry
from .look_record import is_idle
from .run_report import report

_TEMPLATE: t.Final = os.path.join(os.path.dirname(__file__), "../../roles/report/templates/report.html.j2")
_STAMP: t.Final = re.compile(r"\d{8}T\d{6}Z")
# How many runs of one name are kept beside the last one
_KEPT: t.Final = 10
# Up to so many hosts it costs nothing to write all of it each time; beyond, what has changed may grow to so many times the whole
_FEW: t.Final = 50
_TIMES: t.Final = 1
# Where the file says of which run it is
_HEAD: t.Final = 4096
_CHANGES: t.Final = ".changes"


def page(record: Entry) -> str:
    """The page of a record, as HTML."""
    with open(_TEMPLATE, encoding="utf-8") as stream:
        source = stream.read()
    # The page escapes whatever it shows by itself
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(source).render(__report_data=report(record))


def is_written(base: str, text: str) -> bool:
    """Whether this very record is there already, with its page. Raises OSError."""
    record = record_file.read(text)
    said = record_file.text(record) if record is not None else text
    return is_there(f"{base}.json", said) and os.path.exists(f"{base}.html") and not os.path.exists(base + _CHANGES)


def write(base: str, record: Entry) -> bool:
    """Write a record as a whole; whether anything was another. Raises OSError."""
    keep_older(base, record)
    changed = [replace_file(f"{base}.json", record_file.text(record)), replace_file(f"{base}.html", page(record))]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(base + _CHANGES)
    return any(changed)


def add(base: str, change: Entry) -> bool:
    """Write what has changed of the run that is there. Raises OSError, also where its record is not there any more."""
    with open(f"{base}.json", encoding="utf-8", errors="replace") as stream:
        ours = record_file.is_of(stream.read(_HEAD), change)
    if not ours:
        raise OSError(errno.ENOENT, "what this run has written there is gone", f"{base}.json")
    line = record_file.change(change)
    if change.get("of", 0) <= _FEW or _size(base + _CHANGES) + len(line) > _TIMES * _size(f"{base}.json"):
        whole = read(base)
        if whole is None:
            raise OSError(errno.EIO, "what this run has written there is damaged", f"{base}.json")
        return write(base, record_file.changed(whole, _text(base + _CHANGES) + line))
    with open(base + _CHANGES, "ab") as stream:
        stream.write(line.encode("utf-8", errors="replace"))
        stream.flush()
        os.fsync(stream.fileno())
    return True


def read(base: str) -> Entry | None:
    """The record that was written as a whole; None where none is. Raises OSError."""
    return record_file.read(_text(f"{base}.json"))


def read_all(base: str) -> Entry | None:
    """The same with what has changed since."""
    record, lines = read(base), _text(base + _CHANGES)
    return record_file.changed(record, lines) if record is not None and lines else record


def keep_older(base: str, new: Entry) -> None:
    """Put the files of another run that did something aside before they are replaced, and forget the oldest of those.

    A run that did nothing is of no use to anybody once there is a newer one. Raises OSError.
    """
    old = read_all(base)
    if old is None or old.get("command") == "report" or is_idle(old):
        return
    stamp = re.sub(r"[^0-9TZ]", "", str(old.get("started")))
    if old.get("started") == new.get("started") or not _STAMP.fullmatch(stamp):
        return
    if os.path.exists(base + _CHANGES):
        # It was cut off, and its last lines are nowhere else
        replace_file(f"{base}.json", record_file.text(old))
        replace_file(f"{base}.html", page(old))
        os.unlink(base + _CHANGES)
    for suffix in (".html", ".json"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(base + suffix, f"{base}-{stamp}{suffix}")
    directory, name = os.path.split(base)
    kept = sorted({_dated(entry, name) for entry in os.listdir(directory or ".")} - {""}, reverse=True)
    for stamp in kept[_KEPT:]:
        for suffix in (".html", ".json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{base}-{stamp}{suffix}")


def _dated(entry: str, name: str) -> str:
    """When the run was of which a file in the directory is; nothing where it is none of ``name``."""
    stamp = entry.removeprefix(f"{name}-").removesuffix(".html").removesuffix(".json")
    well = entry.startswith(f"{name}-") and entry.endswith((".html", ".json"))
    return stamp if well and _STAMP.fullmatch(stamp) else ""


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def _encoded(content: str) -> bytes:
    return content.encode("utf-8", errors="replace")


def is_there(path: str, content: str) -> bool:
    """Whether a file has this very content. Raises OSError."""
    try:
        with open(path, "rb") as stream:
            return stream.read() == _encoded(content)
    except FileNotFoundError:
        return False


def replace_file(path: str, content: str) -> bool:
    """Put ``content`` into its place as a whole; False if it is there already. Raises OSError."""
    if is_there(path, content):
        return False
    descriptor, unfinished = tempfile.mkstemp(prefix=".report-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_encoded(content))
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return True


__all__ = ("add", "is_there", "is_written", "keep_older", "page", "read", "read_all", "replace_file", "write")
