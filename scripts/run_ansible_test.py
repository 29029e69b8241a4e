# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test on this checkout, wherever it lies: ``scripts/run_ansible_test.py sanity --venv --python 3.13``.

ansible-test wants a collection to be a real directory below ``ansible_collections``, so it gets a copy of the files
that git knows. And it bootstraps pip by a script from the network; it finds one in its place that takes the pip each
interpreter comes with. Both, and the virtual environments that it makes, stay in ``build/ansible-test``.
"""

from __future__ import annotations

import filecmp
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import interpreters

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "ansible-test"
COPY = WORK / "ansible_collections" / "overc" / "system"
_GET_PIP = '''\
"""In place of get-pip: the pip that this interpreter comes with."""
import ensurepip

ensurepip.bootstrap()
'''


def refresh_copy() -> None:
    """Bring ``COPY`` up to date; what did not change keeps its time, and ansible-test's own output stays."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    wanted = {name for name in listed if name and os.path.lexists(ROOT / name)}
    COPY.mkdir(parents=True, exist_ok=True)
    if not (COPY / ".git").exists():  # else ansible-test asks the repository around it, which ignores this copy
        subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)
    kept = (COPY / "tests" / "output", COPY / ".git")
    for path in [*COPY.rglob("*")]:
        if any(place == path or place in path.parents for place in kept) or (path.is_dir() and not path.is_symlink()):
            continue
        if str(path.relative_to(COPY)) not in wanted:
            path.unlink()
    for name in wanted:
        source, target = ROOT / name, COPY / name
        if os.path.lexists(target):
            if not source.is_symlink() and not target.is_symlink() and filecmp.cmp(source, target, shallow=False):
                shutil.copymode(source, target)
                continue
            target.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def seed_pip(home: Path) -> None:
    """ansible-test looks for the script of exactly the version that it would download."""
    spec = importlib.util.find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("ansible-test is not installed beside this Python.")
    source = Path(spec.submodule_search_locations[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in set(re.findall(r"pip='([0-9.]+)'", source)):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(_GET_PIP, encoding="utf-8")


def environment(home: Path) -> dict[str, str]:
    """A home of its own, because of that script; configuration and cache of pip are the user's."""
    user = Path.home()
    directories = [Path(sys.executable).parent, *(Path(path).parent for path in interpreters.found().values())]
    return {
        "XDG_CONFIG_HOME": str(user / ".config"),
        "XDG_CACHE_HOME": str(user / ".cache"),
        **os.environ,
        "PATH": os.pathsep.join([*map(str, directories), os.environ["PATH"]]),
        "HOME": str(home),
    }


def main() -> int:
    home = WORK / "home"
    seed_pip(home)
    refresh_copy()
    tool = str(Path(sys.executable).with_name("ansible-test"))
    return subprocess.run([tool, *sys.argv[1:]], cwd=COPY, env=environment(home), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
