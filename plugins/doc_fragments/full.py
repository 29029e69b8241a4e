# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a result is returned."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  full:
    description:
      - Return the whole result, for playbooks that go on with it. By default it is what fits a screen, with lines for people in
        place of the longest lists.
      - With C(-v) the whole result is returned as well.
    type: bool
    default: false
"""
