# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a kernel on the boot partition signed by whom the administrator trusts? Asked after it was copied, before it boots.

The signature is the detached one that travels with the kernel (``.p7b``: PKCS#7 SignedData, DER or PEM), checked by
`openssl cms -verify` against one configured certificate: openssl-cms(1). The certificate itself is the trust anchor, also
where somebody else issued it, and its validity period does not count: boot loaders do not look at the clock either, and
a host whose clock is wrong must still be able to take its upgrade.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ..errors import OvercError
from .names import SIGNATURE_SUFFIX

if t.TYPE_CHECKING:
    from ..runner import Runner

_VERIFY: t.Final = ("openssl", "cms", "-verify", "-binary", "-purpose", "any", "-partial_chain", "-no_check_time")


def check_possible(runner: Runner, certificate: str) -> None:
    """Refuse before anything is done where nothing could be verified later. Raises kernel_untrusted."""
    if runner.find("openssl") is None:
        raise _refuse("the program 'openssl' is not installed on this host. Install it")
    try:
        found = os.stat(certificate)
    except OSError as error:
        raise _refuse(f"kernel_certificate {certificate!r} cannot be read ({error.strerror}). Put it there") from None
    if not stat.S_ISREG(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise _refuse(f"kernel_certificate {certificate!r} is not a file that only root can write to. Mend that")


def _refuse(why: str) -> OvercError:
    return OvercError(
        "kernel_untrusted", f"Kernels are to be verified, but {why}, or run without the option kernel_certificate."
    )


def verify(runner: Runner, certificate: str, kernel: str, signature: str | None) -> None:
    """Raises kernel_untrusted unless ``signature`` over ``kernel`` (paths) was made with the certificate's key."""
    if signature is None:
        raise _failed(kernel, f"it comes without a signature ({SIGNATURE_SUFFIX})")
    try:
        with open(signature, "rb") as stream:
            form = "PEM" if stream.read(16).startswith(b"-----BEGIN") else "DER"
    except OSError as error:
        raise _failed(kernel, f"its signature cannot be read ({error.strerror})") from None
    trust = ("-certfile", certificate, "-CAfile", certificate)
    completed = runner.run(
        (*_VERIFY, "-inform", form, "-in", signature, "-content", kernel, *trust, "-out", os.devnull)
    )
    if completed.rc != 0:
        refusal = _failed(kernel, "its signature was not made with that key, or not for this file")
        refusal.facts.update(completed.facts())
        raise refusal


def _failed(kernel: str, why: str) -> OvercError:
    return OvercError(
        "kernel_untrusted",
        f"{kernel} does not stand up to kernel_certificate: {why}. Get a kernel that is signed with its key, or leave the "
        "kernel out with the option exclude.",
    )


__all__ = ("check_possible", "verify")
