# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /etc/kernel/cmdline says to kernels that come later."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.boot.entries.command_line import arguments_for, words_of
from ansible_collections.overc.system.plugins.module_utils.boot.entries.kernel_words import set_subvolume, text_of_words


@pytest.mark.parametrize(("before", "after"), [
    ("root=UUID=x ro rootflags=subvol=root rhgb quiet\n", "root=UUID=x ro rootflags=subvol=new rhgb quiet\n"),
    ("root=UUID=x ro\n", "root=UUID=x ro rootflags=subvol=new\n"),
    ("root=UUID=x ro rootflags=compress=zstd,subvolid=256,subvol=/root\n", "root=UUID=x ro rootflags=compress=zstd,subvol=new\n"),
    ("rootflags=subvol=a rootflags=subvol=b", "rootflags=subvol=new rootflags=subvol=new"),
    ("# the words\nroot=UUID=x\n\nquiet\n", "# the words\nroot=UUID=x\n\nquiet rootflags=subvol=new\n"),
    ("# rootflags=subvol=root\nquiet\n", "# rootflags=subvol=root\nquiet rootflags=subvol=new\n"),
    ("ro overc.id=3 quiet overc.trial=1\n", "ro quiet rootflags=subvol=new\n"),
    ('ro dyndbg="file a.c +p" rootflags=subvol=root\n', 'ro dyndbg="file a.c +p" rootflags=subvol=new\n'),
    ("", ""),
    ("\n", "\n"),
])  # fmt: skip
def test_one_word_is_another_one(before: str, after: str) -> None:
    assert set_subvolume(before, "new") == after
    assert set_subvolume(after, "new") == after


def test_what_is_written_is_what_the_kernel_was_given() -> None:
    line = 'BOOT_IMAGE=/vmlinuz root=UUID=x ro rootflags=subvol=root dyndbg="file a.c +p" overc.id=0 panic=30'
    words = arguments_for(line, "new")
    assert words_of(text_of_words(words)) == words
    assert "overc" not in text_of_words(words)
