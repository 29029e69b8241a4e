# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of DNF's repositories would have their packages installed without a signature check.

What counts is the effective value of ``gpgcheck``: ``[main]`` of dnf.conf hands it down to every repository that does not
say otherwise, and it is off where nobody says anything (dnf.conf(5)). So DNF itself is asked and no file is read here.
``repo_gpgcheck`` signs the lists, not the packages, and is no substitute; ``localpkg_gpgcheck`` is about package files
named on the command line, which this collection never does.
"""

from __future__ import annotations

import json
import re
import typing as t

from ...errors import OvercError

if t.TYPE_CHECKING:
    from ...runner import Completed, Runner

# Signature checks of everything that comes from a repository, whatever the configuration says. For one call.
FORCED: t.Final = ("--setopt=gpgcheck=True", "--setopt=*.gpgcheck=True")

# DNF 4 has no command that shows this without a plugin; its Python interface is documented and stable.
_ASK_4: t.Final = """\
import json, dnf
base = dnf.Base()
base.conf.read()
base.conf.substitutions.update_from_etc(base.conf.installroot)
base.read_all_repos()
print(json.dumps({repo.id: bool(repo.gpgcheck) for repo in base.repos.iter_enabled()}))
"""
_HEAD_5: t.Final = re.compile(r'^=+ "(.+)" repository configuration: =+$')
_TRUE: t.Final = ("1", "yes", "true", "on")  # libdnf, OptionBool


def parse_effective_4(text: str) -> dict[str, bool]:
    """Output of ``_ASK_4`` -> repository id: whether its packages are checked. Raises ValueError."""
    lines = text.strip().splitlines()
    answer = json.loads(lines[-1]) if lines else None
    if not isinstance(answer, dict) or not all(isinstance(checked, bool) for checked in answer.values()):
        raise ValueError("no table of repositories")
    return answer


def parse_effective_5(text: str) -> dict[str, bool]:
    """Output of `dnf5 --dump-repo-config=*` -> enabled repository id: whether its packages are checked.

    ``pkg_gpgcheck`` is what newer releases call it; where both are shown, it counts.
    """
    repositories: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        head = _HEAD_5.match(line)
        if head is not None:
            current = repositories.setdefault(head.group(1), {})
            continue
        key, equals, value = line.partition(" = ")
        if equals:
            current[key.strip()] = value.strip().lower()
    return {
        name: settings.get("pkg_gpgcheck", settings.get("gpgcheck", "0")) in _TRUE
        for name, settings in repositories.items()
        if settings.get("enabled", "1") in _TRUE
    }


def unchecked_repositories(runner: Runner) -> tuple[str, ...]:
    """Ids of the enabled repositories whose packages are not checked, sorted.

    Raises gpg_policy where that cannot be told: it is not guessed.
    """
    program = runner.run(["readlink", "-f", runner.find("dnf") or "dnf"]).stdout.strip()
    try:
        if program.endswith("/dnf5"):
            completed = runner.run(["dnf", "--dump-repo-config=*"])
            effective = parse_effective_5(completed.stdout) if completed.rc == 0 else None
        else:
            completed = runner.run([_interpreter(runner, program), "-c", _ASK_4])
            effective = parse_effective_4(completed.stdout) if completed.rc == 0 else None
    except (ValueError, RecursionError):
        effective = None
    if not effective:
        raise _unknown(completed)
    return tuple(sorted(name for name, checked in effective.items() if not checked))


def _interpreter(runner: Runner, program: str) -> str:
    """The Python that DNF itself runs with: another one may not have its modules."""
    first = runner.run(["head", "-n", "1", program]).stdout.split()
    found = first[0][2:] if first and first[0].startswith("#!/") else ""
    return found if "python" in found else "python3"


def _unknown(completed: Completed) -> OvercError:
    return OvercError(
        "gpg_policy",
        "DNF does not tell which of its repositories have their packages' signatures checked.",
        **completed.facts(),
    )


__all__ = ("FORCED", "parse_effective_4", "parse_effective_5", "unchecked_repositories")
