# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.left_behind import refuse_or_say
from ansible_collections.overc.system.plugins.module_utils.host.observe.changed_since import Change, LeftBehind
from ansible_collections.overc.system.plugins.module_utils.host.observe.path_kinds import KINDS, kind_of

PATHS = {
    "accounts": ["/etc/passwd", "/etc/shadow", "/etc/sudoers.d/x"],
    "keys": ["/etc/ssh/sshd_config", "/root/.ssh/authorized_keys", "/home/a/.ssh/id", "/etc/pki/tls/x", "/etc/ssl"],
    "packages": ["/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/Packages.db", "/var/lib/dpkg/status"],
    "configuration": ["/etc/motd", "/etc/systemd/system/x.service", "/etc/resolv.conf", "/etc/cron.d/x"],
    "programs": ["/usr/local/bin/x", "/opt/x"],
    "data": ["/srv/x", "/home/a/x", "/var/lib/app/x", "/root/x", "/var/spool/cron/crontabs/root", "/data/x",
             "/var/lib/systemd/linger/ann", "/var/lib/systemd/credential.secret", "/var/lib/systemd/home/local.private",
             "/var/lib/apt/extended_states", "/var/lib/connman/office.config"],
    "system": ["/usr/bin/x", "/lib/modules/x", "/boot/x", "/x", "/usr/local"],
    "bookkeeping": [
        "/var/log", "/var/log/messages", "/var/cache/dnf/x", "/tmp/x", "/run/x", "/etc/mtab", "/etc/passwd-", "/etc/.pwd.lock",
        "/etc/ld.so.cache", "/var/lib/systemd/random-seed", "/var/lib/dnf/history.sqlite", "/var/lib/rpm", "/var/lib/rpm/.rpm.lock",
        "/var/lib/rpm/rpmdb.sqlite-shm", "/var/lib/rpm/__db.001", "/root/.bash_history", "/root/.ansible/tmp/x", "/etc/x.overc-new",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, some in PATHS.items() for path in some])
def test_kind(kind: str, path: str) -> None:
    assert kind_of(path) == kind


def found(*paths: str, problem: str | None = None) -> LeftBehind:
    changes = tuple(Change(path, kind_of(path), "added") for path in paths)
    return LeftBehind("rootfs", "rootfs_upgrade", 0, changes, 3, ("a-1",) if paths else (), problem=problem)


def test_every_kind_has_its_place() -> None:
    assert set(PATHS) == set(KINDS)


def test_said_or_refused() -> None:
    assert refuse_or_say(None, (), refuse=True) is None
    assert refuse_or_say(found(), (), refuse=True) is None
    some = found("/etc/passwd", "/root/a/b")
    said = refuse_or_say(some, (), refuse=False) or ""
    assert "/etc/passwd, /root/a/b, packages a-1" in said
    with pytest.raises(OvercError, match="/etc/passwd"):
        refuse_or_say(some, ("/root",), refuse=True)
    assert refuse_or_say(some, ("/root", "/etc/passwd"), refuse=True) is None


def test_cannot_tell_is_not_no() -> None:
    with pytest.raises(OvercError, match="cannot be told: /etc: Input/output error"):
        refuse_or_say(found(problem="/etc: Input/output error"), (), refuse=True)
    assert found(problem="x").as_dict()["complete"] is False


def test_lists_are_capped() -> None:
    many = found(*(f"/etc/{n}" for n in range(300)))
    shown = many.as_dict()
    assert (len(shown["paths"]), shown["counts"], shown["complete"]) == (
        100,
        {"configuration": 300, "bookkeeping": 3},
        False,
    )
    assert "and 292 more" in (many.sentence() or "")
