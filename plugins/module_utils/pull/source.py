# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository with the playbook: what it has is fetched into an object store of our own and verified there.

Nothing of a repository is run from the place where it is fetched: no hooks, no configuration of its own, no filters, no
submodules. A tree to run is laid out by ``tree.py`` from objects that hash to what was verified.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import typing as t
from dataclasses import dataclass, field

from . import commands, trust
from .files import redacted, status
from .tree import Damaged, SourceError, Untrusted, kind_of, lay_out

_FETCHED: t.Final = "refs/overc/fetched"
_TAKEN: t.Final = "refs/overc/taken"  # what was laid out last: a later fetch needs only what came after it
_EVERYTHING: t.Final = ("+refs/heads/*:refs/overc/heads/*", "+refs/tags/*:refs/overc/tags/*")
_OBJECT: t.Final = re.compile(r"[0-9a-f]{7,64}")
_WHOLE: t.Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # says by itself what it is the id of
_SAFE: t.Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.fsync=all",
    "fetch.recurseSubmodules=false",
    "gc.autoDetach=false",
    "protocol.ext.allow=never",
    "transfer.fsckObjects=true",
)
# Where a repository is, is said by the program and by nothing that it inherits
_DROPPED: t.Final = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_TEMPLATE_DIR",
})  # fmt: skip


