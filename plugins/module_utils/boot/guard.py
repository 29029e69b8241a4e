# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root needs so that a trial that goes wrong after its kernel started ends in a reboot: a few small files.

They do nothing unless the kernel's command line has ``overc.trial=1``, which GRUB gives to the one trial boot alone:

* a guard that starts with the first units and reboots when the boot does not end, or nobody confirms, in time;
* the emergency and rescue shells reboot, because nobody is at the console;
* a time-out of systemd itself for the boot's last target, in case the guard does not run.

They are part of the root that is tried, so a root can be broken so that none of them works: a kernel that hangs, or a
root without ``/bin/sh``, is left to ``panic=`` and to a hardware watchdog. Needs only ``/bin/sh`` and systemd.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass

from ..errors import OvercError
from ..system.own_dirs import STATE_DIR
from ..system.presence import NOT_THERE, is_directory, is_link, is_there
from ..system.rooted_path import plain_parent
from ..system.unfinished import NEW_SUFFIX
from .grub.protection import TRIAL_ARGUMENT
from .timeouts import Timeouts

GUARD: t.Final = "etc/overc/trial-guard"
UNIT: t.Final = "overc-trial-guard.service"
NOTE: t.Final = "trial-note"
_UNITS: t.Final = "etc/systemd/system"
_GENERATOR: t.Final = "etc/systemd/system-generators/overc-trial-boot"
_WANTS: t.Final = f"{_UNITS}/sysinit.target.wants/{UNIT}"
_OURS: t.Final = "# Installed by the module overc_bootloader of overc.system, which also removes it."

_GUARD_TEXT: t.Final = """\
#!/bin/sh
{ours}
# Does nothing unless GRUB started this boot as a trial.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
boot_timeout={boot_timeout} confirm_deadline={confirm_deadline}
boot={boot} environment={environment}

in_cmdline() {{
  read -r line </proc/cmdline || return 1
  case " $line " in *" {argument} "*) return 0 ;; esac
  return 1
}}

# Without its boot partition nobody can have confirmed it.
confirmed() {{
  mounted=
  while read -r _device directory _rest; do
    if [ "$directory" = "$boot" ]; then mounted=yes; fi
  done </proc/self/mounts
  [ -n "$mounted" ] && [ -f "$environment" ] || return 1
{asks}
}}

# Where both roots find it; a trial that cannot even write this is told by its silence.
remember() {{
  echo "trial: $1" >/dev/kmsg
  while read -r device directory _rest; do
    if [ "$directory" = / ]; then root=$device; fi
  done </proc/self/mounts
  mkdir -p /run/overc-trial && mount -t btrfs -o subvolid=5 "$root" /run/overc-trial || return
  if [ -d /run/overc-trial/{state} ]; then
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" >/run/overc-trial/{state}/{note}
    sync -f /run/overc-trial/{state}/{note}
  fi
  umount /run/overc-trial
}}

give_up() {{
  remember "$1" 2>/dev/null
  if [ "$2" = orderly ]; then
    systemctl --no-block reboot
    sleep 90
  fi
  sync &
  sleep 2
  systemctl --force --force reboot
  reboot -f
  echo b >/proc/sysrq-trigger
  sleep 60
}}

uptime() {{
  IFS=. read -r seconds _rest </proc/uptime
  echo "$seconds"
}}

in_cmdline || exit 0
case "$1" in
  shell)
    confirmed || give_up "it ended in the $2 shell" at_once
    ;;
  watch)
    booted=
    while ! confirmed; do
      now=$(uptime)
      if [ -z "$booted" ]; then
        case "$(systemctl is-system-running 2>/dev/null)" in
          running | degraded) booted=yes ;;
          *)
            if [ "$now" -ge "$boot_timeout" ]; then
              give_up "its boot did not end within $boot_timeout seconds" at_once
            fi
            ;;
        esac
      fi
      if [ "$confirm_deadline" -gt 0 ] && [ "$now" -ge "$confirm_deadline" ]; then
        give_up "nobody confirmed it within $confirm_deadline seconds" orderly
      fi
      sleep 3
    done
    ;;
esac
exit 0
"""

# What GRUB boots for good: with two fixed entries the normal one again, with an entry for each deployment this one.
_NORMAL_ENTRY: t.Final = """\
  while read -r line; do
    case "$line" in saved_entry=?*) return 1 ;; esac
  done <"$environment"
  return 0"""
_THIS_ENTRY: t.Final = """\
  number=
  read -r words </proc/cmdline
  set -f
  for word in $words; do
    case "$word" in overc.id=*) number=${word#overc.id=} ;; esac
  done
  while read -r line; do
    if [ "$line" = "overc_default=$number" ]; then return 0; fi
  done <"$environment"
  return 1"""

_UNIT_TEXT: t.Final = """\
{ours}
[Unit]
Description=Return to the backup deployment unless this trial is confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=simple
ExecStart=/bin/sh /{guard} watch
"""

_SHELL_TEXT: t.Final = """\
{ours}
[Service]
ExecStartPre=-/bin/sh /{guard} shell {name}
"""

