# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc on three sides: as it was when the new root was made, as it is here now, and as the upgrade made it. Nothing is written.

What changed only here comes along, what only the upgrade changed stays. Where both did, the new root keeps what the upgrade
made, because that is what its programs were checked with, and what is here is put beside: nobody's version is lost.
"""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import dataclass, field

from ...observe.path_kinds import kind_of
from .accounts import FILES, merge_accounts
from .sides import Node, change_of

if t.TYPE_CHECKING:
    from .sides import Rewrite

_META: t.Final = "its mode, owner or attributes"
Meta = t.Literal["ours", "theirs"]
# Made of what a root has otherwise, so each root has its own
_OWN_MAKING: t.Final = frozenset({"ld.so.cache"})


@dataclass(frozen=True)
class Conflict:
    """``path`` below /etc was changed ``here`` and ``there``, by the upgrade; ``what``: a part of it, None for all."""

    path: str
    here: str
    there: str
    what: str | None = None


@dataclass(frozen=True)
class Decision:
    """What the new root's ``path`` becomes.

    ``take``: as it is here, with all below it. ``put``: a regular file with this content, or the one that it has here.
    ``drop``: not there any more; ``leave``: a directory that is not there any more if nothing is in it. ``directory``: one
    like that here. ``meta``: only mode, owners and attributes are as here.
    """

    kind: t.Literal["take", "put", "drop", "leave", "directory", "meta"]
    path: str
    content: bytes | None = None
    meta: Meta = "ours"


@dataclass
class ThreeWay:
    """``keep``: paths below /etc that are the new root's own, whatever is here. ``rewrites``: what a file here, or one of
    before, would be in the new root.
    """

    base: str
    ours: str
    theirs: str
    keep: t.Collection[str] = ()
    rewrites: t.Mapping[str, Rewrite] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def decide(self) -> ThreeWay:
        """Look at everything, once. Raises OSError."""
        self._accounts = self._merge_accounts()
        self._visit("")
        return self

    def fingerprint(self) -> str:
        """Another one where anything else would be written."""
        total = hashlib.sha256()
        for decision in self.decisions:
            mine = "" if decision.kind in ("drop", "leave") else Node(os.path.join(self.ours, decision.path)).digest()
            total.update(repr((decision, mine)).encode("utf-8", "surrogateescape"))
        for conflict in self.conflicts:
            mine = Node(os.path.join(self.ours, conflict.path)).digest()
            total.update(repr((conflict, mine)).encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def _sides(self, path: str) -> tuple[Node, Node, Node]:
        rewrite = self.rewrites.get(path)
        base, ours, theirs = (
            os.path.join(side, path) if path else side for side in (self.base, self.ours, self.theirs)
        )
        return Node(base, rewrite), Node(ours, rewrite), Node(theirs)

    def _visit(self, path: str) -> None:
        if path in self.keep or path in _OWN_MAKING:
            return
        if path in self._accounts:
            self._account(path)
            return
        base, ours, theirs = sides = self._sides(path)
        if all(side.is_directory or not side.is_there for side in sides) and (ours.is_there or theirs.is_there):
            self._directory(path, base, ours, theirs)
        elif not ours.same(base) and not ours.same(theirs):
            self._leaf(path, base, ours, theirs)

    def _directory(self, path: str, base: Node, ours: Node, theirs: Node) -> None:
        if ours.is_there and theirs.is_there:
            if not ours.same_meta(theirs) and not (base.is_there and ours.same_meta(base)):
                if base.is_there and theirs.same_meta(base):
                    self.decisions.append(Decision("meta", path))
                else:
                    self._conflict(path, base, ours, theirs, _META)
        elif ours.is_there and not base.is_there:
            self.decisions.append(Decision("directory", path))
        elif base.is_there and not (ours if ours.is_there else theirs).same_meta(base):
            self._conflict(path, base, ours, theirs, _META)
        for name in sorted({*base.names(), *ours.names(), *theirs.names()}):
            self._visit(f"{path}/{name}" if path else name)
        if theirs.is_there and base.is_there and not ours.is_there and theirs.same_meta(base):
            self.decisions.append(Decision("leave", path))

    def _leaf(self, path: str, base: Node, ours: Node, theirs: Node) -> None:
        if theirs.same(base):
            if path in self.rewrites and ours.is_file:
                self.decisions.append(Decision("put", path, ours.read()))
            else:
                self.decisions.append(Decision("take" if ours.is_there else "drop", path))
        elif base.is_file and ours.is_file and theirs.is_file:
            self._file(path, base, ours, theirs)
        elif kind_of(f"/etc/{path}") != "bookkeeping":
            self._conflict(path, base, ours, theirs)

    def _file(self, path: str, base: Node, ours: Node, theirs: Node) -> None:
        """A file on all three sides: its content is one thing, its mode, owners and attributes another."""
        here, there = not ours.same_content(base), not theirs.same_content(base)
        if here and there and not ours.same_content(theirs):
            if kind_of(f"/etc/{path}") != "bookkeeping":
                self._conflict(path, base, ours, theirs)
            return
        meta = self._meta(path, base, ours, theirs)
        if here and not there:
            content = ours.read() if path in self.rewrites else None
            self.decisions.append(Decision("put", path, content, meta))
        elif meta == "ours":
            self.decisions.append(Decision("meta", path))

    def _meta(self, path: str, base: Node, ours: Node, theirs: Node) -> Meta:
        """Whose mode, owner and attributes a file gets that is on all three sides."""
        if ours.same_meta(base) or ours.same_meta(theirs):
            return "theirs"
        if theirs.same_meta(base):
            return "ours"
        self._conflict(path, base, ours, theirs, _META)
        return "theirs"

    def _merge_accounts(self) -> t.Mapping[str, bytes | None]:
        """The files of accounts that all sides have, with what is to be written, None for those that stay."""
        sides = {name: self._sides(name) for name in FILES}
        known = {name: found for name, found in sides.items() if all(side.is_file for side in found)}
        base, ours, theirs = ({name: found[side].read() for name, found in known.items()} for side in range(3))
        merged = merge_accounts(base, ours, theirs)
        for clash in merged.clashes:
            what = f"{clash.name}: {clash.why}"
            self.conflicts.append(Conflict(clash.file, "changed", "changed", what))
        return {name: merged.files.get(name) for name in known}

    def _account(self, path: str) -> None:
        base, ours, theirs = self._sides(path)
        content = self._accounts[path]
        meta = self._meta(path, base, ours, theirs)
        if content is not None:
            self.decisions.append(Decision("put", path, content, meta))
        elif meta == "ours":
            self.decisions.append(Decision("meta", path))

    def _conflict(self, path: str, base: Node, ours: Node, theirs: Node, what: str | None = None) -> None:
        self.conflicts.append(Conflict(path, change_of(base, ours), change_of(base, theirs), what))


__all__ = ("Conflict", "Decision", "ThreeWay")
