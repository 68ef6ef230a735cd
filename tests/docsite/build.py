# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the site of the documentation: the plugins and roles, the guides, the pages of ``docs``. A warning is an error."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(ROOT / "tests"))

from support.toolchain import CACHE, link_tree  # noqa: E402

HERE = Path(__file__).parent
PLACE = CACHE / "docsite"

ANSIBLE = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "ansible_collections.ansible.builtin.debug_module": "collections/ansible/builtin/debug_module.html",
    "ansible_collections.ansible.builtin.assert_module": "collections/ansible/builtin/assert_module.html",
    "ansible_collections.ansible.builtin.fail_module": "collections/ansible/builtin/fail_module.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""Ansible's own pages that the collection's lead to, by label. A label that is not here is a warning of Sphinx's."""

PAGES = ("restore", "applications", "cutover", "monitor", "reports", "events", "rules")
DEVELOPERS = ("walk", "measured", "performance", "performance/results")
"""Pages of ``docs`` in the order in which the index has them; others stand behind the former."""


def inventory(path: Path) -> None:
    """Write Ansible's pages as an inventory that Sphinx reads."""
    lines = "".join(f"{label} std:label -1 {page} {label}\n" for label, page in ANSIBLE.items())
    head = "# Sphinx inventory version 2\n# Project: ansible\n# Version: latest\n# The remainder is compressed using zlib.\n"
    path.write_bytes(head.encode() + zlib.compress(lines.encode()))


def lay_out(sources: Path) -> None:
    """Write what Sphinx reads: what antsibull-docs makes, and beside it the pages of ``docs``."""
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True, mode=0o755)
    programs = Path(sys.executable).parent
    words = ["collection", "--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(sources)]
    subprocess.run(
        [
            str(programs / "antsibull-docs"),
            "--config-file",
            str(HERE / "antsibull-docs.cfg"),
            *words,
            "pgops.sequences",
        ],
        # It calls Ansible's programs by name.
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        },
        check=True,
    )
    pages = sources / "pages"
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("docsite"))
    figures = pages / "performance" / "results.md"
    # make bench writes it, as a part of a page.
    figures.write_text(f"# The figures of the benchmarks\n\n{figures.read_text()}")
    named = {*PAGES, *DEVELOPERS}
    others = [name for path in sorted(pages.rglob("*.md")) if (name := str(path.relative_to(pages))[:-3]) not in named]
    index = sources / "index.rst"
    before, found, after = index.read_text().partition(".. _plugin_index_for_pgops.sequences:")
    assert found, "antsibull-docs makes another index"
    before += section("Pages", *PAGES, *others) + section("For developers", *DEVELOPERS)
    index.write_text(with_captions(before + found + after))
    changelog = sources / "changelog.rst"
    if "====" not in changelog.read_text():
        # Before the first release it has no title.
        changelog.write_text(changelog.read_text().replace("\n\n", "\n\nChangelog\n=========\n\n", 1))


def section(title: str, *pages: str) -> str:
    """A section of the index, with links to pages."""
    links = "".join(f"    pages/{page}\n" for page in pages)
    return f"{title}\n{'-' * len(title)}\n\n.. toctree::\n    :maxdepth: 1\n\n{links}\n"


def with_captions(index: str) -> str:
    """The index with captions and short names for the menu beside each page: by default it has neither."""
    lines: list[str] = []
    heading = ""
    for line in index.splitlines():
        if lines and re.fullmatch(r"-{3,}|~{3,}", line):
            heading = lines[-1]
        lines.append(re.sub(r"^    (pg_\w+)_(module|lookup|role)$", r"    \1 <\1_\2>", line))
        if line == ".. toctree::" and heading != "Communication":
            lines.append(f"    :caption: {'Roles' if heading == 'Role Index' else heading}")
    return "\n".join(lines) + "\n"


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element's links and its name."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def dead_links(site: Path) -> Iterator[str]:
    """The links within the site that lead to no file, or no place in it."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.relative_to(site)}: {link}: there is no such file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                yield f"{path.relative_to(site)}: {link}: there is no such place"


def main() -> int:
    """Build the site anew; return 1 if anything is amiss, else 0."""
    PLACE.mkdir(parents=True, exist_ok=True)
    sources, site = PLACE / "sources", PLACE / "html"
    inventory(PLACE / "ansible.inv")
    lay_out(sources)
    shutil.rmtree(site, ignore_errors=True)
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-c", str(HERE), "-d", str(PLACE / "doctrees")]
    built = subprocess.run(
        [*sphinx, "-E", "-W", "--keep-going", "-q", "-j", "2", str(sources), str(site)],
        env={**os.environ, "PGOPS_INVENTORY": str(PLACE / "ansible.inv")},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    # One of the index comes with every page.
    print("\n".join(dict.fromkeys(built.stderr.splitlines())))
    dead = list(dead_links(site))
    print("\n".join(dead))
    if built.returncode or dead:
        print("the site has faults", flush=True)
        return 1
    print(f"no warnings; {len(list(site.rglob('*.html')))} pages: {site / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
