# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What builds the site finds links that lead nowhere, and writes what Sphinx reads."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from docsite.build import ANSIBLE, ROOT, dead_links, inventory, with_captions


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "guides").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="guides/a.html#here">good</a><a href="guides/a.html#nowhere">bad</a><a href="b.html">bad</a>'
        '<a href="https://example.com/gone">not looked at</a><a href="#top" id="top">good</a>'
    )
    (tmp_path / "guides" / "a.html").write_text(
        '<h1 id="here">A</h1><img src="../p.png"><a href="../index.html">good</a>'
    )
    assert list(dead_links(tmp_path)) == [
        "guides/a.html: ../p.png: there is no such file",
        "index.html: guides/a.html#nowhere: there is no such place",
        "index.html: b.html: there is no such file",
    ]


def test_the_menu_has_captions_and_short_names() -> None:
    index = "Guides\n------\n\n.. toctree::\n    :maxdepth: 1\n\n    docsite/guide_a\n\nRole Index\n----------\n\n.. toctree::\n\n    pg_x_role\n"
    assert with_captions(index).splitlines()[3:] == [
        ".. toctree::",
        "    :caption: Guides",
        "    :maxdepth: 1",
        "",
        "    docsite/guide_a",
        "",
        "Role Index",
        "----------",
        "",
        ".. toctree::",
        "    :caption: Roles",
        "",
        "    pg_x <pg_x_role>",
    ]


def test_ansibles_pages_are_an_inventory(tmp_path: Path) -> None:
    inventory(tmp_path / "x.inv")
    *head, body = (tmp_path / "x.inv").read_bytes().split(b"\n", 4)
    assert head[0] == b"# Sphinx inventory version 2"
    assert len(zlib.decompress(body).splitlines()) == len(ANSIBLE)


def test_no_markup_of_the_documentation_ends_early() -> None:
    """``C(f())`` is the code ``f(`` and a parenthesis: Ansible's markup ends at the first that closes."""
    documents = [*ROOT.glob("plugins/*/*.py"), *ROOT.glob("roles/*/meta/argument_specs.yml")]
    documents = [path for path in documents if path.parent.name in ("doc_fragments", "lookup", "meta", "modules")]
    found = {path.name: re.findall(r"\b[BCEIOV]\([^()]*\([^()]*\)", path.read_text()) for path in documents}
    assert len(found) > 10
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_code_in_the_documentation_stands_as_it_is_meant() -> None:
    """Nothing in ``C()`` is an escape: an entity or a second backslash would be shown."""
    documents = [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/doc_fragments/*.py")]
    codes = [(path.name, code) for path in documents for code in re.findall(r"\bC\(([^)]*)\)", path.read_text())]
    assert len(codes) > 50
    assert [(name, code) for name, code in codes if "&#" in code or "\\\\" in code] == []
