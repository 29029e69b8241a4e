# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What packages of Debian do beside bringing files: they ask, show news, start services, write menus. None of it may happen
to the running host, none of it may stop an upgrade, and what an administrator decided stays decided.
"""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable

import pytest

from tests.integration.commands import Result, call, succeed
from tests.lab import Host, ModuleRun
from tests.lab.apt import install, new_kernel, offer, version
from tests.lab.debs import Deb
from tests.sampling import rotating

MakeHost = Callable[..., Host]
SECRET = "S3cretPassw0rd"  # noqa: S105 - it is looked for in what comes out
NEWS = "The lab has news"
# A web server that asks for a password
SERVER = """\
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") != "Basic " + sys.argv[1]:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
            self.end_headers()
            return
        super().do_GET()
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8088), functools.partial(Handler, directory="/srv/repo")).serve_forever()
"""
UNIT = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cat /usr/share/lab-svc/version >> /var/log/lab-svc-started'
[Install]
WantedBy=multi-user.target
"""
INIT_SCRIPT = "#!/bin/sh\necho sysv >> /var/log/lab-svc-started\n"
# As debhelper writes them
START = """\
if [ "$1" = configure ]; then
    for unit in lab-svc lab-off lab-masked; do
        if deb-systemd-helper --quiet was-enabled $unit.service; then deb-systemd-helper enable $unit.service >/dev/null || true
        else deb-systemd-helper update-state $unit.service >/dev/null || true; fi
    done
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke restart lab-svc.service || true
    invoke-rc.d lab-old start
    systemctl start lab-svc.service || true
fi
"""


def service(number: str) -> Deb:
    units = {f"/lib/systemd/system/{name}.service": UNIT.encode() for name in ("lab-svc", "lab-off", "lab-masked")}
    script = "/etc/init.d/lab-old"
    return Deb(
        "lab-svc", number, fields=("Depends: init-system-helpers",), files={**units, script: INIT_SCRIPT.encode()},
        executable=frozenset({script}), scripts={"postinst": START},
    )  # fmt: skip


def by_ucf(number: str) -> Deb:
    post = "ucf --debconf-ok /usr/share/lab-ucf/conf /etc/lab-ucf.conf\nif [ -e /boot/grub/grub.cfg ]; then exit 3; fi"
    return Deb(
        "lab-ucf", number, fields=("Depends: ucf",), files={"/usr/share/lab-ucf/conf": f"of {number}\n".encode()},
        scripts={"postinst": post if number != "1.0" else post.split("\n", maxsplit=1)[0]},
    )  # fmt: skip


def asking(number: str) -> Deb:
    """Its question is as important as they get, and shown again."""
    ask = ". /usr/share/debconf/confmodule\ndb_fset lab-ask/really seen false\ndb_input critical lab-ask/really || true\ndb_go"
    post = f'{ask}\ndb_get lab-ask/really\necho "$RET" > /var/log/lab-ask\ndb_stop\nsleep 2'
    template = (
        "Template: lab-ask/really\nType: boolean\nDefault: false\nDescription: Really?\n The lab wants to know.\n"
    )
    return Deb(
        "lab-ask", number, fields=("Depends: debconf",),
        scripts={"postinst": post if number != "1.0" else "exit 0", "templates": template},
    )  # fmt: skip


def with_news(number: str) -> Deb:
    sign = " -- lab <lab@localhost>  Fri, 27 Nov 2026 12:00:00 +0000"
    text = f"lab-news ({number}) unstable; urgency=high\n\n  * {NEWS}\n\n{sign}\n"
    place = "/usr/share/doc/lab-news/"
    files = {f"{place}{name}.gz": gzip.compress(text.encode(), mtime=0) for name in ("NEWS.Debian", "changelog.Debian")}
    return Deb("lab-news", number, files=files)


def all_of(number: str) -> list[Deb]:
    return [service(number), by_ucf(number), asking(number), with_news(number)]


