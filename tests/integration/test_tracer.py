# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs each module may start, and which paths it may write to: the kernel tells, and nothing else is allowed."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable

import pytest

from tests.integration.disk_facts import place_for_containers
from tests.integration.trace import Side, Trace, traced, traced_unit
from tests.lab import Host
from tests.programs import IN_THE_NEW_ROOT, INDIRECT, PROGRAMS

MakeHost = Callable[..., Host]

_RUN = r"/run/overc-system(/(top|lock|progress\.json(\.new)?))?"
_RECORD = r"/run/overc-system/top/\.overc(/(journal\.jsonl|record\.json(\.overc-new)?))?"
_BOOT = r"/boot/bzImage(\.overc-new)?"
_BACKUP = r"/boot/bzImage_bakup(\.overc-new)?"
# What is kept free for an undo, and what the running system fetches for the new root
_KEPT_FREE = r"/run/overc-system/top/\.overc/reserve(\.overc-new)?"
_DOWNLOADS = r"/run/overc-system/top/\.overc/packages(/.*)?"
# Reading rpm's database, and holding its lock while a root is copied
_RPM = r"/var/lib/rpm/(rpmdb\.sqlite(-shm|-wal)?|\.rpm\.lock)"
_ROOTS = r"/run/overc-system/top/rootfs_(upgrade|bakup)(\.overc-new(/usr/lib/modules/.*)?)?"
# What a new root needs before anything can run in it; /dev there is a file system in memory
_PREPARED = r"/run/overc-system/(root(/dev/.*|/run/lock|/run/overc-packages)?|first(/root)?)"
# DNF itself, rpm's database (which its readers open for writing, too), and a directory of librepo's
_DNF_RUNS = r"/var/log/(dnf|dnf\.rpm|dnf\.librepo|hawkey)\.log|/var/lib/rpm/(rpmdb\.sqlite(-shm|-wal)?|\.rpm\.lock)"
_DNF = rf"/var/(cache|lib)/dnf(/.*)?|{_DNF_RUNS}|/tmp/tmpdir\.\w{{6}}(/repodata(/repomd\.xml)?)?"
_SCRATCH = r"/var/tmp/overc-check-\w{8}(/.*)?"
_NOTHING = r"/dev/null|/dev/tty"
_NEW = r"(\.overc-new)?"
_BLOCK = r"/boot/grub/grubenv"
# Automatic protection: GRUB's files with what they were before, and the guard of the trial
_GRUB = rf"/boot/grub/(grub\.cfg|grub\.cfg\.overc-before|grubenv|grubenv\.overc-made){_NEW}"
_GUARD = (
    rf"/etc/overc(/trial-guard{_NEW})?|/etc/systemd/system-generators(/overc-trial-boot{_NEW})?"
    rf"|/etc/systemd/system/((sysinit\.target\.wants/)?overc-trial-guard\.service{_NEW}|sysinit\.target\.wants)"
    rf"|/etc/systemd/system/(emergency|rescue)\.service\.d(/50-overc-trial\.conf{_NEW})?"
)
# Work of overlays that waits for a boot
_UNIT = (
    r"/etc/systemd/system/\.?overc-overlay-boot\.service(\.overc-new)?"
    r"|/etc/systemd/system/multi-user\.target\.wants(/overc-overlay-boot\.service)?"
)
_WAITING = (
    r"/var/lib/overc(/overlay(/\.?(boot\.pyz|installed\.json)(\.overc-new)?|/pending(/\.?\w+\.json(\.overc-new)?)?)?)?"
)


def assert_only(side: Side, programs: t.Collection[str], *paths: str) -> None:
    assert side.programs - set(programs) == set()
    allowed = re.compile("|".join(f"(?:{path})" for path in (*paths, _NOTHING)))
    strange = sorted(path for path in side.written if not allowed.fullmatch(path))
    assert strange == [], "\n".join(strange)


def programs(module: str) -> frozenset[str]:
    return PROGRAMS[module] | INDIRECT.get(module, frozenset())


def succeeded(trace: Trace) -> Trace:
    assert not trace.result.get("failed"), trace.result.get("msg")
    return trace


def test_host_modules(host: Host) -> None:
    host.release("v2")

    info = succeeded(traced(host, "overc_host_info"))
    assert_only(info.host, programs("overc_host_info"), _RUN, _RPM)

    preview = succeeded(traced(host, "overc_host_upgrade", check=True))
    assert_only(preview.host, programs("overc_host_upgrade"), _RUN, _SCRATCH, _DNF_RUNS, r"/tmp/tmpdir\.\w{6}(/.*)?")

    update = succeeded(traced(host, "overc_host_update"))
    assert_only(update.host, programs("overc_host_update"), _RUN, _DNF)

    upgrade = succeeded(traced(host, "overc_host_upgrade"))
    assert upgrade.result["changed"]
    assert_only(
        upgrade.host,
        programs("overc_host_upgrade"),
        _RUN,
        _RECORD,
        _KEPT_FREE,
        _DOWNLOADS,
        _BOOT,
        _BACKUP,
        _ROOTS,
        _PREPARED,
        _DNF,
    )
    # In there a path means that root's own, or is told as process 1 sees it; nothing leads out of it
    assert upgrade.new_root.programs <= IN_THE_NEW_ROOT
    assert {"dnf", "rpm", "env"} <= upgrade.new_root.programs
    assert "/root/boot/bzImage" in upgrade.new_root.written
    own = ("/root/", "/run/overc-packages/")
    outside = [p for p in upgrade.new_root.written if p.startswith("/run/") and not p.startswith(own)]
    assert outside == []

    rollback = succeeded(traced(host, "overc_host_rollback"))
    assert rollback.result["operation"] == "cancel"
    assert_only(rollback.host, programs("overc_host_rollback"), _RUN, _RECORD, _KEPT_FREE, _RPM, _BOOT)

    confirm = succeeded(traced(host, "overc_host_confirm"))
    assert_only(confirm.host, programs("overc_host_confirm"), _RUN)
    for trace in (info, preview, update, rollback, confirm):
        assert trace.new_root == Side()


