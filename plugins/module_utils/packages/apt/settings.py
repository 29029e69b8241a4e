# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How apt-get is called: settings that hold whatever a host's own configuration says, and questions that nobody asks.

The settings are handed over as a file in memory, which apt-get reads after the host's configuration. So the answer that is
parsed, and what is done, are what was asked for.
"""

from __future__ import annotations

import typing as t

# Nobody is there to be asked; needrestart would look at, and restart, the services of the running system
ENVIRONMENT: t.Final[dict[str, str]] = {
    "APT_CONFIG": "",
    "APT_LISTBUGS_FRONTEND": "none",
    "APT_LISTCHANGES_FRONTEND": "none",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
}

_TRUE: t.Final = ("Download", "Remove", "Show-Upgraded", "Upgrade")
_FALSE: t.Final = (
    "Allow-Change-Held-Packages", "allow-change-held-packages", "Allow-Downgrades", "allow-downgrades", "Allow-Remove-Essential",
    "allow-remove-essential", "Assume-No", "Assume-Yes", "Download-Only", "Fix-Broken", "Fix-Missing", "Mark-Auto",
    "Only-Upgrade", "Print-URIs", "Purge", "ReInstall", "Show-User-Simulation-Note", "Show-Versions", "Simulate",
    "Trivial-Only", "force-yes",
)  # fmt: skip
# What every call is made with:
#   the human table, which is parsed, in its one form; no debugging output in it; no progress bar
#   locks are taken, and not waited for here, where nobody could be told who holds them
#   what is downloaded stays until all of it is installed
#   conffiles that the administrator changed are kept, whatever the host has among its options for dpkg
#   a dead mirror costs seconds instead of minutes
#   what is installed is what dpkg has, and the lists of packages are fetched: without either apt says that nothing is pending
SETTINGS: t.Final = "\n".join([
    "#clear Debug;",
    "#clear APT::Status-Fd;",
    "#clear DPkg::Chroot-Directory;",
    'quiet "1";',
    'APT::Color "0";',
    'APT::Output-Version "0";',
    'APT::Keep-Downloaded-Packages "true";',
    'APT::Update::Error-Mode "any";',
    *(f'APT::Get::{name} "true";' for name in _TRUE),
    *(f'APT::Get::{name} "false";' for name in _FALSE),
    'Dpkg::Use-Pty "0";',
    'Dpkg::Progress "0";',
    'Dpkg::Progress-Fancy "0";',
    'DPkg::Lock::Timeout "0";',
    'DPkg::Options { "--no-force-confnew"; "--no-force-confask"; "--force-confdef"; "--force-confold"; };',
    "#clear Binary::apt-get;",
    'Dir::State::status "/var/lib/dpkg/status";',
    "Acquire::IndexTargets::deb::Packages {",
    '  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; flatMetaKey "Packages"; ShortDescription "Packages";',
    '  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages"; flatDescription "$(RELEASE) Packages";',
    '  DefaultEnabled "true"; Optional "0";',
    "};",
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    "",
])  # fmt: skip
# A refresh that must leave the host as it is: what else is done after one is done to the host
NO_HOOKS: t.Final = "#clear APT::Update;\n" + 'APT::Update::Error-Mode "any";\n'
# Nothing may be installed unsigned, whatever the host's configuration says; sources that are trusted without are refused
SIGNED: t.Final = "".join(
    f'{name} "false";\n'
    for name in (
        "APT::Get::AllowUnauthenticated",
        "Acquire::AllowInsecureRepositories",
        "Acquire::AllowWeakRepositories",
        "Acquire::AllowDowngradeToInsecureRepositories",
    )
)
# apt's own user may not enter directories that only root may
UNSANDBOXED: t.Final = 'APT::Sandbox::User "root";\n'


def phasing(never: bool) -> str:
    """Whether phased updates are included: by itself apt decides by machine, and otherwise in a root than outside of it."""
    return (
        f'APT::Get::Always-Include-Phased-Updates "{str(not never).lower()}";\n'
        f'APT::Get::Never-Include-Phased-Updates "{str(never).lower()}";\n'
    )


def quoted(path: str) -> str:
    """A path as the value of a setting. Raises ValueError for one that cannot be."""
    if '"' in path or "\n" in path or "\\" in path:
        raise ValueError(f"{path!r} cannot be a directory of apt's")
    return f'"{path}"'


__all__ = ("ENVIRONMENT", "NO_HOOKS", "SETTINGS", "SIGNED", "UNSANDBOXED", "phasing", "quoted")
