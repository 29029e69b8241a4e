# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd and PAM of a new root are asked, on hosts of many kinds: what worked and no longer does is refused, nothing else is.

One host; in each case a snapshot of it is looked at in which something was done.
"""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

import pytest

from tests.lab import Host
from tests.lab.layouts import DNF5
from tests.lab.python_in_host import refresh
from tests.lab.settings import PYTHON_IN_HOST
from tests.sampling import rotating

KEY = "/etc/ssh/ssh_host_ed25519_key"
DROP_IN = "/etc/ssh/sshd_config.d/own.conf"
# What cases change of the running system
_KEPT = "etc/ssh etc/pam.d etc/systemd/system usr/sbin/sshd"
_LOOK = """\
import json, shutil, sys, types
sys.path.insert(0, {path!r})
from ansible_collections.overc.system.plugins.module_utils.btrfs import namespace
from ansible_collections.overc.system.plugins.module_utils.btrfs.roots import list_subvolumes
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.host.observe.facts import observe_root
from ansible_collections.overc.system.plugins.module_utils.host.steps.complete import refuse_incomplete
from ansible_collections.overc.system.plugins.module_utils.runner import ModuleRunner
from ansible_collections.overc.system.plugins.module_utils.system.mount_table import mount_at, mounts
namespace.enter()
device = mount_at(mounts(), "/").source.partition("[")[0]
top = namespace.mount_btrfs(device, "top")
found = {{entry.path: entry for entry in list_subvolumes(top)}}
def facts(name):
    return observe_root(top, found[name], None, digest=False)
new, warnings = facts("candidate"), []
at = types.SimpleNamespace(
    runner=ModuleRunner(types.SimpleNamespace(get_bin_path=shutil.which)), lock_fds=(), warnings=warnings,
    facts=types.SimpleNamespace(root_mount=types.SimpleNamespace(source=device)), made_root=lambda: new.subvolume,
)
try:
    refuse_incomplete(at, new, facts("rootfs"))
    answer = None
except OvercError as error:
    answer = error.args[1] if len(error.args) > 1 else str(error)
