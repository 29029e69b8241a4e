# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd starts: the room ``module_utils/pull`` of the collection, which the role has put beside this file."""

from __future__ import annotations

import sys

sys.path.insert(0, "/usr/local/lib/overc-pull")

from overc_pull.program import main

if __name__ == "__main__":
    sys.exit(main())
