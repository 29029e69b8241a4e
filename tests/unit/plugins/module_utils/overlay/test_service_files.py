# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of services name, in the ways in which they may be written."""

from __future__ import annotations

import pytest
from ansible_collections.overc.system.plugins.module_utils.overlay import service_files


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("[x]\npath = /srv/a b \n", ["/srv/a b"]),
        ('\tPath="/srv/a b"\n', ["/srv/a b"]),
        ("root directory = /srv\n# path = /no\n; path = /no\nread only = yes\n", ["/srv"]),
        ("path = /\npath = relative\nxpath = /no\ncomment = path = /no\n", []),
    ],
)
def test_shares(text: str, paths: list[str]) -> None:
    assert service_files.of_shares(text) == paths


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (
            'include = /etc/a.conf\n  INCLUDE="/etc/b.conf"\nconfig file = /etc/c\n',
            ["/etc/a.conf", "/etc/b.conf", "/etc/c"],
        ),
        ("&include /etc/d\n&merge\t/etc/e\n", ["/etc/d", "/etc/e"]),
        ("# include = /no\ninclude = registry\n&include no\nincluded = /no\n", []),
    ],
)
def test_includes(text: str, paths: list[str]) -> None:
    assert service_files.of_includes(text) == paths


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/docker run -v /srv/x:/data:ro image",
        "-/usr/bin/docker run -v/srv/x:/data image",
        "podman run --volume=/srv/x:/data image",
        "podman run --mount type=bind,source=/srv/x,target=/data image",
        "systemd-nspawn -D/srv/x",
        "systemd-nspawn --directory=/srv/x",
        "chroot /srv/x sh",
    ],
)
def test_commands(line: str) -> None:
    assert "/srv/x" in service_files.of_command(line)


def test_commands_of_others() -> None:
    assert service_files.of_command("/usr/bin/rsync /srv/x /srv/y") == []


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("data -fstype=bind :/srv/x\n", ["/srv/x"]),
        ("root /srv/x; # rest\n", ["/srv/x"]),
        ("ReadWritePaths=-/srv/x +/srv/y\n", ["/srv/x", "/srv/y"]),
        ('"dev": "/srv/x",\n', ["/srv/x"]),
        ("(/srv/x)\n/srv/y\n", ["/srv/x", "/srv/y"]),
        ("# /no\n; /no\n / a/b\n", []),
    ],
)
def test_words(text: str, paths: list[str]) -> None:
    assert service_files.words(text) == paths
