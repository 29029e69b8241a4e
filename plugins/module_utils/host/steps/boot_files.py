# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot files of a deployment on the boot partition: written beside those that are there, verified, then swapped in."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ...boot import partition, signature
from ...boot.names import FILE_ROLES
from ...errors import OvercError
from ...system.unfinished import NEW_SUFFIX
from ..observe.boot_files import observe_boot_files
from ..observe.state import source_of
from .context import Apply


def digests_on_boot(at: Apply, *, backup: bool = False) -> dict[str, str]:
    """Role -> sha256 of what the boot partition has now, as far as this transaction knows."""
    found = {}
    for role in FILE_ROLES:
        name = at.boot_path_name(role, backup=backup)
        entry = at.facts.boot_files.get(name) if name else None
        if entry is not None and entry.sha256:
            found[role] = entry.sha256
    return found


def write_files(at: Apply, files: t.Mapping[str, str], *, backup: bool) -> bool:
    present = digests_on_boot(at, backup=backup)
    wanted = {role: digest for role, digest in files.items() if present.get(role) != digest}
    for role, digest in wanted.items():
        name, source = at.boot_path_name(role, backup=backup), source_of(at.facts, role, digest)
        if source is None or name is None:
            raise OvercError("inconsistent", f"The {role} with sha256 {digest} cannot be found any more.")
        partition.write_beside(source.path, at.boot, name, digest)
    certificate = at.facts.layout.kernel_certificate
    # What a repair or a cancel brings back did boot on this host: it is never held up
    if certificate and not backup and at.plan.operation in ("upgrade", "rollback", "restore"):
        names = {role: at.boot_path_name(role) or "" for role in ("kernel", "signature") if role in files}
        paths = {r: os.path.join(at.boot, name) + (NEW_SUFFIX if r in wanted else "") for r, name in names.items()}
        signature.verify(at.runner, certificate, paths["kernel"], paths.get("signature"))
    return bool(wanted)


def swap_files(at: Apply, files: t.Mapping[str, str], *, backup: bool) -> bool:
    present = digests_on_boot(at, backup=backup)
    # The kernel comes last: a signature or initrd that is there early harms less than one that is there late.
    roles = [role for role in ("initrd", "signature", "kernel") if role in files and present.get(role) != files[role]]
    names = [name for name in (at.boot_path_name(role, backup=backup) for role in roles) if name]
    # The signature of another kernel is worse than none: a loader that checks it would refuse to boot.
    stale = at.boot_path_name("signature", backup=backup)
    gone = [stale] if stale and "kernel" in files and "signature" in present and "signature" not in files else []
    if not names and not gone:
        found = (at.boot_path_name(role, backup=backup) for role in files)
        partition.write_entries_again(at.boot, [name for name in found if name])
        return False
    partition.swap_in(at.boot, names, gone)
    _reread_boot(at)
    after = digests_on_boot(at, backup=backup)
    wrong = [role for role in roles if after.get(role) != files[role]]
    if wrong:
        raise OvercError("boot_write_failed", f"{', '.join(wrong)} in {at.boot} is not what was written.")
    return True


def _reread_boot(at: Apply) -> None:
    at.facts = replace(at.facts, boot_files=observe_boot_files(at.boot, at.context.names, digest=True))


__all__ = ("digests_on_boot", "swap_files", "write_files")
