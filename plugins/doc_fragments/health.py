# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's health consists of: the options of overc_host_health, and as one option of the modules that confirm."""

from __future__ import annotations

import textwrap

_CHECKS = r"""
  units:
    description: The boot came to its end, and no systemd (or OpenRC) unit has failed that had not failed before.
    type: bool
    default: true
  services:
    description: Services that must be running. The suffix C(.service) may be left out.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports that must be open on the host; a number, or a mapping with C(port) and C(host).
    type: list
    elements: raw
    default: []
  urls:
    description: >-
      Addresses that must answer, asked from the host; a string, or a mapping with C(url), C(status) and
      C(validate_certs).
    type: list
    elements: raw
    default: []
  commands:
    description: >-
      Commands that must succeed on the host, each within five minutes. They do not go through a shell, and are run in
      check mode as well, so they must change nothing.
    type: list
    elements: str
    default: []
  retries:
    description: How often a check that did not pass is tried again before it counts as failed.
    type: raw
    default: 10
  delay:
    description: Seconds between two tries.
    type: raw
    default: 3
"""


class ModuleDocFragment:
    # What is put together has its type said: ansible-test's yamllint takes a plain assignment for one string, and crashes
    DOCUMENTATION: str = r"""
options:
  health:
    description:
      - What must work for the deployment to be confirmed, asked on the host itself once it runs. An empty mapping asks for
        the units alone; without this option nothing is asked.
      - The first check that does not pass ends in the error C(unhealthy) with its name in RV(check), and nothing is
        confirmed.
    type: dict
    suboptions:
""" + textwrap.indent(_CHECKS, "    ")

    CHECKS: str = "options:\n" + _CHECKS

    FAILED_BEFORE = r"""
options:
  failed_before:
    description:
      - Units that are not held against the host, because they had failed before; see
        RV(overc.system.overc_host_upgrade#module:failed_units).
    type: list
    elements: str
    default: []
"""
