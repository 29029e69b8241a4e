# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that reads what others wrote: tools, the kernel, administrators, a killed run, a hostile container.

A parser may answer or refuse (OvercError, or a ValueError that its only caller turns into a refusal); any other exception
would reach the user as a defect of ours. Standard library only: atheris runs this as well.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.overc.system.plugins.module_utils import plain, redact
from ansible_collections.overc.system.plugins.module_utils.boot import kernel
from ansible_collections.overc.system.plugins.module_utils.boot.entries.menu import Entry
from ansible_collections.overc.system.plugins.module_utils.boot.grub import config, environment
from ansible_collections.overc.system.plugins.module_utils.boot.loader import entry as loader_entry
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.plan import model
from ansible_collections.overc.system.plugins.module_utils.host.store import journal, record
from ansible_collections.overc.system.plugins.module_utils.overlay import lxc
from ansible_collections.overc.system.plugins.module_utils.packages import (
    contract,
    dnf_words,
    rpm_lists,
    rpmdb,
    transaction_table,
)
from ansible_collections.overc.system.plugins.module_utils.packages.dnf import configuration, errors
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import configuration as dnf5_configuration
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import errors as dnf5_errors
from ansible_collections.overc.system.plugins.module_utils.packages.dnf5 import offers, stored
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import channels as smartpm_channels
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import errors as smartpm_errors
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import output as smartpm_output
from ansible_collections.overc.system.plugins.module_utils.packages.smartpm import plan as smartpm_plan
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import errors as zypper_errors
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import output as zypper_output
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import repositories as zypper_repositories
from ansible_collections.overc.system.plugins.module_utils.packages.zypper import settings as zypper_settings
from ansible_collections.overc.system.plugins.module_utils.runner import Completed
from ansible_collections.overc.system.plugins.module_utils.system import fstab, mount_table, overlayfs

Parser = t.Callable[[bytes], object]
TRANSCRIPTS = Path(__file__).parents[1] / "unit/transcripts"


def text(parse: t.Callable[[str], object]) -> Parser:
    """As the runner and open() hand it on: undecodable bytes escaped."""
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def _completed(told_by: t.Callable[[Completed], object]) -> Parser:
    """The first two bytes are the exit code and where stdout ends and stderr begins."""

    def parse(data: bytes) -> object:
        rc, cut = (*data[:2], 0, 0)[:2]
        said = data[2:].decode("utf-8", "surrogateescape")
        return told_by(Completed(("x",), rc - 128, said[:cut], said[cut:]))

    return parse


def _json(read: t.Callable[[t.Any], object]) -> Parser:
    def parse(data: bytes) -> object:
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return read(raw) if isinstance(raw, dict) else None

    return parse


def _transaction(text: str) -> object:
    found = transaction_table.parse_transaction(text)
    installed = [contract.Package(row.name, row.arch, "0-1") for row in found.upgrading]
    transaction_table.held_back_sentences(found, dnf_words.problems(text))
    return contract.PackagePlan(transaction_table.changes(found, installed)).fingerprint


def _effective_5(text: str) -> object:
    found = dnf5_configuration.parse_effective(text)
    return found.paths, found.unchecked


def _stored(text: str) -> object:
    found = stored.parse_stored(text)
    # What is replayed names the same packages
    again = stored.parse_stored(found.replay)
    assert (again.coming, again.going) == (found.coming, found.going)
    return found.differs_from(())


def _plan(text: str) -> object:
    plan = smartpm_output.parse_plan(text)
    installed = [contract.Package(p.name, p.arch, "0-1") for p in plan.upgrading]
    return smartpm_plan.changes(plan, installed, smartpm_output.parse_newer(text))


def _fstab(text: str) -> object:
    assert fstab.parse(fstab.replace(text, lambda _entry: False, None)) == fstab.parse(text)
    return [fstab.parse_line(entry.render()) for entry in fstab.parse(text)]


def _mount_options(text: str) -> object:
    layers = overlayfs.named_layers(text)
    return layers if "\0" in text else overlayfs.options(layers)


def _environment(data: bytes) -> object:
    found = environment.parse_environment(data)
    changed = environment.change_environment(data, {"next_entry": "0", "saved_entry": None})
    assert environment.parse_environment(changed)["next_entry"] == "0"
    return found or changed


def _record(data: bytes) -> object:
    found = record.parse_record(data)
    # What was read can be written, and reads back as the same
    assert record.parse_record(record.format_record(found)) == found
    return found


def _journal(data: bytes) -> object:
    found = journal.parse_journal(data)
    return None if found is None else model.context_from(found.context)


