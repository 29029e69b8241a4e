# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""btrfs has room for data and none for metadata: nothing is begun, or what was begun is undone; nothing is lost."""

from __future__ import annotations

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, in_top, snapshot_of_disk
from tests.lab import Host

# All that is not allocated becomes data, then metadata is filled, and then there is room for data again: in chunks that
# still hold something, so that btrfs cannot make metadata of them.
FILL = """\
import errno, os
def _until_full(work):
    try:
        while True:
            work()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
def fill(top):
    place = os.path.join(top, "filling")
    os.mkdir(place)
    number = [0]
    def make(size):
        number[0] += 1
        path = os.path.join(place, str(number[0]))
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError:
            os.unlink(path)
            raise
        finally:
            os.close(fd)
    for size in (16 << 20, 1 << 20, 4096):
        _until_full(lambda: make(size))
    data = sorted(os.listdir(place), key=int)
    def attributes():
        number[0] += 1
        fd = os.open(os.path.join(place, str(number[0])), os.O_CREAT | os.O_WRONLY)
        try:
            for each in range(200):
                os.setxattr(fd, f"trusted.fill.{each}", bytes(16000))
        finally:
            os.close(fd)
    _until_full(attributes)
    def small():
        number[0] += 1
        with open(os.path.join(place, str(number[0])), "w") as stream:
            stream.write("x" * 1500)
    for _round in range(3):
        _until_full(small)
        try:
            os.sync()
        except OSError:
            pass
    for each in data[::2]:
        try:
            os.unlink(os.path.join(place, each))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            break
    fd = os.open(top, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""
_FULL_BEFORE = (
    FILL
    + """
from ansible_collections.overc.system.plugins.module_utils.host import transaction
def hook(when, step):
    if (when, step) == ("before", STEP) and not os.path.exists("/run/overc-system/top/filling"):
        fill("/run/overc-system/top")
transaction.step_hook = hook
"""
)


def fill(host: Host) -> None:
    host.write("/run/fill.py", FILL + "import sys\nfill(sys.argv[1])\n")
    in_top(host, "python3 /run/fill.py .")


def make_room(host: Host) -> None:
    in_top(host, "rm -rf filling && sync -f .")


def test_nothing_is_begun(host: Host) -> None:
    host.release("v2")
    fill(host)
    before = snapshot_of_disk(host)
    info = succeed(host, "info")
    assert [entry["id"] for entry in info["requirements"] if not entry["ok"]] == ["space"]
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "no_space", "metadata")
    assert_unchanged(before, host)
    # What is said helps, and what one would think of first does not: neither big files less, nor a balance, which wants room too
    (remedy,) = [entry["remedy"] for entry in info["requirements"] if not entry["ok"]]
    assert "deleting many small files or snapshots" in remedy
    in_top(host, "find filling -size +10M -delete; sync -f .; btrfs balance start -dusage=75 . || true")
    assert_refused(call(host, "upgrade"), "no_space", "metadata")
    in_top(host, "find filling -type f -size -4k | tail -n 40 | xargs rm; sync -f .")
    assert [entry["id"] for entry in succeed(host, "info")["requirements"] if not entry["ok"]] == []
    make_room(host)
    assert upgrade_to(host, "v2")["changed"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "2.0")


@pytest.mark.parametrize(("step", "state"), [("create_backup", "clean"), ("place_root", "clean"), ("record", "staged")])
def test_it_ends_in_the_middle(host: Host, step: str, state: str) -> None:
    """Undone, or completed where the switch was made: never between the two, and never for good."""
    host.release("v2")
    result = call(host, "upgrade", prelude=f"STEP = {step!r}\n{_FULL_BEFORE}")
    if result.get("failed"):
        assert result["error_id"] in ("no_space", "btrfs_failed"), result["msg"]
    found = succeed(host, "info")["state"]
    assert found == (state if result.get("failed") else "staged"), result
    assert_no_leftovers(host)
    make_room(host)
    host.reboot()
    assert_runs(host, *(("rootfs", "1.0") if found == "clean" else ("rootfs_upgrade", "2.0")))


def test_the_way_back(host: Host) -> None:
    upgrade_to(host, "v2")
    host.reboot()
    fill(host)
    assert succeed(host, "rollback")["state"] == "staged"
    host.reboot()
    assert_runs(host, "rootfs", "1.0")
    assert_no_leftovers(host)
