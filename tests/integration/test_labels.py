# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of a new root, by the real setfiles on a real btrfs. The kernel here needs no policy for that; see tests/vm."""

from __future__ import annotations

import os
import subprocess
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.btrfs.roots import list_subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import RootFacts
from ansible_collections.overc.system.plugins.module_utils.host.observe.labelling import Labelling
from ansible_collections.overc.system.plugins.module_utils.host.observe.surroundings import Surroundings
from ansible_collections.overc.system.plugins.module_utils.host.plan.model import Context, Plan
from ansible_collections.overc.system.plugins.module_utils.host.steps import label as step
from ansible_collections.overc.system.plugins.module_utils.host.steps.context import Apply
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from ansible_collections.overc.system.plugins.module_utils.system.selinux import LABEL, Mode

from tests.integration.test_subvolume_list import btrfs, file_system
from tests.unit import host_factory as make

POLICY: t.Final = """\
/.*                    system_u:object_r:default_t:s0
/                  -d  system_u:object_r:root_t:s0
/etc(/.*)?             system_u:object_r:etc_t:s0
/etc/shadow.*      --  system_u:object_r:shadow_t:s0
/usr(/.*)?             system_u:object_r:usr_t:s0
/usr/bin(/.*)?         system_u:object_r:bin_t:s0
"""
TYPES: t.Final = ("default_t", "root_t", "etc_t", "shadow_t", "usr_t", "bin_t", "other_t")
# The least that is a policy (secilc(8))
CIL: t.Final = """\
(handleunknown allow) (mls true)
(class file (open)) (classorder (file))
(sid kernel) (sidorder (kernel))
(sensitivity s0) (sensitivityorder (s0)) (category c0) (categoryorder (c0)) (sensitivitycategory s0 (c0))
(user system_u) (userlevel system_u (s0)) (userrange system_u ((s0) (s0 (c0))))
(role object_r) (userrole system_u object_r)
(typeattribute any)
(sidcontext kernel (system_u object_r default_t ((s0) (s0))))
(allow any any (file (open)))
"""
# What setfiles would take for patterns, or for the end of a name
HOSTILE: t.Final = (
    b"st*r",
    b"quest?",
    b"[",
    b"[a]",
    b"{a,b}",
    b"back\\slash",
    b"~",
    b"two\nlines",
    b"-F",
    b"\xff",
    b"bl ank",
)
_NAMES: t.Final = ("rootfs", "rootfs_upgrade.overc-new")


class Programs:
    """What was called is kept."""

    def __init__(self) -> None:
        self.called: list[tuple[str, ...]] = []

    def run(self, argv: t.Sequence[str], **_more: t.Any) -> Completed:
        self.called.append(tuple(argv))
        done = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", check=False)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def find(self, _program: str) -> str | None:
        raise AssertionError


def set_label(path: Path, kind: str) -> None:
    os.setxattr(path, LABEL, f"system_u:object_r:{kind}:s0\0".encode(), follow_symlinks=False)


