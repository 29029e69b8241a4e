# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx: the pages of docs/ and the reference that antsibull-docs makes from the sources."""

project = "overc.system"
author = "The overc.system authors"
copyright = "The overc.system authors"  # noqa: A001 - its name is given
extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
html_title = "overc.system"
html_theme_options = {
    "vcs_pageview_mode": "edit",
    "documentation_home_url": "index.html",
    "topbar_links": {},
}
html_show_sphinx = False
highlight_language = "none"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
exclude_patterns = ["_build"]
# Written by scripts/build_docs.py: the site is built without a network
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/projects/ansible/latest/", "ansible.inv")}
