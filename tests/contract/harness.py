# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness of the contract tests: which `smart`, and a scratch RPM root with a tiny repository.

By default the stand-in of the lab is tested, with `rpm --root` in a temporary directory. The real program:

* ``--smart PATH`` (or OVERC_SMART): a `smart` of this machine. It must honour SMART_RPM_ROOT or ``rpm-root``; the
  option ``-o rpm-root=DIR`` is passed to it.
* ``--smart-root DIR`` (or OVERC_SMART_ROOT): a root directory with `smart`, `rpm` and an RPM database; everything runs
  with `chroot DIR`. Use a throw-away copy: packages named ``contract-*`` are installed and removed there.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field

import pytest
from ansible_collections.overc.system.plugins.module_utils.runner import ENGLISH, Completed

from tests.contract.kept_root import needed

STAND_IN = pathlib.Path(__file__).parents[1] / "lab" / "smart" / "smart"
TOOLS = ("rpm", "rpmbuild", "createrepo_c")


SPEC = """\
Name: contract-{name}
Version: {version}
Release: 1
Summary: contract test
License: MIT
BuildArch: noarch
AutoReqProv: no
{tags}
%description
contract test
%install
mkdir -p %{{buildroot}}/opt/contract-{name}
echo {version} > %{{buildroot}}/opt/contract-{name}/version
%files
/opt/contract-{name}
{scripts}
"""
OLD = (
    "app", "lib", "conf", "victim", "nodep", "old", "newdep", "badpost", "badpre", "badpreun", "abs", "abs-data", "m1", "m2",
    "App", "words",
)  # fmt: skip
# scripts are Lua: rpm runs them itself, so the scratch root needs no shell
NEW: dict[str, tuple[str, str]] = {
    "app": ("", ""),
    "lib": ("", ""),
    "conf": ("Conflicts: contract-victim", ""),
    "nodep": ("Requires: contract-nowhere", ""),
    "renamed": ("Obsoletes: contract-old < 2\nProvides: contract-old = 2", ""),
    "newdep": ("Requires: contract-dep", ""),
    "dep": ("", ""),
    "badpost": ("", '%post -p <lua>\nerror("no")\n'),
    "badpre": ("", '%pre -p <lua>\nerror("no")\n'),
    "badpreun": ("", ""),
    "abs": ("Obsoletes: contract-abs-data < 2", ""),
    "merged": ("Obsoletes: contract-m1 < 2\nObsoletes: contract-m2 < 2", ""),
    "App": ("", ""),
    # It ends well, whatever it says
    "words": ("", '%post -p <lua>\nio.stderr:write("error: cannot reach the daemon, No space left on device\\n")\n'),
}


def build(directory: pathlib.Path) -> None:
    """All packages, as contract-NAME-VERSION-1.noarch.rpm, with one call of rpmbuild."""
    top = directory / "top"
    for part in ("SPECS", "SRPMS", "BUILD", "BUILDROOT", "SOURCES"):
        (top / part).mkdir(parents=True)
    for name in OLD:
        scripts = '%preun -p <lua>\nerror("no")\n' if name == "badpreun" else ""
        spec = SPEC.format(name=name, version="1.0", tags="", scripts=scripts)
        (top / "SPECS" / f"{name}-1.spec").write_text(spec)
    for name, (tags, scripts) in NEW.items():
        (top / "SPECS" / f"{name}-2.spec").write_text(SPEC.format(name=name, version="2.0", tags=tags, scripts=scripts))
    defines = {
        "_topdir": top,
        "_rpmdir": directory,
        "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_build_id_links": "none",
        "__os_install_post": "%{nil}",
        "debug_package": "%{nil}",
    }
    options = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
    specs = sorted(map(str, (top / "SPECS").iterdir()))
    subprocess.run(["rpmbuild", "-bb", "--quiet", *options, *specs], check=True, capture_output=True)
    shutil.rmtree(top)


