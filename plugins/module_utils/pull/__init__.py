# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program by which a host upgrades itself: where its playbook comes from, its ring's turn, and what it reports.

The role ``pull`` copies this room to the host as it is, so nothing here imports from another room, and without
a module around it programs are started by ``subprocess`` itself.
"""
