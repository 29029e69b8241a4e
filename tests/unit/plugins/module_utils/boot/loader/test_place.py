# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The acts of the method on files as they are on a host; a directory stands for the firmware."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import DEFAULT, TRY, Menu
from ansible_collections.overc.system.plugins.module_utils.boot.entries.method import read_block_at
from ansible_collections.overc.system.plugins.module_utils.boot.loader import find, started, variables
from ansible_collections.overc.system.plugins.module_utils.boot.loader import place as place_module
from ansible_collections.overc.system.plugins.module_utils.boot.loader.entry import parse_entry
from ansible_collections.overc.system.plugins.module_utils.boot.loader.find import find_adopted, find_new
from ansible_collections.overc.system.plugins.module_utils.boot.loader.place import LoaderPlace
from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount
from ansible_collections.overc.system.plugins.module_utils.system.presence import status

from tests.unit.entry_factory import entry

_OTHERS: t.Final = "0123456789abcdef0123456789abcdef-6.1.0-1.conf"
_PARTITION: t.Final = "AF5CAEB4-B7EE-4F8A-9D9E-0A8C1B6C8A11"
RUNNER: t.Final = t.cast("t.Any", None)


class Machine:
    """An ESP and the variables of a firmware."""

    def __init__(self, top: Path) -> None:
        self.esp, self.firmware = top / "esp", top / "efivars"
        self.firmware.mkdir()
        self.entries = self.esp / "loader/entries"
        self.entries.mkdir(parents=True)
        (self.esp / "loader/loader.conf").write_text("#timeout 3\n")
        (self.entries / _OTHERS).write_text("title Debian\nsort-key debian\nlinux /x\n")
        (self.esp / "overc/files").mkdir(parents=True)
        variables.write(variables.INFO, "systemd-boot 252.39-1~deb12u2")
        variables.write(variables.SELECTED, _OTHERS)
        variables.write(variables.PARTITION, _PARTITION)
        esp = str(self.esp)
        self.place = LoaderPlace(f"{esp}/overc", esp, "ABCD-1234", "/overc", str(self.entries), True)

    def write(self, *numbers: int) -> Menu:
        before, _problem = self.place.read_menu()
        menu = Menu(tuple(entry(number) for number in sorted(numbers, reverse=True)))
        self.place.write_menu(RUNNER, before, menu)
        return menu

    @property
    def ours(self) -> list[str]:
        return sorted(path.name for path in self.entries.iterdir() if path.name != _OTHERS)

    def loader(self) -> str | None:
        """As systemd-boot does: what is to be tried is forgotten before anything is started."""
        once, default = variables.read(variables.ONE_SHOT), variables.read(variables.DEFAULT)
        if once is not None:
            variables.write(variables.ONE_SHOT, None)
        return next((name for name in (once, default) if name and (self.entries / name).exists()), None)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(variables, "DIRECTORY", str(tmp_path / "efivars"))
    made = Machine(tmp_path)
    made.place.begin(None)
    made.write(0, 1, 2)
    return made


def test_entries_come_and_go_whole(machine: Machine) -> None:
    place = machine.place
    assert place.read_menu() == (Menu((entry(2), entry(1), entry(0))), None)
    machine.write(0, 2)
    assert machine.ours == ["overc-0.conf", "overc-2.conf", "overc-try-0.conf", "overc-try-2.conf"]
    assert place.read_menu() == (Menu((entry(2), entry(0))), None)


def test_an_entry_that_is_there_is_not_written_again(machine: Machine) -> None:
    """A rename over a file on FAT is no act of one piece."""
    before = {name: os.stat(machine.entries / name).st_ino for name in machine.ours}
    machine.place.write_menu(RUNNER, Menu(), Menu((entry(2), entry(1), entry(0)), Timeouts(99, 300, 900)))
    assert {name: os.stat(machine.entries / name).st_ino for name in machine.ours} == before
    assert machine.place.read_menu()[0].settings == Timeouts(99, 300, 900)


def test_tried_once_then_what_was_before(machine: Machine) -> None:
    place = machine.place
    place.choose({DEFAULT: "1", TRY: None})
    assert machine.loader() == "overc-1.conf"
    assert place.choose({TRY: "2"}) == (True, {DEFAULT: "1", TRY: "2"})
    assert machine.loader() == "overc-try-2.conf"
    assert place.read_choice().values == {DEFAULT: "1", TRY: ""}  # it was tried
    assert machine.loader() == "overc-1.conf"
    assert place.unled() is None
    place.choose({DEFAULT: "2", TRY: None})
    assert place.read_choice().values == {DEFAULT: "2"}
    assert machine.loader() == "overc-2.conf"


