# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages exist in the lab, and which repository offers them.

``v1``, ``v2`` and ``v3`` are the releases a host follows through the dnf variable ``labrel``: each has everything up to
its own version, and the golden image has everything of ``v1`` installed except what is marked as not preinstalled.
Every other repository is optional; a test switches it on with ``host.enable_repo(NAME)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.kernel import make_kernel

RELEASES = ("v1", "v2", "v3")
MIB = 1 << 20


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    repositories: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    executable: frozenset[str] = frozenset()
    config: frozenset[str] = frozenset()
    header: tuple[str, ...] = ()
    scriptlets: dict[str, str] = field(default_factory=dict)
    preinstalled: bool = True

    @property
    def signed(self) -> bool:
        return "unsigned" not in self.repositories


def _releases(version: str) -> tuple[str, ...]:
    """All releases that are not older than this version."""
    return RELEASES[int(version.split(".", maxsplit=1)[0]) - 1 :]


def _marker(name: str, version: str) -> dict[str, bytes]:
    return {f"/usr/share/{name}/version": f"{version}\n".encode()}


def _base() -> Package:
    # rpm does not know what dpkg installed, and dnf takes its release version from this package
    files = ("/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/usr/bin/python3", "/usr/bin/env")
    provides = (*files, "system-release = 1", "system-release(releasever) = 1")
    return Package("lab-base", "1.0", RELEASES, header=tuple(f"Provides: {p}" for p in provides))


def _app(version: str) -> Package:
    return Package(
        "lab-app",
        version,
        _releases(version),
        files={
            **_marker("lab-app", version),
            "/usr/bin/lab-app": f"#!/bin/sh\necho lab-app {version}\n".encode(),
            "/etc/lab-app.conf": f"# defaults of {version}\n".encode(),
        },
        executable=frozenset({"/usr/bin/lab-app"}),
        config=frozenset({"/etc/lab-app.conf"}),
        scriptlets={"post": f'echo "post {version} root=$(stat -c %d:%i /)" >> /var/log/lab-app.post'},
    )


def _library(version: str) -> list[Package]:
    """Two packages that only work with exactly their own version of a third."""
    needs = (f"Requires: lab-lib = {version}",)
    return [
        Package("lab-lib", version, _releases(version), files=_marker("lab-lib", version)),
        *(Package(n, version, _releases(version), _marker(n, version), header=needs) for n in ("lab-tool", "lab-gui")),
    ]


def _kernel(
    version: str,
    repositories: tuple[str, ...],
    release: str = "",
    build: str = "#1",
    extra: dict[str, bytes] | None = None,
) -> Package:
    release = release or f"{version}-lab"
    modules = f"/lib/modules/{release}"
    files = {
        "/boot/bzImage": make_kernel(release, build),
        f"{modules}/modules.dep": b"kernel/lab.ko:\n",
        f"{modules}/kernel/lab.ko": f"module of {release} {build}\n".encode(),
        **(extra or {}),
    }
    return Package("lab-kernel", version, repositories, files=files)


def _kernels() -> list[Package]:
    efi = {"/boot/EFI/BOOT/bootx64.efi": b"MZ lab boot loader 2\n", "/boot/EFI/BOOT/grub.cfg": b"# lab 2\n"}
    return [
        *(_kernel(f"{n}.0", _releases(f"{n}.0")) for n in (1, 2, 3)),
        _kernel("1.1", ("kernel-samerelease",), release="1.0-lab", build="#2"),
        _kernel("2.1", ("kernel-signed",), extra={"/boot/bzImage.p7b": b"detached signature of 2.1-lab\n"}),
        _kernel("2.2", ("kernel-efi",), extra=efi),
        _kernel("2.3", ("kernel-initrd",), extra={"/boot/initrd": b"070701 initrd of 2.3-lab\n" * 4096}),
    ]


# Everything a scriptlet must not be able to do to the running system from inside the new root. It never fails, so that
# a test sees what happened; the sleeper keeps the package manager's own output open, as careless daemons do.
_HOSTILE = """\
{
echo hostile > /boot/lab-hostile && echo "wrote /boot"
mount -t tmpfs lab-hostile /mnt && echo mounted
systemctl start systemd-tmpfiles-clean.service && echo "started a unit"
echo hostile > /dev/lab-hostile && echo "wrote /dev"
mknod /dev/lab-hostile-node c 1 3 && echo "made a node"
kill -0 1 && echo "sees init"
} >> /var/log/lab-hostile.log 2>&1
setsid sleep 1000 &
exit 0
"""


def _troubles(big_mib: int) -> list[Package]:
    """Pairs of a harmless 1.0 and a 2.0 that goes wrong in one particular way."""

    def pair(name: str, repository: str, *, old: dict[str, str] | None = None, new: dict[str, str] | None = None,
             header: tuple[str, ...] = (), files: dict[str, bytes] | None = None) -> list[Package]:  # fmt: skip
        return [
            Package(name, "1.0", RELEASES, _marker(name, "1.0"), scriptlets=old or {}),
            Package(
                name,
                "2.0",
                (repository,),
                {**_marker(name, "2.0"), **(files or {})},
                header=header,
                scriptlets=new or {},
            ),
        ]

    fail = "echo this scriptlet fails on purpose >&2; exit 1"
    return [
        *pair("lab-prefail", "pre-fails", new={"pre": fail}),
        *pair("lab-postfail", "post-fails", new={"post": fail}),
        *pair("lab-preunfail", "preun-fails", old={"preun": fail}),
        *pair("lab-unsat", "unsatisfiable", header=("Requires: lab-nobody-has-this",)),
        *pair("lab-hostile", "hostile", new={"post": _HOSTILE}),
        *pair("lab-unsigned", "unsigned"),
        *pair("lab-big", "big", files={"/usr/share/lab-big/blob": bytes(big_mib * MIB)}),
        Package("lab-old", "1.0", RELEASES, _marker("lab-old", "1.0")),
        Package("lab-new", "2.0", ("obsoletes",), _marker("lab-new", "2.0"), header=("Obsoletes: lab-old < 2",)),
        Package("lab-app", "2.1", ("conflicts",), _marker("lab-app", "2.1"), header=("Conflicts: lab-old",)),
    ]


def _bulk(version: str, repository: str) -> Package:
    """Work for the benchmark: 256 files, 100 MB; compressible, so that building and fetching it is not what counts."""
    files = {
        f"/usr/share/lab-bulk/{n // 16:02}/{n:03}": (f"{version} {n:06} ".encode() * 512)[:4096] * 100
        for n in range(256)
    }
    return Package("lab-bulk", version, (repository,), files=files, preinstalled=False)


def all_packages(big_mib: int) -> list[Package]:
    versions = ("1.0", "2.0", "3.0")
    return [
        _base(),
        *(_app(v) for v in versions),
        *(p for v in versions for p in _library(v)),
        *_kernels(),
        *_troubles(big_mib),
        _bulk("1.0", "bulk-1"),
        _bulk("2.0", "bulk-2"),
    ]
