# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``carry_late`` where something is in its way: what was declared is damaged, there is no space at boot, only the backup runs."""

from __future__ import annotations

import pytest

from tests.integration.commands import assert_refused, call, steps, succeed, upgrade_to
from tests.integration.disk_facts import assert_no_leftovers, in_top
from tests.integration.test_full_metadata import fill, make_room
from tests.lab import Host

PATHS = ["/srv/app"]
_BEFORE = "mkdir -p /srv/app/many; echo v1 > /srv/app/data"


def late(host: Host) -> dict[str, object]:
    found = succeed(host, "info", {"full": True})["carry_late"]
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("how", ["echo '{\"uuid\": ' >", "truncate -s 0", "echo '[]' >"])
def test_what_was_declared_is_damaged_before_the_first_start(host: Host, how: str) -> None:
    """Nobody is sent into a boot that brings nothing, nor goes on without what was declared; what is named helps."""
    host.sh(_BEFORE)
    upgrade_to(host, "v2", carry_late=PATHS)
    in_top(host, f"{how} $(ls .overc/late/*.json); sync -f .")
    told = late(host)
    assert told["status"] == "failed"
    assert ".overc/late/" in str(told["reason"])
    for check in (True, False):
        assert_refused(call(host, "upgrade", check=check), "late_carry_failed", "carry_late", ".overc/late/")
    anew = succeed(host, "upgrade", {"force": True}, check=True)
    assert "rootfs_upgrade is replaced" in str(anew["warnings"]), anew["warnings"]
    assert "Give carry_late once more" in str(anew["warnings"])
    # Said again, it is declared again: that there is nothing to bring, too
    for paths in ([], PATHS):
        again = succeed(host, "upgrade", {"carry_late": paths})
        assert steps(again) == ["declare_late"], again
    assert late(host)["status"] == "waiting"
    host.sh("echo v2 > /srv/app/data; sync")
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("2.0", "v2")
    succeed(host, "confirm")


def test_a_damaged_place_is_told_and_nothing_is_done(host: Host) -> None:
    """A link or a file where the declarations are: that nothing waits is not inferred from it."""
    host.sh(_BEFORE)
    staged = upgrade_to(host, "v2", carry_late=PATHS)
    inside = f"mkdir late; {{}} late/{staged['staged_uuid']}.json"
    for how in (
        "ln -s /tmp late",
        "touch late",
        "mkfifo late",
        *map(inside.format, ("mkdir", "mkfifo", "ln -s nothing")),
    ):
        in_top(host, f"cd .overc; mv late kept; {how}; sync -f .")
        told = succeed(host, "info", {"full": True})
        assert (told["state"], len(told["contradictions"])) == ("inconsistent", 1), told["contradictions"]
        assert ".overc/late" in told["contradictions"][0]
        for command in ("upgrade", "confirm", "rollback"):
            assert_refused(call(host, command), "inconsistent", ".overc/late")
        in_top(host, "cd .overc; rm -r late; mv kept late; sync -f .")
    assert late(host)["status"] == "waiting"
    assert succeed(host, "rollback")["state"] == "clean"


def test_damaged_after_the_start(host: Host) -> None:
    """What runs may have brought nothing: not confirmed, and both commands that are named help."""
    host.sh(_BEFORE)
    upgrade_to(host, "v2", carry_late=PATHS)
    host.sh("echo v2 > /srv/app/data; sync")
    in_top(host, "echo damaged > $(ls .overc/late/*.json); sync -f .")
    host.reboot()
    assert host.sh("cat /srv/app/data") == "v1"
    refused = call(host, "confirm")
    assert_refused(refused, "late_carry_failed", ".overc/late/", "overc_host_rollback")
    assert succeed(host, "rollback")["changed"]
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("1.0", "v2")
    assert succeed(host, "confirm")["carry_late"] is None


def test_there_is_no_space_at_boot(host: Host) -> None:
    """What cannot be brought is told and not half there; with room it comes at the next start, or the way back has it all."""
    host.sh(_BEFORE)
    upgrade_to(host, "v2", carry_late=PATHS)
    host.sh(
        'cd /srv/app/many; python3 -c \'for n in range(3000): open(str(n), "w").write("x" * 1500)\'; '
        "echo v2 > /srv/app/data; sync"
    )
    fill(host)
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("2.0", "v1"), host.console()[-2000:]
    assert_refused(call(host, "confirm"), "late_carry_failed", "/srv/app")
    seen = late(host)
    assert seen["brought"] == []
    make_room(host)
    host.reboot()
    again = late(host)
    if seen["status"] == "failed":
        assert "No space left" in str(again["reason"])
        in_top(host, "test ! -e rootfs_upgrade/srv/app.overc-new")
        assert succeed(host, "rollback")["changed"]
        host.reboot()
        assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("1.0", "v2")
    else:
        assert (again["status"], host.sh("cat /srv/app/data; ls /srv/app/many | wc -l")) == ("done", "v2\n3000")
    succeed(host, "confirm")
    assert_no_leftovers(host)


def test_a_restore_brings_what_the_backup_wrote(host: Host) -> None:
    host.sh(_BEFORE)
    upgrade_to(host, "v2")
    host.reboot()
    host.boot_entry(1)
    host.reboot()
    found = succeed(host, "info")
    assert found["state"] == "backup"
    planned = succeed(host, "rollback", {"carry_late": PATHS}, check=True)
    assert "declare_late" in steps(planned)
    restored = succeed(host, "rollback", {"carry_late": PATHS})
    assert (restored["operation"], restored["carry_late"]) == ("restore", PATHS)
    host.sh("echo written in the backup > /srv/app/data; sync")
    assert steps(succeed(host, "rollback", {"carry_late": []})) == ["declare_late"]
    assert steps(succeed(host, "rollback", {"carry_late": PATHS})) == ["declare_late"]
    assert succeed(host, "rollback")["changed"] is False
    host.boot_entry(None)
    host.reboot()
    assert (host.rpm_version("lab-app"), host.sh("cat /srv/app/data")) == ("1.0", "written in the backup")
    assert succeed(host, "confirm")["carry_late"]["status"] == "done"
    host.sh("test ! -e /srv/app.overc-replaced")
    in_top(host, f"grep 'written in the backup' {found['booted']['subvolume']}/srv/app/data")
