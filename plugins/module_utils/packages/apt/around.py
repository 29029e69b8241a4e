# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with a run of apt in a new root: no service is started, and what it leaves to the administrator is told."""

from __future__ import annotations

import contextlib
import typing as t

from ...errors import OvercError
from ..memory_file import in_memory

if t.TYPE_CHECKING:
    from ...runner import Runner

_POLICY: t.Final = "/usr/sbin/policy-rc.d"
_ASIDE: t.Final = f"{_POLICY}.overc-kept"
# invoke-rc.d(8): 101 is "forbidden". It runs init scripts in any root that has no such file, or one that allows it.
_FORBIDDEN: t.Final = "#!/bin/sh\n# overc: nothing is started in a root that does not run\nexit 101\n"


@contextlib.contextmanager
def no_services(runner: Runner) -> t.Iterator[None]:
    """While the block runs, scripts of packages are told to start nothing. An administrator's own policy-rc.d is set aside
    and comes back, unless a package brings a new one.

    Raises package_manager_failed where that cannot be done.
    """
    had_own = _is_there(runner)
    if had_own:
        _done(runner, ["mv", "-T", _POLICY, _ASIDE])
    with in_memory(_FORBIDDEN) as (fd, path):
        _done(runner, ["install", "-m", "0755", path, _POLICY], fd)
        try:
            yield
        finally:
            ours = runner.run(["cmp", "-s", path, _POLICY], pass_fds=(fd,)).rc == 0
            if had_own and (ours or not _is_there(runner)):
                _done(runner, ["mv", "-T", _ASIDE, _POLICY])
            elif had_own:
                _done(runner, ["rm", "-f", _ASIDE])
            elif ours:
                _done(runner, ["rm", "-f", _POLICY])


def _is_there(runner: Runner) -> bool:
    """A link to nothing is."""
    return runner.run(["find", _POLICY, "-maxdepth", "0"]).rc == 0


def _done(runner: Runner, argv: list[str], *fds: int) -> None:
    completed = runner.run(argv, pass_fds=fds)
    if completed.rc != 0:
        raise OvercError(
            "package_manager_failed",
            f"{_POLICY} of the new root, which keeps services from being started, cannot be changed.",
            **completed.facts(),
        )


_LEFT: t.Final = {
    ".dpkg-dist": "{0} was changed on this host and is kept; what the package brings is {0}{1}.",
    ".ucf-dist": "{0} was changed on this host and is kept; what the package brings is {0}{1}.",
    ".dpkg-new": "{0}{1} was left by dpkg and is not in use.",
    ".dpkg-old": "{0} was replaced by the package's; what it was is {0}{1}.",
    ".ucf-old": "{0} was replaced by the package's; what it was is {0}{1}.",
}


def left_in_etc(runner: Runner) -> dict[str, str]:
    """The files that dpkg and ucf leave beside configuration files: path -> when it was last changed, as text."""
    tests = [word for suffix in _LEFT for word in ("-o", "-name", f"*{suffix}")][1:]
    listing = runner.run(["find", "/etc", "-xdev", "-type", "f", "(", *tests, ")", "-printf", r"%p\t%C@\n"])
    if listing.rc != 0:
        raise OvercError("package_manager_failed", "/etc cannot be searched.", **listing.facts())
    return dict(line.rsplit("\t", 1) for line in listing.stdout.splitlines() if "\t" in line)


def configuration_sentences(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> tuple[str, ...]:
    """What to say of configuration files for each that came, or was written again, between the two. Pure."""
    said = []
    for path in sorted(path for path, changed in after.items() if before.get(path) != changed):
        suffix = next(suffix for suffix in _LEFT if path.endswith(suffix))
        said.append(_LEFT[suffix].format(path[: -len(suffix)], suffix))
    return tuple(said)


def kept_files(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> tuple[str, ...]:
    """The configuration files that stayed as they were although packages brought others. Pure."""
    came = [path for path, changed in after.items() if before.get(path) != changed]
    return tuple(sorted(path.rpartition(".")[0] for path in came if path.endswith((".dpkg-dist", ".ucf-dist"))))


class Marks:
    """Which packages were installed only because others need them: naming one to be upgraded makes older apt forget that."""

    def __init__(self, runner: Runner, command: t.Sequence[str]) -> None:
        """``command``: what apt-get will be called with; its names follow ``--``."""
        self._runner = runner
        # Without a name it would tell all of them
        names = list(command)[list(command).index("--") + 1 :] if "--" in command else []
        shown = runner.run(["apt-mark", "showauto", *names]) if names else None
        self._automatic = tuple(shown.stdout.split()) if shown is not None and shown.rc == 0 else ()

    def restore(self) -> None:
        """Raises package_manager_failed."""
        if self._automatic:
            done = self._runner.run(["apt-mark", "auto", *self._automatic])
            if done.rc != 0:
                raise OvercError(
                    "package_manager_failed", "apt cannot note which packages others need.", **done.facts()
                )


__all__ = ("Marks", "configuration_sentences", "kept_files", "left_in_etc", "no_services")
