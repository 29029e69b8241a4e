# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that waits for the next boot: remembering which containers have some, and doing it before they start.

A managed host has no copy of this collection, so the code that runs at boot is put there when the first request is
made: the very modules that are running now, a unit and a list of the containers concerned. When nothing waits any more,
the boot run removes all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import typing as t

from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay_remove import empty
from ansible_collections.overc.system.plugins.module_utils.safe_path import OPEN_DIR, printable, write_atomically

PACKAGE: t.Final = "ansible_collections.overc.system.plugins.module_utils"
UNIT: t.Final = "overc-overlay-boot.service"


class Places:
    """Where things go; the tests use others."""

    def __init__(self, base: str = "/var/lib/overc/overlay", units: str = "/etc/systemd/system") -> None:
        self.base = base
        self.units = units
        self.pending = f"{base}/pending"
        self.code = f"{base}/code"
        self.wants = f"{units}/multi-user.target.wants/{UNIT}"


def _write(directory: str, name: str, data: bytes) -> None:
    os.makedirs(directory, mode=0o755, exist_ok=True)
    fd = os.open(directory, OPEN_DIR)
    try:
        write_atomically(name, data, fd)
    finally:
        os.close(fd)


def _pointer(containers_dir: str, container: str) -> str:
    name = os.fsencode(f"{containers_dir}/{container}")
    return hashlib.sha256(name).hexdigest()[:24] + ".json"


def waiting(places: Places) -> list[tuple[str, str]]:
    """(containers_dir, container) of every container with work that waits."""
    try:
        names = sorted(os.listdir(places.pending))
    except FileNotFoundError:
        return []
    out = []
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            with open(f"{places.pending}/{name}", encoding="ascii") as file:
                data = json.load(file)
            out.append((data["containers_dir"], data["container"]))
    return out


def modules() -> dict[str, str]:
    """The source of every module of ours that is loaded, by file name; from a checkout or from Ansible's zip file."""
    out = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith(PACKAGE + "."):
            loader: t.Any = getattr(getattr(module, "__spec__", None), "loader", None)
            source = loader.get_source(name) if hasattr(loader, "get_source") else None
            if source is None:
                raise OvercError("internal", f"the source of {name} cannot be found, so nothing can be done at boot")
            out[name.rpartition(".")[2] + ".py"] = source
    return out


def _unit(places: Places, containers: t.Sequence[tuple[str, str]]) -> str:
    services = [s for _dir, c in containers for s in (f"lxc@{c}.service", f"systemd-nspawn@{c}.service")]
    before = " ".join(["lxc.service", "machines.target", *services])
    return (
        "# Made by overc_overlay for work that waits for a boot; removes itself when there is none.\n"
        "[Unit]\nDescription=Share files among containers, as recorded\n"
        f"After=local-fs.target\nBefore={before}\nConditionDirectoryNotEmpty={places.pending}\n"
        "\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
        f"ExecStart={sys.executable or '/usr/bin/python3'} {places.code}/run.py\n"
        "\n[Install]\nWantedBy=multi-user.target\n"
    )


def _launcher(places: Places) -> str:
    return (
        "import sys\n"
        f"sys.path.insert(0, {places.code!r})\n"
        f"from {PACKAGE}.overlay_boot import Places\n"
        f"from {PACKAGE}.overlay_manage import run_waiting\n"
        f"sys.exit(run_waiting(Places({places.base!r}, {places.units!r})))\n"
    )


def remember(places: Places, containers_dir: str, container: str) -> None:
    """Put a container on the list, and the code and the unit where the boot finds them."""
    target = f"{places.code}/{PACKAGE.replace('.', '/')}"
    for name, source in modules().items():
        _write(target, name, source.encode("utf-8"))
    _write(places.code, "run.py", _launcher(places).encode("utf-8"))
    data = json.dumps({"containers_dir": containers_dir, "container": container}).encode("ascii")
    _write(places.pending, _pointer(containers_dir, container), data)
    plain = [(d, c) for d, c in waiting(places) if printable(c) == c and not set(c) & set(" \t\n%\\\"'")]
    _write(places.units, UNIT, _unit(places, plain).encode("utf-8"))
    os.makedirs(os.path.dirname(places.wants), exist_ok=True)
    if not os.path.islink(places.wants):
        os.symlink(f"../{UNIT}", places.wants)


def forget(places: Places, containers_dir: str, container: str) -> None:
    """Take a container off the list; with the last one, everything goes."""
    try:
        os.unlink(f"{places.pending}/{_pointer(containers_dir, container)}")
    except FileNotFoundError:
        pass
    if waiting(places) or not os.path.isdir(places.base):
        return
    for path in (places.wants, f"{places.units}/{UNIT}"):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
    fd = os.open(places.base, OPEN_DIR)
    try:
        empty(fd, jobs=1)
    finally:
        os.close(fd)
    os.rmdir(places.base)
    for path in (os.path.dirname(places.base), os.path.dirname(places.wants)):
        try:
            os.rmdir(path)
        except OSError:
            pass  # there is something else in it


__all__ = ("PACKAGE", "UNIT", "Places", "forget", "modules", "remember", "waiting")