def behind_a_password(host: Host) -> None:
    """The repository is served to those who say the word, which apt reads from auth.conf."""
    word = base64.b64encode(f"lab:{SECRET}".encode()).decode()
    host.write("/usr/local/sbin/lab-web", SERVER)
    host.sh(f"systemd-run --quiet --unit lab-web python3 /usr/local/sbin/lab-web {word}")
    host.sh("sed -i 's,^URIs:.*,URIs: http://127.0.0.1:8088/,' /etc/apt/sources.list.d/lab.sources")
    host.write("/etc/apt/auth.conf.d/lab.conf", f"machine http://127.0.0.1:8088 login lab password {SECRET}\n")
    host.sh("chmod 600 /etc/apt/auth.conf.d/lab.conf")


def no_secret(host: Host, *results: Result) -> None:
    assert SECRET not in json.dumps(results)
    host.sh(f"! grep -rsl {SECRET} /var/lib/overc-system /run/overc-system /var/log")


@pytest.mark.parametrize("flavour", rotating(["debian12-inside", "debian13-esp", "ubuntu"], 3))
def test_nobody_is_asked_and_nothing_is_started(make_host: MakeHost, flavour: str) -> None:
    host = make_host(flavour=flavour)
    install(host, *all_of("1.0"))
    host.sh("rm -f /var/log/lab-svc-started; systemctl disable -q lab-off; systemctl mask -q lab-masked")
    host.write("/etc/lab-ucf.conf", "mine\n")
    host.write(
        "/etc/needrestart/conf.d/lab.conf", "$nrconf{restart} = 'a'; system('touch /var/log/needrestart-ran');\n"
    )
    host.write("/etc/apt/listchanges.conf", "[apt]\nfrontend=text\nwhich=both\nconfirm=true\nsave_seen=none\n")
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n")
    host.sh("chmod 755 /usr/sbin/policy-rc.d")
    assert not host.module("overc_bootloader").get("failed")
    offer(host, *all_of("2.0"), *new_kernel())
    behind_a_password(host)

    updated = succeed(host, "update")
    started = host.module_start("overc_host_upgrade")
    seen = progress(host, started)
    result = started.wait(300)
    assert not result.get("failed"), (result.get("error_id"), result.get("msg"), result.get("stderr"))
    assert result["state"] == "staged"
    assert {change["name"] for change in result["upgrades"]} >= {"lab-svc", "lab-ucf", "lab-ask", "lab-news"}
    assert "/etc/lab-ucf.conf.ucf-dist" in str(result["warnings"]), result["warnings"]
    assert NEWS not in json.dumps(result)
    assert any(0 < count < total for count, total in seen), seen
    host.sh("! ls /var/log/lab-svc-started /var/log/needrestart-ran 2>/dev/null")
    host.reboot()

    assert version(host, "lab-svc") == "2.0"
    assert host.sh("cat /etc/lab-ucf.conf; cat /etc/lab-ucf.conf.ucf-dist") == "mine\nof 2.0"
    assert host.sh("cat /var/log/lab-ask") == "false"
    assert host.sh("cat /var/log/lab-svc-started") == "2.0"  # by this boot, and by nothing before it
    states = host.run("systemctl is-enabled lab-svc lab-off lab-masked", check=False).stdout.split()
    assert states == ["enabled", "disabled", "masked"]
    assert host.sh("cat /usr/sbin/policy-rc.d") == "#!/bin/sh\nexit 0"
    assert host.run("ls /var/log/needrestart-ran /usr/sbin/policy-rc.d.overc-kept", check=False).stdout == ""
    assert host.sh("dpkg --audit; grep -c overc /boot/grub/grub.cfg || true") == "0"
    no_secret(host, updated, result, call(host, "confirm"), call(host, "info"))

    # The word is wrong now, and apt says so in its own words
    host.write("/etc/apt/auth.conf.d/lab.conf", f"machine http://127.0.0.1:8088 login lab password not{SECRET}\n")
    behind = [call(host, command) for command in ("update", "upgrade")]
    assert {answer["error_id"] for answer in behind} == {"repository_failed"}
    no_secret(host, *behind)


def progress(host: Host, running: ModuleRun) -> set[tuple[int, int]]:
    """What people are shown meanwhile: how many of the packages are in place."""
    seen = set()
    while running.process.poll() is None:
        text = host.run("cat /run/overc-system/progress.json 2>/dev/null", check=False).stdout
        if text and json.loads(text)["packages"]:
            seen.add(tuple(json.loads(text)["packages"]))
        time.sleep(0.2)
    return seen
