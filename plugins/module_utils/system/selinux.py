# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux: whether a policy is loaded, which one a root has and what it says of files, and the label of a single file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import typing as t

from .presence import is_directory, is_file, text_of
from .rooted_path import regular_file_in_root, resolve_in_root

if t.TYPE_CHECKING:
    from .mount_table import Mount

Mode = t.Literal["enforcing", "permissive"]

LABEL: t.Final = "security.selinux"
_NO_LABEL: t.Final = b":unlabeled_t:"  # what a policy says of a file that has none, or one that it does not know
_CONFIG: t.Final = "etc/selinux/config"
# selinux_config(5): what is meant where nothing is said
_DEFAULT_TYPE: t.Final = "targeted"
_BINARY: t.Final = "policy."
# What selabel_file(5) reads besides the file itself
_BESIDE: t.Final = ("", ".local", ".homedirs", ".subs", ".subs_dist")


def mode(mounted: t.Sequence[Mount]) -> Mode | None:
    """selinuxfs is mounted only where a policy can be loaded; what its file ``enforce`` does not say counts as enforcing."""
    where = next((mount.target for mount in mounted if mount.fstype == "selinuxfs"), None)
    if where is None:
        return None
    return "permissive" if (text_of(f"{where}/enforce") or "").strip() == "0" else "enforcing"


def policy_type(root: str) -> str | None:
    """The name of the policy that a root is configured to have; None where its configuration is missing. Raises OSError."""
    found = _configured(root)
    return found.get("SELINUXTYPE", _DEFAULT_TYPE) if found is not None else None


def will_enforce(root: str) -> bool:
    """Whether a root is configured to enforce its policy from its next start on. Raises OSError."""
    return ((_configured(root) or {}).get("SELINUX", "")).lower() == "enforcing"


def _configured(root: str) -> dict[str, str] | None:
    path = regular_file_in_root(root, _CONFIG)
    text = text_of(path) if path else None
    if text is None:
        return None
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _equal, value in pairs if value.strip()}


def _within(root: str, path: str) -> str | None:
    """Where ``path`` of a root's policy is."""
    name = policy_type(root)
    if name is None or "/" in name or name in (".", ".."):
        return None
    return resolve_in_root(root, f"etc/selinux/{name}/{path}")


def file_contexts(root: str) -> str | None:
    """The host's path of what the policy of a root says about files, None where it says nothing. Raises OSError."""
    path = _within(root, "contexts/files/file_contexts")
    return path if path is not None and is_file(path) else None


def binary_policy(root: str) -> str | None:
    """The host's path of the policy of a root as a kernel loads it, the newest of its formats. Raises OSError."""
    where = _within(root, "policy")
    names = os.listdir(where) if where is not None and is_directory(where) else []
    found = [int(name[len(_BINARY) :]) for name in names if re.fullmatch(r"policy\.[0-9]{1,9}", name)]
    return regular_file_in_root(root, os.path.relpath(f"{where}/{_BINARY}{max(found)}", root)) if found else None


def same_contexts(one: str, other: str) -> bool:
    """Whether two policies say the same about files, by the paths of their file_contexts. Raises OSError."""
    return all(_bytes_of(one + ending) == _bytes_of(other + ending) for ending in _BESIDE)


def _bytes_of(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def label_of(path: str) -> bytes | None:
    """What a file itself, not what a link leads to, is labelled with; None for nothing. Raises OSError."""
    try:
        label = os.getxattr(path, LABEL, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise
        return None
    return None if _NO_LABEL in label else label


def label_like(source: str, target: str) -> None:
    """``target`` gets the label that ``source`` has. Whether that matters only a policy knows: of a refusal nothing is said."""
    with contextlib.suppress(OSError):
        label = label_of(source)
        if label is not None:
            os.setxattr(target, LABEL, label, follow_symlinks=False)


__all__ = (
    "LABEL",
    "Mode",
    "binary_policy",
    "file_contexts",
    "label_like",
    "label_of",
    "mode",
    "policy_type",
    "same_contexts",
    "will_enforce",
)
