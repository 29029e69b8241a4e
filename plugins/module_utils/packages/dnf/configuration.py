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
from dataclasses import dataclass

from ...errors import OvercError
from ...system.own_source import source_of
from ...values import texts
from ..dnf_configuration import DnfConfiguration, Repository, local_path
from ..tool import not_configured
from . import library

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# Whether something may be pending: by the lists as they are, or after they were fetched anew.
Question = t.Literal["ask", "refresh"]
OF_PLUGINS: t.Final = "repositories that plugins of DNF may add"


@dataclass(frozen=True)
class Configuration(DnfConfiguration):
    """With ``excludes``: whether any package is hidden from upgrades, and ``plugins``: whether DNF's plugins could be asked for
    repositories of theirs.

    ``nothing``: it is certain that nothing can be upgraded; ``refreshed``: the lists were fetched anew for that answer, those of
    the host or, where it was to stay as it is, copies of its lists and state in ``copies``.
    """

    excludes: bool = False
    plugins: bool = True
    nothing: bool = False
    refreshed: bool = False
    copies: str = ""

    @property
    def unchecked(self) -> tuple[str, ...]:
        """With, in words, what nobody can tell."""
        return (*super().unchecked, *(() if self.plugins else (OF_PLUGINS,)))

    @property
    def unhidden(self) -> tuple[str, ...]:
        """Options with which nothing is excluded, neither by settings nor by versionlock."""
        return ("--disableexcludes=all", "--disableplugin=versionlock")

    def is_local(self, name: str) -> bool:
        """Whether the packages of a repository are in this host's own file tree: DNF looks at the first address only."""
        repository = self.repositories.get(name)
        return repository is not None and bool(repository.packages) and local_path(repository.packages[0]) is not None


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
    return not_configured(
        "DNF does not tell how it is configured, so neither its repositories nor their signature checks are known",
        completed,
    )


__all__ = ("Configuration", "Question", "ask", "parse_effective")
