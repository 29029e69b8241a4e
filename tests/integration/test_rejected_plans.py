# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other hosts failed with is refused before it is built; and what had failed before is told."""

from __future__ import annotations

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import snapshot_of_disk
from tests.lab import Host


def test_rejected_plan_is_refused_untouched_until_another_is_offered(host: Host) -> None:
    host.release("v2")
    before = snapshot_of_disk(host)
    rejected = [succeed(host, "upgrade", check=True)["fingerprint"]]
    for args in ({}, {"force": True}):
        assert_refused(call(host, "upgrade", {"rejected_plans": rejected, **args}), "plan_rejected")
    assert_unchanged(before, host)
    host.release("v3")
    assert succeed(host, "upgrade", {"rejected_plans": rejected})["state"] == "staged"


def test_rejected_plan_that_waits_is_named_and_can_be_cancelled(host: Host) -> None:
    host.release("v2")
    staged = succeed(host, "upgrade")
    before = snapshot_of_disk(host)
    refused = call(host, "upgrade", {"rejected_plans": [staged["fingerprint"]]})
    assert_refused(refused, "plan_rejected", "overc_host_rollback")
    assert refused["staged_uuid"] == staged["staged_uuid"]
    assert_unchanged(before, host)
    assert succeed(host, "rollback")["state"] == "clean"


def test_units_that_had_failed_before(host: Host) -> None:
    host.release("v2")
    host.sh("systemd-run --quiet --unit=lab-broken --wait /bin/false || true")
    assert succeed(host, "upgrade", check=True)["failed_units"] == ["lab-broken.service"]
    assert succeed(host, "upgrade")["failed_units"] == ["lab-broken.service"]
    assert succeed(host, "upgrade")["failed_units"] == ["lab-broken.service"], "also with nothing left but the reboot"
    assert succeed(host, "rollback")["failed_units"] == ["lab-broken.service"]
    host.sh("systemctl reset-failed")
    assert succeed(host, "upgrade", check=True)["failed_units"] == []
