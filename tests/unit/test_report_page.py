# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report page, as text and, where there is a Chromium, as a browser shows it on a desk and on a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import jinja2
import pytest
from ansible_collections.overc.system.plugins.plugin_utils import (
    look_record,
    overlay_words,
    run_plan,
    run_record,
    run_report,
)

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/report/templates/report.html.j2"
NOW = "2026-11-23T21:00:00Z"
HOSTILE = "<script>alert(1)</script>&\"' \N{SNOWMAN}"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What a person would have to scroll for, and what a script or a picture from elsewhere would be
_MEASURE = """<script>document.title = JSON.stringify({
  scroll: document.documentElement.scrollWidth, width: innerWidth,
  small: [...document.querySelectorAll('td, p, li, pre, h1, h2')].filter(e => e.getClientRects().length
    && parseFloat(getComputedStyle(e).fontSize) < 12).length,
  first: document.querySelector('td.host').textContent,
  split: [...document.querySelectorAll('th')].filter(e => e.offsetHeight > 1.9 * parseFloat(
    getComputedStyle(e).lineHeight)).map(e => e.textContent),
  heads: getComputedStyle(document.querySelector('thead')).display,
});</script>"""


def record(count: int) -> dict[str, t.Any]:
    change = {"name": "app", "arch": "noarch", "installed": "1.0-1", "available": "2.0-1"}
    answer = {"state": "clean", "booted": "rootfs", "fingerprint": "f", "actions": [{}], "upgrades": [change] * 3}
    hosts = [f"web{n:03}.rack-{n % 7}.example.net" for n in range(1, count + 1)]
    plan = run_plan.plan(dict.fromkeys(hosts, answer), {"now": NOW, "canary": 1, "serial": "25%"})
    results = {
        host: {
            "status": "upgraded",
            "state": "clean",
            "booted_before": "rootfs",
            "booted_after": "rootfs_upgrade",
            "seconds": {"stage": 20 + n % 50, "reboot": 30 + n % 20},
        }
        for n, host in enumerate(hosts)
    }
    results[hosts[-1]] = {
        "status": "rolled_back",
        "reason": f"Health: {HOSTILE}",
        "output": f"{HOSTILE}\n" + "x" * 500,
        "error_id": "reboot_failed",
        "state": "clean",
        "booted_before": "rootfs",
        "booted_after": "rootfs",
        "seconds": {"stage": 60, "reboot": 40, "rollback": 35},
    }
    found = run_record.summary(plan, results, {}, NOW)
    for host in hosts[::2]:
        found["hosts"][host]["overlays"] = overlay_words.shared(SHARING)
    return found


def rendered(found: dict[str, t.Any]) -> str:
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)  # noqa: S701 - as Ansible does
    return environment.from_string(TEMPLATE.read_text()).render(__report_data=run_report.report(found))


def page(count: int) -> str:
    return rendered(record(count))