print(json.dumps([answer, warnings]))
"""


class Case(t.NamedTuple):
    """``before``: done to the running host, ``harm``: what an upgrade did, as shell in the directory of the new root.
    ``refused``, ``told``: what the refusal and the warning name; None: there is none.
    """

    before: str
    harm: str
    refused: str | None = None
    told: str | None = None


_OWN_SSHD = "rm {1}usr/sbin/sshd; printf '#!/bin/sh\\n{0}\\n' > {1}usr/sbin/sshd; chmod 755 {1}usr/sbin/sshd\n"
_PAM_LINE = "sed -i '1i session required pam_own.so' {}etc/pam.d/sshd\n"
_NOWHERE = "session required pam_nowhere.so"
_OWN_MODULE = "cp {0}$(find /usr/lib -name pam_env.so) {0}$(dirname $(find /usr/lib -name pam_env.so))/pam_own.so\n"
_MIGRATION = "usr/lib/systemd/system/ssh-host-keys-migration.service"
_CONNMAN = (
    "cd /etc/systemd/system; mkdir -p multi-user.target.wants; touch own;"
    "ln -s ../own multi-user.target.wants/connman.service"
)
CASES: dict[str, Case] = {
    "nothing": Case("", ""),
    # What a snapshot has not, and the host has when it runs
    "a directory made at boot": Case("rmdir /run/sshd", ""),
    "a directory made at boot hides nothing": Case("rmdir /run/sshd", "echo Nonsense yes >> etc/ssh/sshd_config", "Nonsense"),
    "keys in memory": Case(
        f"mkdir /run/keys; mv {KEY} /run/keys/own; echo HostKey /run/keys/own > {DROP_IN}", ""),
    "keys in memory hide nothing": Case(
        f"mkdir /run/keys; mv {KEY} /run/keys/own; echo HostKey /run/keys/own > {DROP_IN}",
        f"echo HostKey {KEY} > .{DROP_IN}", "no hostkeys available"),
    "keys on a file system of their own": Case(
        f"mount -t tmpfs none /srv; mv {KEY} /srv/own; echo HostKey /srv/own > {DROP_IN}", ""),
    "an include from memory": Case(f"echo Include /run/none/*.conf > {DROP_IN}", ""),
    "an include of nothing": Case(f"echo Include /etc/none/*.conf /etc/crypto-policies/x.config > {DROP_IN}", ""),
    "an agent with the keys": Case(
        f"ssh-agent -a /run/own-agent >/dev/null; SSH_AUTH_SOCK=/run/own-agent ssh-add -q {KEY};"
        f"printf 'HostKeyAgent /run/own-agent\\nHostKey {KEY}.pub\\n' > {DROP_IN}; ssh-keygen -yf {KEY} > {KEY}.pub; rm {KEY}",
        ""),
    "an agent that is not there any more": Case(
        f"printf 'HostKeyAgent /run/none\\nHostKey {KEY}.pub\\n' > {DROP_IN}; ssh-keygen -yf {KEY} > {KEY}.pub; rm {KEY}",
        "", told="no hostkeys available"),
    "a name that only DNS knows": Case(f"echo ListenAddress host.invalid > {DROP_IN}", "", told="host.invalid"),
    "addresses of networks that are not there": Case(
        f"printf 'ListenAddress 192.0.2.1 rdomain blue\\nListenAddress 2001:db8::1\\n' > {DROP_IN}", "", told="routing domain"),
    "addresses that are not there": Case(f"echo ListenAddress 192.0.2.1 > {DROP_IN}", ""),
    "keys whose permissions are mended at boot": Case(
        "", f"chmod 0640 .{KEY}; mkdir -p $(dirname {_MIGRATION}); touch {_MIGRATION}", told="at boot"),
    "keys whose permissions nobody mends": Case("", f"chmod 0640 .{KEY}", "too open"),
    # The same in both
    "a defect from before": Case("echo Nonsense yes >> /etc/ssh/sshd_config", "", told="Nonsense"),
    "the same defect on another line": Case(
        "echo Nonsense yes >> /etc/ssh/sshd_config", "sed -i 1i# etc/ssh/sshd_config", told="Nonsense"),
    "one more defect": Case(
        "echo Nonsense yes >> /etc/ssh/sshd_config", "echo Ciphers none >> etc/ssh/sshd_config", "cipher spec"),
    "a word that is only out of use now": Case(
        f"echo ListenAddress host.invalid > {DROP_IN}", f"sed -i '1i UsePrivilegeSeparation no' .{DROP_IN}", told="host.invalid"),
    "Match exec, which sshd does not have": Case(f"echo Match exec true > {DROP_IN}", "", told="Match"),
    "a cipher that the old one does not know": Case("", f"echo Ciphers aes999-gcm > .{DROP_IN}", "aes999"),
    "a user that only a directory service has": Case(
        f"printf 'AuthorizedKeysCommand /bin/true\\nAuthorizedKeysCommandUser nobody-here\\n' > {DROP_IN}", ""),
    # Nobody comes in by it
    "no sshd": Case("rm /usr/sbin/sshd", "rm -r etc/pam.d"),
    "sshd masked": Case(
        "systemctl -q mask --now ssh.service ssh.socket; pkill -x sshd; sleep 0.2",
        "echo Nonsense yes >> etc/ssh/sshd_config; rm usr/sbin/sshd"),
    "sshd disabled": Case("systemctl -q disable --now ssh.service", "echo Nonsense yes >> etc/ssh/sshd_config"),
    "sshd by its socket": Case(
        "systemctl -q disable --now ssh.service; systemctl -q enable ssh.socket", "echo Nonsense yes >> etc/ssh/sshd_config",
        "Nonsense"),
    "sshd by a unit of another name": Case(
        "systemctl -q disable --now ssh.service; mkdir -p /run/sshd; /usr/sbin/sshd", "echo Nonsense yes >> etc/ssh/sshd_config",
        "Nonsense"),
    "sshd is disabled in the new root": Case("", "rm etc/systemd/system/*.wants/ssh.service", told="at boot"),
    "nothing brings up the network": Case(
        _CONNMAN,
        "ln -s /dev/null etc/systemd/system/connman.service", told="connman.service was started at boot"),
    "something else brings up the network": Case(
        _CONNMAN,
        "ln -s /dev/null etc/systemd/system/connman.service; cp -a etc/systemd/system/multi-user.target.wants/connman.service "
        "etc/systemd/system/multi-user.target.wants/NetworkManager.service"),
    # PAM
    "PAM without rules": Case("", "rm etc/pam.d/sshd", "PAM knows no service sshd"),
    "PAM that sshd does not use": Case("echo UsePAM no > /etc/ssh/sshd_config.d/00-pam.conf", "rm etc/pam.d/sshd"),
    "rules in the place of a distribution": Case("", "mkdir -p usr/lib/pam.d; mv etc/pam.d/sshd usr/lib/pam.d/"),
    "a module is gone": Case("", "rm $(find usr/lib -name pam_limits.so)", "pam_limits.so"),
    "a module of an included file is gone": Case("", "rm $(find usr/lib -name pam_unix.so)", "pam_unix.so"),
    "a module that may be missing is gone": Case(
        "", "rm -f $(find usr/lib -name pam_motd.so) $(find usr/lib -name pam_selinux.so)"),
    "a module that never was there": Case(f"sed -i '1i {_NOWHERE}' /etc/pam.d/sshd", "", told="pam_nowhere.so"),
    "a module that comes without its file": Case("", f"sed -i '1i {_NOWHERE}' etc/pam.d/sshd", "pam_nowhere.so"),
    # Who came in
    "a setting that lets nobody in by that name": Case(
        "", "sed -i '1i PermitRootLogin no' etc/ssh/sshd_config", "PermitRootLogin"),
    "only others are allowed": Case("", "sed -i '1i AllowUsers other' etc/ssh/sshd_config", "AllowUsers does not name root"),
    "allowed by a pattern": Case("", "sed -i '1i AllowUsers r* other@10.0.0.1' etc/ssh/sshd_config"),
    "denied": Case("", "sed -i '1i DenyUsers r??t' etc/ssh/sshd_config", "DenyUsers"),
    "denied from elsewhere": Case("", "sed -i '1i DenyUsers root@192.0.2.*' etc/ssh/sshd_config"),
    "only other groups are allowed": Case("", "sed -i '1i AllowGroups other' etc/ssh/sshd_config", "AllowGroups"),
    "a group is denied": Case("", "sed -i '1i DenyGroups root' etc/ssh/sshd_config", "DenyGroups"),
    "denied in a block for that name": Case(
        "", "printf 'Match User root\nPubkeyAuthentication no\n' >> etc/ssh/sshd_config", "PubkeyAuthentication"),
    "denied in a block for another name": Case("", "printf 'Match User x\nPubkeyAuthentication no\n' >> etc/ssh/sshd_config"),
    "denied before as well": Case(
        "sed -i '1i AllowUsers other' /etc/ssh/sshd_config", "sed -i '1i PermitRootLogin no' etc/ssh/sshd_config"),
    "keys are gone": Case("", "rm -r root/.ssh", "there is no key for root"),
    "keys are looked for elsewhere": Case(
        "", "sed -i '1i AuthorizedKeysFile /etc/none/%u' etc/ssh/sshd_config", "no key for root in /etc/none/root"),
    "keys that came along to another place": Case(
        "", "sed -i '1i AuthorizedKeysFile /etc/own-keys/%u' etc/ssh/sshd_config; mkdir etc/own-keys;"
        "cp root/.ssh/authorized_keys etc/own-keys/root"),
    "keys are another one's": Case(
        "", "ssh-keygen -qt ed25519 -N '' -f .own; mv .own.pub root/.ssh/authorized_keys", told="none of the keys"),
    "one key more": Case("", "ssh-keygen -qt ed25519 -N '' -f .own; cat .own.pub >> root/.ssh/authorized_keys"),
    "a key with options": Case("", "sed -i 's/^/no-pty,command=\"x y\" /' root/.ssh/authorized_keys"),
    "a comment instead of keys": Case("", "sed -i 's/^/#/' root/.ssh/authorized_keys", "there is no key for root"),
    "keys that others can write": Case("", "chmod 666 root/.ssh/authorized_keys", "StrictModes"),
    "a home that others can write": Case("", "chmod 777 root", "StrictModes"),
    "a home that others can write, and nobody minds": Case(
        "", "chmod 777 root; sed -i '1i StrictModes no' etc/ssh/sshd_config"),
    "keys of a kind that is not accepted": Case(
        "", "sed -i '1i PubkeyAcceptedAlgorithms ssh-rsa' etc/ssh/sshd_config", "none of the kinds"),
    "keys that a command has": Case(
        "", "rm -r root/.ssh; printf 'AuthorizedKeysCommand /bin/true\nAuthorizedKeysCommandUser root\n' > .own;"
        "cat .own etc/ssh/sshd_config > .two; cat .two > etc/ssh/sshd_config", told="none of the keys"),
    "two methods, of which one is not there": Case(
        "", "sed -i '1i AuthenticationMethods publickey,password' etc/ssh/sshd_config", "AuthenticationMethods"),
    "locked, and PAM is not asked": Case(
        "echo UsePAM no > /etc/ssh/sshd_config.d/00-pam.conf", "sed -i 's/^root:[^:]*/root:!/' etc/shadow", "is locked"),
    "locked, and PAM is asked": Case("", "sed -i 's/^root:[^:]*/root:!/' etc/shadow"),
    "expired": Case("", "sed -i -E '/^root:/s/:[^:]*:[^:]*$/:1:/' etc/shadow", "has expired"),
    "another port": Case("", "sed -i '1i Port 2222' etc/ssh/sshd_config", told="port 2222"),
    "nothing but one command": Case("", "sed -i '1i ForceCommand /bin/false' etc/ssh/sshd_config", told="/bin/false"),
    # Without an end
    "it never ends": Case("", _OWN_SSHD.format("sleep 4321 & sleep 4321", ""), "did not end"),
    "neither ended before": Case(_OWN_SSHD.format("sleep 4321 & sleep 4321", "/"), "", told="did not end"),
    "it prints without end": Case("", _OWN_SSHD.format("yes", ""), "did not end"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(lab: t.Any) -> t.Iterator[Host]:
    with _ready(lab.create("login")) as host:
        yield host


@pytest.fixture(scope="module")
def newer(lab: t.Any) -> t.Iterator[Host]:
    """With OpenSSH of Debian's next release."""
    with _ready(lab.create("newer", flavour=DNF5)) as host:
        yield host


