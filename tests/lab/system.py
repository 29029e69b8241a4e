# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every golden root is given, whatever its flavour: a way in, and nothing that only costs time."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from tests.lab.process import locked, run
from tests.lab.settings import cache_directory

FILES: t.Final = {
    "etc/ssh/sshd_config.d/lab.conf": (
        "UsePAM no\nUseDNS no\nPermitRootLogin prohibit-password\nMaxSessions 100\nMaxStartups 100:30:200\n"
    ),
    # Before each start sshd would read all of its configuration once more
    "etc/systemd/system/ssh.service.d/lab.conf": "[Service]\nExecStartPre=\n",
    # The build machine's name server is not reachable from a lab: every look-up would cost ten seconds
    "etc/resolv.conf": "nameserver 127.0.0.1\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/hostname": "golden\n",
}
# Not needed here, and each costs boot time or writes to the disk behind a test's back.
_MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service", "dev-hugepages.mount",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "getty.target",
    "getty@tty1.service", "sys-fs-fuse-connections.mount", "systemd-firstboot.service", "systemd-networkd.service",
    "systemd-resolved.service", "systemd-sysctl.service", "systemd-sysusers.service", "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer", "systemd-update-utmp-runlevel.service", "systemd-update-utmp.service",
)  # fmt: skip
# The others look for disks, consoles and init scripts that no lab host has, each in a process of its own
_GENERATORS = frozenset({"systemd-fstab-generator"})


def ssh_key(kind: str) -> Path:
    """``controller`` logs in; ``host`` is the one host key of all lab hosts. Made once per checkout."""
    key = cache_directory() / "keys" / kind
    with locked(cache_directory() / "keys.lock"):
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{kind}", "-f", key])
    return key


def configure(root: Path, files: dict[str, str]) -> None:
    """Write the files and make the root one that boots in a blink, with the lab's keys."""
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    switch = root / "etc/nsswitch.conf"
    lines = switch.read_text().splitlines() if switch.exists() else []
    switch.write_text("\n".join([*(x for x in lines if not x.startswith("hosts:")), "hosts: files", ""]))
    (root / "etc/machine-id").write_text("")
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for generator in (root / "usr/lib/systemd/system-generators").iterdir():
        if generator.name not in _GENERATORS:
            generator.unlink()
    for stale in (root / "etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    shutil.copy(ssh_key("host"), root / "etc/ssh/ssh_host_ed25519_key")
    (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(ssh_key("controller").with_suffix(".pub"), root / "root/.ssh/authorized_keys")
