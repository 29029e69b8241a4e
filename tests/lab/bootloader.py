# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for GRUB: reads the real grub.cfg and environment block, and refuses what a real machine could not boot.

It understands the menu of the documentation, with or without the lines of ``overc_bootloader``: the stock variables
``next_entry`` (one shot) and ``saved_entry``, ``fallback``, and ``${overc_trial}``; nothing else of GRUB's language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab.kernel import kernel_release

ENVIRONMENT_SIZE = 1024
_SIGNATURE = b"# GRUB Environment Block\n"
_TRIAL = "${overc_trial}"


class BootFailed(Exception):
    """Why the machine would not come up: it stands still at the boot loader, and somebody has to go there."""


class Panicked(BootFailed):
    """The kernel runs but cannot use its root: with ``panic=`` on its command line it tries again by itself."""


class Restarted(BootFailed):
    """The menu itself asked for a reboot: the machine tries again."""


@dataclass(frozen=True)
class Entry:
    number: int
    title: str
    kernel: str
    arguments: tuple[str, ...]
    initrd: str | None

    @property
    def cmdline(self) -> str:
        return " ".join((f"BOOT_IMAGE={self.kernel}", *self.arguments))

    @property
    def restarts_after_panic(self) -> bool:
        return any(re.fullmatch(r"panic=-?[1-9]\d*", argument) for argument in self.arguments)

    @property
    def rootflags(self) -> str:
        """Mount options of the root; empty means the default subvolume."""
        flags = [a.removeprefix("rootflags=") for a in self.arguments if a.startswith("rootflags=")]
        return ",".join(flags)


def parse_menu(text: str) -> list[Entry]:
    entries = []
    blocks = re.finditer(r"^\s*menuentry\s+(['\"])(.*?)\1[^{\n]*\{(.*?)^\s*\}", text, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        lines = [line.split() for line in block[3].splitlines() if line.strip()]
        kernels = [words[1:] for words in lines if words[0] in ("linux", "linuxefi") and len(words) > 1]
        initrds = [words[1] for words in lines if words[0] in ("initrd", "initrdefi") and len(words) > 1]
        if kernels:
            initrd = initrds[0] if initrds else None
            entries.append(Entry(number, block[2], kernels[0][0], tuple(kernels[0][1:]), initrd))
    return entries


def parse_environment(block: bytes) -> dict[str, str]:
    if len(block) != ENVIRONMENT_SIZE or not block.startswith(_SIGNATURE):
        return {}  # as GRUB does: "invalid environment block", and on with the boot
    text = block[len(_SIGNATURE) :].rstrip(b"#").decode("utf-8", "replace")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def format_environment(values: dict[str, str]) -> bytes:
    block = _SIGNATURE + "".join(f"{k}={v}\n" for k, v in values.items()).encode()
    return block.ljust(ENVIRONMENT_SIZE, b"#")


@dataclass(frozen=True)
class Choice:
    entry: Entry
    # What GRUB's save_env leaves behind, None where it writes nothing
    environment: bytes | None = None


def choose(boot: Path, at_the_menu: int | None) -> Choice:
    """``boot`` is the boot partition as GRUB sees it; ``at_the_menu`` is what a human picked, if there was one.

    The environment was read, and the one shot used up, before the menu is shown.
    """
    try:
        config = (boot / "grub" / "grub.cfg").read_text()
    except OSError as error:
        raise BootFailed(f"no boot menu: {error}") from error
    entries = parse_menu(config)
    if not entries:
        raise BootFailed("the boot menu has no entry")
    number, written, trial = _automatic(config, boot / "grub" / "grubenv")
    number = number if at_the_menu is None else at_the_menu
    if number >= len(entries):
        raise BootFailed(f"the boot menu has no entry {number}")
    chosen = _expanded(entries[number], trial)
    fallback = re.search(r"^\s*set\s+fallback=\"?(\d+)\"?", config, re.MULTILINE)
    if fallback and int(fallback[1]) < len(entries):
        try:
            load_kernel(boot, chosen)
        except BootFailed:
            chosen = _expanded(entries[int(fallback[1])], trial)
    return Choice(chosen, written)


def _expanded(entry: Entry, trial: bool) -> Entry:
    """A variable without a value leaves no argument behind."""
    value = ["overc.trial=1"] if trial else []
    arguments = [word for argument in entry.arguments for word in (value if argument == _TRIAL else [argument])]
    return replace(entry, arguments=tuple(arguments))


def _automatic(config: str, grubenv: Path) -> tuple[int, bytes | None, bool]:
    """Which entry, what is written back, and whether this is a trial."""
    default = re.search(r"^\s*set\s+default=\"?(\d+)\"?", config, re.MULTILINE)
    number = int(default[1]) if default else 0
    if not re.search(r"^\s*load_env\b", config, re.MULTILINE) or not grubenv.is_file():
        return number, None, False
    values = parse_environment(grubenv.read_bytes())
    saved = values.get("saved_entry")
    if values.get("next_entry"):
        number = _number(values["next_entry"])
        return number, format_environment({**values, "next_entry": ""}), number == 0 and bool(saved)
    return _number(saved) if saved else number, None, False


def _number(value: str) -> int:
    if not value.isdigit():
        raise BootFailed(f"the environment block asks for the entry {value!r}; only numbers are understood here")
    return int(value)


def _at(boot: Path, name: str) -> Path:
    return boot / name.lstrip("/")


def load_kernel(boot: Path, entry: Entry) -> str:
    """Check what GRUB and the firmware would; return the kernel's release."""
    kernel = _at(boot, entry.kernel)
    try:
        release = kernel_release(kernel.read_bytes())
    except FileNotFoundError as error:
        raise BootFailed(f"{entry.kernel} does not exist") from error
    except ValueError as error:
        raise BootFailed(f"{entry.kernel} {error}") from error
    if entry.initrd and not _at(boot, entry.initrd).is_file():
        raise BootFailed(f"{entry.initrd} does not exist")
    return release


def check_root(root: Path, release: str) -> None:
    """What the kernel would miss in the root it was given."""
    library = root / "lib"
    # The link may be absolute: it must not lead to this machine's own modules
    modules = (root / "usr/lib" if library.is_symlink() else library) / "modules" / release
    if not modules.is_dir():
        raise Panicked(f"the root has no modules for the kernel {release}")
    if not (root / "usr/lib/systemd/systemd").is_file():
        raise Panicked("the root has no init")
