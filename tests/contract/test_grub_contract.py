# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's GRUB against the real one (grub-emu): what both start from the same menu.

grub-emu has no ``linux`` and no ``initrd``: functions of these names say what would have been started.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries import menu

from tests.lab.bootloader import BootFailed, format_environment
from tests.lab.deb_kernels import kernel
from tests.lab.grub_shell import Grub, Volume

RELEASE: t.Final = "1-lab"
_SAID: t.Final = """\
function linux { if [ -s "$1" ]; then set k="$1,$2,$3,$4,$5,$6,$7,$8,$9"; true; else set k=; false; fi; }
function initrd { if [ -n "$k" -a -s "$1" ]; then echo "STARTS<$k>"; halt; else false; fi; }
set timeout=0
"""
ENTRIES: t.Final = """\
menuentry 'Debian' --class debian $menuentry_id_option 'plain' { linux /k root=1 ; initrd /i ; }
submenu 'More' $menuentry_id_option 'more' {
  menuentry 'first' --id first { linux /k root=first ; initrd /i ; }
  menuentry "second" --id second { linux /k root=second ; initrd /i ; }
}
menuentry 'gone' --id gone { linux /gone root=gone ; initrd /i ; }
"""
CASES: t.Final = {
    "first": ENTRIES,
    "number": "set default='1>1'\n" + ENTRIES,
    "wrong-line": "set default=1>1\n" + ENTRIES,
    "identifier": "set default='more>second'\n" + ENTRIES,
    "title": 'default="More>first"\n' + ENTRIES,
    "not-there": "set default=nobody\n" + ENTRIES,
    "fallback-by-number": "set default=gone\nset fallback=0\n" + ENTRIES,
    "fallback-second": 'set default=gone\nset fallback="2 1"\n' + ENTRIES,
    "words": (
        "set two='a  b'\nset none=\n"
        "menuentry x {\n  linux /k $two \"$two\" ${none} x$none 'q'\"$two\"'$two' \\$two\n  initrd /i\n}\n"
    ),
    "quotes": "menuentry 'it'\"'\"'s' --id \"a b\" { linux /k \"\\\"\" '\\'; initrd /i; }\nset default=\"a b\"\n",
    "tests": (
        "set r=\nif [ -s /k -a ! -e /gone ]; then set r=1$r; fi\nif [ -z \"$nothing\" ]; then set r=2$r; fi\n"
        "if [ x$grub_platform = xnever ]; then set r=3$r; elif [ -d / -o -f /gone ]; then set r=4$r; else set r=5$r; fi\n"
        "if [ \"${nothing}\" ]; then set r=6$r; fi\nif test a != b; then set r=7$r; fi\n"
        "menuentry x { linux /k r=$r; initrd /i; }\n"
    ),
    "functions": "function f { set a=\"$1-$2\"; }\nf one 'two three'\nmenuentry x { linux /k $a; initrd /i; }\n",
    "contexts": (
        "set seen=1\nset hidden=1\nexport seen\nsubmenu s { menuentry x { linux /k seen=$seen hidden=$hidden; initrd /i; } }\n"
    ),
    "comments": "# one\nmenuentry x { # two\n  linux /k a#b #three\n  initrd /i\n}\n",
    "condition-in-entry": (
        "menuentry x { if linux /gone; then initrd /i; else echo no; fi; }\nset fallback=1\n" + ENTRIES
    ),
    "unknown-command": "nonsense here\nmenuentry x { nonsense; linux /k still; initrd /i; }\n",
    "status": "false\nset a=$?\ntrue\nset b=$?\nmenuentry x { linux /k $a$b; initrd /i; }\n",
    "torn": ENTRIES + "set default=second\nmenuentry 'never",
    "source": "source $prefix/other.cfg\nmenuentry x { linux /k second; initrd /i; }\nset default=0\n",
}  # fmt: skip
OTHER: t.Final = "menuentry other { linux /k other; initrd /i; }\n"


def _entry(number: int, kernel_file: str = "/k", initrd: str = "/i") -> menu.Entry:
    args = ("root=UUID=1", f"rootflags=subvol=@rootfs.overc-{number}", "quiet")
    return menu.Entry(
        number, f"it's {number}".replace("'", " "), f"r{number}", "0000", "0000", kernel_file, args, initrd
    )


def deployments(directory: Path, **environment: str) -> str:
    """The collection's own menu. GRUB cannot write where grub-emu runs, so a try is not obeyed."""
    (directory / "env").write_bytes(format_environment(environment))
    text = menu.menu_text(menu.Menu((_entry(1), _entry(2, "/gone"), _entry(3, initrd="/gone"))))
    return f"{ENTRIES}set overc_dir=$prefix\n" + re.sub(r"search --no-floppy .*\n", "\n", text)


def place(directory: Path, text: str) -> None:
    for name, content in (("k", kernel(RELEASE).files[f"/boot/vmlinuz-{RELEASE}"]), ("i", b"initrd")):
        (directory / name).write_bytes(content)
    for name, body in (("grub.cfg", text), ("other.cfg", OTHER)):
        (directory / name).write_text(re.sub(r"/(k|i|gone)\b", f"{directory}/\\1", body))


def real(directory: Path) -> str | None:
    """What GRUB starts."""
    whole = directory / "grub.cfg"
    whole.write_text(_SAID + whole.read_text())
    argv = ["script", "-qec", f"grub-emu -d {directory}", "/dev/null"]
    terminal = {**os.environ, "TERM": "dumb"}
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15, check=False, env=terminal
    )
    # A line ends where the terminal does, and a blank there is lost
    said = re.search(r"STARTS<(.*?),*>", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", "", done.stdout))
    return said[1].replace(" ", "") if said else None


def ours(directory: Path) -> str | None:
    volume = Volume("host", "0000", lambda: Path("/"), False)
    try:
        loaded = Grub([volume], f"(host){directory}", "emu").start()
    except BootFailed:
        return None
    if loaded.initrd is None:
        return None
    return ",".join((loaded.path, *loaded.arguments)).replace(" ", "")


@pytest.fixture(scope="module", autouse=True)
def _grub_emu() -> None:
    assert shutil.which("grub-emu"), "grub-emu is missing: make setup"


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_started(name: str, tmp_path: Path) -> None:
    place(tmp_path, CASES[name])
    ours_starts = ours(tmp_path)
    assert ours_starts == real(tmp_path)
    assert ours_starts is not None


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"overc_default": "1"},
        {"overc_default": "2"},
        {"overc_default": "3"},
        {"overc_default": "1", "overc_try": "3"},
    ],
)
def test_the_menu_of_deployments(environment: dict[str, str], tmp_path: Path) -> None:
    place(tmp_path, deployments(tmp_path, **environment))
    ours_starts = ours(tmp_path)
    assert ours_starts == real(tmp_path)
    assert ours_starts is not None
