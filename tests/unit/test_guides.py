# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides and the walk through the code name is there: messages, variables, files, and each other."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
ENGLISH, ARABIC = (
    (ROOT / "docs" / "docsite" / "rst" / f"guide_from_scripts{end}.rst").read_text() for end in ("", "_ar")
)

OF_SERVERS = {"canceling statement due to statement timeout"}
"""Messages that are PostgreSQL's, and passed on: ``tests/playbooks/test_guides.py`` has a server say them."""


def test_every_guide_is_in_the_index() -> None:
    (section,) = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    assert sorted(section["toctree"]) == [path.stem for path in GUIDES]


def literals(text: str) -> list[str]:
    return re.findall(r"``(.+?)``", text)


def strings(tree: ast.AST) -> Iterator[str]:
    """The texts of a file, with ``...`` where a value is put in, without docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def messages() -> list[str]:
    """What the troubleshooting guide has in its headings."""
    text = (ROOT / "docs" / "docsite" / "rst" / "guide_troubleshooting.rst").read_text()
    return [message for heading in re.findall(r"^(.+)\n~{3,}$", text, re.M) for message in literals(heading)]


@functools.cache
def said() -> list[str]:
    """All texts of the code, and Ansible's own, which its modules and playbooks end with."""
    found = [text for path in (ROOT / "plugins").rglob("*.py") for text in strings(ast.parse(path.read_text("utf-8")))]
    module = inspect.getmodule(ActionBase)
    assert module is not None
    return [*found, missing_required_lib("psycopg2"), *strings(ast.parse(inspect.getsource(module)))]


@pytest.mark.parametrize("message", messages())
def test_a_message_of_the_troubleshooting_guide_is_one_of_the_code(message: str) -> None:
    if message in OF_SERVERS:
        return
    wanted = ".*".join(re.escape(part) for part in message.split("..."))
    assert [text for text in said() if re.search(wanted, text, re.S)], f"nothing says {message!r}"


def test_the_troubleshooting_guide_has_what_is_likely() -> None:
    assert len(messages()) > 30


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_its_variables_exist(path: Path) -> None:
    named = set(re.findall(r"\bpg_sequences_\w+", path.read_text()))
    assert named - set(_variables.KNOWN) == set()


def test_the_arabic_guide_says_all_that_the_english_one_does() -> None:
    assert re.findall(r"^    \$ .+$", ENGLISH, re.M) == re.findall(r"^    \$ .+$", ARABIC, re.M)
    assert sorted(literals(ENGLISH)) == sorted(literals(ARABIC))


def test_the_guide_has_every_option_that_the_rules_say_a_variable_is_instead_of() -> None:
    rules = (ROOT / "docs" / "rules.md").read_text()
    rows = [line.split("|") for line in rules.splitlines() if line.startswith("|") and len(line.split("|")) == 5]
    options = {option for row in rows for option in re.findall(r"--[a-z-]+", row[3]) if option[2:] != ""}
    assert len(options) >= 13
    assert [option for option in sorted(options) if option not in ENGLISH] == []


def test_the_files_of_the_walk_exist() -> None:
    text = (ROOT / "docs" / "walk.md").read_text()
    named = re.findall(r"`([\w./]+/[\w./]*|[\w/]+\.(?:py|yml|md))`", text)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_functions_of_the_walk_are_in_the_files_beside_them() -> None:
    text = (ROOT / "docs" / "walk.md").read_text()
    of_others = {"max", "min", "nextval", "setval"}
    count = 0
    for part in re.split(r"\n(?=- |\n)", text):
        code = "\n".join((ROOT / name).read_text() for name in re.findall(r"`([\w./]+\.py)`", part))
        named = set(re.findall(r"`(\w+)\(\)`", part)) - of_others
        # One is named again where it is called from elsewhere.
        assert [name for name in named if not re.search(rf"\b{name}\(", code)] == [], part
        count += len(named)
    assert count > 20
