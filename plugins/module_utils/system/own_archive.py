# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one file of our own that does work at boot: a zip that Python runs, with the modules of ours that it needs.

A managed host has no copy of this collection. So the file is made of the very modules that are running now, be it from a
checkout or from the archive that Ansible sent; it needs nothing but Python's standard library.
"""

from __future__ import annotations

import ast
import io
import sys
import typing as t
import zipfile

from ..errors import OvercError
from .own_source import source_of

PACKAGE: t.Final = "ansible_collections.overc.system.plugins.module_utils"
# What a zip file can say at the least; the same modules must give the same bytes at any time.
_THE_SAME_TIME: t.Final = (1980, 1, 1, 0, 0, 0)


def _source(name: str) -> str | None:
    """The source of a loaded module of ours; None if there is no such module."""
    module = sys.modules.get(name)
    if module is None:
        return None
    source = source_of(name, module.__spec__)
    if source is None:
        raise OvercError("internal", f"the source of {name} cannot be found, so nothing can be done at boot")
    return source


def _imported(module: str, source: str) -> set[str]:
    """Full names that the source of ``module`` imports from our package, relatively or not.

    What only a type checker imports is below an ``if``, and stays away.
    """
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith(f"{PACKAGE}.")}


def sources(entry: str) -> dict[str, str]:
    """The module ``entry`` and every module of ours that it imports, at any remove: source by name.

    Names are those below ``module_utils``, with all their rooms: two rooms may have a ``plan`` each.
    """
    found: dict[str, str] = {}
    to_do = {f"{PACKAGE}.{entry}"}
    while to_do:
        name = to_do.pop()
        short = name[len(PACKAGE) + 1 :]
        module = sys.modules.get(name)
        is_a_room = hasattr(module, "__path__")
        source = None if short in found or is_a_room else _source(name)
        if source is not None:
            found[short] = source
            to_do |= _imported(name, source)
    return found


def archive(entry: str, beside: str, call: str) -> bytes:
    """A zip file whose run is ``call``, an expression with ``entry`` and ``beside``, modules below ``module_utils``."""
    buffer = io.BytesIO()
    imports = "".join(
        f"from {PACKAGE}{'.' if room else ''}{room} import {name}\n"
        for room, _dot, name in (module.rpartition(".") for module in (beside, entry))
    )
    main = f"import sys\n\n{imports}\nsys.exit({call})\n"
    files: dict[str, str] = {}
    for name, text in sources(entry).items():
        *rooms, file_name = f"{PACKAGE}.{name}".split(".")
        files["/".join([*rooms, f"{file_name}.py"])] = text
        files.update({"/".join([*rooms[:depth], "__init__.py"]): "" for depth in range(1, len(rooms) + 1)})
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, text in sorted({"__main__.py": main, **files}.items()):
            file.writestr(zipfile.ZipInfo(name, _THE_SAME_TIME), text.encode("utf-8"))
    return buffer.getvalue()


__all__ = ("PACKAGE", "archive", "sources")
