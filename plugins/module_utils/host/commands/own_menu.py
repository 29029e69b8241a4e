# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A later deployment becomes the distribution's own system: its menu, made by its own tool, boots what runs."""

from __future__ import annotations

import os
import typing as t

from ...boot import partition
from ...boot.entries.kernels import choose, files_of, kernels_in
from ...boot.grub.config import parse_grub_config
from ...boot.kernel import sha256_of
from ...errors import OvercError, certain
from ...system.presence import is_plain_file, text_of
from ...system.rooted_path import regular_file_in_root

if t.TYPE_CHECKING:
    from ...boot.entries.place import Place
    from ..observe.facts import HostFacts
    from ..session import Host

_TOOLS: t.Final = ("grub-mkconfig", "grub2-mkconfig")


def refuse_impossible(host: Host, facts: HostFacts, place: Place) -> None:
    """Before anything changes. Raises layout_unsupported, tool_missing."""
    booted = certain(facts.booted, "the running root")
    if not place.copies:
        raise OvercError(
            "layout_unsupported",
            f"GRUB starts from the menu in {place.hook.rsplit('/', 1)[0]}, which is in the root that was installed, and not from "
            f"{booted.path}, which runs. Return to deployment 0 (overc_host_rollback with to: 0, reboot) and run this again. "
            "Nothing was changed.",
        )
    if _tool(host) is None:
        raise OvercError(
            "tool_missing",
            "grub-mkconfig is not installed, which would write the distribution's menu. Nothing was changed.",
        )


def _tool(host: Host) -> str | None:
    return next((name for name in _TOOLS if host.runner.find(name) is not None), None)


def let_distribution_boot(host: Host, facts: HostFacts, place: Place) -> None:
    """Kernel and initrd of what runs come to /boot, and the distribution's menu is made of them; only if its first entry boots
    what runs it takes the place of the one before.

    Raises package_manager_failed where the tool fails, inconsistent where its menu would boot something else.
    """
    booted = certain(facts.booted, "the running root")
    root, boot_dir = f"{facts.top}/{booted.path}", facts.layout.boot_dir
    chosen = choose(kernels_in(root), facts.roots[booted.path].modules)
    if chosen is None:
        raise OvercError("inconsistent", f"{booted.path} has no kernel of its own in /boot. Nothing was changed.")
    for name in files_of(chosen.release):
        source = regular_file_in_root(root, f"boot/{name}")
        target = os.path.join(boot_dir, name)
        if source is None:
            continue
        digest = sha256_of(source)
        if not is_plain_file(target) or sha256_of(target) != digest:
            partition.write_beside(source, boot_dir, name, digest)
            partition.swap_in(boot_dir, [name])
    config = os.path.join(os.path.dirname(place.hook), "grub.cfg")
    new = f"{config}.overc-new"
    done = host.runner.run((certain(_tool(host), "grub-mkconfig"), "-o", new))
    entries = parse_grub_config(text_of(new) or "") if done.rc == 0 else ()
    flags = (f"subvol={booted.path}", f"subvol=/{booted.path}")
    first = entries[0] if entries else None
    pair = (first.kernel, first.initrd) if first is not None else None
    if first is None or pair != (chosen.name, chosen.initrd) or not set(flags) & set(first.rootflags):
        if is_plain_file(new):
            os.unlink(new)
        raise OvercError(
            "inconsistent",
            f"The menu that grub-mkconfig makes does not boot {booted.path} with {chosen.name} first, so the present one "
            "stays, and so do our entries.",
            **done.facts(),
        )
    partition.sync(boot_dir)
    os.rename(new, config)
    partition.sync(boot_dir)


__all__ = ("let_distribution_boot", "refuse_impossible")
