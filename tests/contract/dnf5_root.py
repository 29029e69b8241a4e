# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root with the real DNF 5 and rpm 6, of Debian's next release, in which a driver of the collection runs by itself.

Several commands may be at work in it at once; each has a mount, a process and a network namespace of its own.
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
TOOLS: t.Final = ("mmdebstrap", "rpmbuild", "rpmsign", "createrepo_c", "unshare", "ip")
REPOSITORY: t.Final = "[lab]\nname=lab\nbaseurl=http://127.0.0.1/\nenabled=1\ngpgcheck=0\n"
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
ip link set lo up
mount --bind "$1" "$1"  # rpm 6 unshares /tmp for scripts, which needs a / that is a mount
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
for node in "null 3" "zero 5" "urandom 9"; do mknod -m 666 "$1/dev/${node% *}" c 1 "${node#* }"; done
ln -s /proc/self/fd "$1/dev/fd"
here=$1
shift
exec chroot "$here" "$@"
"""
# What a module does with a driver, without Ansible. The repository is there by HTTP until the packages were downloaded.
_ASK: t.Final = """\
import functools, http.server, json, shutil, sys, tempfile, threading, time
sys.path.insert(0, "/srv/python")
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageRequest
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import tool
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5.driver import Dnf5
from ansible_collections.overc.system.plugins.module_utils.runner import ModuleRunner
class Here:
    get_bin_path = staticmethod(shutil.which)
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words):
        pass
what, request = sys.argv[1], {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(sys.argv[3]).items()}
tool.PATIENCE = float(sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 80), functools.partial(Quiet, directory="/srv/repo"))
threading.Thread(target=server.serve_forever, daemon=True).start()
begun = time.monotonic()
said = {}
try:
    dnf, request = Dnf5(ModuleRunner(Here())), PackageRequest(**request)
    if what == "refresh":
        said["changed"] = dnf.refresh()
    elif what == "unchecked":
        said["unchecked"] = dnf.unchecked()
    elif what == "age":
        said["age"] = dnf.lists_age().seconds
    else:
        plan = dnf.pending(request, scratch=tempfile.mkdtemp() if what == "check" else None, refresh=what == "fresh")
        said.update(changes=[c.as_dict() for c in plan.changes], held_back=plan.held_back, skipped=plan.skipped)
    if what == "upgrade":
        directory = tempfile.mkdtemp()
        said["paths"] = dnf.download(request, plan, directory)
        server.shutdown()
        server.server_close()
        applied = Dnf5(ModuleRunner(Here())).apply(request, plan, directory)
        said.update(warnings=applied.warnings, kept=applied.kept, done=[c.as_dict() for c in applied.changes])
except OvercError as error:
    said.update(error_id=error.error_id, msg=error.message, holder=error.facts.get("holder"), stderr=error.facts.get("stderr"))
print(json.dumps({**said, "seconds": time.monotonic() - begun}))
"""


@dataclass
class Root:
    """One copy of the root, at ``path``."""

    path: Path

    def _enter(self, argv: t.Sequence[str]) -> list[str]:
        enter = ["unshare", "--mount", "--propagation", "private", "--pid", "--net", "--fork", "--kill-child"]
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

    def ask(self, what: str, *, patience: float = 60, **request: t.Any) -> dict[str, t.Any]:
        """The driver's answer to ``refresh``, ``pending``, ``check`` (in a scratch directory) or ``upgrade``, with the
        ``seconds`` it took.
        """
        process = self.start("python3", "-c", _ASK, what, str(patience), json.dumps(request))
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
