# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts in a git repository: each is a blob with a reference of its own, so no two hosts ever change the same one."""

from __future__ import annotations

from .source import Source, SourceError, said
from .stores import StoreError
from .verdicts import LARGEST

_REFS = "refs/overc"


class GitStore:
    """``place``: a bare repository of our own, which is made where it is missing. ``source`` says how the other is reached."""

    def __init__(self, place: str, source: Source) -> None:
        self.place = place
        self.source = source
        self._fetched: set[str] = set()

    def _git(self, *words: str, data: bytes | None = None) -> bytes:
        try:
            done = self.source.run(self.place, *words, data=data)
        except SourceError as error:
            raise StoreError(str(error)) from None
        if done.returncode != 0:
            raise StoreError(said("git does not reach the store", done.stderr.decode("utf-8", "replace")))
        return done.stdout

    def _fetch(self, upgrade: str) -> None:
        if upgrade not in self._fetched:
            self._git("init", "--quiet", "--bare", "--template=")
            refs = f"+{_REFS}/{upgrade}/*:{_REFS}/{upgrade}/*"
            self._git("fetch", "--quiet", "--no-tags", "--prune", "--", self.source.url, refs)
            self._fetched.add(upgrade)

    @staticmethod
    def _upgrade(path: str) -> str:
        return "/".join(path.split("/")[:2])  # v1 and the fingerprint

    def get(self, path: str) -> bytes | None:
        self._fetch(self._upgrade(path))
        found = self._git("for-each-ref", "--format=%(objecttype) %(objectsize) %(refname)", f"{_REFS}/{path}").split()
        if not found:
            return None
        if found[0] != b"blob" or int(found[1]) > LARGEST:
            return b""
        return self._git("cat-file", "blob", f"{_REFS}/{path}")

    def put(self, path: str, data: bytes) -> None:
        self._git("init", "--quiet", "--bare", "--template=")
        name = self._git("hash-object", "-w", "--stdin", data=data).decode("ascii").strip()
        self._git("push", "--quiet", "--force", "--", self.source.url, f"{name}:{_REFS}/{path}")
        self._fetched.discard(self._upgrade(path))

    def names(self, directory: str, limit: int) -> list[str]:
        self._fetch(self._upgrade(directory))
        words = ("for-each-ref", f"--count={limit}", "--format=%(refname)", f"{_REFS}/{directory}/")
        found = self._git(*words).decode("utf-8", "replace").split()
        return [name.rpartition("/")[2] for name in found]

    def paths(self, limit: int) -> list[str]:
        self._fetch("v1")
        found = self._git("for-each-ref", f"--count={limit}", "--format=%(refname)", f"{_REFS}/v1/")
        return [name[len(_REFS) + 1 :] for name in found.decode("utf-8", "replace").split()]


__all__ = ("GitStore",)
