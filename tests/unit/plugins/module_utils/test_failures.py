# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a system call fails with has an id of the host's, never that of a defect; and its sentence ends in what to do."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS, OvercError
from ansible_collections.overc.system.plugins.module_utils.failures import as_error, host_error


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_number_has_an_id_of_the_host(number: int) -> None:
    error = host_error(OSError(number, os.strerror(number), "/boot/x"), "Reading")
    assert error.error_id in ERROR_IDS
    assert error.error_id != "internal"
    assert error.message.startswith(f"Reading failed on '/boot/x': {os.strerror(number)}. ")
    assert error.message.endswith("then run the same command again.")


@pytest.mark.parametrize(
    ("number", "error_id"),
    [
        (errno.ENOSPC, "no_space"),
        (errno.EDQUOT, "no_space"),
        (errno.EROFS, "read_only"),
        (errno.EIO, "io_error"),
        (errno.EPERM, "access_denied"),
        (errno.ENOMEM, "no_resources"),
        (errno.EMFILE, "no_resources"),
        (errno.ETXTBSY, "in_use"),
        (errno.EISDIR, "inconsistent"),
    ],
)
def test_the_usual_ones(number: int, error_id: str) -> None:
    assert host_error(OSError(number, ""), "Reading").error_id == error_id


def test_names_that_are_none() -> None:
    assert "on '/a'" in host_error(OSError(errno.EIO, "", b"/a"), "Reading").message
    assert " on " not in host_error(OSError(errno.EIO, "", 7), "Reading").message.partition(":")[0]
    assert host_error(OSError("without a number"), "Reading").message.startswith("Reading failed: without a number.")


def test_what_else_is_raised() -> None:
    ours = OvercError("no_target", "None.")
    assert as_error(ours) is ours
    assert as_error(KeyboardInterrupt()).error_id == "aborted"
    assert as_error(FileNotFoundError(errno.ENOENT, "", "/x")).error_id == "inconsistent"
    assert as_error(ZeroDivisionError("by zero")).error_id == "internal"
