# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a host's dnf.conf, aliases, plugins and environment say: what is pending is told, or refused, never denied."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.integration.commands import Result, assert_refused, call, succeed
from tests.integration.own_packages import build, offer
from tests.lab import Host
from tests.lab.packages import Package
from tests.sampling import day, rotating

PENDING: t.Final = {"lab-app", "lab-gui", "lab-kernel", "lab-lib", "lab-tool"}
_CONFIGURATION: t.Final = "/etc/dnf/dnf.conf"
_PLUGINS: t.Final = "/usr/lib/python3/dist-packages/dnf-plugins"

# What made an answer a lie, or blocked the host, once
KNOWN: t.Final = (
    *("debuglevel=0", "debuglevel=1", "debuglevel=10", "errorlevel=0", "color=always", "rpmverbosity=emergency"),
    *("assumeno=True", "assumeyes=True", "defaultyes=True", "cacheonly=True", "installroot=/mnt", "debug_solver=True"),
    *(
        "logdir=/var/tmp/elsewhere",
        "cachedir=/var/tmp/cache/$releasever",
        "persistdir=/var/tmp/state",
        "exit_on_lock=False",
    ),
)
# Every other option of DNF 4.14 that could matter, with values that are not the default
OTHERS: t.Final = (
    *(
        "obsoletes=0",
        "best=True",
        "best=False",
        "strict=False",
        "skip_broken=True",
        "clean_requirements_on_remove=False",
    ),
    *("install_weak_deps=True", "multilib_policy=all", "ignorearch=True", "deltarpm=False", "zchunk=False"),
    *(
        "history_record=False",
        "history_list_view=users",
        "keepcache=True",
        "metadata_expire=never",
        "metadata_expire=0",
    ),
    *("metadata_timer_sync=0", "check_config_file_age=False", "countme=True", "fastestmirror=True", "minrate=1"),
    *("throttle=10M", "bandwidth=10M", "max_parallel_downloads=1", "ip_resolve=4", "timeout=1", "retries=1"),
    *("logfilelevel=0", "logfilelevel=10", "log_compress=True", "log_size=1k", "log_rotate=0", "recent=1"),
    *("plugins=False", "tsflags=nodocs", "tsflags=test", "tsflags=justdb", "diskspacecheck=False", "reset_nice=False"),
    *("module_obsoletes=True", "module_stream_switch=True", "upgrade_group_objects_upgrade=False", "transformdb=False"),
    *("protected_packages=lab-app", "installonly_limit=2", "installonlypkgs=lab-none"),
    *(
        "localpkg_gpgcheck=True",
        "gpgkey_dns_verification=False",
        "skip_if_unavailable=True",
        "allow_vendor_change=False",
    ),
    *("exclude_from_weak=lab-app", "exclude_from_weak_autodetect=False", "autocheck_running_kernel=False"),
    *(
        "user_agent=x",
        "showdupesfromrepos=True",
        "color_update_installed=bold",
        "bugtracker_url=http://x/",
        "comment=x",
    ),
    *("nonsense=True", "releasever=7", "reposdir=/etc/yum.repos.d", "varsdir=/etc/dnf/vars", "sslverify=False"),
)
_NOISY: t.Final = """\
import atexit
import dnf
print("Package lab-app is watched, says a plugin that prints")
print(" Package    Arch    Version    Repository    Size\\nTransaction Summary\\nNothing to do.")
atexit.register(print, "Package lab-app\\n lab-app noarch 0-0 lab 1 k\\nNothing to do.\\nComplete!")
class Noisy(dnf.Plugin):
    name = "noisy"
    def sack(self):
        print("Upgrading:\\n lab-evil noarch 6-6 lab 6 k")
    def resolved(self):
        print("Transaction Summary\\n===\\nUpgrade  1 Package\\n")
"""


def answered(result: Result, expected: set[str], *, may_refuse: bool = False) -> str | None:
    """What is wrong with an answer, None if nothing is."""
    if result.get("failed"):
        known = may_refuse and result["error_id"] in ("package_manager_failed", "repository_failed")
        return None if known else f"{result['error_id']}: {result['msg']}"
    found = {change["name"] for change in result["upgrades"]}
    return None if found == expected else f"{sorted(found)} is pending, and not {sorted(expected)}"