@contextlib.contextmanager
def _ready(host: Host) -> t.Iterator[Host]:
    try:
        host.start()
        host.write("/etc/ssh/sshd_config.d/00-pam.conf", "UsePAM yes\n")  # the lab's own says no
        host.sh(f"mkdir -p /run/own-kept && cd / && cp -a --parents {_KEPT} /run/own-kept")
        refresh(host.root, "overc_host_info")
        yield host
    finally:
        host.destroy()


def look(host: Host, harm: str) -> tuple[str | None, str]:
    """The refusal, if there is one, and all warnings."""
    host.sh(
        "set -e; mkdir -p /run/own-top; device=$(findmnt -no SOURCE / | sed 's/\\[.*//')\n"
        "mount -o subvolid=5 $device /run/own-top; cd /run/own-top\n"
        "btrfs -q subvolume snapshot rootfs candidate; cd candidate; (true\n"
        f"{harm}\n); cd /; umount /run/own-top"
    )
    script = _LOOK.format(path=PYTHON_IN_HOST)
    answer, warnings = json.loads(host.run(["/usr/bin/python3", "-c", script]).stdout.splitlines()[-1])
    return answer, "\n".join(warnings)


def as_before(host: Host) -> None:
    host.run(
        "cd /; umount /srv; pkill -x ssh-agent; rm -rf /run/keys /run/own-agent\n"
        "device=$(findmnt -no SOURCE / | sed 's/\\[.*//'); mount -o subvolid=5 $device /run/own-top\n"
        "btrfs -q subvolume delete /run/own-top/candidate; umount /run/own-top\n"
        f"rm -rf {_KEPT}; cp -a /run/own-kept/. /; systemctl daemon-reload; systemctl restart ssh.service",
        check=False,
    )


