# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release upgrade of a root: what is looked at before, the new lists in a scratch directory, the sources in the new root."""

from __future__ import annotations

import os
import posixpath
import typing as t
from dataclasses import replace

from ...errors import OvercError
from ...failures import says_full
from ..contract import Edit, ReleaseChange
from ..memory_file import in_memory
from . import configuration, targets
from .decisions import Outcome, Step, plan
from .names import is_excluded
from .refresher import Lists
from .releases import check_architecture, check_step, is_moving, names_release, parse_os_release
from .resolution import native_architecture
from .settings import quoted
from .status import troubles

if t.TYPE_CHECKING:
    from ...runner import Runner
    from ..contract import PackageRequest
    from .commands import Commands
    from .configuration import Configuration
    from .status import Entry

_NEW: t.Final = ".overc-new"  # apt reads no such file
_OS_RELEASE: t.Final = "/etc/os-release"


class Release:
    """One request for another release, asked about the running root. ``directory``: private, for lists and sources."""

    def __init__(self, commands: Commands, request: PackageRequest, directory: str) -> None:
        self._commands = commands
        self._request = request
        self._directory = directory
        self._distribution, self._running = running_release(commands.runner)
        self._wanted = request.release or ""

    @property
    def runs(self) -> ReleaseChange | None:
        """Where the wanted release runs already."""
        return ReleaseChange(self._wanted, self._wanted) if self._running == self._wanted else None

    def prepare(self, entries: t.Sequence[Entry]) -> tuple[ReleaseChange, Commands, Lists]:
        """The change with everything decided, apt with the sources of the new release, and that one's lists, fetched.

        Raises release_unsupported, release_sources, package_manager_failed, repository_failed, package_untrusted.
        """
        check_step(self._distribution, self._running, self._wanted)
        check_architecture(self._distribution, self._wanted, native_architecture(entries))
        _refuse_unready(entries, self._request.exclude)
        known = self._commands.configuration
        _refuse_default_release(known, self._wanted)
        sources = configuration.source_files(self._commands.runner, known)
        pins = configuration.preference_files(self._commands.runner, known)
        outcome = plan(self._step(), sources, pins)
        change = ReleaseChange(
            self._running,
            self._wanted,
            tuple(outcome.edits),
            tuple(outcome.sources),
            tuple(outcome.pins),
            tuple(outcome.disabled),
            self._directory,
        )
        _write_beside(self._directory, known, {**sources, **pins}, change.edits)
        commands = elsewhere(self._commands, self._directory)
        lists = Lists(commands, self._directory)
        self._fetch(lists, outcome)
        self._refuse_other_release(commands, lists.settings)
        return change, commands, lists

    def _step(self) -> Step:
        request = self._request
        origins = targets.origins(self._commands)
        return Step(self._distribution, self._running, self._wanted, request.third_party_sources, request.pins, origins)

    def _fetch(self, lists: Lists, outcome: Outcome) -> None:
        try:
            lists.update()
        except OvercError as error:
            raise _explained(error, self._wanted, any(row["third_party"] for row in outcome.sources)) from None

    def _refuse_other_release(self, commands: Commands, settings: str) -> None:
        """A mirror may have anything below a suite's name."""
        found = targets.code_names(commands, settings)
        if found and self._wanted not in found:
            raise OvercError(
                "repository_failed",
                f"No source calls itself {self._wanted}; what was found is {', '.join(sorted(found))}. Look at the mirror.",
            )


def running_release(runner: Runner) -> tuple[str, str]:
    """Distribution and code name of a root, "" where it does not say."""
    return parse_os_release(runner.run(["cat", _OS_RELEASE]).stdout)


def _refuse_unready(entries: t.Sequence[Entry], exclude: t.Sequence[str]) -> None:
    broken = troubles(entries)
    if broken:
        raise OvercError(
            "package_manager_failed",
            f"Packages are not fully installed, and no release is built on that: {' '.join(broken)} Run `dpkg --configure -a` "
            "on the host, then the same command again.",
        )
    held = sorted(e.package.name for e in entries if e.is_held and not is_excluded(e.package, exclude))
    if held:
        raise OvercError(
            "release_sources",
            f"Packages are on hold: {', '.join(held)}. Held ones can keep others from being upgraded. Give them free (`apt-mark "
            "unhold`), or name them in exclude to leave them as they are. Nothing was changed.",
            packages=held,
        )


