# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action part of overc_host_upgrade: see plugin_utils/reboot.py."""

from __future__ import annotations

from ansible_collections.overc.system.plugins.plugin_utils.reboot import RebootingAction


class ActionModule(RebootingAction):
    module = "overc.system.overc_host_upgrade"