def label_of(path: Path) -> str | None:
    try:
        return os.getxattr(path, LABEL, follow_symlinks=False).rstrip(b"\0").decode().split(":")[2]
    except OSError:
        return None


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A policy with the types that the labels here have."""
    where = tmp_path_factory.mktemp("policy")
    types = "".join(f"(type {name}) (roletype object_r {name}) (typeattributeset any ({name}))\n" for name in TYPES)
    (where / "lab.cil").write_text(CIL + types)
    subprocess.run(["secilc", "-c", "33", "-o", "policy", "-f", "contexts", "lab.cil"], check=True, cwd=where)
    return (where / "policy").read_bytes()


def write_policy(root: Path, text: str = POLICY, binary: bytes | None = None) -> None:
    contexts = root / "etc/selinux/lab/contexts/files/file_contexts"
    contexts.parent.mkdir(parents=True, exist_ok=True)
    contexts.write_text(text)
    if binary is not None:
        (root / "etc/selinux/lab/policy").mkdir()
        (root / "etc/selinux/lab/policy/policy.33").write_bytes(binary)
    (root / "etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=lab\n")


@pytest.fixture
def roots(tmp_path: Path, binary: bytes) -> t.Iterator[tuple[Path, Path]]:
    """A labelled root, and the new one that was made of it."""
    with file_system(tmp_path) as top:
        old, new = (top / name for name in _NAMES)
        btrfs("subvolume", "create", str(old))
        for name in ("etc", "usr/bin", "srv/web"):
            (old / name).mkdir(parents=True)
        for name in ("etc/shadow", "usr/bin/app", "srv/web/index", "srv/other"):
            (old / name).write_text(name)
        write_policy(old, binary=binary)
        subprocess.run(["setfiles", "-r", old, old / "etc/selinux/lab/contexts/files/file_contexts", old], check=True)
        set_label(old / "srv/web", "httpd_t")
        set_label(old / "srv/web/index", "httpd_t")
        btrfs("subvolume", "snapshot", str(old), str(new))
        yield old, new


def at_work(new: Path, mode: Mode = "enforcing") -> Apply:
    top = new.parent
    by_name = {entry.path: entry for entry in list_subvolumes(str(top))}
    old, made = (by_name[name] for name in _NAMES)
    facts = replace(
        make.clean(),
        top=str(top),
        subvolumes=tuple(by_name.values()),
        roots={entry.path: RootFacts(entry, f"{top}/{entry.path}", frozenset()) for entry in (old, made)},
        surroundings=Surroundings(labelling=Labelling(mode)),
    )
    context = Context("upgrade", old.uuid, old.path, "rootfs_upgrade", "")
    programs = t.cast("t.Any", Programs())
    return Apply(programs, facts, Plan("upgrade", ""), context, "now", notes={"new_uuid": made.uuid})


def called(at: Apply) -> list[tuple[str, ...]]:
    return t.cast(Programs, at.runner).called


def test_what_was_written_is_labelled_and_nothing_else(roots: tuple[Path, Path]) -> None:
    _old, new = roots
    # As tools do it that take libselinux at its word that there is no SELinux
    (new / "etc/shadow+").write_text("another")
    (new / "etc/shadow+").rename(new / "etc/shadow")
    set_label(new / "etc/shadow", "etc_t")
    (new / "usr/bin/new").write_text("new")
    (new / "usr/bin/linked").hardlink_to(new / "usr/bin/new")
    (new / "usr/bin/link").symlink_to("nowhere")
    (new / "usr/share/deep").mkdir(parents=True)
    (new / "usr/share/deep/file").write_text("x")
    at = at_work(new)
    assert step.label(at) is True
    assert label_of(new / "etc/shadow") == "shadow_t"
    assert label_of(new / "usr/bin/link") == "bin_t"
    assert [label_of(new / name) for name in ("usr/share", "usr/share/deep", "usr/share/deep/file")] == ["usr_t"] * 3
    assert label_of(new / "usr/bin/linked") == "bin_t"
    # What an administrator labelled by hand, and nobody wrote since, stays
    assert label_of(new / "srv/web") == label_of(new / "srv/web/index") == "httpd_t"
    assert str(new) not in [word for argv in called(at) for word in argv[7:]]
    assert step.label(at) is False


def test_names_that_are_no_patterns(roots: tuple[Path, Path]) -> None:
    _old, new = roots
    files = [new / "usr/bin" / os.fsdecode(name) for name in HOSTILE]
    for file in files:
        file.touch()
    step.label(at_work(new))
    assert [file.name for file in files if label_of(file) != "bin_t"] == []


def test_a_directory_that_was_moved_is_labelled_with_all_that_is_in_it(roots: tuple[Path, Path]) -> None:
    _old, new = roots
    (new / "srv/web").rename(new / "usr/bin/web")
    step.label(at_work(new))
    assert label_of(new / "usr/bin/web/index") == "bin_t"


def test_a_directory_whose_label_was_changed(roots: tuple[Path, Path]) -> None:
    _old, new = roots
    set_label(new / "usr/bin", "tmp_t")
    step.label(at_work(new))
    assert label_of(new / "usr/bin") == "bin_t"


def test_an_unlabelled_directory_on_which_something_is_mounted_is_labelled_first(roots: tuple[Path, Path]) -> None:
    """Scripts write into it: where /boot is a partition, what is under it was made by an installer, and labelled by nobody."""
    old, new = roots
    write_policy(new, POLICY + f"{old.parent}  -d  system_u:object_r:other_t:s0\n")
    place = new / str(old.parent).lstrip("/")
    place.mkdir(parents=True)
    step.label_mount_points(at_work(new))
    assert label_of(place) == "other_t"
    assert label_of(place.parent) is None  # nothing is mounted there
    set_label(place, "bin_t")
    step.label_mount_points(at_work(new))
    assert label_of(place) == "bin_t"


def test_a_mount_point_that_cannot_be_labelled_is_no_success(roots: tuple[Path, Path]) -> None:
    old, new = roots
    write_policy(new, POLICY + f"{old.parent}  -d  system_u:object_r:unheard_of_t:s0\n")
    (new / str(old.parent).lstrip("/")).mkdir(parents=True)
    with pytest.raises(OvercError) as refused:
        step.label_mount_points(at_work(new))
    assert refused.value.error_id == "selinux_enforcing"
    permissive = at_work(new, "permissive")
    step.label_mount_points(permissive)
    assert len(permissive.warnings) == 1


def test_another_policy_is_asked_about_every_file(roots: tuple[Path, Path]) -> None:
    _old, new = roots
    write_policy(new, POLICY + "/srv/other  --  system_u:object_r:other_t:s0\n")
    at = at_work(new)
    assert step.label(at) is True
    assert label_of(new / "srv/other") == "other_t"
    assert label_of(new / "srv/web") == "default_t"  # as with restorecon
    assert [argv[-1] for argv in called(at)] == [str(new)]


def test_too_many_files_are_not_listed(roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = roots
    for number in range(20):
        (new / f"usr/bin/{number}").write_text("")
    monkeypatch.setattr(step, "_BYTES", 200)
    at = at_work(new)
    step.label(at)
    assert len(called(at)) > 5
    assert {label_of(new / f"usr/bin/{number}") for number in range(20)} == {"bin_t"}
    monkeypatch.setattr(step, "_LIMIT", 10)
    assert step.written(str(new), str(old)) is None


@pytest.mark.parametrize("gone", ["config", "lab/contexts/files/file_contexts", "lab/policy/policy.33"])
def test_a_root_without_a_policy_is_refused_where_one_is_enforced(roots: tuple[Path, Path], gone: str) -> None:
    _old, new = roots
    (new / "etc/selinux" / gone).unlink()
    with pytest.raises(OvercError) as caught:
        step.label(at_work(new))
    assert caught.value.error_id == "selinux_enforcing"
    at = at_work(new, "permissive")
    assert step.label(at) is False
    assert len(at.warnings) == 1


@pytest.mark.parametrize("wrong", ["nosuch_t", ""])
def test_what_setfiles_cannot_do_is_refused(roots: tuple[Path, Path], wrong: str) -> None:
    _old, new = roots
    write_policy(new, POLICY + f"/usr/new  --  system_u:object_r:{wrong}:s0\n")
    with pytest.raises(OvercError) as caught:
        step.label(at_work(new))
    assert caught.value.error_id == "selinux_enforcing"
    assert str(new) not in caught.value.message
