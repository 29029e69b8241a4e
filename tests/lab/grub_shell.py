# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB at work: carries out menus, from power-on to the kernel that is started, on file systems as GRUB sees them.

What real GRUB was seen to do counts: `save_env` writes in place and never into btrfs, an unloadable kernel leads to
`fallback` or to a machine that waits for a key, an entry without its initrd is started all the same.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import blscfg
from tests.lab.bootloader import ENVIRONMENT_SIZE, BootFailed, Restarted, format_environment, parse_environment
from tests.lab.grub_language import Command, Condition, Function, Simple, Word, Wrong, parse
from tests.lab.grub_test import evaluate
from tests.lab.kernel import kernel_release

_FEATURES = ("menuentry_id", "default_font_path", "platform_search_hint", "all_video_module", "timeout_style")
# They change what is seen, not what is started
_IDLE = frozenset({
    "background_color", "background_image", "clear", "cpuid", "gfxpayload", "insmod", "loadfont", "play", "serial", "sleep",
    "terminal", "terminal_input", "terminal_output", "true", ":",
})  # fmt: skip
_SHOWN = 3
_MOST_LINKS = 8


@dataclass(frozen=True)
class Volume:
    """A partition: its name in GRUB, its UUID, where it can be read (mounted when first asked), whether GRUB writes there."""

    name: str
    uuid: str
    root: Callable[[], Path]
    writable: bool


@dataclass(frozen=True)
class Item:
    title: str
    id: str
    block: tuple[Command, ...]
    submenu: bool


@dataclass(frozen=True)
class Loaded:
    """A kernel in memory, and what goes with it."""

    path: str
    arguments: tuple[str, ...]
    release: str
    initrd: bytes | None = None

    @property
    def cmdline(self) -> str:
        return " ".join((f"BOOT_IMAGE={self.path}", *self.arguments))


