# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a loaded module, be it from a checkout or from the archive that Ansible sent: a host has no copy of ours."""

from __future__ import annotations

import typing as t


def source_of(name: str, spec: t.Any) -> str | None:
    """The source of the module ``name`` with the ``__spec__`` given; None where its loader has none."""
    loader: t.Any = getattr(spec, "loader", None)
    source = loader.get_source(name) if hasattr(loader, "get_source") else None
    # Where Ansible's own loader has it, it gives bytes
    return source.decode("utf-8") if isinstance(source, bytes) else t.cast("t.Optional[str]", source)


__all__ = ("source_of",)
