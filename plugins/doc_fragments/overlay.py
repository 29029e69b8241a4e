# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the overlay modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  containers_dir:
    description:
      - Directory of the containers. Container V(c0) lives in V(c0) below it, its root in V(c0/rootfs).
      - V(/var/lib/lxc) works as well.
    type: path
    default: /opt/container
requirements:
  - Linux 5.6 or newer is best (openat2); older kernels are walked with O_NOFOLLOW alone.
  - The containers and their sources on one btrfs. Other file systems are refused, because they give no snapshot that
    keeps a source from changing under a container.
author:
  - The overc.system authors (@overc)
"""
