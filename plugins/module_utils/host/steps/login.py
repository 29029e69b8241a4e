# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding whether sshd of a new root would start, and find what it asks who may come in.

A new root is not the running host: what is made at boot, other file systems and the network are not there. So what fails is
compared with what fails in the root that it was made of, looked at in the same way: only what is new is the upgrade's.
"""

from __future__ import annotations

import os
import re
import typing as t

from ...errors import certain
from ...people import plural
from ...system.mount_table import is_below, mounts
from ...system.presence import is_link, is_there, status, text_of
from ...system.rooted_path import resolve_in_root
from ..observe import pam
from ..observe.account import account_lost, who_came_in
from ..observe.ways_in import parse_settings, ways_in
from .new_root import NewRoot

if t.TYPE_CHECKING:
    from ..observe.facts import RootFacts
    from .context import Apply

SSHD: t.Final = "/usr/sbin/sshd"
# sshd(8): looks at the configuration, the keys of the host and its own directory, and ends
_LOOK: t.Final = (SSHD, "-t")
_SETTINGS: t.Final = (SSHD, "-T")
# Debian's sshd wants a directory that its unit makes when it starts
_OF_ITS_UNIT: t.Final = "/run/sshd"
_PATIENCE: t.Final = 20  # seconds
_ENDLESS: t.Final = f"{' '.join(_LOOK)} did not end within {plural(_PATIENCE, 'second')}"
_MOST: t.Final = 50_000  # bytes; sshd -T prints some 5,000
_SERVICE: t.Final = "sshd"
_UNITS: t.Final = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
# What brings up the network, as far as they are known
_NETWORK: t.Final = (
    *("systemd-networkd.service", "systemd-networkd.socket", "NetworkManager.service", "networking.service"),
    *(
        "wicked.service",
        "wickedd.service",
        "connman.service",
        "network.service",
        "dhcpcd.service",
        "ifupdown-pre.service",
    ),
)
_UNIT_DIRECTORIES: t.Final = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
# Fedora's sshd wants this unit, which once takes the group's right to read the keys away; then it leaves a mark
_MENDS_KEYS: t.Final = "ssh-host-keys-migration.service"
_KEYS_MENDED: t.Final = "/var/lib/.ssh-host-keys-migration"
_OPEN_KEYS: t.Final = re.compile(
    r"@+|@ +WARNING: UNPROTECTED PRIVATE KEY FILE! +@|Permissions 0\d+ for .* are too open\.|It is required that your private "
    r"key files are NOT .*|This private key will be ignored\.|.*: bad permissions|.*no hostkeys available -- exiting\."
)
# Said of options, and no reason not to start
_HARMLESS: t.Final = re.compile(r".*\b(?:Deprecated option|Unsupported option)\b")
# Of /run: what leads to the running system, is a new root's own, or ours
_NOT_SHOWN: t.Final = ("systemd", "dbus", "udev", "user", "lock", "overc")
_OF_THE_SYSTEM: t.Final = ("/proc", "/sys", "/dev", "/run", "/tmp", "/boot")  # noqa: S108 - nothing is put there
# A server that does not answer would hold us up
_LOCAL: t.Final = frozenset(("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "vfat", "xfs"))


def starts_sshd(root: str) -> bool:
    """Whether sshd is a way into a host of this root; no only where systemd has its unit, does not start it, and none runs."""
    return resolve_in_root(root, SSHD) is not None and (_is_started_at_boot(root) is not False or _runs())


def no_login(at: Apply, new: RootFacts, base: RootFacts) -> str | None:
    """Why nobody could come in by ssh, in words; None where somebody can, or could not before either.

    ``base``: the root that the other was made of. Warns of what is not to be told, and of defects from before.
    Raises OvercError where nothing can be run in a root.
    """
    if not starts_sshd(base.path):
        return None
    said = _sshd_says(at, new)
    if said:
        if _ENDLESS not in said:  # once more, with what only the running host has
            said = _sshd_says(at, new, whole=True)
        before = _sshd_says(at, base, whole=True) if said else ()
        known = {_without_line(line) for line in before}
        added = [line for line in said if _without_line(line) not in known and not _HARMLESS.match(line)]
        if added and not _is_mended_at_boot(new.path, added):
            return "; ".join(added).rstrip(".")
        if added:
            at.warnings.append(f"The keys of the host are to be mended at boot by {_MENDS_KEYS}, before sshd starts.")
        elif said:
            words = "; ".join(said).rstrip(".")
            at.warnings.append(
                f"Whether sshd of the new root starts is not known: {' '.join(_LOOK)} fails there as it does in the root that it "
                f"was made of ({words})."
            )
    if _is_started_at_boot(base.path) and _is_started_at_boot(new.path) is False:
        at.warnings.append(
            "sshd was started at boot, and is not any more in the new root: a unit is disabled or masked."
        )
    brought_up = [unit for unit in _NETWORK if _is_wanted(base.path, unit)]
    if brought_up and not any(_is_wanted(new.path, unit) for unit in _NETWORK):
        at.warnings.append(
            f"{', '.join(brought_up)} was started at boot, and nothing that brings up the network is any more in the new root: a "
            "unit is disabled or masked."
        )
    return account_lost(new.path, base.path) or _rules_lost(at, new, base) or _ways_lost(at, new, base)


def _sshd_says(at: Apply, root: RootFacts, *, whole: bool = False) -> tuple[str, ...]:
    """Why sshd of a root would not start, line by line; nothing where it would. ``whole``: the root sees what is not in it,
    and nothing is written to it.
    """
    shown = _not_in_a_snapshot(root.path) if whole else ()
    source = certain(at.facts.root_mount, "the mount of the root").source
    with NewRoot(at.runner, source, root.subvolume.id, at.lock_fds, shown=shown, read_only=whole) as inside:
        inside.run(("mkdir", "-p", "-m", "0755", _OF_ITS_UNIT))  # if that fails, sshd says so
        done = inside.run_within(_LOOK, _PATIENCE, _MOST)
    lines = tuple(line.strip() for line in done.completed.stderr.splitlines() if line.strip())
    if done.timed_out:
        return (*lines, _ENDLESS)
    if done.completed.rc == 0:
        return ()
    return lines or (f"{' '.join(_LOOK)} exits with {done.completed.rc}",)


def _without_line(text: str) -> str:
    """The same defect may have moved to another line."""
    return re.sub(r"\bline \d+", "line", text)


def _not_in_a_snapshot(root: str) -> tuple[str, ...]:
    """Files in memory, and file systems of their own: keys and parts of the configuration may be there."""
    found = mounts()
    shown = []
    if resolve_in_root(root, "/run") is not None and is_there("/run"):
        with os.scandir("/run") as entries:
            shown = sorted(
                entry.path
                for entry in entries
                if not entry.name.startswith(_NOT_SHOWN)
                and not entry.is_symlink()
                and not any(is_below(mount.target, entry.path) for mount in found)
            )
    others = {
        mount.target
        for mount in found
        if mount.fstype in _LOCAL
        and mount.target != "/"
        and not any(is_below(mount.target, directory) for directory in _OF_THE_SYSTEM)
        and resolve_in_root(root, mount.target) is not None
    }
    return (*shown, *sorted(others))


def _is_mended_at_boot(root: str, lines: t.Sequence[str]) -> bool:
    return (
        all(_OPEN_KEYS.fullmatch(line) for line in lines)
        and any(resolve_in_root(root, f"{place}/{_MENDS_KEYS}") for place in _UNIT_DIRECTORIES)
        and resolve_in_root(root, _KEYS_MENDED) is None
    )


def _is_started_at_boot(root: str) -> bool | None:
    """None where systemd has no unit of it that is known."""
    known = [unit for unit in _UNITS if any(resolve_in_root(root, f"{place}/{unit}") for place in _UNIT_DIRECTORIES)]
    return any(_is_wanted(root, unit) for unit in known) if known else None


def _is_wanted(root: str, unit: str) -> bool:
    """systemd.unit(5): by a link in a directory of what wants it; a unit that is masked leads to /dev/null."""
    for directory in _UNIT_DIRECTORIES:
        own = os.path.join(root, directory.lstrip("/"), unit)
        if is_link(own) and os.readlink(own) == os.devnull:
            return False
        place = resolve_in_root(root, directory)
        for name in os.listdir(place) if place is not None else ():
            if name.endswith((".wants", ".requires")) and status(os.path.join(place or "", name, unit)) is not None:
                return True
    return False


def _runs() -> bool:
    """Whether an sshd runs on this host, in none of its containers."""
    try:
        of_the_host = os.readlink("/proc/1/ns/pid")
    except FileNotFoundError:  # a kernel without namespaces of processes has no containers
        of_the_host = ""
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and (text_of(f"/proc/{name}/comm") or "").startswith("sshd"):
                if not of_the_host or os.readlink(f"/proc/{name}/ns/pid") == of_the_host:
                    return True
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    return False


def _rules_lost(at: Apply, new: RootFacts, base: RootFacts) -> str | None:
    """What PAM of a new root no longer has of what sshd asks, in words."""
    service = _SERVICE
    without = pam.has_rules(base.path, service) and not pam.has_rules(new.path, service)
    gone = pam.missing_modules(new.path, service)
    if not without and not gone:
        return None
    settings = _settings(at, new, who_came_in())
    if settings.get("usepam") == ["no"]:
        return None
    service = settings.get("pamservicename", [_SERVICE])[0]
    if service != _SERVICE:
        without = not pam.has_rules(new.path, service)
        gone = pam.missing_modules(new.path, service)
    if without:
        return f"PAM knows no service {service}: no file in {' or '.join(pam.DIRECTORIES)}"
    before = pam.missing_modules(base.path, service)
    if gone & before:
        at.warnings.append(
            f"PAM has rules for {service} with {', '.join(sorted(gone & before))}, which is not installed."
        )
    added = ", ".join(sorted(gone - before))
    return f"PAM has rules for {service} with {added}, which is not there" if added else None


def _ways_lost(at: Apply, new: RootFacts, base: RootFacts) -> str | None:
    """Why whoever came in could not come into the new root, in words. Warns where a way is lost, and another one is left."""
    user = who_came_in()
    of_new, of_base = _settings(at, new, user), _settings(at, base, user)
    after, before = ways_in(new.path, user, of_new), ways_in(base.path, user, of_base)
    if after is None or before is None or before.closed:
        return None
    if after.closed:
        return f"{after.closed}, and {user} is who this run came in with"
    if before.keys and not before.keys & after.keys:
        at.warnings.append(
            f"sshd of the new root accepts none of the keys that it accepts of {user} now ({after.lost_keys or 'others came'})."
        )
    for method in sorted(before.methods - after.methods - {"publickey"}):
        at.warnings.append(f"sshd of the new root does not take {method} of {user} any more.")
    for name, of_what in (("port", "listens on port"), ("forcecommand", "lets everybody run nothing but")):
        there, here = of_new.get(name), of_base.get(name)
        if there and here and there not in (here, ["none"]):
            at.warnings.append(
                f"sshd of the new root {of_what} {', '.join(there)}; that of this one: {', '.join(here)}."
            )
    return None


def _settings(at: Apply, root: RootFacts, user: str) -> dict[str, list[str]]:
    """The settings of sshd in a root for an account; nothing where it does not tell them. Nothing is written to the root."""
    source = certain(at.facts.root_mount, "the mount of the root").source
    with NewRoot(at.runner, source, root.subvolume.id, at.lock_fds, read_only=True) as inside:
        inside.run(("mkdir", "-p", "-m", "0755", _OF_ITS_UNIT))
        done = inside.run_within((*_SETTINGS, "-C", f"user={user}"), _PATIENCE, _MOST)
    return {} if done.timed_out or done.completed.rc != 0 else parse_settings(done.completed.stdout)


__all__ = ("SSHD", "no_login", "starts_sshd")
