# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing and removing what automatic protection needs on a host: in GRUB's menu, and in the running root.

Each file is replaced in one moment, and in an order in which every middle is harmless: what only helps comes first, the
menu that relies on it last; the other way round when it is taken out. So a run that was cut off is simply repeated.
The menu as it was is kept beside it, byte for byte, and comes back when the protection is removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ...boot import guard, partition
from ...boot.grub.environment import EMPTY, NEXT_ENTRY, SAVED_ENTRY, write_environment
from ...boot.grub.protection import NoTrialBoot, find_protection, protect
from ...boot.names import backup_of
from ...boot.timeouts import TIMEOUTS_SPEC, Timeouts
from ...errors import OvercError
from ...system import syscalls
from ...system.presence import is_directory, is_there
from ...system.unfinished import NEW_SUFFIX
from ..observe.ordinary import is_ordinary
from ..observe.protection import place_requirements, protection_of
from ..plan.refusals import refuse_unless_usable
from . import adopt, give_back

if t.TYPE_CHECKING:
    from ..observe.facts import HostFacts
    from ..observe.state import HostState
    from ..session import Host

# Beside grub.cfg: the file as it was before, and the sign that the environment block is ours to remove again.
BEFORE_SUFFIX: t.Final = ".overc-before"
MADE_SUFFIX: t.Final = ".overc-made"

BOOTLOADER_SPEC: t.Final[dict[str, dict[str, t.Any]]] = {
    "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
    "adopt_custom_cfg": {"type": "str", "choices": ["refuse", "append"], "default": "refuse"},
    **TIMEOUTS_SPEC,
}


def manage(host: Host, state: str, settings: Timeouts, *, append: bool = False) -> dict[str, t.Any]:
    """Bring the host's boot loader to ``present`` or ``absent``; what the module returns. ``append``: lines of somebody else
    in GRUB's custom.cfg are no reason to refuse.
    """
    facts, derived = host.observe()
    if host.check_mode and derived.name == "interrupted":
        raise OvercError(
            "inconsistent",
            "A run was interrupted on this host and is repaired first; what comes after that cannot be told before. "
            "Run any command that repairs it, for instance overc_host_confirm.",
        )
    if facts.entry_boot is not None or is_ordinary(facts):
        if state == "present":
            return adopt.present(host, facts, derived, settings, append=append)
        return give_back.absent(host, facts, derived)
    return _present(host, facts, derived, settings) if state == "present" else _absent(host, facts, derived)


def _paths(facts: HostFacts) -> tuple[str, str]:
    boot = facts.trial_boot
    if boot.config is None or boot.environment is None:
        raise OvercError(
            "no_trial_boot",
            f"There is no grub.cfg in {facts.layout.boot_dir}. Install GRUB's menu, then run this again.",
        )
    return boot.config, boot.environment


def _refuse_mid_switch(derived: HostState) -> None:
    """Changing what decides over the next boot while a switch waits for it would decide over the switch as well."""
    if derived.name == "staged":
        raise OvercError(
            "not_booted",
            "A staged deployment waits for its first boot. Reboot the host or cancel it, then run this again.",
        )
    if derived.name == "trial":
        raise OvercError(
            "unconfirmed", "The running deployment is on trial. Confirm it or give it up, then run this again."
        )
    if derived.name in ("backup", "fallback"):
        raise OvercError(
            "backup_boot",
            "The host runs its backup deployment. Run overc_host_rollback to restore it to the normal entry, reboot, then "
            "run this again.",
        )
    refuse_unless_usable(derived, rollback=True)


def _present(host: Host, facts: HostFacts, derived: HostState, settings: Timeouts) -> dict[str, t.Any]:
    config, environment = _paths(facts)
    boot = facts.trial_boot
    refuse_unless_usable(derived, rollback=True)
    violated = [entry for entry in place_requirements(facts) if not entry.ok]
    if violated:
        lines = "; ".join(f"{entry.id}: {entry.detail} (to mend: {entry.remedy})" for entry in violated)
        raise OvercError(
            "no_trial_boot",
            f"This host cannot have automatic protection: {lines}. It stays as it is, with protection: manual.",
            requirements=[entry.as_dict() for entry in violated],
        )
    if host.runner.find("systemctl") is None:
        raise OvercError(
            "no_trial_boot", "The host has no systemd, which the guard of a trial needs. Nothing was changed."
        )
    before, mode = _load(config)
    original = before if boot.protected is None else _before(config, before)
    after = _protected(facts, original, settings, config)
    wanted = guard.pieces(settings, boot.mount_point or "", environment)
    missing = guard.differing("/", wanted)
    changed = after != before or bool(missing) or not boot.exists
    if changed and (after != before or not boot.exists):
        _refuse_mid_switch(derived)
    stale = {name: boot.values[name] for name in (SAVED_ENTRY, NEXT_ENTRY) if boot.values.get(name)}
    if boot.protected is None and stale:
        said = ", ".join(f"{name}={value}" for name, value in stale.items())
        raise OvercError(
            "no_trial_boot",
            f"{environment} says {said} already, and GRUB would obey it at once. Unset it with grub-editenv {environment} "
            "unset, then run this again.",
        )
    if changed and not host.check_mode:
        if not boot.exists:
            _make_environment(environment)
        guard.install("/", wanted)
        if after != before:
            _replace(config + BEFORE_SUFFIX, original, mode)
            _replace(config, after, mode)
        _reload(host)
    if not host.check_mode:
        _make_durable(config)
    return _result(host, facts, changed, _diff(config, before, after, (), missing))


