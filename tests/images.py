# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that hosts and virtual machines are made from, several at once; what is there already takes no time.

A test that finds something missing makes it, too; but then the others wait for it.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.lab import debian
from tests.lab.image import golden_image
from tests.lab.process import LabError
from tests.lab.rootfs import rootfs_tarball
from tests.lab.rpms import repositories
from tests.lab.settings import DiskSize
from tests.vm import debian_image, left_out
from tests.vm.image import BOOT_FILESYSTEMS, image
from tests.vm.rootfs import sources

_DEBIAN_MACHINES: t.Final = (
    () if left_out() == "test_debian" else (lambda: debian_image.image(debian_image.FIRMWARES[0]),)
)
# Each line needs what the line before it makes. Downloads and the work of one processor take turns within a line
_STAGES: t.Final[tuple[Sequence[Callable[[], object]], ...]] = (
    (rootfs_tarball, sources, repositories, lambda: rootfs_tarball("bookworm", debian.PACKAGES)),
    (
        lambda: golden_image(DiskSize()),
        lambda: image(BOOT_FILESYSTEMS[0]),
        lambda: rootfs_tarball("trixie", debian.PACKAGES),
    ),
    (lambda: golden_image(DiskSize(), "debian12"), *_DEBIAN_MACHINES),
)


def main() -> int:
    try:
        for stage in _STAGES:
            with ThreadPoolExecutor(len(stage)) as workers:
                for made in [workers.submit(make) for make in stage]:
                    made.result()
    except LabError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
