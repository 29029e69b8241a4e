# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs to pull: git and Ansible. The lab's hosts have neither, as most managed hosts; made once, kept."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab import Host
from tests.lab.process import locked, run
from tests.lab.settings import REPOSITORY, cache_directory, digest

# The newest that runs on the hosts' Python 3.11
_ANSIBLE = "ansible-core==2.19.14"
_PYTHON = "3.11"
_PROGRAM = """\
#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt/ansible/lib")
from {module} import main
sys.exit(main())
"""
_PROGRAMS = {
    "ansible-pull": "ansible.cli.pull",
    "ansible-playbook": "ansible.cli.playbook",
    "ansible": "ansible.cli.adhoc",
}
_SHIPPED = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")


def _tools() -> Path:
    """A tarball with git and what it needs, and Ansible in /opt/ansible."""
    tarball = cache_directory() / f"pull-{digest(_ANSIBLE, _PYTHON, _PROGRAM, *_PROGRAMS, 'git')}.tar"
    with locked(cache_directory() / "pull.lock"):
        if tarball.exists():
            return tarball
        with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
            unfinished, ansible = Path(scratch) / "git.tar", Path(scratch) / "tree/opt/ansible"
            run(["mmdebstrap", "--mode=root", "--variant=extract", "--format=tar", "--quiet", "--include=git", "bookworm",
                 unfinished])  # fmt: skip
            wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={_PYTHON}"]
            platforms = [f"--platform={name}_x86_64" for name in ("manylinux2014", "manylinux_2_28", "manylinux_2_34")]
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", f"--target={ansible / 'lib'}"]
            subprocess.run([*pip, *wheels, *platforms, _ANSIBLE], check=True, capture_output=True)
            (ansible / "bin").mkdir()
            for name, module in _PROGRAMS.items():
                (ansible / "bin" / name).write_text(_PROGRAM.format(module=module))
                (ansible / "bin" / name).chmod(0o755)
            run(["tar", "-rf", unfinished, "-C", f"{scratch}/tree", "opt"])
            unfinished.replace(tarball)
    return tarball


def equip(host: Host) -> None:
    """Put git, Ansible and this collection on a host."""
    with _tools().open("rb") as tarball, host.popen(
        ["tar", "-x", "--skip-old-files", "-C", "/", "-f", "-"], stdin=tarball
    ) as process:  # fmt: skip
        _output, errors = process.communicate()
    assert process.returncode == 0, errors
    collection = "/opt/ansible/collections/ansible_collections/overc/system"
    argv = ["tar", "-C", str(REPOSITORY), "--exclude=__pycache__", "-cf", "-", *_SHIPPED]
    host.run(["mkdir", "-p", collection])
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as sender, host.popen(
        ["tar", "-x", "--no-same-owner", "-C", collection, "-f", "-"], stdin=sender.stdout
    ) as process:  # fmt: skip
        _output, errors = process.communicate()
    assert (sender.returncode, process.returncode) == (0, 0), errors


def publish(host: Host, files: dict[str, str]) -> None:
    """Commit files to the repository of a host, /srv/site.git."""
    for name, text in files.items():
        host.write(f"/srv/site.git/{name}", text)
    host.sh(
        "cd /srv/site.git && git -c init.defaultBranch=main init -q && git add -A && "
        "git -c user.name=lab -c user.email=lab@example.net commit -qm site"
    )
