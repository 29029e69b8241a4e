# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials go, everything else stays."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.overc.system.plugins.module_utils import runner
from ansible_collections.overc.system.plugins.module_utils.host.steps import new_root
from ansible_collections.overc.system.plugins.module_utils.redact import redact, redact_all
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("for http://user:pa:ss@w0rd@host:80/x [why]", "for http://***@host:80/x [why]"),
        ("http://u:p/q@h/x", "http://***@h/x"),
        ("https://t0ken@h/", "https://***@h/"),
        ("baseurl = ftp://a:b@h/", "baseurl = ftp://***@h/"),
        ("/channels/main%%http:__u:p@h_repodata", "/channels/main%%http:__***@h_repodata"),
        ("x%%http:__h:80_c_?token=pa55_repomd.xml bad", "x%%http:__h:80_c_?token=*** bad"),
        ("https://h/list?token=abc&repo=f&arch=x", "https://h/list?token=***&repo=f&arch=x"),
        ("https://h/p?deadbeef.", "https://h/p?***"),
        ("'http://u:p@h/' \"http://u:p@h\"", "'http://***@h/' \"http://***@h\""),
        ("password = x\nproxy_password=y\nToken: z", "password = ***\nproxy_password=***\nToken: ***"),
        ("> Authorization: Basic Zm9v", "> Authorization: Basic ***"),
    ],
)
def test_credentials(said: str, left: str) -> None:
    assert redact(said) == left


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/a/b@c 1@2",
        "https://mirrors.example/metalink?repo=fedora-40&arch=x86_64",
        "lab-app-2.0-1@noarch",
        "mail root@localhost: 7 / 8",
        "ID 256 gen 12 parent 5 top level 5 parent_uuid - uuid 91a7 path a:b/c@d",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redact(text) == text


_WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=6, max_size=20)


@given(
    _WORDS.map("S3c".__add__),
    _WORDS.map("w".__add__),
    st.sampled_from(["\n", " ", "'", '"', "(", "<", ""]),
    st.text(max_size=20),
)
def test_no_credential_survives_whatever_stands_around(secret: str, word: str, edge: str, text: str) -> None:
    for said in (
        f"http://{word}:{secret}@h/",
        f"https://{secret}@h/",
        f"http://h/{word}?{word}={secret}",
        f"a%%http:__h_{word}_?{word}={secret}_x",
    ):
        assert secret not in redact(f"{text}{edge}{said}{edge}")


@given(st.text())
def test_twice_is_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_results_at_any_depth() -> None:
    result = {"a": [{"b": ("http://u:p@h/", 1, None, True)}]}
    assert redact_all(result) == {"a": [{"b": ["http://***@h/", 1, None, True]}]}


class Module:
    """As much of an AnsibleModule as the runner uses."""

    def get_bin_path(self, program: str) -> str:
        return f"/bin/{program}"


def test_what_a_tool_said_is_parsed_as_it_is_and_shown_without_credentials() -> None:
    script = "printf http://u:p@h/; printf ftp://t@h/ >&2; exit 1"
    done = runner.ModuleRunner(t.cast("t.Any", Module())).run(["sh", "-c", script])
    assert done.stdout == "http://u:p@h/"
    assert (done.facts()["stdout"], done.facts()["stderr"]) == ("http://***@h/", "ftp://***@h/")
    assert done.facts()["cmd"][-1] == "printf http://***@h/; printf ftp://***@h/ >&2; exit 1"


def test_a_proxy_is_not_in_the_arguments_that_every_user_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(argv: list[str], *_more: t.Any) -> tuple[int, bytes, bytes]:
        asked.extend(argv)
        return 0, b"", b""

    monkeypatch.setattr(runner, "run_to_its_end", run)
    monkeypatch.setattr(new_root.NewRoot, "find", lambda _self, program: program)
    monkeypatch.setenv("https_proxy", "http://user:S3cret@proxy:3128")
    monkeypatch.setenv("SUDO_COMMAND", "Sudo3cret")
    new_root.NewRoot(runner.ModuleRunner(t.cast("t.Any", Module())), "/dev/x", 256, packages="/p").run(
        ["dnf", "upgrade"]
    )
    assert "3cret" not in " ".join(asked)
    assert asked[-2:] == ["dnf", "upgrade"]
    named = [asked[i + 1] for i, word in enumerate(asked) if word == "-u"]
    assert "SUDO_COMMAND" in named
    assert not {"https_proxy", "PATH"} & set(named)