def _protected(facts: HostFacts, original: bytes, settings: Timeouts, config: str) -> bytes:
    kernel = facts.kernel or ""
    try:
        text = protect(os.fsdecode(original), settings, kernel, backup_of(kernel), facts.layout.backup_flags)
    except NoTrialBoot as error:
        raise OvercError(
            "no_trial_boot",
            f"{config} cannot get a trial boot: {error}. Write it with the two plain entries of the documentation, or "
            "stay with protection: manual. Nothing was changed.",
        ) from None
    return os.fsencode(text)


def _before(config: str, ours: bytes) -> bytes:
    """The menu as it was, once the present one is known to be ours to the last byte."""
    found = find_protection(os.fsdecode(ours))
    kept = config + BEFORE_SUFFIX
    try:
        original = _load(kept)[0]
    except FileNotFoundError:
        original = None
    if found is None or not found.intact or original is None:
        what = f"{kept} is gone" if original is None else f"{config} was changed since the protection was installed"
        raise OvercError(
            "bootloader_changed",
            f"{what}, so it cannot be returned to what it was. Take your change out again, or take our lines out by hand "
            f"(from '# >>> overc.system' to '# <<< overc.system', and ${{overc_trial}}) and remove {kept}; then run this "
            "again. Nothing was changed.",
        )
    return original


def _absent(host: Host, facts: HostFacts, derived: HostState) -> dict[str, t.Any]:
    config, environment = _paths(facts)
    before, mode = _load(config)
    has_ours = b"# >>> overc.system" in before
    original = _before(config, before) if has_ours else before
    left = [path for path in (config + BEFORE_SUFFIX, environment + MADE_SUFFIX) if is_there(path)]
    pieces = guard.there("/")
    changed = has_ours or bool(left) or bool(pieces)
    if has_ours:
        _refuse_mid_switch(derived)
    if changed and not host.check_mode:
        if has_ours:
            _replace(config, original, mode)
        _forget_environment(environment, had_ours=has_ours)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(config + BEFORE_SUFFIX)
        _sync(config)
        guard.remove("/")
        _reload(host)
    if not host.check_mode:
        _make_durable(config)
    return _result(host, facts, changed, _diff(config, before, original, pieces, ()))


def _result(host: Host, facts: HostFacts, changed: bool, diff: dict[str, str]) -> dict[str, t.Any]:
    after = facts if host.check_mode or not changed else host.observe()[0]
    return {
        "changed": changed,
        "state": host.state,
        "protection": protection_of(after),
        "grub_config": facts.trial_boot.config,
        "environment": facts.trial_boot.environment,
        "diff": diff,
    }


def _diff(config: str, before: bytes, after: bytes, removed: t.Sequence[str], added: t.Sequence[str]) -> dict[str, str]:
    def text(content: bytes, paths: t.Sequence[str]) -> str:
        return content.decode("utf-8", "replace") + "".join(f"/{path}\n" for path in paths)

    return {
        "before_header": config,
        "after_header": config,
        "before": text(before, removed),
        "after": text(after, added),
    }


# -- files -----------------------------------------------------------------------------------------------------------


def _load(path: str) -> tuple[bytes, int]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        return stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)


def _replace(path: str, content: bytes, mode: int) -> None:
    """Write beside, read back, rename, sync the whole file system: GRUB replays no journal."""
    new = path + NEW_SUFFIX
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as stream:
            with contextlib.suppress(PermissionError):  # FAT knows no permissions
                os.fchmod(fd, mode)
            stream.write(content)
            stream.flush()
            os.fsync(fd)
            syscalls.syncfs(os.path.dirname(path))
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if _load(new)[0] != content:
            os.unlink(new)
            raise OvercError("boot_write_failed", f"{new} is not what was written to it. Check that disk.")
        os.rename(new, path)
        _sync(path)
    except OSError as error:
        raise OvercError(
            "no_space" if error.errno in (28, 122) else "boot_write_failed",
            f"Cannot write {path}: {error.strerror}. What boots is unchanged; mend that and run the same command again.",
        ) from error


def _sync(path: str) -> None:
    partition.sync(os.path.dirname(path))


def _make_durable(config: str) -> None:
    """Also what an earlier run was killed over: what is seen to be there, or gone, may be so in memory only."""
    _sync(config)
    syscalls.syncfs("/")


def _make_environment(environment: str) -> None:
    # The sign first: a block that nobody claims stays for ever, a sign without a block goes with the next removal.
    _replace(environment + MADE_SUFFIX, b"", 0o600)
    _replace(environment, EMPTY, 0o600)


def _forget_environment(environment: str, *, had_ours: bool) -> None:
    made = environment + MADE_SUFFIX
    if is_there(made):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(environment)
        _sync(environment)
        os.unlink(made)
        _sync(environment)
    elif had_ours and is_there(environment):
        write_environment(environment, {SAVED_ENTRY: None, NEXT_ENTRY: None})


def _reload(host: Host) -> None:
    """Let the running systemd know; at the next boot it would see the units anyway."""
    if is_directory("/run/systemd/system"):
        host.runner.run(("systemctl", "daemon-reload"))


__all__ = ("BEFORE_SUFFIX", "BOOTLOADER_SPEC", "MADE_SUFFIX", "manage")
