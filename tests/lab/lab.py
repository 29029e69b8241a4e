# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a directory, a network and some hosts."""

from __future__ import annotations

import json
import os
import shutil
import threading
import typing as t
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab import cgroup, disk, network, pool, ssh
from tests.lab.host import Host
from tests.lab.image import golden_image
from tests.lab.layouts import DNF5, FLAVOURS, OVERC, ZYPPER
from tests.lab.process import LabError, locked, read_json, run, started_at, write_atomic
from tests.lab.requirements import check_machine
from tests.lab.rpms import repositories
from tests.lab.settings import DEFAULT_DIRECTORY, RECORD_FILE, DiskSize, LabNames

LAB_FILE = "lab.json"
MANAGERS = frozenset({"apt", "dnf", "dnf5", "smart"})
# Under these names a package manager is found
_PROGRAMS = {"apt": ("apt-get",), "dnf": ("dnf", "dnf-3", "dnf4", "yum"), "dnf5": ("dnf5",), "smart": ("smart",)}
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")


class Lab:
    """``with Lab(directory) as lab: host = lab.create("h1"); host.start()`` and everything is gone afterwards.

    Without the ``with`` it stays until ``down()``, also beyond the end of this process.
    """

    def __init__(self, directory: Path | str = DEFAULT_DIRECTORY) -> None:
        self.directory = Path(directory).resolve()
        self.names = LabNames(self.directory)
        self.pool = self.directory / "pool"

    def __enter__(self) -> t.Self:
        self.up(owned=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # --- the lab itself ---------------------------------------------------------------------------------------

    @property
    def record(self) -> dict[str, t.Any]:
        return read_json(self.directory / LAB_FILE)

    def up(self, *, owned: bool = False) -> None:
        """Network, package server and image pool; nothing happens where they are there already.

        An ``owned`` lab is meant to end with this process: ``gc`` removes it if that did not happen.
        """
        check_machine()
        served = repositories()
        with locked(self.directory / "lab.lock"):
            self._raise_inotify_limit()
            record = self.record
            record.setdefault("pool_file", str(pool.pool_file(self.directory, self.names.lab_id)))
            own = os.getpid()
            record["owner"] = [own, started_at(own)] if owned else None
            # Written first: whatever comes after, a clean-up finds it
            self._save(record)
            self.names.run_directory.mkdir(parents=True, exist_ok=True)
            pool.mount_pool(Path(record["pool_file"]), self.pool)
            network.create(self.names.netns)
            pid, start = record.get("http") or (None, None)
            if pid is None or start is None or started_at(pid) != start:
                record["http"] = network.start_http(self.names.netns, served, self.directory / "http.log")
                self._save(record)

    def _save(self, record: dict[str, t.Any]) -> None:
        write_atomic(self.directory / LAB_FILE, json.dumps(record))

    @staticmethod
    def _raise_inotify_limit() -> None:
        """Each systemd takes several; the usual 128 are gone after some twenty hosts."""
        if int(_INOTIFY.read_text()) < 1024:
            _INOTIFY.write_text("8192")

    def down(self) -> None:
        """Remove every trace of this lab; also of one whose process was killed. The cache stays."""
        record = self.record
        with locked(self.directory / "lab.lock"):
            for host in self.hosts():
                host.destroy()
            for leftover in sorted((self.directory / "hosts").glob("*")):
                shutil.rmtree(leftover, ignore_errors=True)
            cgroup.remove(cgroup.hierarchy() / self.names.cgroup)
            if record.get("http"):
                network.stop_process(*record["http"])
            for namespace in network.NETNS_DIRECTORY.glob(f"{self.names.netns}*"):
                network.delete(namespace.name)
            for loop in disk.loops_below(self.pool):
                run(["losetup", "--detach", loop], check=False)
            if "pool_file" in record:
                pool.unmount_pool(Path(record["pool_file"]), self.pool)
            shutil.rmtree(self.names.run_directory, ignore_errors=True)
            for name in (LAB_FILE, "http.log", ssh.CONFIG_FILE, ssh.KNOWN_HOSTS_FILE, "inventory.yml"):
                (self.directory / name).unlink(missing_ok=True)
            hosts = self.directory / "hosts"
            if hosts.is_dir():
                hosts.rmdir()

    # --- its hosts --------------------------------------------------------------------------------------------

    def hosts(self) -> list[Host]:
        records = (self.directory / "hosts").glob(f"*/{RECORD_FILE}")
        found = [Host(self.names, r.parent.name) for r in records]
        return sorted(found, key=lambda h: int(h.record["index"]))

    def host(self, name: str) -> Host:
        return Host(self.names, name)

    def create(
        self,
        name: str,
        *,
        from_image: Path | None = None,
        fresh: bool = True,
        size: DiskSize | None = None,
        backup: bool = False,
        managers: Sequence[str] = ("dnf",),
        automatic: bool = False,
        flavour: str = OVERC,
        registered: Callable[[], object] = lambda: None,
    ) -> Host:
        """A new host, switched off.

        ``from_image``: a disk saved by ``host.save()`` instead of the golden image. ``fresh=False`` leaves it as it
        is, to the last byte, so the host it came from must be gone or off. ``backup``: with the backup pair that an
        installer may have made. ``managers``: the package managers that the host has. ``automatic``: with what
        overc_bootloader installs. ``flavour``: ``overc``, ``dnf5`` or ``zypper`` in the same layout, or one of
        layouts.py, for which ``backup``, ``managers`` and ``automatic`` mean nothing. ``registered`` is called when it has its
        place in the inventory, or gets none.
        """
        try:
            source = from_image or self._golden(size or DiskSize(), flavour)
            record = self._register(name, flavour)
        finally:
            registered()
        image = Path(record["image"])
        try:
            pool.clone(source, image)
            loop = disk.attach(image)
            if fresh:
                old = disk.identity(loop)
                disk.personalise(loop, name, old, disk.renew_identity(loop))
            if from_image is None and flavour not in FLAVOURS:
                # There `dnf` leads to `dnf5`; beside zypper there is no other one
                wanted = {*managers, *({"dnf5"} if flavour == DNF5 else ())} if flavour != ZYPPER else set()
                _equip(loop, backup, frozenset(wanted), automatic)
            network.add_host(self.names.netns, record["netns"], record["port"], record["address"])
        except BaseException:
            Host(self.names, name).destroy()
            raise
        self.inventory()
        return Host(self.names, name)

    def create_many(self, names: Sequence[str], *, start: bool = True, **options: t.Any) -> list[Host]:
        """Several at once, and started."""
        turns = {name: threading.Event() for name in names}

        def one(number: int) -> Host:
            # They are registered in their order, which is that of the inventory; the slow rest is done side by side
            if number:
                turns[names[number - 1]].wait()
            host = self.create(names[number], registered=turns[names[number]].set, **options)
            if start:
                host.start()
            return host

        with ThreadPoolExecutor(max_workers=4) as workers:
            return list(workers.map(one, range(len(names))))

    def _golden(self, size: DiskSize, flavour: str) -> Path:
        """The golden image inside the pool, where cloning it costs nothing."""
        cached = golden_image(size, flavour)
        local = self.pool / cached.name
        with locked(self.directory / "golden.lock"):
            if not local.exists():
                unfinished = local.with_suffix(".part")
                pool.clone(cached, unfinished)
                unfinished.rename(local)
        return local

    def _register(self, name: str, flavour: str) -> dict[str, t.Any]:
        """Reserve name and address, and write down first what is about to be made."""
        if not name.isidentifier() or len(name) > 20:
            raise LabError(f"{name!r} is no name for a host: letters, digits and _ only, 20 at most")
        with locked(self.directory / "register.lock"):
            hosts = self.hosts()
            if any(h.name == name for h in hosts):
                raise LabError(f"there is already a host {name}")
            taken = {int(h.record["index"]) for h in hosts}
            index = next(n for n in range(1, 10_000) if n not in taken)
            record = {
                "name": name,
                "flavour": flavour,
                "index": index,
                "nonce": os.urandom(4).hex(),
                "image": str(self.pool / f"{name}.img"),
                "address": network.address(index),
                "port": f"v{index}",
                "netns": self.names.host_netns(name),
                "cgroup": str(cgroup.hierarchy() / self.names.cgroup / name),
            }
            directory = self.directory / "hosts" / name
            directory.mkdir(parents=True, exist_ok=True)
            write_atomic(directory / RECORD_FILE, json.dumps(record))
        return record

    def inventory(self, path: Path | None = None, *, only: t.Container[str] | None = None) -> Path:
        """(Re)write the ssh configuration for the hosts there are, and an inventory of them, or of those named."""
        target = path or self.directory / "inventory.yml"
        with locked(self.directory / "inventory.lock"):
            hosts = self.hosts()
            ssh.write_config(self.names, self.directory, hosts)
            listed = [host for host in hosts if only is None or host.name in only]
            ssh.write_inventory(target, self.directory, listed)
        return target


def _equip(loop: str, backup: bool, managers: frozenset[str], automatic: bool) -> None:
    unknown = managers - MANAGERS
    if unknown:
        raise LabError(f"unknown package managers: {', '.join(sorted(unknown))}")
    with disk.top_level(loop) as top, disk.boot_partition(loop) as boot:
        root = top / "rootfs"
        for manager in MANAGERS - managers:
            for program in _PROGRAMS[manager]:
                path = root / "usr/bin" / program
                if path.is_symlink() or path.exists():
                    path.rename(path.with_name(f"{program}.not-on-this-host"))
        if automatic:
            _protect(root, boot)
        if backup:
            run(["btrfs", "subvolume", "snapshot", root, top / "rootfs_bakup"])
            shutil.copy(boot / "bzImage", boot / "bzImage_bakup")


def _protect(root: Path, boot: Path) -> None:
    """The files of automatic protection, as overc_bootloader leaves them, without starting the host for it."""
    from ansible_collections.overc.system.plugins.module_utils.boot import guard
    from ansible_collections.overc.system.plugins.module_utils.boot.grub import environment, protection
    from ansible_collections.overc.system.plugins.module_utils.boot.timeouts import Timeouts

    grub, settings = boot / "grub", Timeouts()
    text = (grub / "grub.cfg").read_text()
    ours = protection.protect(text, settings, "bzImage", "bzImage_bakup", ("subvol=rootfs_bakup",))
    (grub / "grub.cfg.overc-before").write_text(text)
    (grub / "grub.cfg").write_text(ours)
    (grub / "grubenv.overc-made").touch()
    (grub / "grubenv").write_bytes(environment.EMPTY)
    guard.install(str(root), guard.pieces(settings, "/boot", "/boot/grub/grubenv"))