def wrong_answers(host: Host, settings: t.Iterable[str], *, may_refuse: bool) -> dict[str, str]:
    original = host.sh(f"cat {_CONFIGURATION}")
    wrong = {}
    for setting in settings:
        host.write(_CONFIGURATION, f"{original}\n{setting}\n")
        result = host.module(
            "overc_host_update"
        )  # with some of them DNF itself ends in a traceback, which is shown as it is
        assert "Traceback" not in result["msg"]
        said = answered(result, PENDING, may_refuse=may_refuse)
        if said:
            wrong[setting] = said
    host.write(_CONFIGURATION, f"{original}\n")
    return wrong


def test_settings(host: Host) -> None:
    host.release("v2")
    assert wrong_answers(host, KNOWN, may_refuse=False) == {}
    assert wrong_answers(host, rotating(OTHERS, 6), may_refuse=True) == {}


_COUNTING: t.Final = """#!/bin/sh
echo "$*" >> /run/dnf-calls
exec /usr/bin/dnf-counted "$@"
"""


def commands_of(host: Host, *, check: bool = False, **wishes: t.Any) -> tuple[Result, int]:
    """An upgrade, and how many times the command of DNF was started for it."""
    host.sh("rm -f /run/dnf-calls")
    result = call(host, "upgrade", wishes, check=check)
    return result, int(host.sh("cat /run/dnf-calls 2>/dev/null | wc -l"))


def count_commands(host: Host) -> None:
    host.sh("mv /usr/bin/dnf /usr/bin/dnf-counted")
    host.write("/usr/bin/dnf", _COUNTING)
    host.sh("chmod 755 /usr/bin/dnf")


def test_nothing_to_do_is_asked_of_the_library(host: Host) -> None:
    """With nothing pending no command of DNF is started, and whatever is not certain is left to the command."""
    count_commands(host)
    original = host.sh(f"cat {_CONFIGURATION}")
    for wishes in ({}, {"update_cache": False}, {"exclude": ["lab-app"]}):
        result, started = commands_of(host, **wishes)
        assert (result["changed"], result["upgrades"], started) == (False, [], 0), result["msg"]
    for setting in ("ignorearch=True", "multilib_policy=all", "plugins=False\ninstallroot=/mnt"):
        host.write(_CONFIGURATION, f"{original}\n{setting}\n")
        result, started = commands_of(host)
        assert result["upgrades"] == [], result["msg"]
        assert ("installroot" in setting) == (started == 0), setting
    host.write(_CONFIGURATION, f"{original}\nexcludepkgs=lab-*\n")
    host.release("v2")
    result, started = commands_of(host)
    assert started > 0
    assert {sentence.split()[0] for sentence in result["held_back"]} == PENDING


def of_dnf(host: Host) -> str:
    """All that DNF keeps on a host, by content and time."""
    return host.sh("find /var/cache/dnf /var/lib/dnf /var/log/dnf* -type f -printf '%p %T@ %s\\n' | sort")


def test_a_check_is_asked_of_the_library_too(host: Host) -> None:
    """It fetches the lists anew into a copy of the host's, and the host keeps the ones it has."""
    succeed(host, "update")
    count_commands(host)
    before = of_dnf(host)
    for wishes in ({}, {"update_cache": False}):
        result, started = commands_of(host, check=True, **wishes)
        assert (result["changed"], result["upgrades"], started) == (False, [], 0), result["msg"]
    assert call(host, "update", check=True)["changed"] is False
    assert of_dnf(host) == before
    host.release("v2")
    before = of_dnf(host)
    said = call(host, "update", check=True)
    assert said["changed"] is True, "other lists are there"
    assert {change["name"] for change in said["upgrades"]} == PENDING
    assert {change["name"] for change in commands_of(host, check=True)[0]["upgrades"]} == PENDING
    assert of_dnf(host) == before
    host.release("v1")
    succeed(host, "update")
    assert call(host, "update", check=True)["changed"] is False


