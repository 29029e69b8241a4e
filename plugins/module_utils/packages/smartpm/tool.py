# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running `smart`, and what every question to it needs first: its channels, its lists, its data directory."""

from __future__ import annotations

import posixpath
import typing as t

from ...errors import OvercError
from ..tool import copy_directory, run_when_free
from .channels import backends, parse_channels, sources, without_lists
from .errors import failure, is_locked, unsuccessful
from .output import parse_data_directory

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# Smart wraps its help to COLUMNS; the data directory is read from there.
_WIDE: t.Final = {"COLUMNS": "2000"}
TIMEOUT: t.Final = ("-o", "socket-timeout=30")  # seconds; the default is 600 for every file
_TEMPLATE: t.Final = "/var/tmp/overc-smart.XXXXXXXX"  # noqa: S108 - made by mktemp, mode 0700


class Smart:
    """The `smart` command of the root behind ``runner``.

    ``data``: Smart's data directory where it is not the compiled-in one. ``where``, of every question, are options that make
    it use a copy of that.
    """

    def __init__(self, runner: Runner, data: str | None, sleep: t.Callable[[float], None]) -> None:
        self._runner = runner
        self._data = data
        self._sleep = sleep

    def run(self, *arguments: str, pass_fds: t.Sequence[int] = ()) -> Completed:
        """Run Smart; it never waits for a lock, so while another one is at work try again, for a minute."""
        argv = ["smart", *([f"--data-dir={self._data}"] if self._data is not None else []), *arguments]
        completed = run_when_free(lambda: self._runner.run(argv, env=_WIDE, pass_fds=pass_fds), is_locked, self._sleep)
        error = failure(completed) if is_locked(completed) else None
        if error is not None:
            raise error
        return completed

    def data_directory(self) -> str:
        return self._data if self._data is not None else parse_data_directory(self.run("--help").stdout)

    def list_digests(self, directory: str) -> tuple[str, ...]:
        lists = posixpath.join(directory, "channels")
        listing = self._runner.run(["find", lists, "-type", "f", "-exec", "sha256sum", "{}", "+"])
        return tuple(sorted(listing.stdout.splitlines()))

    def on_a_copy(self, scratch: str) -> tuple[str, ...]:
        """Copy the data directory into ``scratch``; options that make Smart use the copy."""
        source, target = self.data_directory(), posixpath.join(scratch, "smart")
        # without one Smart has no channels, and says so
        copy_directory(self._runner, source, target, may_be_missing=True)
        return (f"--data-dir={target}",)

    def channels(self, where: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
        """The configured channels; refuses a host without any that offers packages (transcript config-empty-newer)."""
        completed = self.run(*where, "channel", "--show")
        if completed.rc != 0:
            raise unsuccessful(completed, "listing the channels")
        channels = parse_channels(completed.stdout)
        if not sources(channels):
            raise OvercError(
                "repository_failed",
                "Smart has no enabled channel that offers packages, so what is pending is unknown. Either none was "
                "ever configured or its configuration was damaged and started anew: see `smart channel --list`.",
                **completed.facts(),
            )
        return channels

    def backend(self, channels: t.Mapping[str, t.Mapping[str, str]]) -> str:
        kinds = backends(channels)
        if len(kinds) > 1:
            raise OvercError(
                "repository_failed",
                "Smart has two system channels, rpm-sys and deb-sys, so what is installed is told by two databases. Disable "
                "the one that this host does not use: `smart channel --disable ALIAS`.",
            )
        if not kinds:
            raise OvercError(
                "repository_failed",
                "Smart has no system channel (type rpm-sys or deb-sys), so it believes that nothing is installed. Add "
                "one: `smart channel --add rpm-sys type=rpm-sys name=System -y`.",
            )
        return kinds[0]

    def require_lists(self, channels: t.Mapping[str, t.Mapping[str, str]], scratch: str | None) -> None:
        """Refuses where the lists of an enabled channel were never fetched, or are lost: for Smart it offers nothing."""
        base = posixpath.join(scratch, "smart") if scratch is not None else self.data_directory()
        listing = self._runner.run(["find", posixpath.join(base, "channels"), "-type", "f"])
        missing = without_lists(channels, (posixpath.basename(line) for line in listing.stdout.splitlines()))
        if missing:
            raise OvercError(
                "repository_failed",
                f"The package lists of {', '.join(missing)} were never fetched on this host, or are lost, so what is pending "
                "is unknown. Run overc_host_update, or leave update_cache at its default.",
            )

    def update(self, where: tuple[str, ...] = ()) -> None:
        """`smart update`: 0 is only success without "Interrupted" and without an error line."""
        completed = self.run(*where, "update", *TIMEOUT)
        if completed.rc == 0 and failure(completed) is None:
            return
        error = unsuccessful(completed, "refreshing the package lists")
        if error.error_id == "package_manager_failed":
            raise OvercError("repository_failed", error.message, **error.facts)
        raise error


class Copy:
    """Context manager: options that make Smart use a copy of its data directory; gone afterwards.

    ``scratch`` is a directory with a copy that the caller has no more use for; None to make one.
    """

    def __init__(self, runner: Runner, smart: Smart, scratch: str | None) -> None:
        self._runner = runner
        self._smart = smart
        self._scratch = scratch
        self._made = ""

    def __enter__(self) -> tuple[str, ...]:
        if self._scratch is not None:
            return (f"--data-dir={posixpath.join(self._scratch, 'smart')}",)
        made = self._runner.run(["mktemp", "-d", _TEMPLATE])
        self._made = made.stdout.strip()
        if made.rc != 0 or not self._made:
            raise OvercError(
                "package_manager_failed", "No directory for a copy of Smart's data can be made.", **made.facts()
            )
        try:
            return self._smart.on_a_copy(self._made)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_exc: object) -> None:
        if self._made:
            self._runner.run(["rm", "-rf", "--one-file-system", self._made])


__all__ = ("TIMEOUT", "Copy", "Smart")
