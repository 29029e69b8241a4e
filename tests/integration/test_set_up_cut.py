# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting deployments up, and giving the host back, killed at any change of a name: run again, nothing of it is left over."""

from __future__ import annotations

from tests.integration.commands import assert_refused, succeed
from tests.integration.test_deployments import DEBIAN, MakeHost, adopt, root
from tests.lab import Host
from tests.sampling import rotating

# The process dies right before the change of a name with this number
DYING = """\
import os, signal
left = {number}
def dying(call):
    def instead(*args, **more):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    return instead
for name in ("unlink", "rename", "mkdir", "rmdir"):
    setattr(os, name, dying(getattr(os, name)))
"""
# An empty directory may be left, of which nobody could say any more whose it is
_OURS = "ls -d /boot/overc/* /boot/grub/custom.cfg /etc/overc /etc/systemd/system/overc-* 2>/dev/null; true"


def killed(host: Host, state: str, number: int) -> bool:
    """False if it came to its end before."""
    process = host.module_start("overc_bootloader", {"state": state}, prelude=DYING.format(number=number)).process
    process.communicate()
    return process.returncode != 0


def test_killed_at_any_change_of_a_name(make_host: MakeHost) -> None:
    host = make_host(flavour=DEBIAN)
    adopt(host)
    whole = host.sh("cd /boot/overc; find . -type f | sort | xargs sha256sum; cat /boot/grub/custom.cfg")
    for number in rotating(list(range(1, 40)), 13):
        came_to_its_end = not killed(host, "absent", number)
        adopt(host, state="absent")
        assert host.sh(_OURS) == "", number
        if came_to_its_end:
            break
        adopt(host)  # and it can be had again
    adopt(host, state="absent")
    for number in rotating(list(range(1, 40)), 13):
        came_to_its_end = not killed(host, "present", number)
        adopt(host)
        assert host.sh("cd /boot/overc; find . -type f | sort | xargs sha256sum; cat /boot/grub/custom.cfg") == whole
        assert adopt(host)["changed"] is False
        adopt(host, state="absent")
        if came_to_its_end:
            break
    adopt(host)
    host.reboot()
    assert (root(host), succeed(host, "info")["state"]) == ("@rootfs", "clean")


def test_a_password_in_the_file_that_we_append_to(make_host: MakeHost) -> None:
    """It would be asked for before each of our entries, a trial's too; and whoever may not read it may not read it after us."""
    host = make_host(flavour=DEBIAN)
    host.write("/boot/grub/custom.cfg", "set superusers=root\n")
    host.sh("chmod 600 /boot/grub/custom.cfg")
    append = {"adopt_custom_cfg": "append"}
    assert_refused(host.module("overc_bootloader", append), "layout_unsupported", "superusers", "custom.cfg")
    host.sh("echo set color_normal=white/black >/boot/grub/custom.cfg")
    adopt(host, **append)
    assert host.sh("stat -c %a /boot/grub/custom.cfg") == "600"
    adopt(host, state="absent")
    assert host.sh("stat -c %a /boot/grub/custom.cfg; cat /boot/grub/custom.cfg") == "600\nset color_normal=white/black"
