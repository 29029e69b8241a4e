# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same hosts as the integration tests have."""

from __future__ import annotations

from tests.integration.conftest import host, lab, make_host

__all__ = ("host", "lab", "make_host")