@pytest.mark.parametrize("way", ["unreachable", "no repository", "an obsoleting package", "a broken file"])
def test_what_the_library_is_not_sure_of(host: Host, way: str, tmp_path: Path) -> None:
    count_commands(host)
    if way == "unreachable":
        host.write("/etc/yum.repos.d/own.repo", "[own]\nbaseurl=http://127.0.0.1:9/\nskip_if_unavailable=True\n")
    elif way == "no repository":
        host.sh("rm /etc/yum.repos.d/*.repo")
    elif way == "a broken file":
        host.write("/etc/yum.repos.d/own.repo", BROKEN["no end of a section"].replace("\\n", "\n"))
    else:
        offer(host, *build(tmp_path, Package("own-new", "1", (), header=("Obsoletes: lab-app",))).values())
    result, started = commands_of(host, check=bool(day() % 2))
    assert started > 0
    if way == "an obsoleting package":
        assert {change["name"] for change in result["upgrades"]} >= {"own-new", "lab-app"}, result
    elif way != "no repository":
        assert_refused(result, "repository_failed", "own")


def test_an_upgrade_under_hostile_settings(host: Host) -> None:
    """All of them at once, an alias, a plugin that prints, and words in the environment: it is performed, and told."""
    host.release("v2")
    host.sh(
        f"printf '%s\\n' {' '.join(setting for setting in KNOWN if 'installroot' not in setting)} >> {_CONFIGURATION}"
    )
    host.write("/etc/dnf/aliases.d/evil.conf", "[aliases]\nupgrade = check\nmakecache = check\n")
    host.write(f"{_PLUGINS}/noisy.py", _NOISY)
    environment = {"LANG": "de_DE.UTF-8", "LANGUAGE": "de", "COLUMNS": "20", "DNF0": "x", "PYTHONWARNINGS": "always"}
    for check in (True, False):
        result = call(host, "upgrade", check=check, env=environment)
        assert answered(result, PENDING) is None
        assert not result.get("failed"), result["msg"]
    assert {change["name"] for change in result["upgrades"]} == PENDING
    assert host.rpm_version("lab-app") == "1.0", "nothing may happen to the running system"


def test_a_name_that_is_only_excluded_is_unknown(host: Host) -> None:
    host.release("v2")
    host.sh(f"echo excludepkgs=lab-app >> {_CONFIGURATION}")
    assert_refused(call(host, "upgrade", {"packages": ["lab-app"]}), "package_unknown", "lab-app")


@pytest.mark.parametrize(("setting", "held"), [("excludepkgs=lab-app", "lab-app"), ("exclude=lab-k*", "lab-kernel")])
def test_what_the_configuration_excludes_is_held_back(host: Host, setting: str, held: str) -> None:
    host.release("v2")
    host.sh(f"echo {setting} >> {_CONFIGURATION}")
    result = succeed(host, "update")
    assert {change["name"] for change in result["upgrades"]} == PENDING - {held}
    assert [sentence.split()[0] for sentence in result["held_back"]] == [held]
    assert "excludes" in result["held_back"][0]
    # It is no lie to the one who asked for it
    assert succeed(host, "upgrade", {"exclude": [held]}, check=True)["held_back"] == []


@pytest.mark.parametrize("flag", ["justdb", "test", "noscripts", "nodocs justdb,notriggers"])
def test_rpm_does_what_it_registers(host: Host, flag: str) -> None:
    """`tsflags` of the host may tell rpm to write only its database, or to run no scripts."""
    host.release("v2")
    host.sh(f"echo 'tsflags={flag}' >> {_CONFIGURATION}")
    assert succeed(host, "upgrade")["state"] == "staged"
    host.reboot()
    assert host.sh("cat /usr/share/lab-app/version") == "2.0"
    assert "post 2.0" in host.sh("cat /var/log/lab-app.post")
    assert host.sh("rpm -V lab-app lab-kernel | grep -v ' /boot/' | grep -v ' c '; true") == ""


BROKEN = {
    "no end of a section": "[own\\nbaseurl=file:///srv\\n",
    "an id with a blank": "[own one]\\nbaseurl=file:///srv\\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_of_repositories_that_dnf_skips(host: Host, name: str) -> None:
    """What such a file offers is not known, so nobody can say that nothing is pending."""
    host.sh(f"printf '{BROKEN[name]}' > /etc/yum.repos.d/own.repo")
    for command in ("update", "upgrade"):
        assert_refused(call(host, command), "repository_failed", "own")
    assert_refused(call(host, "upgrade", check=True), "repository_failed", "own")


def test_files_that_stayed_as_they_were_are_told(host: Host) -> None:
    host.sh("echo mine >> /etc/lab-app.conf")
    host.release("v2")
    assert succeed(host, "upgrade")["kept_files"] == ["/etc/lab-app.conf"]
