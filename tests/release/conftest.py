# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the integration tests, for what only a release has to pass."""

from __future__ import annotations

from tests.integration import conftest as integration

lab, make_host, host = integration.lab, integration.make_host, integration.host
