# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running kernel was given becomes an entry's command line."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.command_line import (
    arguments_for,
    subvolume_of,
    words_of,
)
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError

DEBIAN = "BOOT_IMAGE=/vmlinuz-6.1.0-50-amd64 root=UUID=5e6f ro rootflags=subvol=@rootfs quiet"


def test_as_debian_boots() -> None:
    assert arguments_for(DEBIAN + "\n", "@rootfs.overc-1") == (
        "root=UUID=5e6f",
        "ro",
        "rootflags=subvol=@rootfs.overc-1",
        "quiet",
    )
    assert subvolume_of(DEBIAN) == "@rootfs"


def test_our_own_words_do_not_pile_up() -> None:
    first = " ".join((*arguments_for(DEBIAN, "@rootfs.overc-1"), "overc.id=1", "panic=30", "overc.trial=1"))
    assert arguments_for(first, "@rootfs.overc-1") == arguments_for(DEBIAN, "@rootfs.overc-1")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("root=/dev/mapper/x rw", ("root=/dev/mapper/x", "rw", "rootflags=subvol=@")),
        ("root=a root=b", ("root=b", "ro", "rootflags=subvol=@")),
        (
            "root=a ro rootflags=compress=zstd,subvolid=256,subvol=/old initrd=\\x systemd.machine_id=1 a=b",
            ("root=a", "ro", "rootflags=compress=zstd,subvol=@", "a=b"),
        ),
        ('root=a "dyndbg=file x +p" y', ("root=a", "ro", "rootflags=subvol=@", "dyndbg=file x +p", "y")),
        (r"root=a b=\\c rootwait", ("root=a", "ro", "rootflags=subvol=@", "b=\\c", "rootwait")),
    ],
)
def test_other_hosts(line: str, wanted: tuple[str, ...]) -> None:
    assert arguments_for(line, "@") == wanted


@pytest.mark.parametrize(
    "word",
    [
        "single", "s", "S", "1", "-b", "emergency", "rescue", "recovery", "rd.break", "rd.break=pre-mount",
        "systemd.unit=rescue.target", "systemd.unit=emergency.target", "rd.systemd.unit=emergency.service",
        "init=/bin/sh", "init=/usr/bin/bash",
    ],
)  # fmt: skip
def test_a_boot_for_a_repair_is_not_what_later_ones_are(word: str) -> None:
    """What a failed trial falls back to would wait at the console then."""
    assert arguments_for(f"{DEBIAN} {word}", "@rootfs.overc-1") == arguments_for(DEBIAN, "@rootfs.overc-1")


@pytest.mark.parametrize(
    "word", ["init=/lib/systemd/systemd", "systemd.unit=graphical.target", "s390", "3", "rd.break.x"]
)
def test_what_is_meant_for_each_boot_stays(word: str) -> None:
    assert arguments_for(f"{DEBIAN} {word}", "@rootfs.overc-1")[-1] == word


def test_without_a_root_it_is_refused() -> None:
    with pytest.raises(OvercError) as caught:
        arguments_for("quiet rootflags=subvol=@", "@")
    assert caught.value.error_id == "layout_unsupported"


def test_a_quote_that_nobody_closes_ends_with_the_line() -> None:
    assert words_of('a "b c') == ("a", "b c")
    assert subvolume_of("root=a") is None
