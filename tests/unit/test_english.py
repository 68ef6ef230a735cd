# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that users meet use the field's words and those of CONTRIBUTING.md, and none that has to be guessed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RIDDLES = {
    r"\bburn(s|ing|t|ed)?\b": "a problem is there, or lasts",
    r"\bneeds? a hand\b": "is left, or could not be repaired",
    r"\ball of it\b": "say what",
    r"\bstands? in the way\b": "say what keeps from it",
    r"\b(was|were|is|are|be) told\b(?! apart)": "an alert is sent; a text says",
    r"\btells (of|it|by|when|what|who)\b": "an alert is sent; a text says",
    r"\bworth a word\b": "say for whom",
    r"\bNothing has failed yet\b": "say what happens",
    r"\bneeds? a look\b": "it is a finding, or a problem",
    r"\b(programs?|settings|inventory) of before\b": "say which: of an earlier installation, run",
    r"\b(no|any) telling\b": "it is not known",
    r"\bmake nothing of\b": "say what cannot be done: reached, read",
    r"\band the like say\b": "name them",
    r"\blags? (it|them) again\b": "is behind again",
    r"\bhalf a one\b": "an incomplete one",
    r"\b(still )?holds? values of it\b(?! that)": "has taken values that are not stored yet",
    r"\bsettles? it, too\b": "settles this as well",
    r"\bthe remedy stands with\b": "with its remedy",
    r"\bthose there are\b": "say which",
}

TEXTS = sorted(
    {
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/docsite/rst/*.rst"),
        *ROOT.glob("roles/*/README.md"),
        *ROOT.glob("roles/*/meta/argument_specs.yml"),
        *ROOT.glob("roles/*/tasks/*.yml"),
        *ROOT.glob("playbooks/*.yml"),
        *ROOT.glob("changelogs/fragments/*.yml"),
        *ROOT.glob("plugins/plugin_utils/_render/page_parts/*"),
    }
    # The list of words names what is not to be used.
    - {ROOT / "CONTRIBUTING.md", ROOT / "docs" / "measured.md"}
)
CODE = sorted(
    {
        *ROOT.glob("plugins/modules/*.py"),
        *ROOT.glob("plugins/doc_fragments/*.py"),
        *ROOT.glob("plugins/action/*.py"),
        *ROOT.glob("plugins/plugin_utils/*.py"),
        *ROOT.glob("plugins/module_utils/**/*.py"),
    }
)


def riddles(text: str) -> list[str]:
    return [
        f"{found[0]!r}: {better}" for riddle, better in RIDDLES.items() for found in re.finditer(riddle, text, re.I)
    ]


def strings(path: Path) -> Iterator[str]:
    """The texts of a Python file without its docstrings, which are for developers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    # A text beside a constant is its docstring.
    skipped |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_riddles_in_texts(path: Path) -> None:
    assert riddles(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_riddles_in_messages(path: Path) -> None:
    assert [riddle for text in strings(path) for riddle in riddles(text)] == []


def test_the_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs").glob("*.png"))
    usage = (ROOT / "docs" / "usage.md").read_text()
    assert len(pictures) == 2 and all(f"({picture.name})" in usage for picture in pictures)
    assert all(picture.stat().st_size < 120_000 for picture in pictures)