def _refuse_default_release(known: Configuration, wanted: str) -> None:
    default = known.default_release
    if default and not names_release(default, wanted):
        why = "means another release as time goes by" if is_moving(default) else "is not the new release"
        raise OvercError(
            "release_sources",
            f"apt's configuration has APT::Default-Release {default}, which {why}: nothing would be taken from {wanted}. Take "
            "it out (`grep -r Default-Release /etc/apt` finds it), then run the same command again. Nothing was changed.",
        )


def _explained(error: OvercError, wanted: str, third_party: bool) -> OvercError:
    """What a failed fetch means for a release upgrade. The facts stay."""
    more = {
        "package_untrusted": f"If this host does not know the keys of {wanted}, bring the keyring up to date first, with "
        "overc_host_upgrade and packages: ['*-keyring'], reboot and confirm; then run the same command again.",
        "repository_failed": f"Perhaps it has no {wanted}"
        + (
            ". A source of third parties can be left out with third_party_sources: disable, or kept as it is with keep"
            if third_party
            else ", or the mirror cannot be reached"
        )
        + ".",
    }.get(error.error_id)
    if more is None:
        return error
    return OvercError(error.error_id, f"{error.message.rstrip('.')}. {more} Nothing was changed.", **error.facts)


def _write_beside(directory: str, known: Configuration, texts: t.Mapping[str, str], edits: t.Iterable[Edit]) -> None:
    """All files of sources and pins as they will be, in ``directory``, which only root may enter."""
    places = _places(directory)
    os.mkdir(posixpath.join(directory, "etc"), 0o700)
    for part in ("sources.list.d", "preferences.d"):
        os.mkdir(places[part], 0o700)
    after = {**texts, **{edit.path: edit.after for edit in edits}}
    single = {known.sourcelist: "sources.list", known.preferences: "preferences"}
    parts = {known.sourceparts: "sources.list.d", known.preferenceparts: "preferences.d"}
    for path, text in after.items():
        name = single.get(path)
        target = (
            places[name] if name else posixpath.join(places[parts[posixpath.dirname(path)]], posixpath.basename(path))
        )
        with open(target, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)


def _places(directory: str) -> dict[str, str]:
    names = ("sources.list", "sources.list.d", "preferences", "preferences.d")
    return {name: posixpath.join(directory, "etc", name) for name in names}


def elsewhere(commands: Commands, directory: str) -> Commands:
    """apt with the sources and pins in ``directory``, and no lists of the host's."""
    places = _places(directory)
    known = replace(
        commands.configuration,
        sourcelist=places["sources.list"],
        sourceparts=places["sources.list.d"],
        preferences=places["preferences"],
        preferenceparts=places["preferences.d"],
        lists=posixpath.join(directory, "none"),
    )
    settings = (
        f"Dir::Etc::sourcelist {quoted(known.sourcelist)};\nDir::Etc::sourceparts {quoted(known.sourceparts)};\n"
        f"Dir::Etc::preferences {quoted(known.preferences)};\nDir::Etc::preferencesparts {quoted(known.preferenceparts)};\n"
    )
    return commands.elsewhere(known, settings)


def write(runner: Runner, edits: t.Iterable[Edit]) -> None:
    """Rewrite the files in the root behind ``runner``: each written beside, then renamed; mode and owner stay.

    Raises release_sources where a file is not what was decided upon, no_space, package_manager_failed.
    """
    for edit in edits:
        if runner.run(["cat", edit.path]).stdout != edit.before:
            raise OvercError(
                "release_sources",
                f"{edit.path} was changed after the upgrade was planned. Nothing was changed; run the same command again.",
            )
        real = runner.run(["readlink", "-f", edit.path]).stdout.rstrip("\n") or edit.path
        beside = f"{real}{_NEW}"
        with in_memory(edit.after) as (fd, text):
            for argv in (
                ["cp", "-a", "--no-target-directory", real, beside],
                ["dd", f"if={text}", f"of={beside}", "conv=fsync", "status=none"],
                ["mv", "-T", beside, real],
            ):
                done = runner.run(argv, pass_fds=(fd,))
                if done.rc != 0:
                    full = says_full(done.stderr)
                    raise OvercError(
                        "no_space" if full else "package_manager_failed",
                        f"{edit.path} of the new root cannot be written.",
                        **done.facts(),
                    )


def refuse_half(runner: Runner, change: ReleaseChange) -> None:
    """Whether a root is what it was to become, by its own word. Raises package_manager_failed."""
    _distribution, found = running_release(runner)
    if found != change.after:
        raise OvercError(
            "package_manager_failed",
            f"The packages were upgraded, but the new root calls itself {found or 'nothing'} in /etc/os-release, not "
            f"{change.after}. Look among held_back for what was kept back.",
        )


__all__ = ("Release", "elsewhere", "refuse_half", "running_release", "write")
