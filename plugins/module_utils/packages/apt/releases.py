# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of Debian and Ubuntu: their order, which step from one to another there is, and how suites are named. Pure."""

from __future__ import annotations

import re
import typing as t

from ...errors import OvercError

# Code names, oldest first; of Ubuntu's, those with long support: from one of them to the next is one step as well
_ORDER: t.Final[dict[str, tuple[str, ...]]] = {
    "debian": ("buster", "bullseye", "bookworm", "trixie", "forky", "duke"),
    "ubuntu": (
        *("bionic", "cosmic", "disco", "eoan", "focal", "groovy", "hirsute", "impish", "jammy", "kinetic", "lunar"),
        *("mantic", "noble", "oracular", "plucky", "questing", "resolute"),
    ),
}  # fmt: skip
_LONG_SUPPORT: t.Final = ("bionic", "focal", "jammy", "noble", "resolute")
# Debian's security updates are in NAME/updates up to buster, in NAME-security since
_OLD_SECURITY: t.Final = ("buster",)
# The first release in which i386 is only there beside another architecture
_WITHOUT_I386: t.Final = {"debian": "trixie", "ubuntu": "eoan"}
NAMES: t.Final = {"debian": "Debian", "ubuntu": "Ubuntu"}
# Of Debian's own repositories; backports call themselves differently
ORIGINS: t.Final = {"debian": ("Debian", "Debian Backports"), "ubuntu": ("Ubuntu",)}
_HOSTS: t.Final = {"debian": ".debian.org", "ubuntu": ".ubuntu.com"}
_ELSEWHERE: t.Final = ("esm.ubuntu.com", "fasttrack.debian.net")
# What they mean changes on the day of a release
_MOVING: t.Final = re.compile(r"^(?:old)*stable(?:[-/].*)?$|^(?:testing|unstable|devel|rc-buggy)(?:[-/].*)?$")
_ROLLING: t.Final = ("sid", "experimental")


def parse_os_release(text: str) -> tuple[str, str]:
    """os-release(5): id and code name, "" for what is not there."""
    found = dict(re.findall(r'^(ID|VERSION_CODENAME)=["\']?([A-Za-z0-9._-]*)["\']?\s*$', text, re.MULTILINE))
    return found.get("ID", ""), found.get("VERSION_CODENAME", "")


def check_step(distribution: str, running: str, wanted: str) -> None:
    """Whether a host with ``running`` can become ``wanted``, which is another one, in one step. Raises release_unsupported."""
    order = _ORDER.get(distribution)
    if order is None:
        raise OvercError(
            "release_unsupported",
            f"release: this host calls itself {distribution or 'nothing'} in /etc/os-release, and only releases of Debian and "
            "Ubuntu are known here.",
        )
    name = NAMES[distribution]
    if running not in order:
        raise OvercError(
            "release_unsupported",
            f"release: this host runs {name} {running or 'without a code name in /etc/os-release'}, from which no step is known.",
        )
    steps = _steps(order, running)
    to = (
        f"From {running} the next is {' or '.join(steps)}."
        if steps
        else f"There is none after {running} that is known here."
    )
    if is_moving(wanted) or wanted in _ROLLING:
        raise OvercError(
            "release_unsupported",
            f"release: {wanted} is no release but a name that means another one as time goes by. {to}",
        )
    if wanted not in order:
        raise OvercError(
            "release_unsupported",
            f"release: {wanted} is the code name of no release of {name} that is known here. {to}",
        )
    if order.index(wanted) < order.index(running):
        raise OvercError(
            "release_unsupported",
            f"release: {wanted} is older than {running}, which runs, and packages do not go back. overc_host_rollback returns to "
            "a deployment that had it.",
        )
    if wanted not in steps:
        raise OvercError(
            "release_unsupported",
            f"release: from {running} to {wanted} leaves out a release, which packages do not support. {to}",
        )


def check_architecture(distribution: str, wanted: str, architecture: str) -> None:
    """Whether hosts of this architecture still boot with a release: packages alone are no kernel. Raises release_unsupported."""
    order, gone = _ORDER[distribution], _WITHOUT_I386[distribution]
    if architecture == "i386" and order.index(wanted) >= order.index(gone):
        raise OvercError(
            "release_unsupported",
            f"release: since {gone}, {NAMES[distribution]} has packages but no kernels for {architecture}, which is what this "
            "host runs. It stays at the release it has.",
        )


def _steps(order: t.Sequence[str], running: str) -> tuple[str, ...]:
    later = order[order.index(running) + 1 :]
    supported = [name for name in later if name in _LONG_SUPPORT and running in _LONG_SUPPORT]
    return tuple(dict.fromkeys([*later[:1], *supported[:1]]))


def is_moving(suite: str) -> bool:
    """Whether a suite is named by what it is at the moment: ``stable``, ``testing-updates``."""
    return _MOVING.match(suite) is not None


def names_release(suite: str, release: str) -> bool:
    """Whether a suite is this release's own, or one that goes with it: ``-updates``, ``-security``, ``-backports``."""
    return re.match(rf"^{re.escape(release)}(?:[-/].*)?$", suite) is not None


def renamed(suite: str, before: str, after: str) -> str:
    """What a suite of the release ``before`` is called in ``after``; another suite stays as it is."""
    if not names_release(suite, before):
        return suite
    rest = suite[len(before) :]
    if before in _OLD_SECURITY and rest.startswith("/updates"):
        rest = "-security"
    return after + rest


def renamed_anywhere(word: str, before: str, after: str) -> str:
    """The same for suites as third parties name them: ``bookworm-pgdg``, ``cloud-sdk-bookworm``."""
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(before)}(?![A-Za-z0-9])", after, word)


def is_official(distribution: str, uri: str, origin: str | None) -> bool:
    """Whether a source is the distribution's own: by what its Release says, a mirror's as well, else by the name of its host."""
    if origin:
        return origin in ORIGINS[distribution]
    found = re.match(r"^[a-z+]+://(?:[^/@]*@)?([^/:]+)", uri)
    host = found.group(1).lower() if found else ""
    return f".{host}".endswith(_HOSTS[distribution]) and host not in _ELSEWHERE


__all__ = (
    "NAMES",
    "check_architecture",
    "check_step",
    "is_moving",
    "is_official",
    "names_release",
    "parse_os_release",
    "renamed",
    "renamed_anywhere",
)