def _channels(text: str) -> object:
    channels = smartpm_channels.parse_channels(text)
    smartpm_channels.unsigned_channels(channels, text, demanded=False)
    smartpm_channels.without_lists(channels, text.splitlines())
    smartpm_channels.directories(channels)
    return smartpm_channels.sources(channels)


def _zypper(text: str) -> object:
    stream = zypper_output.parse_stream(text)
    return (*zypper_repositories.parse_repositories(stream), stream.summary.rows)


_ENTRY = Entry(1, "x", "@rootfs", "u", "A-1", "/k", ("root=x", "a b"), "/i", "6.1")
PARSERS: dict[str, Parser] = {
    "dnf-transaction": text(_transaction),
    "dnf-sizes": text(rpm_lists.parse_sizes),
    "dnf-offers": text(rpm_lists.parse_offers),
    "dnf-stamps": text(lambda said: rpm_lists.refreshed_at(said, ("lab",))),
    "dnf-failure": _completed(lambda done: (errors.failure(done), errors.unsuccessful(done, "x"))),
    "dnf-unknown": text(errors.unknown_packages),
    "dnf-warnings": text(errors.warnings),
    "dnf-signatures": text(configuration.parse_effective),
    "dnf5-signatures": text(_effective_5),
    "dnf5-failure": _completed(lambda done: (dnf5_errors.failure(done), dnf5_errors.unsuccessful(done, "x"))),
    "dnf5-unknown": text(dnf5_errors.unknown_packages),
    "dnf5-warnings": text(lambda said: rpmdb.kept_files(dnf5_errors.warnings(said))),
    "dnf5-offers": text(offers.parse_offers),
    "dnf5-stored": text(_stored),
    "rpm-query": text(rpmdb.parse_query),
    "rpm-scriptlets": text(rpmdb.scriptlet_failures),
    "smart-plan": text(_plan),
    "smart-newer": text(smartpm_output.parse_newer),
    "smart-query": text(smartpm_output.parse_query),
    "smart-check": text(lambda said: smartpm_plan.broken_since(said[: len(said) // 2], said)),
    "smart-channels": text(_channels),
    "smart-data": text(smartpm_output.parse_data_directory),
    "smart-failure": _completed(lambda done: (smartpm_errors.failure(done), smartpm_errors.unsuccessful(done, "x"))),
    "zypper-stream": text(_zypper),
    "zypper-failure": _completed(
        lambda done: (
            zypper_errors.unsuccessful(done, "x"),
            zypper_errors.warnings(done),
            zypper_errors.kept_files(done),
        )
    ),
    "zypper-configuration": text(zypper_settings.parse_configuration),
    "dpkg-query": text(smartpm_output.parse_dpkg),
    "mountinfo": text(mount_table.parse_mountinfo),
    "mount-options": text(_mount_options),
    "fstab-host": text(fstab.subvolume_pins),
    "fstab-container": text(_fstab),
    "lxc-config": text(lambda said: lxc.root_directory(lxc.parse_config(said))),
    "grub-config": text(lambda said: [entry.rootflags for entry in config.parse_grub_config(said)]),
    "grub-environment": _environment,
    "loader-entry": text(lambda said: loader_entry.parse_entry(said, trial=False)),
    "loader-value": text(lambda said: loader_entry.value_of(said, "options")),
    "kernel": kernel.release_of,
    "journal": _journal,
    "journal-context": _json(model.context_from),
    "record": _record,
    "redact": text(redact.redact),
    "plain": text(plain.plain),
}


def recorded() -> list[bytes]:
    """What the tools really said: every stdout and stderr of the transcripts."""
    found = set()
    for path in sorted(TRANSCRIPTS.rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            found |= {entry.get(key, "").encode("utf-8", "surrogateescape") for key in ("stdout", "stderr")}
    return sorted(found)


_CONTEXT = model.Context("upgrade", "u", "rootfs", "rootfs_upgrade", "rootfs_bakup").as_dict()
_JOURNAL = {"operation": "upgrade", "started": "x", "steps": ["a"], "context": _CONTEXT}
_MARK = {"step": "a", "when": "before", "note": {"new_uuid": "n"}}
_VERSION_AT = b"\0" * 0x202 + b"HdrS" + b"\0" * 8 + b"\x20\x00" + b"\0" * 16

SEEDS: dict[str, list[bytes]] = {
    "btrfs-list": [b"ID 256 gen 9 parent 5 top level 5 parent_uuid -    uuid 91a7-00 path rootfs\n"],
    "btrfs-default": [b"ID 256 gen 9 top level 5 path rootfs\n", b"ID 5 (FS_TREE)\n"],
    "dnf-offers": [b"lab-app|noarch|0:2.0-1|lab\n"],
    "dnf-sizes": [b"lab-app|noarch|0:2.0-1|6370\n"],
    "dnf-stamps": [b"100 /c/lab-0123456789abcdef/repodata/1-primary.xml.gz\n"],
    "dpkg-query": [b"ii |bash|5.2-1\nrc |gone|1\n"],
    "dnf-signatures": [
        b'{"cache": "/c", "state": "/s", "read": [], "plugins": true, "excludes": true, "tsflags": [], "repositories": {}}\n',
    ],
    "dnf5-signatures": [
        b'system_cachedir = /c\n======== "lab" repository configuration: ========\n[\n{"id":"lab","is_enabled":true}\n]\n'
    ],
    "dnf5-offers": [b'{"upgrades": [{"name": "a", "arch": "noarch", "evr": "1:2.0-1", "repository": "lab"}]}'],
    "dnf5-stored": [
        b'{"rpms": [{"nevra": "a-1:2-1.noarch", "action": "Upgrade", "repo_id": "lab", "package_path": "./packages/a.rpm"}]}'
    ],
    "rpm-query": [b"lab-app\t0:1.0-1\tnoarch\n"],
    "mountinfo": [b"22 1 0:20 /rootfs / rw,noatime shared:1 - btrfs /dev/sda2 rw,subvolid=256,subvol=/rootfs\n"],
    "mount-options": [rb"lowerdir=/a\:b:/c,upperdir=/d\,e,workdir=/w,index=off"],
    "fstab-host": [b"UUID=x / btrfs defaults,subvol=rootfs 0 0\n# c\n/dev/a /b\\040c ext4 ro 0 0\n"],
    "fstab-container": [b"overlay usr overlay lowerdir=/a,upperdir=/b,workdir=/c 0 0\nproc proc proc nodev 0 0\n"],
    "lxc-config": [b"lxc.mount.fstab = /a/fstab\nlxc.rootfs.path = /a/rootfs\nlxc.idmap = u 0 1 2\n# c\n"],
    "grub-config": [b'set default="0"\nmenuentry "a" {\n linux /bzImage root=x rootflags=subvol=y\n initrd /i\n}\n'],
    "loader-entry": [
        loader_entry.entry_text(_ENTRY, 30, trial=False).encode(),
    ],
    "loader-value": [b"# c\ntitle x\nsort-key debian\noptions root=x rootflags=subvol=@rootfs\n"],
    "grub-environment": [
        (environment.SIGNATURE + b"saved_entry=1\nnext_entry=\nfoo=a\\\\b\\\n c\n").ljust(environment.SIZE, b"#")
    ],
    "kernel": [
        _VERSION_AT + b"1.0-lab (x)\0",
        b"\x27\x05\x19\x56" + b"\0" * 28 + b"Linux-5.10\0" + b"\0" * 40,
    ],
    "journal": [json.dumps(_JOURNAL).encode() + b"\n" + json.dumps(_MARK).encode() + b"\n"],
    "record": [
        record.format_record(
            record.Record({"u": record.Deployment("u", "upgrade", {"kernel": "0" * 64})}, record.Pending("upgrade", "u"))
        )
    ],
    "plain": [b"\x1b[1mbold\x1b[0m\r\x1b]0;title\x07 50%\r100%\n"],
    "redact": [b"https://user:password@host/path?token=x Authorization: Basic x\n"],
}  # fmt: skip
SEEDS["mountinfo-overlay"] = SEEDS["mountinfo"]
SEEDS["journal-context"] = [json.dumps(_CONTEXT).encode()]


def seeds(name: str) -> list[bytes]:
    """Well-formed inputs of a parser; what is left out of SEEDS reads what package managers say."""
    if name in SEEDS:
        return SEEDS[name]
    prefix = b"\x81\xff" if name.endswith("-failure") else b""
    return [prefix + said for said in recorded()]


def survives(name: str, data: bytes) -> None:
    """Raises what a user would get to see as a defect."""
    try:
        PARSERS[name](data)
    except OvercError:
        pass
    except ValueError as error:
        if not isinstance(error, _REFUSALS.get(name, ())):
            raise


# What their only callers turn into a refusal
_REFUSALS: dict[str, type[ValueError]] = {
    "dnf-transaction": transaction_table.UnreadableTable,
    "loader-entry": ValueError,
    "dnf-signatures": ValueError,
    "dnf5-signatures": ValueError,
    "dnf5-offers": ValueError,
    "dnf5-stored": stored.UnreadableTransaction,
    "zypper-stream": zypper_output.UnreadableOutput,
    "smart-plan": smartpm_output.UnreadableOutput,
    "smart-newer": smartpm_output.UnreadableOutput,
}
