# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from users."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.layout import (
    LAYOUT_SPEC,
    check_absolute,
    check_name,
    layout_from,
)
from hypothesis import given
from hypothesis import strategies as st

DEFAULTS: dict[str, t.Any] = {name: spec.get("default") for name, spec in LAYOUT_SPEC.items()}
BAD_NAMES = ["", " ", "a b", "a'b", 'a"b', "a\nb", "-rf", "+x", ".", "..", "../x", "/etc", "a/b", "a\0b", "$HOME", "~root",
             "x" * 300, "rootfs.overc-new", "rootfs.overc-kept", "ä"]  # fmt: skip
BAD_PATHS = ["", "boot", "/", "/boot/..", "/boot/../etc", "/./boot", "//boot", "/boot/", "/bo\not", "/a\0b"]


@pytest.mark.parametrize("option", ["root_subvolume", "upgrade_subvolume", "backup_subvolume", "kernel"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused_by_name(option: str, name: str) -> None:
    with pytest.raises(OvercError) as caught:
        layout_from({**DEFAULTS, option: name})
    assert caught.value.error_id == "bad_argument"
    assert option in caught.value.message


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(OvercError) as caught:
        layout_from({**DEFAULTS, "boot_dir": path})
    assert caught.value.error_id == "bad_argument"


def test_the_three_names_must_differ() -> None:
    with pytest.raises(OvercError, match="three names"):
        layout_from({**DEFAULTS, "backup_subvolume": "rootfs"})


def test_defaults_are_those_of_the_documentation() -> None:
    layout = layout_from(DEFAULTS)
    assert (layout.roots, layout.backup, layout.boot_dir) == (("rootfs", "rootfs_upgrade"), "rootfs_bakup", "/boot")
    assert [layout.other_root(name) for name in layout.roots] == ["rootfs_upgrade", "rootfs"]


@given(st.text())
def test_what_passes_is_one_harmless_component(text: str) -> None:
    try:
        check_name("kernel", text)
    except OvercError:
        return
    assert not set(text) & set("/ \n\0'\"$`;&|<>")
    assert text[0] not in "-+"


@given(st.text())
def test_what_passes_as_a_path_stays_where_it_says(text: str) -> None:
    try:
        check_absolute("boot_dir", text)
    except OvercError:
        return
    assert text.startswith("/")
    assert ".." not in text.split("/")
