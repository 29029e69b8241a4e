# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.system import selinux
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import Mount

NAME = "etc/selinux/{}/contexts/files/file_contexts"


def root_with(root: Path, config: str | None, *policies: str) -> str:
    (root / "etc/selinux").mkdir(parents=True)
    if config is not None:
        (root / "etc/selinux/config").write_text(config)
    for name in policies:
        path = root / NAME.format(name)
        path.parent.mkdir(parents=True)
        path.write_text("/.* system_u:object_r:default_t:s0\n")
    return str(root)


def test_mode(tmp_path: Path) -> None:
    mounted = Mount(str(tmp_path), "/", "selinuxfs", "selinuxfs", frozenset())
    assert selinux.mode([]) is None
    assert selinux.mode([mounted]) == "enforcing"  # it does not say
    for text, mode in (("1", "enforcing"), ("0", "permissive"), ("0\n", "permissive"), ("", "enforcing")):
        (tmp_path / "enforce").write_text(text)
        assert selinux.mode([mounted]) == mode


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("SELINUX=enforcing\n# SELINUXTYPE=mls\nSELINUXTYPE=default\n", "default"),
        (" SELINUXTYPE = default \n", "default"),
        ("SELINUX=enforcing\n", "targeted"),
        ("SELINUXTYPE=\n", "targeted"),
        (None, None),
    ],
)
def test_policy_that_a_root_is_configured_for(tmp_path: Path, config: str | None, name: str | None) -> None:
    root = root_with(tmp_path, config, "default", "targeted")
    assert selinux.policy_type(root) == name
    assert selinux.file_contexts(root) == (f"{root}/{NAME.format(name)}" if name else None)


@pytest.mark.parametrize(
    ("config", "enforces"),
    [("SELINUX=enforcing\n", True), ("#SELINUX=enforcing\nSELINUX=permissive\n", False), ("", False), (None, False)],
)
def test_mode_of_the_next_start(tmp_path: Path, config: str | None, enforces: bool) -> None:
    assert selinux.will_enforce(root_with(tmp_path, config)) is enforces


@pytest.mark.parametrize("name", ["minimum", "../default", ".."])
def test_policy_that_is_not_there(tmp_path: Path, name: str) -> None:
    root = root_with(tmp_path, f"SELINUXTYPE={name}\n", "default")
    assert selinux.file_contexts(root) is None


def test_the_newest_format_of_a_policy(tmp_path: Path) -> None:
    root = root_with(tmp_path, "SELINUXTYPE=default\n", "default")
    assert selinux.binary_policy(root) is None
    policies = tmp_path / "etc/selinux/default/policy"
    policies.mkdir()
    assert selinux.binary_policy(root) is None
    for name in ("policy.9", "policy.33", "policy.kern", "policy.34.tmp"):
        (policies / name).touch()
    assert selinux.binary_policy(root) == f"{policies}/policy.33"
    (policies / "policy.35").symlink_to("/policy.35")
    assert selinux.binary_policy(root) is None


def test_a_link_of_a_root_does_not_lead_to_the_host(tmp_path: Path) -> None:
    host, root = tmp_path / "host", tmp_path / "root"
    root_with(host, None, "default")
    root_with(root, "SELINUXTYPE=default\n")
    (root / "etc/selinux/default").symlink_to(host / "etc/selinux/default")
    assert selinux.file_contexts(str(root)) is None


def test_what_two_policies_say_of_files(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "other"):
        root = root_with(tmp_path / name, "SELINUXTYPE=default\n", "default")
        paths.append(selinux.file_contexts(root) or "")
    assert selinux.same_contexts(*paths)
    Path(f"{paths[0]}.bin").write_text("compiled")  # at another time, of the same
    assert selinux.same_contexts(*paths)
    Path(f"{paths[1]}.local").write_text("/srv/web(/.*)? system_u:object_r:httpd_sys_content_t:s0\n")
    assert not selinux.same_contexts(*paths)