@pytest.mark.parametrize("count", [1, 2, 500])
def test_page_is_complete_in_itself(count: int) -> None:
    text = page(count)
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|<script|<link|<iframe""", text)
    assert html.escape(HOSTILE, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text
    assert text.count("<tr>") == count + 1
    assert text.index("Needs attention") < text.index("<h2>Hosts")
    assert "app 1.0-1 -&gt; 2.0-1" in text


def test_page_of_hosts_that_were_only_looked_at() -> None:
    info = {"state": "clean", "booted": {"subvolume": "rootfs", "kernel": {"release": None}}}
    text = rendered(look_record.looked_at({"a": info, "b": {}}, [], NOW))
    assert "in order" in text
    assert "no answer" in text


def look(count: int) -> dict[str, t.Any]:
    """A fleet as it is met: most are well, and everything that can be wrong is there, hostile words included."""
    kernel = {"release": "6.1.0-lab-with-a-long-name"}
    booted = {"subvolume": "rootfs_upgrade", "kernel": kernel}
    well = {
        "state": "clean",
        "booted": booted,
        "next_boot": booted,
        "backup": {"subvolume": "rootfs_bakup"},
        "protection": "automatic",
        "events": [{"time": NOW, "operation": "upgrade", "to": "rootfs_upgrade", "outcome": "done"}],
    }
    kinds: list[dict[str, t.Any]] = [
        {**well, "state": "backup", "booted": {"subvolume": "rootfs_bakup", "kernel": kernel}},
        {**well, "state": "staged", "staged": {"subvolume": "rootfs"}, "waiting_for": "rollback"},
        {**well, "state": "unsupported", "requirements": [{"id": "x", "ok": False, "detail": HOSTILE}]},
        {"unreachable": True, "msg": HOSTILE},
        {**well, "state": "trial", "trial": {"outcome": "running", "seconds_left": 700}},
    ]
    infos = {f"web{n:04}.rack-{n % 7}.example.net": kinds[n] if n < len(kinds) else well for n in range(count)}
    runs = [{**record(min(count, 50)), "started": f"2026-11-{day:02}T21:00:00Z"} for day in (3, 20)]
    for run in runs:
        run["hosts"] = dict(zip(infos, run["hosts"].values(), strict=False))
    return look_record.looked_at(infos, runs, NOW)


def test_page_says_what_a_host_is_and_what_the_last_run_did() -> None:
    text = rendered(look(8))
    assert "<script>alert" not in text
    assert text.index("Needs attention") < text.index("<h2>Hosts") < text.index("Past runs")
    for said in ("It is in state backup and runs rootfs_bakup", "11 minutes left to confirm it", "6.1.0-lab", "automatic",
                 "rootfs (rollback)", "not met: 1", "2026-11-20T21:00:00Z", "3 days ago", "upgrade to rootfs_upgrade: done"):  # fmt: skip
        assert said in text, said
    green = text[text.index("<h2>Hosts") :]
    assert '<span class="good">backup</span>' not in green
    assert '<span class="good">trial</span>' not in green
    assert "@media print" in text


def test_page_of_five_thousand() -> None:
    found = look(5000)
    text = rendered(found)
    assert text.count("<tr>") == 5001
    assert len(text) < 5_000_000
    silent = {f"h{n}": {"unreachable": True, "msg": "No route to host"} for n in range(5000)}
    alike = rendered(look_record.looked_at(silent, [], NOW))
    assert alike.count("No route to host") == 1
    assert alike.count('<article class="fail"') == 1


OVERLAY = {
    "directory": "/usr",
    "bytes_freed": 300 << 20,
    "bytes_shared": 400 << 20,
    "sources_changed": {"essential": "changed"},
    "problems": [],
}
SHARING = {
    "containers": [
        {"container": "c0", "overlays": [OVERLAY], "waiting": []},
        {
            "container": "c1",
            "overlays": [{**OVERLAY, "bytes_freed": None, "problems": [f"layer {HOSTILE} is gone"]}],
            "waiting": [{"directories": ["/opt", "/srv"]}],
        },
    ]
}


def test_page_of_five_thousand_of_which_each_is_another() -> None:
    """Nothing is equal: packages, reasons with what a tool printed, warnings. What is left out is said, no host is."""
    found = record(5000)
    for number, host in enumerate(found["hosts"].values()):
        change = {"name": f"package-{number}", "arch": "noarch", "installed": "1.0-1", "available": "2.0-1"}
        host.update(
            upgrades=[{**change, "name": f"package-{number}-{n}"} for n in range(400)], warnings=[f"w{number} " * 20]
        )
        host.update(status="rolled_back", reason=f"r{number} " * 20, output=f"line {number} of a tool\n" * 40)
    found["bad"] = list(found["hosts"])
    text = rendered(found)
    assert len(text.encode()) < 5_000_000
    assert text.count("<tr>") == 5001
    for words in ("4700 more reasons", "4800 more are", "4900 more lists", "and 100 more</li>"):
        assert words in text
    same = record(5000)
    for host in same["hosts"].values():
        host["upgrades"] = [{"name": f"p{n}", "arch": "noarch", "installed": "1", "available": "2"} for n in range(400)]
    text = rendered(same)
    assert len(text.encode()) < 5_000_000
    assert "400 packages on 5000 hosts" in text
    assert text.count("p399 1 -&gt; 2") <= 1, "what all of them got is there once"


def test_savings_of_overlays() -> None:
    info = {"state": "clean", "booted": {"subvolume": "rootfs", "kernel": {"release": None}}}
    hosts = {"a": info, "b": info, "c": {}}
    found = look_record.looked_at(hosts, [], NOW, {"a": SHARING, "b": {"containers": []}, "c": {"failed": True}})
    assert json.loads(json.dumps(found["hosts"]["a"]["overlays"])) == {
        "containers": 2,
        "directories": 2,
        "bytes_freed": 300 << 20,
        "bytes_shared": 800 << 20,
        "waiting": 2,
        "outdated": ["c0:/usr", "c1:/usr"],
        "broken": [f"c1:/usr: layer {HOSTILE} is gone"],
    }
    assert "overlays" not in found["hosts"]["b"]
    text = rendered(found)
    assert "Containers share 2 directories on 1 host: 300 MiB freed." in text
    assert "300 MiB freed in 2 directories, 2 waiting for a boot, 2 with a source that changed" in text
    assert "alert(1)</script> is gone" not in text
    assert "<th>Shared</th>" in text
    assert "<th>Shared</th>" not in rendered(look_record.looked_at(hosts, [], NOW))


def test_verdicts_of_rings() -> None:
    info = {"state": "clean", "booted": {"subvolume": "rootfs", "kernel": {"release": None}}}
    found = look_record.looked_at({"a": info}, [], NOW)
    failure = {"host": "web1", "ring": "canary", "status": "bad", "reason": HOSTILE, "at": NOW}
    rings = {"canary": {"bad": 1, "failed": 0, "good": 3}}
    upgrade = {"fingerprint": "f" * 64, "newest": NOW, "rings": rings, "failures": [failure]}
    found["verdicts"] = {"place": "/mnt/v", "upgrades": [upgrade], "trouble": HOSTILE, "ignored": 2}
    text = rendered(found)
    assert "<h2>Rings" in text
    assert "3 good" in text
    assert "web1" in text
    assert "<script>alert" not in text
    assert "2\n  entries are no verdicts" in text
    assert "<h2>Rings" not in rendered(look_record.looked_at({"a": info}, [], NOW))


def test_record_is_plain_json() -> None:
    assert json.loads(json.dumps(record(3)))["counts"] == {"rolled_back": 1, "upgraded": 2}


def show(directory: Path, text: str, width: int, height: int) -> dict[str, t.Any]:
    file = directory / f"{width}.html"
    # The page in a frame as wide as the screen: headless Chromium does not go below 500 pixels
    inner = text.replace("</body>", f"{_MEASURE}</body>")
    file.write_text(
        f'<body style="margin:0"><iframe style="border:0;width:{width}px;height:{height}px" '
        f'srcdoc="{html.escape(inner, quote=True)}" '
        'onload="document.title=this.contentDocument.title"></iframe>'
    )
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        f"--window-size={width},{height}",
    ]
    profile = f"--user-data-dir={directory}/profile"
    picture = f"--screenshot={directory}/{width}.png"
    base = [str(CHROMIUM), *options, profile]
    subprocess.run([*base, picture, file.as_uri()], check=True, capture_output=True, timeout=120)
    found = subprocess.run(
        [*base, "--dump-dom", file.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    match = re.search(r"<title>(.*?)</title>", found.stdout, re.DOTALL)
    assert match, found.stdout[:500]
    return t.cast("dict[str, t.Any]", json.loads(html.unescape(match[1])))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (920, 700), (360, 740)], ids=["desktop", "small", "phone"])
@pytest.mark.parametrize("kind", ["1 upgraded", "500 upgraded", "500 looked at"])
def test_page_in_a_browser(tmp_path: Path, kind: str, width: int, height: int) -> None:
    count = int(kind.split(maxsplit=1)[0])
    text = page(count) if kind.endswith("upgraded") else rendered(look(count))
    seen = show(tmp_path, text, width, height)
    assert seen["width"] == width
    assert seen["scroll"] <= width, "no sideways scrolling"
    assert seen["small"] == 0
    assert seen["split"] == [], "words are whole"
    first = f"web{count:03}" if kind.endswith("upgraded") else "web0003"
    assert seen["first"].startswith(first), "failures first"
    assert seen["heads"] == ("none" if width < 1000 else "table-header-group")
