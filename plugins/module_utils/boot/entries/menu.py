# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of GRUB with an entry for each deployment, and the lines that lead to it. Pure: entries in, text out, and back.

Where things are. The *selector* is a directory where GRUB can write, if there is one:

* ``/boot/overc`` where /boot is a partition of its own (GRUB path ``/overc``);
* else ``<ESP>/overc`` (GRUB path ``/overc``), with the kernels read from the subvolumes;
* else ``/boot/overc`` of deployment 0 (GRUB path ``/<its subvolume>/boot/overc``), which GRUB can read and not write.

In it are:

* ``menu.cfg``: this text, always written whole and renamed into place;
* ``env``: 1,024 bytes as ``boot/grub/environment.py`` has them, with ``overc_default`` (an id; empty or unset: what the
  distribution's menu chooses) and ``overc_try`` (an id, tried once; GRUB empties it before it obeys);
* ``files/<sha256>``: kernels and initrds, where /boot is a partition; equal ones are there once.

GRUB comes here through ``custom.cfg`` beside the grub.cfg of the distribution (on /boot, or in deployment 0), which every
grub.cfg of grub-mkconfig sources at its end. Nothing else of the distribution is touched.

The command line of an entry ends with ``overc.id=<id> panic=<seconds>``, and with ``overc.trial=1`` on the one boot that
is the trial, and only if the block could be emptied. An entry on trial that cannot be loaded reboots (the try is used up);
any other leads to the first entry of the menu, because GRUB 2.06 understands only a number in ``fallback``.

A line that begins with ``#>`` before each entry holds it as JSON, one with ``#=`` the time-outs of a trial: from these it is
read back, and a text that is not what would be written from them was changed by somebody else.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import asdict, dataclass, field, replace

from ...values import build, load_object
from ..grub.protection import TRIAL_ARGUMENT
from ..timeouts import Timeouts

ADOPTED: t.Final = 0  # the id of the system as it was installed
DEFAULT: t.Final = "overc_default"
TRY: t.Final = "overc_try"
ID_ARGUMENT: t.Final = "overc.id="

_HEAD: t.Final = "# overc.system: menu of deployments, version 1. Made whole by the collection; do not edit.\n"
_LISTED: t.Final = "#> "
_SETTINGS: t.Final = "#= "
_LOGIC: t.Final = """\
set overc_default=
set overc_try=
set overc_trial=
set overc_chosen=
if [ -s "${overc_dir}/env" ]; then
  load_env --file "${overc_dir}/env" overc_default overc_try
  set overc_chosen="${overc_default}"
  if [ -n "${overc_try}" ]; then
    set overc_once="${overc_try}"
    set overc_try=
    save_env --file "${overc_dir}/env" overc_try
    # It counts only if it was really emptied on the disk: no endless trial.
    set overc_try=unread
    load_env --file "${overc_dir}/env" overc_try
    if [ -z "${overc_try}" ]; then
      set overc_chosen="${overc_once}"
      set overc_trial="${overc_once}"
    fi
  fi
fi
"""
_ENTRY: t.Final = """\
menuentry {title} --id overc-{id} {{
  set overc_arg=
  if [ "${{overc_trial}}" = "{id}" ]; then set overc_arg="{trial}"; fi
  set overc_loaded=
  search --no-floppy --fs-uuid --set=root {device}
  if {ready}; then
    if linux {kernel} {args} overc.id={id} panic={panic} ${{overc_arg}}; then
      {initrd}
    fi
  fi
  if [ -z "${{overc_loaded}}" ]; then
    echo {failed}
    if [ -n "${{overc_arg}}" ]; then sleep 5; reboot; fi
    false
  fi
}}
"""
_END: t.Final = """\
if [ -n "${overc_chosen}" ]; then
  set default="overc-${overc_chosen}"
  set fallback=0
fi
"""
_BEGIN_HOOK: t.Final = (
    "# >>> overc.system 1: leads to the menu of deployments. The module overc_bootloader takes it out again.\n"
)
_END_HOOK: t.Final = "# <<< overc.system\n"
_HOOK: t.Final = (
    _BEGIN_HOOK
    + """\
search --no-floppy --fs-uuid --set=overc_device {device}
set overc_dir="(${{overc_device}}){directory}"
if [ -s "${{overc_dir}}/menu.cfg" ]; then source "${{overc_dir}}/menu.cfg"; fi
"""
    + _END_HOOK
)
# Not in a text between single quotes, or not in one line
_UNQUOTABLE = re.compile(r"['\x00-\x1f\x7f]")
_PLAIN = re.compile(r"[A-Za-z0-9_./=:,@%+-]+")
_DEVICE = re.compile(r"[0-9A-Fa-f-]{4,36}")


@dataclass(frozen=True)
class Entry:
    """One deployment as GRUB boots it.

    ``uuid`` is that of the root ``subvolume`` (its path in the top-level tree). ``device``: UUID of the file system that
    holds ``kernel`` and ``initrd``, which are paths on it as GRUB sees them. ``args``: the words of the command line,
    ``root=`` and ``rootflags=`` included, ours not; a space inside a word is one for the kernel too.
    """

    id: int
    title: str
    subvolume: str
    uuid: str
    device: str
    kernel: str
    args: tuple[str, ...]
    initrd: str | None = None
    release: str | None = None


def _quoted(text: str) -> str:
    if _UNQUOTABLE.search(text):
        raise ValueError(f"{text!r} cannot be written into a menu of GRUB")
    return f"'{text}'"


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _lines(entry: Entry, settings: Timeouts) -> str:
    if not _DEVICE.fullmatch(entry.device):
        raise ValueError(f"{entry.device!r} is no UUID of a file system")
    loaded = "set overc_loaded=1"
    return _ENTRY.format(
        title=_quoted(entry.title),
        id=int(entry.id),
        trial=TRIAL_ARGUMENT,
        device=entry.device,
        kernel=_word(entry.kernel),
        args=" ".join(map(_word, entry.args)),
        panic=int(settings.panic_timeout),
        # GRUB starts a kernel that it has, also where its initrd could not be read: seen in a virtual machine, over and over
        ready=f"[ -s {_word(entry.initrd)} ]" if entry.initrd else "true",
        initrd=f"if initrd {_word(entry.initrd)}; then {loaded}; fi" if entry.initrd else loaded,
        failed=_quoted(f"overc.system: deployment {int(entry.id)} cannot be loaded."),
    )


@dataclass(frozen=True)
class Menu:
    """What a menu.cfg says. ``entries``: the newest first."""

    entries: tuple[Entry, ...] = ()
    settings: Timeouts = field(default_factory=Timeouts)

    def of(self, number: int | None) -> Entry | None:
        """The entry with this id."""
        return next((entry for entry in self.entries if entry.id == number), None)

    def with_entry(self, entry: Entry) -> Menu:
        """A copy with this entry added, or in the place of the one that has its id."""
        others = (other for other in self.entries if other.id != entry.id)
        return replace(self, entries=tuple(sorted((entry, *others), key=lambda each: -each.id)))

    def without(self, numbers: t.Collection[int]) -> Menu:
        """A copy without the entries with these ids."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.id not in numbers))


def menu_text(menu: Menu) -> str:
    """The whole menu.cfg. Raises ValueError for what GRUB's language cannot say."""
    ordered = sorted(menu.entries, key=lambda entry: -entry.id)
    if len({entry.id for entry in ordered}) != len(ordered):
        raise ValueError("two deployments have one id")
    settings = f"{_SETTINGS}{json.dumps(asdict(menu.settings), sort_keys=True)}\n"
    blocks = [
        f"{_LISTED}{json.dumps(asdict(entry), sort_keys=True)}\n{_lines(entry, menu.settings)}" for entry in ordered
    ]
    return "".join((_HEAD, settings, _LOGIC, *blocks, _END))


def parse_menu(text: str) -> Menu:
    """The inverse. Raises ValueError where it is not, to the byte, what we write."""

    def objects(begin: str) -> list[dict[str, t.Any]]:
        return [load_object(line[len(begin) :]) for line in text.split("\n") if line.startswith(begin)]

    entries = tuple(build(Entry, raw) for raw in objects(_LISTED))
    settings = [build(Timeouts, raw) for raw in objects(_SETTINGS)]
    if len(settings) != 1 or menu_text(Menu(entries, settings[0])) != text:
        raise ValueError("it is not what was written")
    return Menu(entries, settings[0])


def is_ours(text: str) -> bool:
    """Whether a text begins as every menu.cfg of ours does, however it goes on."""
    return text.startswith(_HEAD.split(",", maxsplit=1)[0])


def hook_text(device: str, directory: str) -> str:
    """The lines for custom.cfg. ``device``: UUID of the selector's file system, ``directory``: its path as GRUB sees it."""
    if not _DEVICE.fullmatch(device) or not re.fullmatch(r"(?:/[A-Za-z0-9_@.+-]+)+", directory):
        raise ValueError(f"{device!r} and {directory!r} cannot be written into a menu of GRUB")
    return _HOOK.format(device=device, directory=directory)


def reads_hook(text: str) -> bool:
    """Whether the distribution's grub.cfg goes on to custom.cfg: another run of its tool may have left that out."""
    return any("custom.cfg" in line and not line.lstrip().startswith("#") for line in text.splitlines())


def find_hook(text: str) -> str | None:
    """Our lines in a custom.cfg, from the first to the last; None where there are none or only a part."""
    begin, end = text.find(_BEGIN_HOOK), text.find(_END_HOOK)
    return text[begin : end + len(_END_HOOK)] if 0 <= begin < end else None


__all__ = (
    "ADOPTED",
    "DEFAULT",
    "ID_ARGUMENT",
    "TRY",
    "Entry",
    "Menu",
    "find_hook",
    "hook_text",
    "is_ours",
    "menu_text",
    "parse_menu",
    "reads_hook",
)