@dataclass
class Host:
    """A ``Runner`` on the root under test; ``prefix`` are the words put before a program's arguments."""

    prefixes: dict[str, list[str]]
    environment: dict[str, str]
    pool: pathlib.Path
    repository: pathlib.Path
    url: str
    data: str = ""
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def find(self, program: str) -> str | None:
        return shutil.which(program)

    def run(
        self, argv: t.Sequence[str], *, env: t.Mapping[str, str] | None = None, pass_fds: t.Sequence[int] = ()
    ) -> Completed:
        self.calls.append(tuple(argv))
        prefix = self.prefixes.get(argv[0], self.prefixes["*"])
        words = [*prefix, *argv[1:]] if argv[0] in self.prefixes else [*prefix, *argv]
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", ""), "HOME": "/root"}
        done = subprocess.run(
            words,
            env={**path, **ENGLISH, **self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=tuple(pass_fds),
        )
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def smart(self, *arguments: str) -> Completed:
        return self.run(["smart", f"--data-dir={self.data}", *arguments])

    def offer(self, *files: str) -> None:
        """Publish these packages (file names without .rpm), and nothing else."""
        shutil.rmtree(self.repository, ignore_errors=True)
        self.repository.mkdir(parents=True)
        for name in files:
            shutil.copy(self.pool / f"{name}.rpm", self.repository)
        subprocess.run(["createrepo_c", "-q", "--no-database", str(self.repository)], check=True)

    def installed(self) -> set[str]:
        return set(self.run(["rpm", "-qa", "--qf", r"%{NAME}-%{VERSION}\n"]).stdout.split())


def make_pool(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build the packages once; the directory with their files."""
    needed(*TOOLS)
    directory = tmp_path_factory.mktemp("pool")
    build(directory)
    return directory


def make_host(config: pytest.Config, pool: pathlib.Path, tmp_path: pathlib.Path) -> t.Iterator[Host]:
    """A root with all packages of ``OLD``, a system channel and the empty channel ``main``."""
    chroot, program = config.getoption("--smart-root"), config.getoption("--smart")
    if chroot:
        enter, base = ["chroot", chroot], pathlib.Path(chroot) / "srv" / "contract"
        host = Host({"*": enter}, {}, pool, base / "repository", "file:///srv/contract/repository")
        state = base / "state"
        seen = "/srv/contract"
    else:
        root, base, state = tmp_path / "root", tmp_path, tmp_path / "state"
        root.mkdir()
        rpm = ["rpm", "--root", str(root)]
        smart = [program, "-o", f"rpm-root={root}"] if program else [sys.executable, str(STAND_IN)]
        environment = {"SMART_RPM_ROOT": str(root)}
        url = f"file://{tmp_path}/repository"
        host = Host({"*": [], "rpm": rpm, "smart": smart}, environment, pool, tmp_path / "repository", url)
        seen = str(tmp_path)
    state.mkdir(parents=True)
    host.data = f"{seen}/state"
    host.prefixes.setdefault("smart", [*host.prefixes["*"], "smart"])
    base.joinpath("old").mkdir(parents=True, exist_ok=True)
    for name in OLD:
        shutil.copy(pool / f"contract-{name}-1.0-1.noarch.rpm", base / "old")
    files = [f"{seen}/old/{path.name}" for path in sorted((base / "old").iterdir())]
    assert host.run(["rpm", "-U", "--oldpackage", "--replacepkgs", *files]).rc == 0
    host.offer(*(f"contract-{name}-1.0-1.noarch" for name in OLD))
    host.smart("channel", "--add", "rpm-sys", "type=rpm-sys", "name=System", "-y")
    assert host.smart("channel", "--add", "main", "type=rpm-md", f"baseurl={host.url}", "-y").rc == 0
    host.smart("config", "--set", "rpm-check-signatures=false")
    yield host
    if chroot:
        names = sorted({f"contract-{name}" for name in [*OLD, *NEW]} & {n.rsplit("-", 1)[0] for n in host.installed()})
        host.run(["rpm", "-e", "--nodeps", "--noscripts", "--allmatches", *names])
        shutil.rmtree(base)
