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
import functools
import os
import re
import tempfile
import time
import typing as t

import jinja2
from ansible import constants

from . import record_file
from .host_outcome import Entry
from .look_record import is_idle
from .run_report import report

_TEMPLATES: t.Final = os.path.join(os.path.dirname(__file__), "../../roles/report/templates")
_STAMP: t.Final = re.compile(r"\d{8}T\d{6}Z")
# How many runs of one name are kept beside the last one
_KEPT: t.Final = 10
# Up to so many hosts it costs nothing to write all of it each time; beyond, what has changed may grow to so many times the whole
_FEW: t.Final = 50
_TIMES: t.Final = 1
# Where the file says of which run it is
_HEAD: t.Final = 4096
_CHANGES: t.Final = ".changes"
# What is being written, and after how many seconds nobody is at it any more
_UNFINISHED: t.Final = ".report-"
_LEFT: t.Final = 3600.0


def page(record: Entry) -> str:
    """The page of a record, as HTML."""
    return _template().render(__report_data=report(record))


@functools.cache
def _template() -> jinja2.Template:
    # The page escapes whatever it shows by itself. A run writes it several times, each time in a process of its own: what was
    # compiled is kept where Ansible has what is of this run alone
    environment = jinja2.Environment(  # noqa: S701
        trim_blocks=True,
        keep_trailing_newline=True,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        bytecode_cache=jinja2.FileSystemBytecodeCache(t.cast("t.Any", constants).DEFAULT_LOCAL_TMP),
    )
    try:
        return environment.get_template("report.html.j2")
    except OSError:
        # There is no room for what was compiled
        environment.bytecode_cache = None
        return environment.get_template("report.html.j2")


def is_written(base: str, text: str) -> bool:
    """Whether this very record is there already, with its page. Raises OSError."""
    record, old = record_file.read(text), read(base)
    if record is None or old is None or not os.path.exists(f"{base}.html") or os.path.exists(base + _CHANGES):
        return False
    return is_there(f"{base}.json", record_file.text({**record, record_file.PART: old.get(record_file.PART, 0)}))


def write(base: str, record: Entry) -> bool:
    """Write a record as a whole; whether anything was another. Raises OSError.

    Whenever it is cut off, the data are there as they were or as they are now; what is left to be done, the next one does.
    """
    part = keep_older(base, record)
    record = {**record, record_file.PART: part}
    changed = [replace_file(f"{base}.json", record_file.text(record)), _write_page(base, record)]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(base + _CHANGES)
    return any(changed)


def _write_page(base: str, record: Entry) -> bool:
    """After the data: a page that is older than they are is known to be stale."""
    if replace_file(f"{base}.html", page(record)):
        return True
    os.utime(f"{base}.html")
    return False


def add(base: str, change: Entry) -> bool:
    """Write what has changed of the run that is there. Raises OSError, also where its record is not there any more."""
    with open(f"{base}.json", encoding="utf-8", errors="replace") as stream:
        part = record_file.part_of(stream.read(_HEAD), change)
    if part is None:
        raise OSError(errno.ENOENT, "what this run has written there is gone", f"{base}.json")
    line = record_file.change({**change, record_file.PART: part})
    if change.get("of", 0) <= _FEW or _size(base + _CHANGES) + len(line) > _TIMES * _size(f"{base}.json"):
        whole = read(base)
        if whole is None:
            raise OSError(errno.EIO, "what this run has written there is damaged", f"{base}.json")
        return write(base, record_file.changed(whole, _text(base + _CHANGES) + "\n" + line))
    with open(base + _CHANGES, "ab") as stream:
        # On a line of its own, also where the one before was cut off
        begin = "" if _ends_with_a_line(base + _CHANGES) else "\n"
        stream.write(f"{begin}{line}".encode("utf-8", errors="replace"))
        stream.flush()
        os.fsync(stream.fileno())
    return True


def _ends_with_a_line(path: str) -> bool:
    with open(path, "rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def read(base: str) -> Entry | None:
    """The record that was written as a whole; None where none is. Raises OSError."""
    return record_file.read(_text(f"{base}.json"))


def read_all(base: str) -> Entry | None:
    """The same with what has changed since."""
    record, lines = read(base), _text(base + _CHANGES)
    return record_file.changed(record, lines) if record is not None and lines else record


def keep_older(base: str, new: Entry) -> int:
    """Put the files of another run that did something aside before they are replaced, and forget the oldest of those.

    Which part of the run the new record is. A run that did nothing is of no use to anybody once there is a newer one; what
    cannot be read may be of use to somebody. Raises OSError.
    """
    _remove_unfinished(base)
    old = read_all(base)
    if old is None:
        if _size(f"{base}.json"):
            _put_aside(base, _written(f"{base}.json"))
        return 0
    if old.get("started") == new.get("started"):
        return int(old.get(record_file.PART) or 0) + os.path.exists(base + _CHANGES)
    if old.get("command") == "report" or is_idle(old):
        return 0
    stamp = re.sub(r"[^0-9TZ]", "", str(old.get("started")))
    stamp = stamp if _STAMP.fullmatch(stamp) else _written(f"{base}.json")
    if os.path.exists(base + _CHANGES):
        # It was cut off, and its last lines are nowhere else
        old = {**old, record_file.PART: int(old.get(record_file.PART) or 0) + 1}
        replace_file(f"{base}.json", record_file.text(old))
        _write_page(base, old)
        os.unlink(base + _CHANGES)
    elif not _is_of(f"{base}.html", f"{base}.json"):
        _write_page(base, old)
    _put_aside(base, stamp)
    return 0


def _put_aside(base: str, stamp: str) -> None:
    for suffix in (".html", ".json"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(base + suffix, f"{base}-{stamp}{suffix}")
    directory, name = os.path.split(base)
    kept = sorted({_dated(entry, name) for entry in os.listdir(directory or ".")} - {""}, reverse=True)
    for known in kept[_KEPT:]:
        for suffix in (".html", ".json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{base}-{known}{suffix}")


def _remove_unfinished(base: str) -> None:
    """What a controller that was killed has left; what is young may be somebody else's who is at it."""
    directory = os.path.dirname(base)
    for entry in os.listdir(directory or "."):
        path = os.path.join(directory, entry)
        with contextlib.suppress(FileNotFoundError):
            if entry.startswith(_UNFINISHED) and time.time() - os.lstat(path).st_mtime > _LEFT:
                os.unlink(path)


def _is_of(page_path: str, path: str) -> bool:
    """Whether a page was written after its data."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(page_path).st_mtime_ns >= os.stat(path).st_mtime_ns
    return False


def _written(path: str) -> str:
    """When that was, as a stamp."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(os.stat(path).st_mtime))


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
    descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=os.path.dirname(path))
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