_GENERATOR_TEXT: t.Final = """\
#!/bin/sh
{ours}
# A trial whose boot hangs is rebooted by systemd itself; any other boot may take its time.
read -r line </proc/cmdline || exit 0
case " $line " in *" {argument} "*) ;; *) exit 0 ;; esac
for target in multi-user.target graphical.target; do
  mkdir -p "$1/$target.d"
  printf '[Unit]\\nJobTimeoutSec={seconds}\\nJobTimeoutAction=reboot-force\\n' >"$1/$target.d/50-overc-trial.conf"
done
"""


@dataclass(frozen=True)
class Piece:
    """A file of ours, relative to the root; a symbolic link if ``link`` is set."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    link: str | None = None


def pieces(settings: Timeouts, boot_mount: str, environment: str, *, numbered: bool = False) -> tuple[Piece, ...]:
    """Everything a root needs. ``boot_mount`` is the mount point that ``environment`` (the block) lives below; ``numbered``:
    each deployment has an entry of its own there.
    """
    values = {
        "ours": _OURS,
        "argument": TRIAL_ARGUMENT,
        "boot_timeout": settings.boot_timeout,
        "confirm_deadline": settings.confirm_deadline,
        "boot": _quoted(boot_mount),
        "environment": _quoted(environment),
        "state": STATE_DIR,
        "note": NOTE,
        "guard": GUARD,
        "asks": _THIS_ENTRY if numbered else _NORMAL_ENTRY,
        # Later than the guard, which can say why
        "seconds": settings.boot_timeout + 60,
    }

    def text(template: str, **more: str) -> bytes:
        return os.fsencode(template.format(**values, **more))

    return (
        Piece(GUARD, text(_GUARD_TEXT), 0o755),
        Piece(f"{_UNITS}/{UNIT}", text(_UNIT_TEXT)),
        Piece(_WANTS, link=f"../{UNIT}"),
        *(
            Piece(f"{_UNITS}/{name}.service.d/50-overc-trial.conf", text(_SHELL_TEXT, name=name))
            for name in ("emergency", "rescue")
        ),
        Piece(_GENERATOR, text(_GENERATOR_TEXT), 0o755),
    )


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


def differing(root: str, wanted: t.Iterable[Piece]) -> tuple[str, ...]:
    """Paths of the pieces that a root does not have as they should be."""
    return tuple(piece.path for piece in wanted if not _is_there(root, piece))


def _is_there(root: str, piece: Piece) -> bool:
    parent = plain_parent(root, piece.path)
    if parent is None:
        return False
    path = os.path.join(parent, os.path.basename(piece.path))
    try:
        if piece.link is not None:
            return is_link(path) and os.readlink(path) == piece.link
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise
    with os.fdopen(fd, "rb") as stream:
        found = os.fstat(stream.fileno())
        right = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == piece.mode
        return right and stream.read(len(piece.content) + 1) == piece.content


def install(root: str, wanted: t.Iterable[Piece]) -> bool:
    """Put the pieces into a root, each replaced atomically; False if all were there. Links on the way are refused."""
    changed = False
    for piece in wanted:
        if _is_there(root, piece):
            continue
        parent = _make_parent(root, piece.path)
        path = os.path.join(parent, os.path.basename(piece.path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + NEW_SUFFIX)
        if piece.link is not None:
            os.symlink(piece.link, path + NEW_SUFFIX)
        else:
            fd = os.open(
                path + NEW_SUFFIX, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, piece.mode
            )
            with os.fdopen(fd, "wb") as stream:
                os.fchmod(stream.fileno(), piece.mode)
                stream.write(piece.content)
                stream.flush()
                os.fsync(stream.fileno())
        os.rename(path + NEW_SUFFIX, path)
        changed = True
    return changed


def _make_parent(root: str, path: str) -> str:
    here = root
    for part in os.path.dirname(path).split("/"):
        here = os.path.join(here, part)
        with contextlib.suppress(FileExistsError):
            os.mkdir(here, 0o755)
        if not stat.S_ISDIR(os.lstat(here).st_mode):
            raise OvercError(
                "no_trial_boot",
                f"{here} is no directory, so /{path} cannot be put there. Make it one, then run the same command again.",
            )
    return here


def remove(root: str) -> bool:
    """Take every piece out again, and the directories that only they needed; False if none was there."""
    changed = False
    for piece in pieces(Timeouts(), "/boot", "/boot/grub/grubenv"):
        parent = plain_parent(root, piece.path)
        if parent is None:
            continue
        path = os.path.join(parent, os.path.basename(piece.path))
        if is_there(path) and not is_directory(path):
            os.unlink(path)
            changed = True
        if os.path.basename(parent) in ("overc", "system-generators", "sysinit.target.wants") or parent.endswith(".d"):
            with contextlib.suppress(OSError):
                os.rmdir(parent)
    return changed


def there(root: str) -> tuple[str, ...]:
    """Paths of the pieces, of whatever version, that a root has."""
    every = pieces(Timeouts(), "/boot", "/boot/grub/grubenv")
    return tuple(piece.path for piece in every if is_there(os.path.join(root, piece.path)))


__all__ = ("GUARD", "NOTE", "UNIT", "Piece", "differing", "install", "pieces", "remove", "there")
