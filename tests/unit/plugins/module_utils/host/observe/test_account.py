# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.host.observe.account import account_lost
from ansible_collections.overc.system.plugins.module_utils.host.observe.essentials import covered_by_fstab


def _root(place: Path, passwd: str, fstab: str = "") -> Path:
    for name in ("etc", "usr/bin", "var/lib"):
        (place / name).mkdir(parents=True)
    (place / "bin").symlink_to("usr/bin")
    for name in ("sh", "bash", "false", "nologin"):
        program = place / "usr/bin" / name
        program.touch(0o755)
    (place / "etc/passwd").write_text(passwd)
    (place / "etc/fstab").write_text(fstab)
    return place


def _passwd(shell: str, name: str = "root") -> str:
    return f"daemon:x:1:1::/:/usr/bin/nologin\n{name}:x:0:0::/root:{shell}\n"


@pytest.mark.parametrize(
    ("user", "before", "after", "nologin", "said"),
    [
        ("", _passwd("/bin/bash"), _passwd("/bin/bash"), False, None),
        ("", _passwd("/bin/bash"), _passwd("/usr/bin/bash"), True, None),
        ("", _passwd("/bin/bash"), _passwd("/bin/false"), False, "/bin/false"),
        ("", _passwd("/bin/bash"), _passwd("/bin/zsh"), False, "/bin/zsh"),
        ("", _passwd("/bin/false"), _passwd("/bin/nologin"), False, None),  # nobody came in before either
        ("ops", _passwd("/bin/bash", "ops"), _passwd("/bin/bash"), False, "ops has no account"),
        ("ops", _passwd("/bin/bash", "ops"), _passwd("/bin/bash", "ops"), True, "/etc/nologin"),
        ("ops", _passwd("/bin/bash"), _passwd("/bin/bash"), True, None),  # of a directory server
        ("", "", "", False, None),
    ],
)
def test_the_account_that_came_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, before: str, after: str, nologin: bool, said: str | None
) -> None:
    monkeypatch.setenv("SUDO_USER", user)
    monkeypatch.setattr(
        "ansible_collections.overc.system.plugins.module_utils.host.observe.account.find_program",
        lambda root, path: (Path(root) / "usr/bin" / Path(path).name).exists() or None,
    )
    base, new = _root(tmp_path / "base", before), _root(tmp_path / "new", after)
    if nologin:
        (new / "etc/nologin").touch()
    told = account_lost(str(new), str(base))
    assert (told is None) is (said is None)
    assert (said or "") in (told or "")


@pytest.mark.parametrize(
    ("line", "covers"),
    [
        ("tmpfs /usr tmpfs defaults 0 0", True),
        ("/dev/none /usr/ ext4 defaults 0 0", True),
        ("/dev/none /bin ext4 defaults 0 0", True),  # a link to it
        ("tmpfs /etc tmpfs nofail 0 0", True),
        ("/dev/none /usr ext4 nofail 0 0", False),  # is not there, and nobody waits for it
        ("tmpfs /usr tmpfs noauto 0 0", False),
        ("/usr /usr none bind 0 0", False),
        ("overlay /etc overlay lowerdir=/etc,upperdir=/u,workdir=/w 0 0", False),
        ("tmpfs /var/lib tmpfs defaults 0 0", False),
        ("tmpfs /boot tmpfs defaults 0 0", False),  # the one before had a line for it
        ("/dev/none none swap sw 0 0", False),
    ],
)
def test_a_line_that_hides_the_system(tmp_path: Path, line: str, covers: bool) -> None:
    known = "/dev/vda / btrfs defaults 0 0\n/dev/vdb /boot ext4 defaults 0 0\n"
    base, new = _root(tmp_path / "base", "", known), _root(tmp_path / "new", "", f"{known}{line}\n")
    found = covered_by_fstab(str(new), str(base), ("/etc/passwd", "/bin/sh", "/usr/bin/none"))
    assert found == (((line.split(maxsplit=1)[0], line.split()[1]),) if covers else ())
