# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the overlay modules have in common: what the system refuses while a container is looked at has an error id."""

from __future__ import annotations

import typing as t

from ..module_entry import run_entry
from ..system.workers import translate

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_overlay_module(
    spec: t.Mapping[str, t.Any],
    command: t.Callable[[AnsibleModule], dict[str, t.Any]],
    *,
    required_if: t.Sequence[tuple[str, t.Any, tuple[str, ...]]] = (),
) -> None:
    """A module around the command; its ``warnings`` become Ansible's."""

    def warning(module: AnsibleModule) -> dict[str, t.Any]:
        result = command(module)
        for text in result.pop("warnings", ()):
            module.warn(text)
        return result

    run_entry(spec, warning, required_if=required_if, known=_known)


def _known(error: Exception) -> Exception:
    return translate(error, "looking at the container") if isinstance(error, OSError) else error


__all__ = ("run_overlay_module",)