def test_what_was_armed_and_taken_back_was_not_tried(machine: Machine) -> None:
    machine.place.choose({TRY: "2"})
    assert machine.place.choose({TRY: None})[1] == {}
    assert machine.loader() is None


class _Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("begins", "changes", "ends"),
    [
        ({}, {TRY: "2"}, [{}, {TRY: "2"}]),
        ({TRY: "2"}, {TRY: None}, [{TRY: "2"}, {}]),
        (
            {DEFAULT: "1", TRY: "2"},
            {DEFAULT: "0", TRY: None},
            [{DEFAULT: "1", TRY: "2"}, {DEFAULT: "1"}, {DEFAULT: "0"}],
        ),
        ({DEFAULT: "1"}, {DEFAULT: "2", TRY: None}, [{DEFAULT: "1"}, {DEFAULT: "2"}]),
    ],
)
def test_killed_anywhere(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    begins: dict[str, str],
    changes: dict[str, str | None],
    ends: list[dict[str, str]],
) -> None:
    """Nothing that was not tried is ever told as tried, what boots is the old or the new; and the same again completes it."""
    place, seen = machine.place, []
    acts = (variables, "write"), (place_module, "write_environment")
    for last in range(10):
        variables.write(variables.DEFAULT, None)
        variables.write(variables.ONE_SHOT, None)
        place.begin(None)
        if begins:
            place.choose(begins)
        left = [last]

        def killing(act: t.Callable[..., t.Any], left: list[int] = left) -> t.Callable[..., t.Any]:
            def call(*args: t.Any) -> t.Any:
                if not left[0]:
                    raise _Killed
                left[0] -= 1
                return act(*args)

            return call

        with monkeypatch.context() as patch:
            for where, name in acts:
                patch.setattr(where, name, killing(getattr(where, name)))
            try:
                place.choose(changes)
            except _Killed:
                pass
            else:
                break
        seen.append(place.read_choice().values)
        place.choose(changes)
        assert place.read_choice().values == ends[-1]
        assert place.unled() is None
    assert [value for number, value in enumerate(seen) if number == 0 or seen[number - 1] != value] in (ends, ends[:-1])


@pytest.mark.parametrize(
    ("noted", "told", "meant", "noted_after"),
    [
        (None, "0", (), "0"),  # before the first trial
        ("0", "1", (1,), "1"),  # a confirmation
        ("1", "0", (), "1"),  # somebody else's choice
        ("0", "2", (1,), "0"),
        (None, None, (1,), None),
        ("0", None, (1,), "0"),
    ],
)
def test_a_choice_that_was_cut_off_is_noted(
    machine: Machine, noted: str | None, told: str | None, meant: tuple[int, ...], noted_after: str | None
) -> None:
    """Only what the run can have told the firmware; anything else is somebody else's, and stays to be told as such."""
    if noted is not None:
        machine.place.choose({DEFAULT: noted})
    variables.write(variables.DEFAULT, f"overc-{told}.conf" if told is not None else None)
    assert machine.place.note(meant) is (noted_after != noted)
    assert machine.place.note(meant) is False
    assert read_block_at(machine.place.block).values.get(DEFAULT) == noted_after
    assert (machine.place.unled() is None) is (noted_after == told)


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("default", ["0", "1", None])
def test_what_boots_is_never_the_file_that_is_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, default: str | None, torn: bool
) -> None:
    """A newer kernel of the installed system, say. On FAT a cut in the middle of a rename over a file may leave nothing of it."""
    old, new = entry(0), replace(entry(0), kernel="/overc/files/" + "f" * 64)
    whole = Menu((entry(2), entry(1), new))
    acts = (place_module, "write_text"), (variables, "write"), (place_module, "remove_files")
    cuts = 0
    for last in range(20):
        machine.place.begin(None)
        machine.write(0, 1, 2)
        if default is not None:
            machine.place.choose({DEFAULT: default, TRY: None})
        left = [last]

        def cutting(name: str, act: t.Callable[..., t.Any], left: list[int] = left) -> t.Callable[..., t.Any]:
            def call(*args: t.Any) -> t.Any:
                if not left[0]:
                    if torn and name == "write_text" and args[0].endswith(".conf"):
                        Path(args[0]).write_bytes(bytes(300))
                    raise _Killed
                left[0] -= 1
                return act(*args)

            return call

        with monkeypatch.context() as patch:
            for where, name in acts:
                patch.setattr(where, name, cutting(name, getattr(where, name)))
            try:
                machine.place.write_menu(RUNNER, machine.place.read_menu()[0], whole)
            except _Killed:
                cuts += 1
            else:
                break
        menu, problem = machine.place.read_menu()
        assert problem is None, last
        assert menu.of(0) in (old, new)
        boots = machine.loader()
        assert (boots is None) is (default is None)
        if boots is not None:
            told = parse_entry((machine.entries / boots).read_text(), trial=False)
            assert told in ((old, new) if default == "0" else (entry(1),)), (last, boots)
            assert machine.place.read_choice().values == {DEFAULT: default}
        assert machine.place.unled() is None
        machine.place.write_menu(RUNNER, menu, whole)
        assert machine.place.read_menu() == (whole, None)
        assert machine.ours == sorted(f"overc-{try_}{n}.conf" for n in (0, 1, 2) for try_ in ("", "try-"))
        assert variables.read(variables.DEFAULT) == (f"overc-{default}.conf" if default else None)
    assert cuts > 3


