# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNF 4 asked through its own library: how it is configured and, in the same process, whether it surely has nothing to do.

DNF 4 has no command that shows its configuration without a plugin; its Python interface is documented. This file only
imported for its source, which is given to the Python that DNF runs with, so that whatever a plugin of DNF does happens in
a process of its own, and one start of DNF answers both questions.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the name counts, not where it is from: nothing is loaded for it
    import typing as t

# With these `dnf upgrade` may do more than upgrade and obsolete what is installed: then only the resolver knows
_WIDER = (("ignorearch", False), ("module_stream_switch", False), ("multilib_policy", "best"))


class _Complaints(logging.Handler):
    """Whatever DNF warns of, such as a file of repositories that it skips."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found = False

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the command says it in its own words
        self.found = True


def _repositories(base: t.Any) -> bool:
    """Read them all, with those that plugins add; False where the plugins could not be asked."""
    try:
        base.init_plugins()
        base.pre_configure_plugins()
        base.read_all_repos()
        base.configure_plugins()
    except Exception:  # noqa: BLE001 - anything: plugins are other people's code
        base.repos.clear()
        base.read_all_repos()
        return False
    return True


def _has_locked_versions(conf: t.Any) -> bool:
    import configparser  # noqa: PLC0415 - whoever only wants this file's source need not load it

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(os.path.join(place, "versionlock.conf") for place in conf.pluginconfpath)
        with open(parser.get("main", "locklist", fallback="/etc/dnf/plugins/versionlock.list")) as lines:
            return any(line.strip() and not line.startswith("#") for line in lines)
    except FileNotFoundError:
        return False
    except (ValueError, configparser.Error):
        return True


def _configuration(base: t.Any, plugins: bool) -> dict[str, t.Any]:
    conf = base.conf
    enabled = list(base.repos.iter_enabled())
    return {
        "cache": conf.cachedir,
        "state": conf.persistdir,
        "read": [*conf.reposdir, *conf.varsdir],
        "tsflags": list(conf.tsflags),
        "plugins": plugins,
        "excludes": _has_locked_versions(conf)
        or any(list(each.excludepkgs) or list(each.includepkgs) for each in (conf, *enabled)),
        "repositories": {
            repo.id: {
                "checked": bool(repo.gpgcheck),
                "signed_lists": bool(repo.repo_gpgcheck),
                "optional": bool(repo.skip_if_unavailable),
                "packages": [] if repo.metalink or repo.mirrorlist else list(repo.baseurl),
                "keys": list(repo.gpgkey),
            }
            for repo in enabled
        },
    }


def _use_copies(base: t.Any, directory: str) -> None:
    """From here on DNF works on copies of its lists and its state: ``cache`` and ``state`` in the new ``directory``."""
    conf = base.conf
    os.mkdir(directory, 0o700)
    for name, source in (("cache", conf.cachedir), ("state", conf.persistdir)):
        target = os.path.join(directory, name)
        os.mkdir(target, 0o700)
        try:
            os.stat(source)
        except FileNotFoundError:
            continue
        subprocess.run(["cp", "-a", "--reflink=auto", os.path.join(source, "."), target], check=True)
    conf.cachedir, conf.persistdir = os.path.join(directory, "cache"), os.path.join(directory, "state")
    if not all(repo._repo.getCachedir().startswith(conf.cachedir) for repo in base.repos.iter_enabled()):  # noqa: SLF001
        raise RuntimeError("a repository keeps its lists elsewhere")


def _surely_nothing(base: t.Any, refresh: bool) -> bool:
    """Whether no list holds anything that could upgrade or obsolete what is installed.

    Exclusions of every kind (settings, locked versions, modules) are ignored: they only ever take something away, and what
    they hide has to be told by the command. A list that cannot be read is an error.
    """
    conf = base.conf
    if any(getattr(conf, name) != usual for name, usual in _WIDER):
        return False
    conf.cacheonly, conf.exit_on_lock = False, True
    enabled = list(base.repos.iter_enabled())
    for repo in enabled:
        repo.skip_if_unavailable = False
        repo.timeout, repo.retries = 20, 2  # seconds, count: as every call of the command
        if refresh:
            repo._repo.expire()  # noqa: SLF001 - what --refresh does; where it is missing nothing is sure
    base.fill_sack(load_system_repo=True, load_available_repos=True)
    import hawkey  # type: ignore[import-not-found] # noqa: PLC0415 - DNF brings it

    everything = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
    installed = everything.installed()
    if not enabled or not installed:
        return False
    return not everything.upgrades() and not everything.available().filter(obsoletes=installed)


def main(arguments: list[str]) -> None:
    """Print one line of JSON. ``arguments``: nothing for the configuration alone, "ask" or "refresh" for the question too,
    and a directory that is made, if the host's own lists must stay as they are.
    """
    import dnf  # type: ignore[import-not-found] # noqa: PLC0415 - only the Python that DNF runs with has it

    complaints = _Complaints()
    logging.getLogger("dnf").addHandler(complaints)
    base = dnf.Base()
    base.conf.read()
    base.conf.installroot = "/"
    base.conf.substitutions.update_from_etc("/", varsdir=base.conf.varsdir)
    answer = _configuration(base, _repositories(base))
    if arguments:
        question, *directory = arguments
        try:
            if directory:
                _use_copies(base, directory[0])
            nothing = _surely_nothing(base, question == "refresh")
            answer["nothing"] = nothing and answer["plugins"] and not complaints.found
            answer["refreshed"] = question == "refresh"
            answer["copies"] = directory
        except Exception:  # noqa: BLE001 - the command says what is wrong, and how
            answer["nothing"] = answer["refreshed"] = False
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
