# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which patches are needed, and what they are about: as zypper 1.14.89 tells it."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.module_utils.packages.contract import PackageChange
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.output import Patch, Stream, parse_stream
from ansible_collections.overc.system.plugins.module_utils.packages.zypper.patches import (
    needed,
    packages_of,
    with_patches,
)

LIST = """<?xml version='1.0'?><stream><update-status version="0.6">
<update-list><update kind="patch" name="P-3" edition="1" arch="noarch" status="needed" category="security"
pkgmanager="true" restart="false" interactive="false"><summary>s</summary></update></update-list>
<blocked-update-list><update kind="patch" name="P-1" edition="1" arch="noarch" status="needed" category="security"/>
<update kind="patch" name="P-1" edition="2" arch="noarch" status="needed" category="security"/>
<update kind="patch" name="P-4" edition="1" arch="noarch" status="needed" category="recommended"/>
<update kind="patch" name="P-6" edition="1" arch="noarch" status="not-needed" category="security"/>
<update kind="package" name="app" edition="2-1" arch="noarch"/></blocked-update-list></update-status></stream>"""
TEXT = """Repository  : lab
Name        : {name}
Version     : 1
Status      : needed
Summary     : Conflicts   : none < 1
Description :
    Name        : other
    app < 7
Provides    : patch:{name} = 1
Conflicts   : {conflicts}
"""


def about(**conflicts: str) -> dict[str, frozenset[str]]:
    messages = (TEXT.format(name=name, conflicts=text) for name, text in conflicts.items())
    return packages_of(Stream(messages=tuple(("info", text) for text in messages)))


def test_only_needed_ones_of_security_each_once() -> None:
    stream = parse_stream(LIST)
    assert needed(stream.patches, "security") == ("P-1", "P-3")
    assert Patch("P-4", "recommended", "needed") in stream.patches
    assert [update.name for update in stream.updates] == ["app"]


def test_packages_are_what_must_not_be_older() -> None:
    found = about(
        one="app < 1.5-1",
        more="[3]\n    app.x86_64 < 1:2-1\n    libfoo++ < 3\n    srcpackage:app < 2\n    kind:thing < 3",
        none="[0]",
    )
    assert found == {
        "one": frozenset({"app"}),
        "more": frozenset({"app.x86_64", "libfoo++"}),
        "none": frozenset(),
    }


def test_a_change_names_what_is_about_its_package() -> None:
    changes = (
        PackageChange("app", "x86_64", "1-1", "2-1"),
        PackageChange("app", "i586", "1-1", "2-1"),
        PackageChange("old", "noarch", "1-1", None),
        PackageChange("new", "noarch", None, "1-1"),
    )
    patches = {"P-2": {"app.x86_64", "new"}, "P-1": {"app", "old"}}
    assert [change.advisories for change in with_patches(changes, patches)] == [
        ("P-1", "P-2"), ("P-1",), ("P-1",), ("P-2",),
    ]  # fmt: skip
