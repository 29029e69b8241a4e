# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs each module may start, and which paths it may write to: the kernel tells, and nothing else is allowed."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.integration.trace import Side, Trace, traced
from tests.lab import Host
from tests.programs import IN_THE_NEW_ROOT, INDIRECT, PROGRAMS

_RUN = r"/run/overc-system(/(top|lock|progress\.json(\.new)?))?"
_RECORD = r"/run/overc-system/top/\.overc(/(journal\.jsonl|record\.json(\.overc-new)?))?"
_BOOT = r"/boot/bzImage(\.overc-new)?"
_BACKUP = r"/boot/bzImage_bakup(\.overc-new)?"
_ROOTS = r"/run/overc-system/top/rootfs_(upgrade|bakup)(\.overc-new(/usr/lib/modules/.*)?)?"
# What a new root needs before anything can run in it; /dev there is a file system in memory
_PREPARED = r"/run/overc-system/root(/dev/.*|/run/lock)?"
# DNF itself, rpm's database (which its readers open for writing, too), and a directory of librepo's
_DNF_RUNS = r"/var/log/(dnf|dnf\.rpm|dnf\.librepo|hawkey)\.log|/var/lib/rpm/(rpmdb\.sqlite(-shm|-wal)?|\.rpm\.lock)"
_DNF = rf"/var/(cache|lib)/dnf(/.*)?|{_DNF_RUNS}|/tmp/tmpdir\.\w{{6}}(/repodata(/repomd\.xml)?)?"
_SCRATCH = r"/var/tmp/overc-check-\w{8}(/.*)?"
_NOTHING = r"/dev/null|/dev/tty"


def assert_only(side: Side, programs: t.Collection[str], *paths: str) -> None:
    assert side.programs - set(programs) == set()
    allowed = re.compile("|".join(f"(?:{path})" for path in (*paths, _NOTHING)))
    assert sorted(path for path in side.written if not allowed.fullmatch(path)) == []


def programs(module: str) -> frozenset[str]:
    return PROGRAMS[module] | INDIRECT.get(module, frozenset())


def succeeded(trace: Trace) -> Trace:
    assert not trace.result.get("failed"), trace.result.get("msg")
    return trace


def test_host_modules(host: Host) -> None:
    host.release("v2")

    info = succeeded(traced(host, "overc_host_info"))
    assert_only(info.host, programs("overc_host_info"), _RUN)

    preview = succeeded(traced(host, "overc_host_upgrade", check=True))
    assert_only(preview.host, programs("overc_host_upgrade"), _RUN, _SCRATCH, _DNF_RUNS, r"/tmp/tmpdir\.\w{6}(/.*)?")

    update = succeeded(traced(host, "overc_host_update"))
    assert_only(update.host, programs("overc_host_update"), _RUN, _DNF)

    upgrade = succeeded(traced(host, "overc_host_upgrade"))
    assert upgrade.result["changed"]
    assert_only(upgrade.host, programs("overc_host_upgrade"), _RUN, _RECORD, _BOOT, _BACKUP, _ROOTS, _PREPARED, _DNF)
    # In there a path means that root's own, or is told as it is seen from the host; nothing leads out of it
    assert upgrade.new_root.programs <= IN_THE_NEW_ROOT
    assert {"dnf", "rpm", "env"} <= upgrade.new_root.programs
    assert "/run/overc-system/root/boot/bzImage" in upgrade.new_root.written
    outside = [p for p in upgrade.new_root.written if p.startswith("/run/") and "/run/overc-system/root/" not in p]
    assert outside == []

    rollback = succeeded(traced(host, "overc_host_rollback"))
    assert rollback.result["operation"] == "cancel"
    assert_only(rollback.host, programs("overc_host_rollback"), _RUN, _RECORD, _BOOT)

    confirm = succeeded(traced(host, "overc_host_confirm"))
    assert_only(confirm.host, programs("overc_host_confirm"), _RUN)
    for trace in (info, preview, update, rollback, confirm):
        assert trace.new_root == Side()


_MINE = r"/opt/container/c1(/.*)?"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_overlay(host: Host, state: str) -> None:
    host.sh(
        "for c in c1 c2; do mkdir -p /opt/container/$c/rootfs/usr/share;"
        " head -c 100000 /dev/zero > /opt/container/$c/rootfs/usr/share/same; touch /opt/container/$c/config; done"
    )
    args = {"container": "c1", "directories": ["/usr"], "sources": ["c2"]}
    look = succeeded(traced(host, "overc_overlay_info"))
    assert_only(look.host, programs("overc_overlay_info"))
    if state == "absent":
        assert host.module("overc_overlay", args)["changed"]
    changed = succeeded(traced(host, "overc_overlay", {**args, "state": state}))
    assert changed.result["changed"]
    assert changed.host.written
    assert_only(changed.host, programs("overc_overlay"), _MINE)
