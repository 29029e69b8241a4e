# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees for the property tests: drawn by hypothesis as plain values, then made on disk.

A source is drawn as changes of the container's tree, so that most of it is equal and the rest differs in one thing.
"""

from __future__ import annotations

import os
import random
import stat
import subprocess
import typing as t
from pathlib import Path

from hypothesis import strategies as st

# One of each that breaks something: blanks, globs, newline, colon, comma, backslash, quote, leading dash, not UTF-8.
NAMES = ["a", "b", "c", "d e", "*", "n\nl", "f:g", "h,i", "j\\k", "'q\"", "-r", "\udcff\udcfe", "ü", ".x", "#"]
CONTENTS = [b"", b"x" * 10, b"y" * 10, b"z" * 5000, b"z" * 4999 + b"!", b"q" * 200_000, b"q" * 199_999 + b"!"]
RARE = ["fifo", "device", "socket", "sparse", "locked", "locked directory", "chain"]
KINDS = ["file"] * 8 + ["directory"] * 5 + ["symlink"] * 2 + ["link"] * 2 + RARE
CHANGES = ["chown", "chgrp", "chmod", "xattr", "bytes", "remove", "kind", "touch", "link", "whiteout", "opaque", "flag"]


class Node(t.NamedTuple):
    name: str
    kind: str
    pick: int  # content, target, mode... by number
    twist: int  # which of the rarer things apply
    below: tuple[t.Any, ...]


@st.composite
def nodes(draw: st.DrawFn, depth: int) -> tuple[Node, ...]:
    """Not st.builds(): printing what it made of nested values takes minutes."""
    out = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True)):
        kind = draw(st.sampled_from(KINDS))
        below = draw(nodes(depth - 1)) if kind in ("directory", "locked directory") and depth else ()
        out.append(Node(name, kind, draw(st.integers(0, 99)), draw(st.integers(0, 99)), below))
    return tuple(out)


def make(root: str, tree: tuple[Node, ...], files: list[str] | None = None) -> None:
    """Make a drawn tree. Times are few, so that equal ones meet."""
    files = [] if files is None else files
    for node in tree:
        path = os.path.join(root, node.name)
        if node.kind in ("directory", "locked directory"):
            os.mkdir(path)
            make(path, node.below, files)
        elif node.kind == "chain":
            bottom = os.path.join(path, *["c"] * (20 + node.pick))
            os.makedirs(bottom)
            files.append(os.path.join(bottom, "file"))
            Path(files[-1]).write_bytes(CONTENTS[node.pick % len(CONTENTS)])
        elif node.kind == "symlink":
            os.symlink(["a", "../b", "/etc/passwd", "x" * 200][node.pick % 4], path)
        elif node.kind == "link" and files:
            os.link(files[node.pick % len(files)], path)
            continue
        elif node.kind == "fifo":
            os.mkfifo(path)
        elif node.kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o644)
        elif node.kind == "device":
            os.mknod(path, (stat.S_IFCHR, stat.S_IFBLK)[node.pick % 2] | 0o640, os.makedev(1, 3 + node.pick % 3))
        elif node.kind == "sparse":
            with open(path, "wb") as file:
                file.truncate(1 << 20)
                file.seek(1 << 19)
                file.write(b"data")
        else:
            Path(path).write_bytes(CONTENTS[node.pick % len(CONTENTS)])
            files.append(path)
        dress(path, node)
        if node.kind == "locked":
            files.remove(path)
        if node.kind.startswith("locked"):
            subprocess.run(["chattr", ["+i", "+a"][node.pick % 2], "--", path], check=True)
    os.utime(root, (5, 1000), follow_symlinks=False)


def dress(path: str, node: Node) -> None:
    """Owner, mode, attributes and time, some of them."""
    link = os.path.islink(path)
    if node.twist % 7 == 0:
        os.chown(path, 1000, 1000 + node.pick % 2, follow_symlinks=False)
    if node.twist % 5 == 0 and not link:
        os.chmod(path, [0o600, 0o4755, 0o2750, 0o1777, 0o000][node.pick % 5])
    if node.twist % 11 == 0:
        os.setxattr(path, "trusted.k", [b"1", b"2"][node.pick % 2], follow_symlinks=False)
    if node.twist % 6 == 0 and os.path.isfile(path) and not link:
        os.setxattr(path, "user.k", b"v")
        # cap_net_raw+ep, revision 2
        os.setxattr(path, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    if node.twist % 8 == 0 and not link and node.kind != "socket":
        subprocess.run(["setfacl", "-m", "u:1234:r", "--", path], check=True)
        if os.path.isdir(path):
            subprocess.run(["setfacl", "-d", "-m", "u:99:rwx", "--", path], check=True)
    if node.twist % 13 == 0 and os.path.isfile(path) and not link:
        subprocess.run(["chattr", ["+m", "+d", "+A"][node.pick % 3], "--", path], check=True)
    os.utime(path, (5, [1000, 1000, 1000, 2000][node.pick % 4]), follow_symlinks=False)


def disturb(root: str, seed: int, share: float) -> None:
    """Change some entries of a tree, each in one respect."""
    rng = random.Random(seed)
    subprocess.run(["chattr", "-R", "-f", "-i", "-a", "--", root], check=False, stderr=subprocess.DEVNULL)
    for path, directories, files in os.walk(root, topdown=False):
        before = os.stat(path)
        for name in directories + files:
            full = os.path.join(path, name)
            if rng.random() >= share or not os.path.lexists(full):
                continue
            status = os.lstat(full)
            _change(full, status, rng)
            if os.path.lexists(full) and rng.random() < 0.8:
                os.utime(full, ns=(5, status.st_mtime_ns), follow_symlinks=False)
        if rng.random() < share:
            new = Path(path, f"new{rng.randrange(3)}")
            # A link or a whiteout, or a directory, may have been made of one that was there
            if not os.path.lexists(new) or stat.S_ISREG(os.lstat(new).st_mode):
                new.write_bytes(b"new")
        if rng.random() < 0.9:
            os.utime(path, ns=(5, before.st_mtime_ns))


def _change(path: str, status: os.stat_result, rng: random.Random) -> None:  # noqa: C901, PLR0912 - one way each
    link, regular = stat.S_ISLNK(status.st_mode), stat.S_ISREG(status.st_mode)
    what = rng.choice(CHANGES)
    if what == "chown":
        os.chown(path, 4321, -1, follow_symlinks=False)
    elif what == "chgrp":
        os.chown(path, -1, 4321, follow_symlinks=False)
    elif what == "chmod" and not link:
        os.chmod(path, stat.S_IMODE(status.st_mode) ^ 0o1)
    elif what == "xattr":
        os.setxattr(path, "trusted.z", b"1", follow_symlinks=False)
    elif what == "bytes" and regular and status.st_size:
        with open(path, "r+b") as file:
            file.seek(rng.randrange(status.st_size))
            file.write(b"#")
    elif what == "touch":
        os.utime(path, (5, 3000), follow_symlinks=False)
    elif what == "flag" and regular:
        subprocess.run(["chattr", rng.choice(["+m", "+d", "+A"]), "--", path], check=True)
    elif what == "opaque" and stat.S_ISDIR(status.st_mode):
        os.setxattr(path, "trusted.overlay.opaque", b"y")
    elif what == "link" and regular:
        if not os.path.lexists(path + "~"):
            os.link(path, path + "~")
    elif what in ("remove", "kind", "whiteout") and not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        if what == "kind":
            os.mkdir(path)
            Path(path, "inner").write_bytes(b"inner")
        elif what == "whiteout":
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
