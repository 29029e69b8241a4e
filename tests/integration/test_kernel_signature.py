# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With a certificate configured, no kernel becomes the one to boot that was not signed with its key."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import assert_refused, assert_unchanged, call, succeed
from tests.integration.disk_facts import assert_no_leftovers, assert_runs, snapshot_of_disk
from tests.lab import Host
from tests.lab.kernel import make_kernel
from tests.lab.packages import Package
from tests.lab.process import locked, run
from tests.lab.rpms import add_repositories
from tests.lab.settings import cache_directory, digest

MakeHost = Callable[..., Host]
CERTIFICATE = "/etc/kernel.crt"
ARGS: t.Final = {"kernel_certificate": CERTIFICATE}


def make_key(directory: Path, name: str) -> Path:
    """A key and its self-signed certificate; returns the latter."""
    certificate = directory / f"{name}.crt"
    with locked(directory / f"{name}.lock"):
        if not certificate.exists():
            key = directory / f"{name}.key"
            argv: list[str | Path] = [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "1",
                "-subj",
                f"/CN={name}",
            ]
            run([*argv, "-keyout", key, "-out", certificate.with_suffix(".part")])
            certificate.with_suffix(".part").rename(certificate)
    return certificate


def sign(certificate: Path, content: bytes, scratch: Path) -> bytes:
    (scratch / "kernel").write_bytes(content)
    signer: list[str | Path] = ["-signer", certificate, "-inkey", certificate.with_suffix(".key")]
    argv = ["openssl", "cms", "-sign", "-binary", "-noattr", "-outform", "DER", *signer]
    run([*argv, "-in", scratch / "kernel", "-out", scratch / "kernel.p7b"])
    return (scratch / "kernel.p7b").read_bytes()


@pytest.fixture
def certificate() -> Path:
    return make_key(cache_directory() / "keys", "kernel")


def give_openssl(host: Host) -> None:
    """The one of this machine, with everything it needs: the golden image has none."""
    program = shutil.which("openssl")
    assert program is not None
    needs = [word for word in run(["ldd", program]).split() if word.startswith("/")]
    loader = next(Path(path).name for path in needs if "/ld-" in path)
    place = Path("/opt/openssl")
    for path in (program, *needs):
        target = host.root / str(place / Path(path).name).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    call_it = f'#!/bin/sh\nexec {place}/{loader} --library-path {place} {place}/openssl "$@"\n'
    host.write("/usr/local/bin/openssl", call_it)
    host.sh("chmod 0755 /usr/local/bin/openssl && openssl version")


def signed_kernel(host: Host, certificate: Path, scratch: Path) -> None:
    """Offer lab-kernel 2.4 with a signature that holds."""
    repository = f"kernel-trusted-{digest(certificate)}"
    kernel = make_kernel("2.4-lab", "#1")
    modules = "/lib/modules/2.4-lab"
    files = {
        "/boot/bzImage": kernel,
        "/boot/bzImage.p7b": sign(certificate, kernel, scratch),
        f"{modules}/modules.dep": b"kernel/lab.ko:\n",
        f"{modules}/kernel/lab.ko": b"module of 2.4-lab #1\n",
    }
    add_repositories([Package("lab-kernel", "2.4", (repository,), files)], room_mib=8)
    host.enable_repo(repository)


# The seam where a module asks openssl: which files, and what was the kernel to boot at that moment
_WATCH = """\
from ansible_collections.overc.system.plugins.module_utils.boot import signature as kernel_signature
ask = kernel_signature.verify
def verify(runner, certificate, kernel, signature):
    with open("/run/asked", "a") as stream:
        print(kernel, signature, runner.run(["btrfs", "subvolume", "get-default", "/"]).stdout.split()[-1], file=stream)
    ask(runner, certificate, kernel, signature)
kernel_signature.verify = verify
"""


def refused(host: Host, *named: str, history: bool = True, args: dict[str, t.Any] | None = None) -> None:
    before = snapshot_of_disk(host)
    assert_refused(call(host, "upgrade", {**ARGS, **(args or {})}), "kernel_untrusted", *named)
    assert_unchanged(before, host, history=history)
    assert_no_leftovers(host)


def test_only_a_signed_kernel_gets_in(host: Host, certificate: Path, tmp_path: Path) -> None:
    give_openssl(host)
    host.write(CERTIFICATE, certificate.read_text())
    # Its signature is no signature at all
    host.enable_repo("kernel-signed")
    refused(host, "bzImage", "option exclude", history=False)
    host.disable_repo("kernel-signed")
    # None at all, although nothing on the host had one before
    host.release("v2")
    refused(host, "comes without a signature", history=False)
    host.release("v1")
    signed_kernel(host, certificate, tmp_path)
    succeed(host, "upgrade", ARGS, prelude=_WATCH)
    asked = [line.split() for line in host.sh("cat /run/asked").splitlines()]
    assert [Path(kernel).name for kernel, *_more in asked] == ["bzImage", "bzImage.overc-new"]
    assert asked[-1] == ["/boot/bzImage.overc-new", "/boot/bzImage.p7b.overc-new", "rootfs"]
    host.reboot()
    assert_runs(host, "rootfs_upgrade", "1.0", kernel="2.4")
    # The way back is to an unsigned kernel: it needs the administrator's word
    assert_refused(call(host, "rollback", ARGS), "kernel_untrusted", "comes without a signature")
    succeed(host, "rollback")


def test_signed_by_somebody_else(host: Host, certificate: Path, tmp_path: Path) -> None:
    give_openssl(host)
    host.write(CERTIFICATE, make_key(tmp_path, "other").read_text())
    signed_kernel(host, certificate, tmp_path)
    refused(host, "bzImage", history=False)


def test_what_cannot_be_verified_is_refused_before_anything_is_done(host: Host, certificate: Path) -> None:
    host.release("v2")
    refused(host, "openssl")
    host.write("/usr/local/bin/openssl", "#!/bin/sh\nexit 0\n")
    host.sh("chmod 0755 /usr/local/bin/openssl")
    refused(host, CERTIFICATE, "cannot be read")
    host.write(CERTIFICATE, certificate.read_text())
    for spoil in (f"chmod 0666 {CERTIFICATE}", f"chmod 0644 {CERTIFICATE}; chown 1000 {CERTIFICATE}"):
        host.sh(spoil)
        refused(host, CERTIFICATE, "only root can write to")
    assert_refused(call(host, "upgrade", {"kernel_certificate": "../x"}), "bad_argument", "kernel_certificate")
