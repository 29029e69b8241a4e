# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a grub.cfg needs for a trial boot, put in and recognised again. Pure: text in, text out.

Put in are a block right before the first menu entry, which decides by the two stock variables of GRUB's environment
block what boots, and ``panic=`` at the end of the kernel lines of the two entries. On the one trial boot, and only there,
the kernel line of the normal entry also gets ``overc.trial=1``, so that the host knows without its boot partition.

The block reads and writes the file beside the grub.cfg that GRUB really runs (``config_directory``), so it cannot be
another one than the file beside the grub.cfg that we changed. A grub.cfg that decides by itself, hands over to another
one or computes its entries is refused: nothing is guessed about it.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass

from ..timeouts import Timeouts
from .config import parse_grub_config

VERSION: t.Final = 1
TRIAL_ARGUMENT: t.Final = "overc.trial=1"
_TRIAL_VARIABLE: t.Final = "${overc_trial}"
_BEGIN: t.Final = "# >>> overc.system"
_END: t.Final = "# <<< overc.system\n"
_NO_DIGEST: t.Final = "0" * 64
_HEAD = re.compile(
    r"^# >>> overc\.system (?P<version>\d+) panic_timeout=(?P<panic>\d+) boot_timeout=(?P<boot>\d+)"
    r" confirm_deadline=(?P<confirm>\d+) backup_entry=(?P<entry>\d+) sha256=(?P<sha256>[0-9a-f]{64})\n",
    re.MULTILINE,
)
_PANIC = re.compile(r"[ \t]+panic=\S*")
_ENTRY = re.compile(r"^[ \t]*menuentry[ \t]", re.MULTILINE)
_LINUX = re.compile(r"^[ \t]*linux(?:16|efi)?[ \t]")
# Words that decide what boots, or lead elsewhere: a grub.cfg with one of them has a logic of its own.
_DECIDES: t.Final = frozenset((
    "load_env", "save_env", "configfile", "source", ".", "normal", "blscfg", "submenu", "legacy_configfile", "function",
    "extract_entries_configfile", "extract_entries_source", "syslinux_configfile", "multiboot", "chainloader",
))  # fmt: skip
_VARIABLES: t.Final = ("next_entry", "saved_entry", "prev_saved_entry", "boot_once")

_BLOCK: t.Final = """\
{head}\
# Trial boot: the module overc_bootloader put this in and takes it out again. Do not edit.
# saved_entry stays (unset: the normal entry, {entry}: the backup); next_entry counts for one boot.
set overc_environment="${{config_directory}}/grubenv"
if [ -z "${{config_directory}}" ]; then set overc_environment="${{prefix}}/grubenv"; fi
set default=0
set fallback={entry}
set overc_trial=
set saved_entry=
set next_entry=
load_env -f "${{overc_environment}}" saved_entry next_entry
if [ -n "${{saved_entry}}" ]; then set default="${{saved_entry}}"; fi
if [ -n "${{next_entry}}" ]; then
  set overc_next="${{next_entry}}"
  set next_entry=
  save_env -f "${{overc_environment}}" next_entry
  # It counts only if it was really erased on the disk: no endless trial.
  set next_entry=unread
  load_env -f "${{overc_environment}}" next_entry
  if [ -z "${{next_entry}}" ]; then
    set default="${{overc_next}}"
    if [ "${{overc_next}}" = "0" ]; then
      if [ -n "${{saved_entry}}" ]; then set overc_trial="{argument}"; fi
    fi
  fi
fi
{end}"""


@dataclass(frozen=True)
class Protected:
    """Our block as it was found. ``intact``: not a byte of the whole file changed since we wrote it."""

    version: int
    settings: Timeouts
    backup_entry: int
    intact: bool