def test_what_a_cut_left_in_the_middle_is_set_right_by_whoever_comes(machine: Machine) -> None:
    machine.place.choose({DEFAULT: "0", TRY: None})
    own = machine.entries / "overc-0.conf"
    own.rename(machine.entries / "overc-0-next.conf")
    own.write_bytes(bytes(300))
    variables.write(variables.DEFAULT, "overc-0-next.conf")
    assert machine.place.unsettled()
    assert machine.place.read_menu() == (Menu((entry(2), entry(1), entry(0))), None)
    machine.place.choose({DEFAULT: "1", TRY: None})
    assert not machine.place.unsettled()
    assert parse_entry(own.read_text(), trial=False) == entry(0)
    assert machine.loader() == "overc-1.conf"


def test_the_tried_entry_is_written_again_where_it_was_lost(machine: Machine) -> None:
    (machine.entries / "overc-try-2.conf").unlink()
    machine.place.choose({TRY: "2"})
    assert machine.loader() == "overc-try-2.conf"


def test_nothing_is_chosen_that_has_no_entry(machine: Machine) -> None:
    for changes in ({TRY: "7"}, {DEFAULT: "7"}):
        with pytest.raises(OvercError) as caught:
            machine.place.choose(changes)
        assert caught.value.error_id == "inconsistent"
    assert machine.place.read_choice().values == {}


@pytest.mark.parametrize("left", [b"", bytes(700), b"# overc.system: a deployment, version 1. Made wh"])
@pytest.mark.parametrize("name", ["overc-3.conf", "overc-try-3.conf"])
def test_what_a_cut_leaves_is_no_entry_and_goes(machine: Machine, name: str, left: bytes) -> None:
    (machine.entries / name).write_bytes(left)
    (machine.entries / "overc-3.conf.overc-new").write_bytes(left)
    menu, problem = machine.place.read_menu()
    assert menu == Menu((entry(2), entry(1), entry(0)))
    assert (problem is None) is name.startswith("overc-try")
    assert machine.place.remove_unused(menu)
    assert machine.ours == ["overc-0.conf", "overc-1.conf", "overc-2.conf", *(f"overc-try-{n}.conf" for n in (0, 1, 2))]


def test_what_somebody_else_wrote_stays(machine: Machine) -> None:
    (machine.entries / "overc-3.conf").write_text("title mine\n")
    menu, problem = machine.place.read_menu()
    assert problem
    machine.place.remove_unused(menu)
    machine.place.leave()
    assert (machine.entries / "overc-3.conf").read_text() == "title mine\n"
    assert (machine.entries / _OTHERS).exists()


def test_given_back(machine: Machine) -> None:
    machine.place.choose({DEFAULT: "2", TRY: "1"})
    machine.place.leave()
    assert (variables.read(variables.DEFAULT), variables.read(variables.ONE_SHOT)) == (None, None)
    machine.place.remove()
    assert machine.ours == []
    assert not (machine.esp / "overc").exists()
    assert (machine.entries / _OTHERS).exists()


def test_what_was_the_default_before_comes_back(machine: Machine) -> None:
    variables.write(variables.DEFAULT, _OTHERS)
    machine.place.begin(None)
    machine.place.choose({DEFAULT: "2", TRY: None})
    machine.place.leave()
    assert variables.read(variables.DEFAULT) == _OTHERS


@pytest.mark.parametrize("now", [None, _OTHERS, "overc-1.conf"])
def test_a_firmware_that_forgot_is_told(machine: Machine, now: str | None) -> None:
    """A new battery, a disk in another machine, somebody's bootctl set-default."""
    machine.place.choose({DEFAULT: "2", TRY: None})
    assert machine.place.unled() is None
    variables.write(variables.DEFAULT, now)
    assert "LoaderEntryDefault" in (machine.place.unled() or "")
    machine.place.begin(0 if now else None)
    assert machine.place.unled() is None


