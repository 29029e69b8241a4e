# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options, fstab lines, unit names, mountinfo and LXC's configuration: text in, text out."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import lxc
from ansible_collections.overc.system.plugins.module_utils.overlay.names import our_id
from ansible_collections.overc.system.plugins.module_utils.system import fstab, overlayfs, safe_path
from ansible_collections.overc.system.plugins.module_utils.system.mount_unit import unit_name
from hypothesis import given
from hypothesis import strategies as st

PATHS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from(":,\\ \t\n\udcff"), min_size=1
).map(lambda text: "/" + text)


@given(lower=st.lists(PATHS, min_size=1, max_size=4), upper=PATHS, work=PATHS)
def test_options_come_back(lower: list[str], upper: str, work: str) -> None:
    layers = overlayfs.Layers(tuple(lower), upper, work)
    text = overlayfs.options(layers)
    assert overlayfs.named_layers(text) == layers
    entry = fstab.Entry("overlay", "usr", "overlay", text)
    assert fstab.parse(entry.render() + "\n") == [entry]


def test_escaping_as_the_kernel_undoes_it() -> None:
    layers = overlayfs.Layers(("/a:b", "/c,d"), "/u:p,x", "/w\\k")
    assert overlayfs.options(layers, ()) == "lowerdir=/a\\:b:/c\\,d,upperdir=/u:p\\,x,workdir=/w\\\\k"


def test_options_that_do_not_fit_a_page() -> None:
    with pytest.raises(OvercError) as caught:
        overlayfs.options(overlayfs.Layers(("/" + "x" * 4090,), "/u", "/w"))
    assert caught.value.error_id == "bad_argument"


def test_options_of_somebody_else() -> None:
    assert overlayfs.named_layers("lowerdir=/a:/b,ro") == overlayfs.Layers(("/a", "/b"), "", "")
    assert overlayfs.named_layers("defaults") == overlayfs.Layers((), "", "")


TABLE = (
    "# comment\nproc proc proc nodev 0 0\noverlay\tusr overlay  lowerdir=/l,upperdir=/u,workdir=/w 0 0\n\nbad line\n"
)


def test_one_line_is_replaced_and_all_others_stay() -> None:
    new = fstab.Entry("overlay", "usr", "overlay", "lowerdir=/n,upperdir=/u,workdir=/w")
    text = fstab.replace(TABLE, lambda entry: entry.target == "usr", new)
    assert text == TABLE.replace("overlay\tusr overlay  lowerdir=/l", "overlay usr overlay lowerdir=/n")
    assert fstab.replace(TABLE, lambda entry: entry.target == "usr", None) == "".join(
        line for line in TABLE.splitlines(keepends=True) if "usr" not in line
    )
    assert fstab.replace("", lambda _entry: False, new) == new.render() + "\n"


def test_a_line_without_its_end_stays_whole() -> None:
    new = fstab.Entry("overlay", "usr", "overlay", "x")
    assert fstab.replace("a b c d", lambda _entry: False, new) == "a b c d\noverlay usr overlay x 0 0\n"


@pytest.mark.parametrize(
    ("path", "parent", "below"), [("/a/b", "/a", True), ("/a", "/a", False), ("/ab", "/a", False), ("/a", "/", True)]
)
def test_below_is_by_components(path: str, parent: str, below: bool) -> None:
    assert safe_path.is_below(path, parent) is below


@pytest.mark.parametrize("path", ["usr", "", "/a/../b", "/..", "/a\0b"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(OvercError):
        safe_path.components(path)


def test_printable_is_json() -> None:
    assert safe_path.printable("a\udcffü") == "a\\xffü"


@pytest.mark.parametrize(
    ("text", "fstab_", "rootfs", "mapped", "legacy"),
    [
        ("lxc.rootfs.path = dir:/r\nlxc.mount.fstab = /f\n", "/f", "dir:/r", False, False),
        ("lxc.rootfs=/r\nlxc.mount=/f\n", "/f", "/r", False, True),
        ("lxc.rootfs.path = /r\nlxc.idmap = u 0 100000 65536\n", None, "/r", True, False),
        ("# lxc.mount.fstab = /f\n", None, None, False, False),
        ("lxc.mount.fstab = /f\nlxc.mount.fstab =\n", None, None, False, False),
    ],
)
def test_lxc_configuration(text: str, fstab_: str | None, rootfs: str | None, mapped: bool, legacy: bool) -> None:
    assert lxc.parse_config(text) == lxc.Config(fstab_, rootfs, mapped, legacy)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_added_to_a_configuration_is_taken_away(legacy: bool) -> None:
    text = "lxc.rootfs = /r\nlxc.uts.name = c1\n"
    added = lxc.with_fstab(text, "/c/fstab", legacy=legacy)
    assert lxc.parse_config(added).fstab == "/c/fstab"
    assert lxc.without_fstab(added, "/c/fstab") == text
    assert lxc.without_fstab(added + added, "/c/fstab") == text + text
    assert lxc.without_fstab(added, "/moved/fstab") == text


@pytest.mark.parametrize(
    "since",
    [
        f"{lxc.FSTAB_COMMENT}\nlxc.start.auto = 1\nlxc.mount.fstab = /c/fstab\n",
        f"{lxc.FSTAB_COMMENT}\nlxc.mount.fstab = /etc/passwd\n",
        f"{lxc.FSTAB_COMMENT}\nlxc.mount.entry = /srv srv none bind\n",
        f"{lxc.FSTAB_COMMENT}\nlxc.mount.fstab =\n",
        f"{lxc.FSTAB_COMMENT}\n",
        f"lxc.uts.name = c1\n{lxc.FSTAB_COMMENT}",
    ],
    ids=["a line between", "another table", "another key", "none any more", "the comment alone", "at the end"],
)
def test_what_somebody_else_wrote_there_since_stays(since: str) -> None:
    assert lxc.without_fstab(since, "/c/fstab") == since


@pytest.mark.parametrize("value", ["/srv/lxc", "/srv/lxc/", "/srv/lxc//"])
def test_where_lxc_is_told_to_look(tmp_path: Path, value: str) -> None:
    """It takes slashes at the end away, and compares the names that it makes of that as they are."""
    settings = tmp_path / "lxc.conf"
    settings.write_text(f"lxc.bdev.lvm.vg = x\nlxc.lxcpath = {value}\n")
    assert lxc.default_places(str(settings)) == ["/srv/lxc"]


def test_only_paths_below_our_directory_are_ours() -> None:
    assert our_id("/c/c1/.overc-overlay/0a1b/.overc-0a1b/upper", "/c/c1") == "0a1b"
    assert our_id("/c/c2/.overc-overlay/0a1b/upper", "/c/c1") == ""
    assert our_id("/c/c1/rootfs/usr_temp", "/c/c1") == ""


@pytest.mark.parametrize(
    ("path", "unit"),
    [("/a/b", "a-b.mount"), ("/a-b", "a\\x2db.mount"), ("/.a", "\\x2ea.mount"), ("/ü", "\\xc3\\xbc.mount")],
)
def test_unit_name(path: str, unit: str) -> None:
    """As systemd-escape(1) prints it."""
    assert unit_name(path) == unit