class NoTrialBoot(Exception):
    """Why a grub.cfg cannot get a trial boot: a sentence."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _head(settings: Timeouts, entry: int, digest: str) -> str:
    return (
        f"{_BEGIN} {VERSION} panic_timeout={settings.panic_timeout} boot_timeout={settings.boot_timeout}"
        f" confirm_deadline={settings.confirm_deadline} backup_entry={entry} sha256={digest}\n"
    )


def _block(settings: Timeouts, entry: int) -> str:
    head = _head(settings, entry, _NO_DIGEST)
    return _BLOCK.format(head=head, entry=entry, argument=TRIAL_ARGUMENT, end=_END)


def find_protection(text: str) -> Protected | None:
    """What of ours a grub.cfg has: None unless the whole block is there, once, and the normal entry obeys it."""
    found = _HEAD.search(text)
    if found is None or text.count(_BEGIN) != 1 or text.count(_END) != 1:
        return None
    block = text[found.start() : text.index(_END) + len(_END)]
    settings = Timeouts(int(found["panic"]), int(found["boot"]), int(found["confirm"]))
    entry, version = int(found["entry"]), int(found["version"])
    blank = block.replace(found["sha256"], _NO_DIGEST)
    if version == VERSION and blank != _block(settings, entry):
        return None
    entries = parse_grub_config(text)
    if not 0 < entry < len(entries) or _TRIAL_VARIABLE not in entries[0].args:
        return None
    whole = text.replace(found["sha256"], _NO_DIGEST)
    return Protected(version, settings, entry, _digest(whole) == found["sha256"])


def protect(text: str, settings: Timeouts, kernel: str, backup_kernel: str, backup_flags: t.Collection[str]) -> str:
    """The grub.cfg with a trial boot. ``kernel`` is the file that the normal entry boots, ``backup_kernel`` and one of
    ``backup_flags`` (``subvol=rootfs_bakup``) are what makes an entry the backup. Raises NoTrialBoot.
    """
    if _BEGIN in text:
        raise NoTrialBoot("it has our lines already")
    first = _ENTRY.search(text)
    if first is None:
        raise NoTrialBoot("it has no menu entry")
    _refuse_own_logic(text, first.start())
    entries = parse_grub_config(text)
    backups = [
        number
        for number, entry in enumerate(entries)
        if number and entry.kernel == backup_kernel and set(backup_flags) & set(entry.rootflags)
    ]
    if not entries or entries[0].kernel != kernel or not backups:
        raise NoTrialBoot("its first entry is not the normal one, or it has no backup entry")
    backup = backups[0]
    lines = text.splitlines(keepends=True)
    where = _kernel_lines(lines)
    if len(where) != len(entries):
        raise NoTrialBoot("not every entry has exactly one linux line of its own")
    for number, extra in (
        (0, f" panic={settings.panic_timeout} {_TRIAL_VARIABLE}"),
        (backup, f" panic={settings.panic_timeout}"),
    ):
        lines[where[number]] = _with_arguments(lines[where[number]], extra)
    at = text.count("\n", 0, first.start())
    lines.insert(at, _block(settings, backup))
    result = "".join(lines)
    return result.replace(f"sha256={_NO_DIGEST}", f"sha256={_digest(result)}", 1)


def _words(line: str) -> list[str]:
    return re.split(r"[\s;]+", line.split("#", 1)[0].strip())


def _refuse_own_logic(text: str, first_entry: int) -> None:
    depth = 0
    for number, line in enumerate(text[:first_entry].splitlines(), 1):
        words = _words(line)
        depth += words.count("if") + words.count("while") + words.count("for")
        depth -= words.count("fi") + words.count("done")
        if line.rstrip().endswith("\\"):
            raise NoTrialBoot(f"line {number} goes on in the next one")
    if depth:
        raise NoTrialBoot("its first entry is inside an if")
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        found = [word for word in words[:1] if word in _DECIDES]
        found += [
            word for word in ("load_env", "save_env", "configfile", "blscfg") if word in words and word not in found
        ]
        found += [name for name in _VARIABLES if name in line.split("#", 1)[0]]
        if found:
            raise NoTrialBoot(f"line {number} ({found[0]}) gives it a logic of its own")
    tail = text[first_entry:]
    if re.search(r"^[ \t]*(?:set[ \t]+)?(?:default|fallback)=", tail, re.MULTILINE):
        raise NoTrialBoot("it sets default or fallback behind its first entry")
    if re.search(r"^[ \t]*if\b", tail, re.MULTILINE):
        raise NoTrialBoot("whether it has an entry, or what is in one, depends on an if")


def _kernel_lines(lines: t.Sequence[str]) -> list[int]:
    """The number of the line with the kernel, for each entry."""
    found: list[int] = []
    open_entry = False
    for number, line in enumerate(lines):
        if _ENTRY.match(line):
            if open_entry or not line.rstrip().endswith("{"):
                raise NoTrialBoot(f"the entry in line {number + 1} is not written with one command a line")
            open_entry = True
        elif open_entry and _LINUX.match(line):
            if any(sign in line for sign in (";", "#", "}")) or line.rstrip().endswith("\\"):
                raise NoTrialBoot(f"line {number + 1} has more than the linux command")
            found.append(number)
        elif line.strip() == "}":
            open_entry = False
    return found


def _with_arguments(line: str, extra: str) -> str:
    body = line.rstrip()
    return _PANIC.sub("", body) + extra + line[len(body) :]


def leads_to(text: str, menu: str) -> bool:
    """Whether a grub.cfg does nothing but hand over to the menu at this path of the same directory tree.

    Such a file is what UEFI installations put beside the boot loader: ``search`` for the boot partition, ``set prefix``,
    ``configfile``. Paths are compared from the root of the partition; what ``search`` finds cannot be known here.
    """
    if parse_grub_config(text) or _BEGIN in text:
        return False
    prefix = ""
    targets: list[str] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:1] == ["set"] and len(words) == 2 and words[1].startswith("prefix="):
            prefix = words[1][len("prefix=") :].strip("'\"")
        if words[:1] in (["configfile"], ["normal"]) and len(words) == 2:
            target = words[1].strip("'\"")
            targets.append(target.replace("${prefix}", prefix).replace("$prefix", prefix))
    plain = [re.sub(r"^\([^)]*\)|^\$\{?root\}?", "", target) for target in targets]
    return len(plain) == 1 and plain[0].lstrip("/") in (menu, f"boot/{menu}")


__all__ = (
    "TRIAL_ARGUMENT",
    "VERSION",
    "NoTrialBoot",
    "Protected",
    "find_protection",
    "leads_to",
    "protect",
)
