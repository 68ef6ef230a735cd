# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sphinx builds the site with. ``build.py`` calls it, and lays out the sources before."""

from __future__ import annotations

import os
import re
from typing import Any

SOURCES = "https://github.com/pgops/sequences/blob/main/"

project = "pgops.sequences"
copyright = "2026, pgops contributors"
language = "en"
html_title = "pgops.sequences"
html_short_title = html_title

extensions = ["myst_parser", "sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
nitpicky = True
default_role = "any"
highlight_language = "YAML+Jinja"
pygments_style = "ansible"
smartquotes = False
myst_heading_anchors = 3

html_theme = "sphinx_ansible_theme"
html_theme_options = {
    "documentation_home_url": SOURCES.removesuffix("blob/main/"),
    "topbar_links": {
        "Sources": SOURCES.removesuffix("blob/main/"),
        "Issues": "https://github.com/pgops/sequences/issues",
    },
    "show_extranav": False,
    "show_rtd_ethical_ads": False,
    "titles_only": True,
}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_use_index = False
html_copy_source = False

# Ansible's own pages that the collection's lead to. build.py makes this inventory: the site is built without a network.
intersphinx_mapping = {"ansible": ("https://docs.ansible.com/projects/ansible/latest/", os.environ["PGOPS_INVENTORY"])}


def links(_app: Any, name: str, source: list[str]) -> None:
    """Lead to a page of ``docs`` within the site, and from one to the repository where a file is no part of the site."""
    up = "../" * name.count("/")
    source[0] = re.sub(rf"{re.escape(SOURCES)}docs/([\w/]+)\.md", rf"{up}pages/\1.html", source[0])
    source[0] = re.sub(r"\]\(\.\./", f"]({SOURCES}", source[0])


def right_to_left(app: Any, name: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Say in the page which language it is in, and set it from right to left, where its head has the field ``dir``."""
    fields = app.env.metadata.get(name, {})
    if "dir" in fields and "body" in context:
        context["body"] = f'<div lang="{fields["lang"]}" dir="{fields["dir"]}">{context["body"]}</div>'


def setup(app: Any) -> None:
    """Join them to the build."""
    app.connect("source-read", links)
    app.connect("html-page-context", right_to_left)
