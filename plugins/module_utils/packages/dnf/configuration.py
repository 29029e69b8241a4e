# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNF's effective configuration: where it keeps its lists, which repositories count, and what it reads from this host.

DNF itself is asked and no file is read here: values hold variables, are inherited from ``[main]`` and overridden in drop-ins.
What counts for signatures is the effective ``gpgcheck``, which is off where nobody says anything (dnf.conf(5)).
``repo_gpgcheck`` signs the lists, not the packages, and is no substitute; ``localpkg_gpgcheck`` is about package files
named on the command line, which this collection never does.
"""

from __future__ import annotations

import json
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ...errors import OvercError
from ...system.own_source import source_of
from ...values import texts
from . import library

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# Whether something may be pending: by the lists as they are, or after they were fetched anew.
Question = t.Literal["ask", "refresh"]
OF_PLUGINS: t.Final = "repositories that plugins of DNF may add"
# Of `tsflags` (dnf.conf(5)): with these rpm registers or checks less than it does, or runs no scripts
_UNTRUE_FLAGS: t.Final = ("test", "justdb", "noscripts", "notriggers", "nocrypto")


@dataclass(frozen=True)
class Repository:
    """An enabled repository.

    ``checked``: the signatures of its packages are; ``signed_lists``: that of its lists is; ``optional``: it may be skipped
    when it cannot be read. ``packages`` and ``keys`` are addresses, those of the packages only where no list of mirrors
    counts instead.
    """

    checked: bool
    signed_lists: bool = False
    optional: bool = False
    packages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """``cache`` of the package lists, persistent ``state``, ``read``: further directories that DNF is configured in.

    ``check_options``: the names of the option that has the signatures of packages checked. ``excludes``: whether any package
    is hidden from upgrades. ``tsflags``: what rpm is told to do differently. ``plugins``: whether DNF's plugins could be asked
    for repositories of theirs. ``nothing``: it is certain that nothing can be upgraded; ``refreshed``: the lists were fetched
    anew for that answer, those of the host or, where it was to stay as it is, copies of its lists and state in ``copies``.
    """

    cache: str
    state: str
    read: tuple[str, ...] = ()
    check_options: tuple[str, ...] = ("gpgcheck",)
    excludes: bool = False
    tsflags: tuple[str, ...] = ()
    plugins: bool = True
    nothing: bool = False
    refreshed: bool = False
    copies: str = ""
    repositories: t.Mapping[str, Repository] = field(default_factory=dict)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Ids of the repositories whose packages are not checked, sorted; in words what nobody can tell."""
        found = sorted(name for name, repository in self.repositories.items() if not repository.checked)
        return tuple(found if self.plugins else [*found, OF_PLUGINS])

    @property
    def has_signed_lists(self) -> bool:
        return any(repository.signed_lists for repository in self.repositories.values())

    @property
    def optional(self) -> tuple[str, ...]:
        """Ids of the repositories that may be skipped when they cannot be read, sorted."""
        return tuple(sorted(name for name, repository in self.repositories.items() if repository.optional))

    @property
    def unhidden(self) -> tuple[str, ...]:
        """Options with which nothing is excluded, neither by settings nor by versionlock."""
        return ("--disableexcludes=all", "--disableplugin=versionlock")

    @property
    def whole_transaction(self) -> t.Mapping[str, str]:
        """Settings with which rpm does all that it registers; none where the host asks for nothing else."""
        kept = [flag for flag in self.tsflags if flag.lower() not in _UNTRUE_FLAGS]
        # Values are added to those of dnf.conf, unless an empty one comes first
        return {"tsflags": ",".join(["", *kept])} if len(kept) < len(self.tsflags) else {}

    def is_local(self, name: str) -> bool:
        """Whether the packages of a repository are in this host's own file tree: DNF looks at the first address only."""
        repository = self.repositories.get(name)
        return repository is not None and bool(repository.packages) and _local_path(repository.packages[0]) is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """What DNF reads from this host's own file tree: directories of packages, keys, files that configure it."""
        urls = [url for repository in self.repositories.values() for url in (*repository.packages, *repository.keys)]
        return tuple(dict.fromkeys([*self.read, *(path for path in map(_local_path, urls) if path)]))


def _local_path(url: str) -> str | None:
    """The path of a ``file:`` address, or of one without a scheme, which a key may have."""
    if url.startswith("/"):
        return url
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.unquote(parts.path) if parts.scheme == "file" and parts.path.startswith("/") else None


def parse_effective(text: str) -> Configuration:
    """Output of ``library.main``. Raises ValueError."""
    lines = [line for line in text.splitlines() if line.startswith('{"cache": ')]
    answer = json.loads(lines[-1]) if lines else None
    if not isinstance(answer, dict):
        raise ValueError("no answer")
    try:
        repositories = {
            name: Repository(
                bool(entry["checked"]),
                bool(entry["signed_lists"]),
                bool(entry["optional"]),
                texts(entry["packages"], "packages"),
                texts(entry["keys"], "keys"),
            )
            for name, entry in answer["repositories"].items()
        }
        cache, state = texts([answer["cache"], answer["state"]], "directories")
        return Configuration(
            cache,
            state,
            ("/etc/dnf", *texts(answer["read"], "read")),
            excludes=bool(answer["excludes"]),
            tsflags=texts(answer["tsflags"], "tsflags"),
            plugins=bool(answer["plugins"]),
            nothing=answer.get("nothing") is True,
            refreshed=answer.get("refreshed") is True,
            copies="".join(texts(answer.get("copies", []), "copies")),
            repositories=repositories,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def _program(runner: Runner) -> str:
    return runner.run(["readlink", "-f", runner.find("dnf") or "dnf"]).stdout.strip()


def ask(runner: Runner, question: Question | None = None, copies: str | None = None) -> Configuration:
    """The configuration of the root behind ``runner``.

    ``question``: DNF tells in the same process whether it surely has nothing to do; ``copies``: a new directory for what that
    changes, so that the host's own lists stay as they are. Raises package_manager_failed where the configuration cannot be told:
    it is not guessed.
    """
    program = _program(runner)
    try:
        source = source_of(library.__name__, library.__spec__) or ""
        asked = [question, *([copies] if copies else [])] if question else []
        completed = runner.run([_interpreter(runner, program), "-c", source, *asked])
        configuration = parse_effective(completed.stdout) if completed.rc == 0 else None
    except (ValueError, RecursionError):
        configuration = None
    if configuration is None:
        raise _unknown(completed)
    return configuration


def _interpreter(runner: Runner, program: str) -> str:
    """The Python that DNF itself runs with: another one may not have its modules."""
    first = runner.run(["head", "-n", "1", program]).stdout.split()
    found = first[0][2:] if first and first[0].startswith("#!/") else ""
    return found if "python" in found else "python3"


def _unknown(completed: Completed) -> OvercError:
    return OvercError(
        "package_manager_failed",
        "DNF does not tell how it is configured, so neither its repositories nor their signature checks are known.",
        **completed.facts(),
    )


__all__ = ("Configuration", "Question", "Repository", "ask", "parse_effective")