def test_automatic_protection(host: Host) -> None:
    for state in ("present", "absent", "present"):
        preview = succeeded(traced(host, "overc_bootloader", {"state": state}, check=True))
        assert_only(preview.host, programs("overc_bootloader"), _RUN)
        done = succeeded(traced(host, "overc_bootloader", {"state": state}))
        assert done.result["changed"]
        assert "/boot/grub/grub.cfg.overc-new" in done.host.written
        assert_only(done.host, programs("overc_bootloader"), _RUN, _GRUB, _GUARD)

    host.release("v2")
    upgrade = succeeded(traced(host, "overc_host_upgrade"))
    assert _BLOCK in upgrade.host.written
    assert_only(
        upgrade.host,
        programs("overc_host_upgrade"),
        _RUN,
        _RECORD,
        _KEPT_FREE,
        _DOWNLOADS,
        _BOOT,
        _BACKUP,
        _ROOTS,
        _PREPARED,
        _DNF,
        _BLOCK,
    )
    host.reboot()
    confirm = succeeded(traced(host, "overc_host_confirm"))
    assert confirm.result["changed"]
    assert_only(confirm.host, programs("overc_host_confirm"), _RUN, _RECORD, _KEPT_FREE, _BLOCK)


@pytest.mark.parametrize("automatic", [False, True], ids=["manual", "automatic"])
def test_going_back(make_host: MakeHost, automatic: bool) -> None:
    """To the system before, which is one switch, and from the backup entry, which makes a root."""
    host = make_host(automatic=automatic)
    host.release("v2")
    assert host.module("overc_host_upgrade")["changed"]
    host.reboot()
    if automatic:
        assert host.module("overc_host_confirm")["changed"]
    block = [_BLOCK] if automatic else []

    rollback = succeeded(traced(host, "overc_host_rollback"))
    assert (rollback.result["operation"], rollback.result["changed"]) == ("rollback", True)
    assert_only(rollback.host, programs("overc_host_rollback"), _RUN, _RECORD, _KEPT_FREE, _RPM, _BOOT, *block)

    host.reboot()
    host.boot_entry(1)
    host.reboot()
    assert host.sh("findmnt -no FSROOT /") == "/rootfs_bakup"
    restore = succeeded(traced(host, "overc_host_rollback"))
    assert (restore.result["operation"], restore.result["changed"]) == ("restore", True)
    made = r"/run/overc-system/top/rootfs(_upgrade)?(\.overc-new)?"
    assert any(re.fullmatch(made, path) for path in restore.host.written)
    assert_only(restore.host, programs("overc_host_rollback"), _RUN, _RECORD, _KEPT_FREE, _RPM, _BOOT, made, *block)
    assert rollback.new_root == restore.new_root == Side()


_MINE = r"/opt/container/c1(/.*)?"


_SHARE: t.Final = {"container": "c1", "directories": ["/usr"], "sources": ["c2"]}


def make_containers(host: Host) -> None:
    place_for_containers(host)
    host.sh(
        "for c in c1 c2; do mkdir -p /opt/container/$c/rootfs/usr/share;"
        " head -c 100000 /dev/zero > /opt/container/$c/rootfs/usr/share/same; touch /opt/container/$c/config; done"
    )


@pytest.mark.parametrize("state", ["present", "absent"])
def test_overlay(host: Host, state: str) -> None:
    make_containers(host)
    look = succeeded(traced(host, "overc_overlay_info"))
    assert_only(look.host, programs("overc_overlay_info"))
    if state == "absent":
        assert host.module("overc_overlay", _SHARE)["changed"]
    changed = succeeded(traced(host, "overc_overlay", {**_SHARE, "state": state}))
    assert changed.result["changed"]
    assert changed.host.written
    assert_only(changed.host, programs("overc_overlay"), _MINE)


def test_overlay_at_boot(host: Host) -> None:
    make_containers(host)
    preview = succeeded(traced(host, "overc_overlay_boot", {"state": "present"}, check=True))
    assert_only(preview.host, programs("overc_overlay_boot"))
    installed = succeeded(traced(host, "overc_overlay_boot", {"state": "present"}))
    assert installed.result["changed"]
    assert_only(installed.host, programs("overc_overlay_boot"), _UNIT, _WAITING)

    asked = succeeded(traced(host, "overc_overlay", {**_SHARE, "apply": "boot"}))
    assert asked.result["changed"]
    assert not any("/rootfs/" in path for path in asked.host.written)
    assert_only(asked.host, programs("overc_overlay"), _UNIT, _WAITING, _MINE)
    boot = traced_unit(host, "overc-overlay-boot.service")
    assert any("/rootfs/" in path for path in boot.written)
    assert_only(boot, programs("overc_overlay_boot"), _UNIT, _WAITING, _MINE)
    assert not host.module("overc_overlay", _SHARE)["changed"], "the work was done"

    removed = succeeded(traced(host, "overc_overlay_boot", {"state": "absent"}))
    assert removed.result["changed"]
    assert_only(removed.host, programs("overc_overlay_boot"), _UNIT, _WAITING)