@pytest.fixture
def found(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[], LoaderPlace]:
    """``find_new`` on this machine, whose partition is what the loader was started from."""
    for name in machine.ours:
        (machine.entries / name).unlink()
    device = os.stat(machine.esp).st_dev
    monkeypatch.setattr(find, "ESP_DIRECTORIES", (str(machine.esp),))
    monkeypatch.setattr(find, "uuid_of", lambda _runner, _source: "ABCD-1234")

    def known(path: str, *, follow: bool = False) -> t.Any:
        if path == f"/dev/disk/by-partuuid/{_PARTITION.lower()}":
            return type("Status", (), {"st_rdev": device})
        return status(path, follow=follow)

    monkeypatch.setattr(started, "status", known)
    mounts = [
        Mount(str(machine.esp), "/", "vfat", "/dev/vda1", frozenset({"rw"})),
        Mount(str(machine.firmware), "/", "efivarfs", "efivarfs", frozenset({"rw"})),
    ]
    machine.mounts = mounts  # type: ignore[attr-defined]
    return lambda: find_new(RUNNER, mounts, str(machine.esp.parent / "boot"))


def test_where_it_belongs(machine: Machine, found: t.Callable[[], LoaderPlace]) -> None:
    assert found() == machine.place
    assert find_adopted(RUNNER, machine.mounts, "/boot") is None  # type: ignore[attr-defined]
    machine.write(0)
    assert find_adopted(RUNNER, machine.mounts, "/boot") == machine.place  # type: ignore[attr-defined]


def _without_sort_key(machine: Machine) -> None:
    (machine.entries / _OTHERS).write_text("title Debian\n")


def _unified(machine: Machine) -> None:
    (machine.esp / "EFI/Linux").mkdir(parents=True)
    (machine.esp / "EFI/Linux/debian.efi").touch()


def _grub(machine: Machine) -> None:
    (machine.esp.parent / "boot/grub").mkdir(parents=True)
    (machine.esp.parent / "boot/grub/grub.cfg").touch()


def _automounted(machine: Machine) -> None:
    machine.mounts.insert(0, Mount(str(machine.esp), "/", "autofs", "x", frozenset()))  # type: ignore[attr-defined]


def _no_firmware(machine: Machine) -> None:
    del machine.mounts[1]  # type: ignore[attr-defined]


def _no_esp(machine: Machine) -> None:
    del machine.mounts[0]  # type: ignore[attr-defined]


def _saved(machine: Machine) -> None:
    (machine.esp / "loader/loader.conf").write_text("default @saved\n")


def _taken(machine: Machine) -> None:
    (machine.entries / "overc-1.conf").write_text("title mine\n")


def _secure(machine: Machine) -> None:
    (machine.firmware / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c").write_bytes(b"\6\0\0\0\1")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_sort_key, "sort-key"),
        (_unified, "unified kernel images"),
        (_grub, "menu of GRUB"),
        (_automounted, "/etc/fstab"),
        (_no_firmware, "cannot be set"),
        (_no_esp, "Mount the EFI system partition"),
        (_secure, "Secure Boot"),
        (_saved, "what was booted last"),
        (_taken, "of somebody else"),
        (lambda _machine: variables.write(variables.INFO, "GRUB 2.12"), "was started by GRUB"),
        (lambda _machine: variables.write(variables.INFO, None), "does not say what it is"),
        (lambda _machine: variables.write(variables.PARTITION, None), "from which partition"),
        (lambda _machine: variables.write(variables.PARTITION, "0" * 36), "not what is mounted"),
        (lambda _machine: variables.write(variables.DEFAULT, "windows.conf"), "boots by default"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(
    machine: Machine, found: t.Callable[[], LoaderPlace], spoil: t.Callable[[Machine], object], told: str
) -> None:
    spoil(machine)
    with pytest.raises(OvercError, match=told) as caught:
        found()
    assert caught.value.error_id == "layout_unsupported"
    assert "Nothing was changed" in caught.value.message


def test_a_default_in_loader_conf_is_enough(machine: Machine, found: t.Callable[[], LoaderPlace]) -> None:
    _without_sort_key(machine)
    (machine.esp / "loader/loader.conf").write_text("timeout 3\ndefault 0123456789abcdef*\n")
    assert found() == machine.place


def test_the_distributions_entries_of_other_roots(machine: Machine) -> None:
    """Written by kernel-install in a later deployment: given back, the host would boot that."""
    assert machine.place.of_other_roots("@rootfs") == ()
    (machine.entries / _OTHERS).write_text(
        "sort-key debian\noptions root=UUID=1 rootflags=subvol=@rootfs.overc-1 quiet\n"
    )
    assert machine.place.of_other_roots("@rootfs") == (_OTHERS,)
    assert machine.place.of_other_roots("@rootfs.overc-1") == ()
