# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's disk holds, read from outside the host: "nothing changed" means that two of these are equal."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab import Host
from tests.lab.kernel import kernel_release
from tests.lab.process import run

_LINE = re.compile(r"^ID (\d+) gen \d+ top level \d+ parent_uuid (\S+)\s+uuid (\S+) path (.*)$")
# What a root holds of its own in these places is what an upgrade changes; logs and caches change by themselves
_WATCHED = ("boot", "etc", "lib/modules", "usr/lib/modules", "usr/share/lab-*", "opt", "srv")
# Written by a start of the host, or by a test that prepares it
_RESTLESS = ("etc/resolv.conf", "etc/machine-id", "etc/hostname", "etc/.pwd.lock", "etc/ld.so.cache")


@dataclass(frozen=True)
class Subvolume:
    path: str
    id: int
    uuid: str
    parent_uuid: str | None


@dataclass(frozen=True)
class DiskFacts:
    """``boot``, ``roots`` and ``record`` map a path to what is there: its type, its digest, or the target of a link."""

    default: str
    subvolumes: tuple[Subvolume, ...]
    top: tuple[str, ...]
    boot: dict[str, str]
    roots: dict[str, str]
    record: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [entry.path for entry in self.subvolumes]

    def uuid(self, path: str) -> str | None:
        return next((entry.uuid for entry in self.subvolumes if entry.path == path), None)

    @property
    def without_history(self) -> DiskFacts:
        """A failed run (no refusal) leaves a line in the host's history and, the first time, its directory."""
        record = {}
        for path, text in self.record.items():
            try:
                content = json.loads(text)
            except ValueError:
                content = None
            if isinstance(content, dict) and "events" in content:
                del content["events"]
                if any(content[key] for key in ("deployments", "pending", "known_bad")):
                    record[path] = json.dumps(content)
            else:
                record[path] = text
        return replace(self, record=record, top=tuple(name for name in self.top if name != ".overc"))


def _entry(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if path.is_dir():
        return "directory"
    if not path.is_file():
        return "special"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree(top: Path, *patterns: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pattern in patterns:
        for start in top.glob(pattern):
            for path in (start, *(start.rglob("*") if start.is_dir() and not start.is_symlink() else ())):
                found[str(path.relative_to(top))] = _entry(path)
    return found


def _record(state: Path) -> dict[str, str]:
    """What we remember; the room that is kept for an undo comes and goes."""
    if not state.is_dir():
        return {}
    kept = [path for path in state.iterdir() if path.name != "reserve"]
    return {path.name: "a directory" if path.is_dir() else path.read_text(errors="replace") for path in kept}


def snapshot_of_disk(host: Host) -> DiskFacts:
    """Read everything that a command of this collection could change; the host may be on or off. Changes nothing."""
    with host.top() as top, host.boot_partition() as boot:
        listing = run(["btrfs", "subvolume", "list", "-q", "-u", top])
        matches = [match for match in map(_LINE.match, listing.splitlines()) if match]
        subvolumes = [Subvolume(m[4], int(m[1]), m[3], None if m[2] == "-" else m[2]) for m in matches]
        roots = [entry.path for entry in subvolumes if "/" not in entry.path]
        state = top / ".overc"
        return DiskFacts(
            default=run(["btrfs", "subvolume", "get-default", top]).rsplit(" path ", maxsplit=1)[-1].strip(),
            subvolumes=tuple(sorted(subvolumes, key=lambda entry: entry.path)),
            top=tuple(sorted(path.name for path in top.iterdir())),
            boot=_tree(boot, "*"),
            roots={
                path: what
                for name in roots
                for path, what in _tree(top, *(f"{name}/{place}" for place in _WATCHED)).items()
                if not path.endswith(_RESTLESS)
            },
            record=_record(state),
        )


def disk_state(host: Host) -> tuple[str, str, dict[str, tuple[int, int]]]:
    """What a command that changes nothing leaves: subvolumes, the default one, each file of the boot partition itself."""
    with host.top() as top, host.boot_partition() as boot:
        listing = run(["btrfs", "subvolume", "list", "-u", top])
        subvolumes = "\n".join(sorted(line.split(" uuid ")[1] for line in listing.splitlines()))
        files = {str(path.relative_to(boot)): path.stat() for path in boot.rglob("*")}
    return subvolumes, host.default_subvolume(), {name: (s.st_mtime_ns, s.st_ino) for name, s in files.items()}


def in_top(host: Host, script: str) -> None:
    """Shell in the top level of the running host's btrfs."""
    host.sh("mkdir -p /run/t && mount -o subvolid=5 $(findmnt -nvo SOURCE /) /run/t")
    try:
        host.sh(f"cd /run/t && {script}")
    finally:
        host.sh("umount /run/t")


def place_for_containers(host: Host) -> None:
    """/opt/container on a subvolume of its own, as docs/overlay.md asks for."""
    in_top(host, "btrfs subvolume create containers")
    host.sh(
        "mkdir -p /opt/container; device=$(findmnt -nvo SOURCE /);"
        ' echo "$device /opt/container btrfs subvol=containers 0 0" >>/etc/fstab; mount /opt/container'
    )


def booted(host: Host) -> str:
    """The subvolume that runs."""
    return host.sh("findmnt -vno FSROOT / | cut -c2-")


def release_on_boot(host: Host, name: str = "bzImage") -> str | None:
    """Release of a kernel file on the boot partition; ValueError for a torn one, None for none."""
    with host.boot_partition() as boot:
        path = boot / name
        return kernel_release(path.read_bytes()) if path.exists() else None


def modules_of(host: Host, subvolume: str) -> dict[str, str]:
    """The kernel releases a root has modules for, and what their one module says: which kernel it was built for."""
    with host.top() as top:
        found = (top / subvolume / "usr/lib/modules").glob("*/kernel/lab.ko")
        return {path.parts[-3]: path.read_text().strip() for path in found}


def version_in(host: Host, subvolume: str, package: str = "lab-app") -> str:
    """The version of a package in any root, booted or not, by the file it brought."""
    with host.top() as top:
        return (top / subvolume / "usr/share" / package / "version").read_text().strip()


def assert_runs(host: Host, subvolume: str, version: str, *, kernel: str | None = None) -> None:
    """The running deployment is complete: this root, its packages, its kernel with its own modules."""
    release = f"{kernel or version}-lab"
    assert booted(host) == subvolume
    assert host.rpm_version("lab-app") == version
    assert host.rpm_version("lab-kernel") == (kernel or version)
    name = host.sh("tr ' ' '\\n' </proc/cmdline | sed -n 's,^BOOT_IMAGE=/,,p'")
    assert release_on_boot(host, name) == release
    assert modules_of(host, subvolume).get(release, "").startswith(f"module of {release} ")
    assert host.run(["rpm", "--verifydb"], check=False).returncode == 0


def assert_backup_pair(host: Host, version: str, *, kernel: str | None = None) -> None:
    """The backup entry would boot the system of that version: root, kernel and modules of one piece."""
    release = f"{kernel or version}-lab"
    assert version_in(host, "rootfs_bakup") == version
    assert release_on_boot(host, "bzImage_bakup") == release
    assert release in modules_of(host, "rootfs_bakup")


def assert_no_leftovers(host: Host) -> None:
    """Nothing unfinished of ours anywhere on the disk, no open journal."""
    facts = snapshot_of_disk(host)
    places = [*facts.names, *facts.top, *facts.boot, *facts.roots]
    assert [place for place in places if ".overc-new" in place] == []
    assert "journal.jsonl" not in facts.record
