# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades that must not leave a machine dead: what each one breaks, and how it may end."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from dataclasses import dataclass

Files = dict[str, bytes]

# The module refused to stage it, or a machine that tried it came back by itself.
REFUSED, HEALED = "refused", "healed"


@dataclass(frozen=True)
class Fault:
    """``kernel`` spoils the files of the new kernel's package (new, old -> packed), ``script`` is run by a package."""

    name: str
    what: str
    ends: str
    kernel: Callable[[Files, Files], Files] | None = None
    script: str = ""

    @property
    def repository(self) -> str:
        return f"fault-{self.name}"


def _image(change: Callable[[bytes], bytes]) -> Callable[[Files, Files], Files]:
    return lambda new, _old: {**new, "/boot/bzImage": change(new["/boot/bzImage"])}


def _initrd(change: Callable[[bytes], bytes]) -> Callable[[Files, Files], Files]:
    return lambda new, _old: {**new, "/boot/initrd": change(new["/boot/initrd"])}


def _modules_of_the_old(new: Files, old: Files) -> Files:
    """The directory has the right name, and modules that this kernel cannot load."""
    release = next(name.split("/")[4] for name in new if name.endswith("/modules.dep"))
    boot = {name: content for name, content in new.items() if name.startswith("/boot/")}
    modules = {name: content for name, content in old.items() if not name.startswith("/boot/")}
    return {
        **boot,
        **{"/".join([*name.split("/")[:4], release, *name.split("/")[5:]]): c for name, c in modules.items()},
    }


def _unit(name: str, text: str) -> str:
    return f"cat > /etc/systemd/system/{name} <<'UNIT'\n{text}UNIT\n"


_PANIC = _unit(
    "vm-panic.service",
    "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo c > /proc/sysrq-trigger'\n",
)
_HANG = _unit(
    "vm-hang.service",
    "[Unit]\nDefaultDependencies=no\nBefore=sysinit.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
    "ExecStart=/bin/sleep infinity\n",
)
# Not a line in /etc/fstab for a device that is not there, which is noticed before
_EMERGENCY = _unit(
    "vm-emergency.service",
    "[Unit]\nDefaultDependencies=no\nBefore=local-fs.target\n[Service]\nType=oneshot\nExecStart=/bin/false\n",
)
# Not by a line of sshd's own, which is noticed before
_DENY = _unit(
    "vm-deny.service",
    "[Unit]\nDefaultDependencies=no\nAfter=systemd-remount-fs.service\nBefore=sysinit.target\n[Service]\nType=oneshot\n"
    "ExecStart=/bin/sed -i '1i DenyUsers *' /etc/ssh/sshd_config\n",
)
_NEEDS = (
    "mkdir -p /etc/systemd/system/local-fs.target.requires && "
    "ln -sf ../vm-emergency.service /etc/systemd/system/local-fs.target.requires/vm-emergency.service\n"
)
_WANTS = (
    "mkdir -p /etc/systemd/system/sysinit.target.wants && ln -sf ../{0} /etc/systemd/system/sysinit.target.wants/{0}\n"
)

FAULTS: t.Final = (
    Fault("init-missing", "the new root has no init", REFUSED,
          script="rm -f /sbin/init /usr/sbin/init /lib/systemd/systemd /bin/init /etc/init\n"),
    Fault("kernel-truncated", "the new kernel is cut off in its middle", REFUSED,
          kernel=_image(lambda data: data[: len(data) // 2])),
    Fault("kernel-zeros", "the new kernel consists of zeros", REFUSED, kernel=_image(lambda data: bytes(len(data)))),
    Fault("kernel-empty", "the new kernel is an empty file", REFUSED, kernel=_image(lambda _data: b"")),
    Fault("modules-wrong", "the modules are of another kernel", REFUSED, kernel=_modules_of_the_old),
    Fault("modules-missing", "the new kernel comes without modules", REFUSED,
          kernel=lambda new, _old: {name: data for name, data in new.items() if name.startswith("/boot/")}),
    Fault("initrd-broken", "the new initrd is noise", HEALED,
          kernel=_initrd(lambda data: bytes(byte ^ 0xA5 for byte in data))),
    Fault("root-panics", "the kernel panics while the new root starts", HEALED,
          script=_PANIC + _WANTS.format("vm-panic.service")),
    # Not an sshd that is not there or cannot start, which is noticed before
    Fault("login-denied", "the new root boots, but nobody can log in", HEALED,
          script=_DENY + _WANTS.format("vm-deny.service")),
    Fault("unhealthy", "everything runs but what the machine is for", HEALED, script="touch /etc/vm-unhealthy\n"),
    Fault("hang", "the start of the new root never ends", HEALED, script=_HANG + _WANTS.format("vm-hang.service")),
    Fault("emergency", "the new root stops in emergency mode", HEALED, script=_EMERGENCY + _NEEDS),
)  # fmt: skip
BY_NAME: t.Final = {fault.name: fault for fault in FAULTS}