@pytest.mark.parametrize("name", rotating(list(CASES), 3))
def test_what_worked_and_no_longer_does(place: Host, name: str) -> None:
    _look_at(place, CASES[name])


_ANY_SSHD = (
    "PAM that sshd does not use", "another port", "denied in a block for that name", "keys are gone", "only others are allowed",
    "keys that came along to another place", "a setting that lets nobody in by that name",
)  # fmt: skip


@pytest.mark.parametrize("name", _ANY_SSHD)
def test_whatever_release_of_sshd_it_is(newer: Host, name: str) -> None:
    """What it prints of its settings has changed before."""
    _look_at(newer, CASES[name])


def _look_at(place: Host, case: Case) -> None:
    try:
        place.sh(f"cd /; {case.before}")
        begun = time.monotonic()
        refused, told = look(place, case.harm)
        took = time.monotonic() - begun
        left = place.run(["pgrep", "-f", "^(sleep 4321|yes)$"], check=False).stdout
        mounts = place.sh("findmnt -rno TARGET | grep -c overc || true")
    finally:
        as_before(place)
    assert (refused is None) == (case.refused is None), (refused, told)
    assert (case.refused or "") in (refused or "")
    assert bool(told) == (case.told is not None), told
    assert (case.told or "") in told
    assert took < 90, "it is not waited for"
    assert (left, mounts) == ("", "0")
