# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden disk of hosts with zypper: OverC's layout, the real zypper and rpm of Debian 13, the lab's own packages.

openSUSE's own packages, patches, products and layout are none of it: those cannot be had everywhere.
"""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from tests.lab import system
from tests.lab.packages import all_packages
from tests.lab.process import run
from tests.lab.settings import GATEWAY, HTTP_PORT
from tests.lab.signing import public_key

SUITE: t.Final = "trixie"
PACKAGES: t.Final = (
    "systemd,systemd-sysv,dbus,libpam-systemd",
    "zypper,rpm,python3",
    "openssh-server,btrfs-progs,iproute2,procps,kmod,util-linux,mount,findutils,e2fsprogs,attr,acl",
)
_KEY: t.Final = "etc/pki/lab.asc"
FILES: t.Final = {
    # The name of the release is a variable, as for dnf
    "etc/zypp/vars.d/labrel": "v1\n",
    "etc/zypp/repos.d/lab.repo": (
        f"[lab]\nname=lab\nbaseurl=http://{GATEWAY}:{HTTP_PORT}/$labrel/\nenabled=1\nautorefresh=1\ngpgcheck=1\n"
        "repo_gpgcheck=0\n"
    ),
    **system.FILES,
}


def install(root: Path, repository: Path, *without: str) -> None:
    """Everything of version 1.0 but these packages, and a first start of zypper, which leaves files of its own."""
    wanted = [p for p in all_packages(big_mib=0) if p.version == "1.0" and p.preinstalled and p.name not in without]
    packages = root / "run/packages"
    packages.mkdir(parents=True)
    run(["mount", "--bind", repository / "v1", packages])
    for kind, place in (("proc", "proc"), ("tmpfs", "dev")):
        run(["mount", "-t", kind, kind, root / place])
    run(["mknod", "-m666", root / "dev/null", "c", "1", "3"])
    run(["mknod", "-m666", root / "dev/urandom", "c", "1", "9"])
    key = root / _KEY
    key.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(public_key(), key)
    files = [f"/run/packages/{p.name}-{p.version}-1.noarch.rpm" for p in wanted]
    run(["chroot", root, "rpm", "--import", f"/{_KEY}"])
    run(["chroot", root, "rpm", "--install", *files], stdin="")
    run(["chroot", root, "zypper", "--non-interactive", "repos"], stdin="")
    for place in ("dev", "proc"):
        run(["umount", root / place])
    run(["umount", packages])
    packages.rmdir()
