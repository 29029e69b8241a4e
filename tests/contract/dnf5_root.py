# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root with the real DNF 5 and rpm 6, of Debian's next release, in which a driver of the collection runs by itself.

Several commands may be at work in it at once; each has a mount and a process namespace of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import ansible_collections.overc.system as collection

from tests.contract import kept_root
from tests.lab.process import run

SUITE: t.Final = "forky"
TOOLS: t.Final = ("mmdebstrap", "rpmbuild", "createrepo_c", "unshare")
REPOSITORY: t.Final = "[lab]\nname=lab\nbaseurl=file:///srv/repo\nenabled=1\ngpgcheck=0\n"
_OPTIONS: t.Final = (
    "--include=dnf5,rpm,python3",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
_ENTER: t.Final = """\
set -e
mount --bind "$1" "$1"  # rpm 6 unshares /tmp for scripts, which needs a / that is a mount
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
for node in "null 3" "zero 5" "urandom 9"; do mknod -m 666 "$1/dev/${node% *}" c 1 "${node#* }"; done
ln -s /proc/self/fd "$1/dev/fd"
here=$1
shift
exec chroot "$here" "$@"
"""
# What a module does with a driver, without Ansible
_ASK: t.Final = """\
import json, shutil, sys, time
sys.path.insert(0, "/srv/python")
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import tool
from ansible_collections.overc.system.plugins.module_utils.packages.dnf.driver import Dnf
from ansible_collections.overc.system.plugins.module_utils.runner import ModuleRunner
class Here:
    get_bin_path = staticmethod(shutil.which)
tool.PATIENCE_5 = float(sys.argv[2])
begun = time.monotonic()
try:
    dnf = Dnf(ModuleRunner(Here()))
    if sys.argv[1] == "refresh":
        said = {"changed": dnf.refresh()}
    else:
        said = {"changes": [change.as_dict() for change in dnf.pending(PackageRequest()).changes]}
except OvercError as error:
    said = {"error_id": error.error_id, "msg": error.message, "holder": error.facts.get("holder")}
print(json.dumps({**said, "seconds": time.monotonic() - begun}))
"""


@dataclass
class Root:
    """One copy of the root, at ``path``."""

    path: Path

    def _enter(self, argv: t.Sequence[str]) -> list[str]:
        enter = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        return [*enter, "sh", "-c", _ENTER, "sh", str(self.path), *argv]

    def start(self, *argv: str) -> subprocess.Popen[str]:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        pipes: dict[str, t.Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self._enter(argv), env=environment, text=True, **pipes)

    def sh(self, script: str) -> str:
        """A piece of shell that must succeed; what it printed."""
        process = self.start("sh", "-c", script)
        out, err = process.communicate()
        assert process.returncode == 0, (script, out, err)
        return out

    def ask(self, what: str, *, patience: float = 60) -> dict[str, t.Any]:
        """The driver's answer to ``refresh`` or ``pending``, with the ``seconds`` it took."""
        process = self.start("python3", "-c", _ASK, what, str(patience))
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        answer: dict[str, t.Any] = json.loads(out)
        return answer


def unpack(directory: Path) -> Root:
    """The root with the collection in it. Skips the test where it cannot be had."""
    kept_root.needed(*TOOLS)
    root = directory / SUITE
    root.mkdir()
    run(["tar", "-C", root, "--numeric-owner", "-xf", kept_root.tarball("dnf5", SUITE, _OPTIONS)])
    (root / "usr/bin/dnf").symlink_to("dnf5")  # as Fedora has it
    place = root / "srv/python/ansible_collections/overc/system"
    shutil.copytree(
        Path(next(iter(collection.__path__))) / "plugins",
        place / "plugins",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    # It fails after every transaction where there is no createrepo_c
    local = root / "etc/dnf/libdnf5-plugins/local.conf"
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_text("[main]\nname=local\nenabled=0\n")
    (root / "srv/repo").mkdir(parents=True)
    (root / "etc/yum.repos.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/yum.repos.d/lab.repo").write_text(REPOSITORY)
    return Root(root)


__all__ = ("Root", "unpack")