class Grub:
    """``prefix``: the directory of its files, ``(DEVICE)/PATH``; ``picked``: who stands at the menu chooses this entry."""

    def __init__(self, volumes: Sequence[Volume], prefix: str, platform: str = "pc") -> None:
        self.volumes = {volume.name: volume for volume in volumes}
        self.exported = {"root", "prefix", "grub_platform", "grub_cpu", *(f"feature_{name}" for name in _FEATURES)}
        self.variables = {
            "prefix": prefix, "root": prefix[1:].partition(")")[0], "grub_platform": platform,
            "grub_cpu": "i386" if platform == "pc" else "x86_64", **{f"feature_{name}": "y" for name in _FEATURES},
        }  # fmt: skip
        self.functions: dict[str, tuple[Command, ...]] = {}
        self.arguments: list[str] = []
        self.menu: list[Item] = []
        self.loaded: Loaded | None = None
        self.status = True
        # (volume, path) -> content: what it wrote, for somebody to put on the disk
        self.written: dict[tuple[str, str], bytes] = {}
        self.said: list[str] = []
        # What somebody picks in the first menu that is shown
        self.picked: str | None = None
        self.number = 0
        self.title = ""

    def start(self, picked: str | None = None) -> Loaded:
        """From its first file to a kernel; raises what keeps the machine from it."""
        self.picked = picked
        self._configured(f"{self.variables['prefix']}/grub.cfg")
        if self.loaded is None:
            raise BootFailed(f"GRUB waits for a key: {'; '.join(self.said[-_SHOWN:]) or 'the boot menu has no entry'}")
        return self.loaded

    # --- files ------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> tuple[Volume, str]:
        device, path = name[1:].split(")", 1) if name.startswith("(") else (self.variables.get("root", ""), name)
        if device not in self.volumes:
            raise OSError(f"disk `{device}' not found")
        return self.volumes[device], path

    def read(self, name: str) -> bytes:
        volume, path = self._place(name)
        if (volume.name, path) in self.written:
            return self.written[volume.name, path]
        try:
            return _below(volume.root(), path).read_bytes()
        except OSError as error:
            raise OSError(f"file `{path}' not found") from error

    def kind(self, name: str) -> tuple[bool, bool, int]:
        """Is it there, is it a directory, how many bytes has it."""
        try:
            volume, path = self._place(name)
            place = _below(volume.root(), path)
            return place.exists(), place.is_dir(), place.stat().st_size if place.is_file() else 0
        except OSError:
            return False, False, 0

    # --- language ---------------------------------------------------------------------------------------------

    def run(self, commands: t.Iterable[Command]) -> bool:
        for command in commands:
            if isinstance(command, Function):
                self.functions[command.name] = command.body
            elif isinstance(command, Condition):
                self._branch(command)
            elif isinstance(command, Wrong):
                self._fail(f"syntax error: {command.why}")
            else:
                self.status = self._command(command)
        return self.status

    def _branch(self, condition: Condition) -> None:
        for test, body in condition.branches:
            if self.run(test):
                self.run(body)
                return
        self.run(condition.otherwise)

    def _command(self, command: Simple) -> bool:
        words = self._expanded(command.words)
        if not words:
            return True
        name, arguments = words[0], words[1:]
        if name in ("menuentry", "submenu"):
            return self._add(name, arguments, command.block or ())
        if name == "[" and arguments[-1:] == ["]"]:
            return evaluate(arguments[:-1], self.kind)
        known = t.cast("Callable[[list[str]], bool] | None", getattr(self, f"_do_{name.replace('.', '_')}", None))
        if known is not None:
            try:
                return known(arguments)
            except OSError as error:
                return self._fail(str(error))
        if name in _IDLE:
            return True
        if name in self.functions:
            before, self.arguments = self.arguments, arguments
            self.run(self.functions[name])
            self.arguments = before
            return self.status
        if "=" in name:
            return self._do_set([name])
        return self._fail(f"can't find command `{name}'")

    def _fail(self, text: str) -> bool:
        self.said.append(text)
        return False

    def _expanded(self, words: tuple[Word, ...]) -> list[str]:
        found: list[str] = []
        for word in words:
            text: str | None = None
            for part in word:
                if part.kind in ("plain", "quoted"):
                    text = (text or "") + part.text
                elif part.kind == "whole":
                    text = (text or "") + self._value(part.text)
                else:
                    for number, piece in enumerate(self._value(part.text).split()):
                        if number and text is not None:
                            found.append(text)
                            text = None
                        text = (text or "") + piece
            if text is not None:
                found.append(text)
        return found

    def _value(self, name: str) -> str:
        if name.isdigit():
            return "".join(self.arguments[int(name) - 1 : int(name)])
        return str(int(not self.status)) if name == "?" else self.variables.get(name, "")

    # --- menus ------------------------------------------------------------------------------------------------

    def _add(self, kind: str, arguments: list[str], block: tuple[Command, ...]) -> bool:
        title, identity = "", ""
        rest = iter(arguments)
        for word in rest:
            if word in ("--class", "--users", "--hotkey", "--source"):
                next(rest, "")
            elif word == "--id":
                identity = next(rest, "")
            elif not word.startswith("--") and not title:
                title = word
        self.menu.append(Item(title, identity or title, block, kind == "submenu"))
        return True

    def _do_blscfg(self, _arguments: list[str]) -> bool:
        """Fedora's: the snippets of the boot loader specification become entries, where this command stands."""
        volume, path = self._place("/loader/entries")
        files = [(file.name, file.read_text("utf-8", "replace")) for file in _below(volume.root(), path).glob("*")]
        for found in blscfg.snippets(files, self._value):
            self.menu.append(Item(found.title, found.id, tuple(parse("\n".join(found.lines))), False))
        return True

    def _show(self, default: str) -> None:
        """Start what is chosen in the menu as it stands; nothing is loaded where that fails."""
        menu, picked = self.menu, self.picked
        if not menu:
            return
        number, rest = _chosen(menu, default if picked is None else picked)
        if picked is not None:
            if number is None:
                raise BootFailed(f"the boot menu has no entry {picked}")
            self.picked = rest or None
            self._start(menu[number], number, "")
            return
        self._start(menu[number or 0], number or 0, rest if number is not None else "")
        for other in self.variables.get("fallback", "").split():
            # Only a number is understood here: an identifier is passed over
            if self.loaded is None and other.isdigit() and int(other) < len(menu):
                self._start(menu[int(other)], int(other), "")

    def _start(self, item: Item, number: int, default: str) -> None:
        self.number, self.title = number, item.title
        if not item.submenu:
            self.run(item.block)
            return
        with_all, menu = self.variables, self.menu
        self.variables, self.menu = self._inherited(), []
        self.run(item.block)
        self._show(default)
        self.variables, self.menu = with_all, menu

    def _inherited(self) -> dict[str, str]:
        return {name: value for name, value in self.variables.items() if name in self.exported}

    def _configured(self, file: str) -> bool:
        status = self._do_source([file])
        if self.loaded is None:
            self._show(self.variables.get("default", "0"))
        return status

    # --- commands ---------------------------------------------------------------------------------------------

    def _do_set(self, arguments: list[str]) -> bool:
        name, equals, value = (arguments or [""])[0].partition("=")
        if equals:
            self.variables[name] = value
        return bool(equals) or not arguments

    def _do_unset(self, arguments: list[str]) -> bool:
        for name in arguments:
            self.variables.pop(name, None)
        return True

    def _do_export(self, arguments: list[str]) -> bool:
        self.exported.update(arguments)
        return True

    def _do_echo(self, _arguments: list[str]) -> bool:
        return True

    def _do_false(self, _arguments: list[str]) -> bool:
        return False

    def _do_test(self, arguments: list[str]) -> bool:
        return evaluate(arguments, self.kind)

    def _do_source(self, arguments: list[str]) -> bool:
        places = ("config_file", "config_directory")
        before = {name: self.variables.get(name, "") for name in places}
        self.exported.update(places)
        self.variables.update(zip(places, (arguments[0], arguments[0].rpartition("/")[0]), strict=True))
        try:
            return self.run(parse(self.read(arguments[0]).decode("utf-8", "replace")))
        except OSError as error:
            return self._fail(str(error))
        finally:
            self.variables.update(before)

    def _do_configfile(self, arguments: list[str]) -> bool:
        with_all, menu = self.variables, self.menu
        self.variables, self.menu = self._inherited(), []
        try:
            return self._configured(arguments[0])
        finally:
            self.variables, self.menu = with_all, menu

    def _do_normal(self, arguments: list[str]) -> bool:
        return self._do_configfile(arguments or [f"{self.variables['prefix']}/grub.cfg"])

    def _do_search(self, arguments: list[str]) -> bool:
        variable, kind, wanted = "root", "", ""
        for word in arguments:
            option, _, value = word.partition("=")
            if option == "--set":
                variable = value or "root"
            elif option in ("--fs-uuid", "-u", "--file", "-f", "--label", "-l"):
                kind = option.lstrip("-")[0:2]
            elif not word.startswith("-"):
                wanted = wanted or word
        return self._found(kind, wanted, variable)

    def _do_search_fs_uuid(self, arguments: list[str]) -> bool:
        return self._found("fs", arguments[0], (arguments[1:] or ["root"])[0])

    def _do_search_file(self, arguments: list[str]) -> bool:
        return self._found("fi", arguments[0], (arguments[1:] or ["root"])[0])

    def _found(self, kind: str, wanted: str, variable: str) -> bool:
        for volume in self.volumes.values():
            matches = volume.uuid == wanted if kind in ("fs", "u") else False
            if kind in ("fi", "f"):
                matches = self.kind(f"({volume.name}){wanted}")[0]
            if matches:
                self.variables[variable] = volume.name
                return True
        return self._fail(f"no such device: {wanted}")

    def _do_load_env(self, arguments: list[str]) -> bool:
        file, names = self._block(arguments)
        block = self.read(file)
        values = parse_environment(block)
        if len(block) != ENVIRONMENT_SIZE:
            return self._fail("invalid environment block")
        self.variables.update({name: value for name, value in values.items() if not names or name in names})
        return True

    def _do_save_env(self, arguments: list[str]) -> bool:
        file, names = self._block(arguments)
        volume, path = self._place(file)
        values = parse_environment(self.read(file))
        if not volume.writable:
            return self._fail("sparse file not allowed")
        for name in names:
            values.pop(name, None)
            if name in self.variables:
                values[name] = self.variables[name]
        block = format_environment(values)
        if len(block) != ENVIRONMENT_SIZE:
            return self._fail("environment block too small")
        self.written[volume.name, path] = block
        return True

    def _block(self, arguments: list[str]) -> tuple[str, list[str]]:
        file, names = f"{self.variables['prefix']}/grubenv", []
        rest = iter(arguments)
        for word in rest:
            if word in ("--file", "-f"):
                file = next(rest, "")
            elif word.startswith("--file="):
                file = word.partition("=")[2]
            elif not word.startswith("-"):
                names.append(word)
        return file, names

    def _do_linux(self, arguments: list[str]) -> bool:
        self.loaded = None
        try:
            release = kernel_release(self.read(arguments[0]))
        except ValueError as error:
            return self._fail(f"{arguments[0]} {error}")
        self.loaded = Loaded(arguments[0], tuple(arguments[1:]), release)
        return True

    _do_linuxefi = _do_linux

    def _do_initrd(self, arguments: list[str]) -> bool:
        if self.loaded is None:
            return self._fail("you need to load the kernel first")
        content = b"".join(self.read(name) for name in arguments)
        self.loaded = Loaded(self.loaded.path, self.loaded.arguments, self.loaded.release, content)
        return True

    _do_initrdefi = _do_initrd

    def _do_reboot(self, _arguments: list[str]) -> bool:
        raise Restarted(f"GRUB reboots: {'; '.join(self.said[-_SHOWN:])}")

    def _do_halt(self, _arguments: list[str]) -> bool:
        raise BootFailed("the boot menu switches the machine off")


def _below(root: Path, path: str) -> Path:
    """Never out of the volume: a link in it may be absolute."""
    place, steps, followed = root, path.strip("/").split("/")[::-1], 0
    while steps:
        step = steps.pop()
        if step == "..":
            if place == root:
                raise OSError(f"{path}: it leads out of the volume")
            place = place.parent
            continue
        place /= step
        if place.is_symlink():
            target, followed = str(place.readlink()), followed + 1
            if target.startswith("/") or followed > _MOST_LINKS:
                raise OSError(f"{path}: such links are not followed here")
            place = place.parent
            steps += target.split("/")[::-1]
    return place


def _chosen(menu: list[Item], name: str) -> tuple[int | None, str]:
    """By number, identifier or title; what stands behind ``>`` is for the menu below."""
    first, _, rest = name.partition(">")
    for number, item in enumerate(menu):
        if first in (item.id, item.title):
            return number, rest
    if first.isdigit() and int(first) < len(menu):
        return int(first), rest
    return None, rest