@dataclass(frozen=True)
class Source:
    """``store``: a directory of ours; ``checkout``: a branch, tag or commit, empty for the repository's default.

    ``taken``: ids of what was laid out before, the newest first. With ``verify``, nothing that is older than these is taken, nor
    what was signed beside them: whoever can answer for the repository could bring back any signed commit with a known hole.
    """

    store: str
    url: str
    checkout: str = ""
    verify: bool = False
    private_key: str = ""
    accept_host_key: bool = False
    environment: t.Mapping[str, str] = field(default_factory=dict)
    timeout: int = 7200
    taken: t.Sequence[str] = ()

    def obtain(self, directory: str, revision: str = "") -> str:
        """Lay a tree out in ``directory``, which is not there yet; the id of the commit or tag that it was made from.

        Without ``revision`` the newest is fetched; with it, exactly that one is taken, from the store if it is whole
        there. Whatever is laid out was verified in this call. Raises SourceError, and OSError where a disk fails.
        """
        found = revision or self._fetch(self.store)
        try:
            self._make(found, directory, newest=not revision)
        except Damaged:
            # A power cut, a failing disk: the store is made anew beside the old one, which stays until that worked
            found = self._renew(revision)
            self._make(found, directory, newest=not revision, renewed=True)
        self._run(self.store, "update-ref", _TAKEN, found)
        return found

    def _make(self, revision: str, directory: str, *, newest: bool, renewed: bool = False) -> None:
        if self.verify:
            self._verify(revision)
            if newest and not _WHOLE.fullmatch(self.checkout):
                self._verify_place(revision, renewed=renewed)
        try:
            lay_out(self._command(self.store, "cat-file", "--batch"), revision, directory, self._environment())
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def _verify(self, revision: str) -> None:
        kind = self._kind(revision)
        why = trust.untrusted(self._raw, kind, revision)
        if why:
            raise Untrusted(
                f"The {kind} {revision[:12]} has no good signature of a key that this host trusts, so nothing of it "
                f"was run: {redacted(why)}. Sign a newer commit with a key that it trusts; the next run takes that."
            )

    def _verify_place(self, revision: str, *, renewed: bool) -> None:
        """That the newest is what was asked for, and came after what was taken before."""
        why = trust.misnamed(self._raw, self.checkout, revision) if self._kind(revision) == "tag" else ""
        if why:
            raise Untrusted(f"The repository does not say the truth, so nothing was run: {why}.")
        for earlier in self.taken:
            try:
                if trust.untrusted(self._raw, self._kind(earlier), earlier):
                    continue  # its key was revoked, or has expired: it holds nobody back
                after = self._comes_after(revision, earlier)
            except Damaged:
                if not renewed:
                    raise
                after = False  # all that the newest was built upon was fetched just now
            if after:
                return
            raise Untrusted(
                f"{revision[:12]} is signed, but was not built upon {earlier[:12]}, which this host took before: it is older, "
                "or of another branch, and nothing of it was run. To take changes back, commit a revert. If the branch was "
                "turned back on purpose, name the commit in pull_checkout, or remove /var/lib/overc-pull/taken.json on the host."
            )

    def _comes_after(self, revision: str, earlier: str) -> bool:
        """Raises Damaged where the way from one to the other cannot be gone."""
        question = ("merge-base", "--is-ancestor", f"{earlier}^{{commit}}", f"{revision}^{{commit}}")
        asked = self._run(self.store, *question)
        if asked.returncode == 1 and self._git(self.store, "rev-parse", "--is-shallow-repository").strip() == "true":
            # Where the history was cut off when it was fetched, "no" says nothing
            wanted = self.checkout or "HEAD"
            refs = _EVERYTHING if _OBJECT.fullmatch(wanted) else (f"+{wanted}:{_FETCHED}",)
            got = self._run(
                self.store, "fetch", "--quiet", "--force", "--no-tags", "--unshallow", "--", self.url, *refs
            )
            if got.returncode != 0:
                kind = Damaged if self._is_broken(self.store) else SourceError
                raise kind(said("What came before the newest commit cannot be fetched", got.stderr))
            asked = self._run(self.store, *question)
        if asked.returncode not in (0, 1):
            raise Damaged(said("The history in the store of the repository cannot be read", asked.stderr))
        return asked.returncode == 0

    def _kind(self, revision: str) -> str:
        return kind_of(self._command(self.store, "cat-file", "--batch"), revision, self._environment())

    def _raw(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(self.store, *words)

    def _fetch(self, store: str) -> str:
        self._init(store)
        wanted = self.checkout or "HEAD"
        arguments = ("fetch", "--quiet", "--force", "--no-tags", "--update-shallow")
        # What came in between shows that the newest was built upon what was taken before
        depth = [] if self.verify and self.taken and not _WHOLE.fullmatch(wanted) else ["--depth=1"]
        done = self._run(store, *arguments, *depth, "--", self.url, f"+{wanted}:{_FETCHED}")
        if done.returncode == 0:
            return self._git(store, "rev-parse", "--verify", _FETCHED).strip()
        if _OBJECT.fullmatch(wanted):  # a server need not hand out a commit that is not the tip of something
            full = self._run(store, *arguments, "--", self.url, *_EVERYTHING)
            if full.returncode == 0:
                return self._git(store, "rev-parse", "--verify", f"{wanted}^{{object}}").strip()
        if store == self.store and self._is_broken(store):
            return self._renew("")
        raise SourceError(said("The repository cannot be fetched", done.stderr))

    def _is_broken(self, store: str) -> bool:
        return self._run(store, "fsck", "--connectivity-only", "--no-dangling").returncode != 0

    def _renew(self, revision: str) -> str:
        fresh, old = f"{self.store}.new", f"{self.store}.old"
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        found = self._fetch(fresh)
        if revision and revision != found:
            done = self._run(fresh, "fetch", "--quiet", "--no-tags", "--depth=1", "--", self.url, revision)
            if done.returncode != 0:
                done = self._run(fresh, "fetch", "--quiet", "--no-tags", "--unshallow", "--", self.url, *_EVERYTHING)
            if done.returncode != 0:
                raise SourceError(said(f"{revision[:12]} is damaged here and cannot be fetched", done.stderr))
            found = revision
        if status(self.store) is not None:
            os.rename(self.store, old)
        os.rename(fresh, self.store)
        shutil.rmtree(old, ignore_errors=True)
        return found

    def _init(self, store: str) -> None:
        # Also over a store that is there: what a power cut took from it comes back
        self._git(store, "init", "--quiet", "--bare", "--template=")

    def _git(self, store: str, *words: str) -> str:
        done = self._run(store, *words)
        if done.returncode != 0:
            raise SourceError(said(f"git {words[0]} failed", done.stderr))
        return done.stdout

    def _command(self, store: str, *words: str) -> list[str]:
        options = [word for setting in _SAFE for word in ("-c", setting)]
        return ["git", f"--git-dir={store}", *options, *words]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in {**os.environ, **self.environment}.items() if name not in _DROPPED}
        kept.update(GIT_TERMINAL_PROMPT="0", LC_ALL="C")
        kept.setdefault("HOME", os.path.expanduser("~"))  # systemd sets none, and root's own trust is there
        ssh = []
        if self.private_key:
            ssh += ["-o", "IdentitiesOnly=yes", "-i", self.private_key]
        if self.accept_host_key:
            ssh += ["-o", "StrictHostKeyChecking=accept-new"]
        if ssh:
            kept["GIT_SSH_COMMAND"] = shlex.join(["ssh", "-o", "BatchMode=yes", *ssh])
        return kept

    def _run(self, store: str, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.run(store, *words)
        output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)

    def run(self, store: str, *words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Git in one of our own stores; ``data`` goes to its input. Raises SourceError where it does not run or end."""
        try:
            command = self._command(store, *words)
            return commands.run(command, env=self._environment(), cwd="/", timeout=self.timeout, data=data)
        except subprocess.TimeoutExpired:
            raise SourceError(f"git {words[0]} was ended after {self.timeout} seconds.") from None
        except OSError as error:
            raise SourceError(f"git cannot be run: {error.strerror}.") from None


def said(what: str, errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
    return f"{what}: {redacted(telling[0])[:400]}" if telling else f"{what}."


__all__ = ("Damaged", "Source", "SourceError", "Untrusted", "said")
