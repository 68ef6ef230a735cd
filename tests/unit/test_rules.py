# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docs/rules.md`` and ``docs/measured.md`` say what the code does, or say that it does not yet."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    info_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._judge.words import STATUSES, STRUCTURAL

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "docs" / "rules.md").read_text()
ENGINE = [
    path
    for path in (ROOT / "plugins" / "module_utils").rglob("*.py")
    if path.relative_to(ROOT / "plugins" / "module_utils").parts[0] in ("_judge", "_observe")
]


def section(number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", RULES, re.M | re.S)
    assert found
    return found.group()


def rows(number: int) -> list[list[str]]:
    """The cells of a section's tables, without their heads."""
    lines = re.findall(r"^\|(.*)\|$", section(number), re.M)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    rules = {place for place, row in enumerate(cells) if set(row[0]) <= {"-"}}
    return [row for place, row in enumerate(cells) if place not in rules and place + 1 not in rules]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


NOT_BUILT = {word for row in rows(7) for word in quoted(row[0])}


def _reasons_of_the_code() -> set[str]:
    """Every reason that the code gives: of troubles, of verdicts, of refusals."""
    found = set()
    for path in ENGINE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Trouble":
                assert isinstance(node.args[0], ast.Constant)
                found.add(node.args[0].value)
            # [...] * condition, and (*reasons, "...")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List):
                found.update(part.value for part in node.left.elts if isinstance(part, ast.Constant))
            if isinstance(node, ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Starred):
                found.update(part.value for part in node.elts if isinstance(part, ast.Constant))
            if isinstance(node, ast.FunctionDef) and node.name == "not_judged":
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                found.update(text for text in texts if isinstance(text, str) and re.fullmatch(r"\w+", text))
    return found


def test_statuses() -> None:
    table = [quoted(row[0])[0] for row in rows(2) if quoted(row[0])]
    assert sorted(table) == sorted(STATUSES)


def test_every_reason_of_the_code_is_a_rule() -> None:
    text = section(2) + section(4)
    assert [reason for reason in sorted(_reasons_of_the_code()) if f"`{reason}`" not in text] == []


def test_every_reason_of_the_rules_is_built_or_said_not_to_be() -> None:
    told = {word for row in rows(2) if row[0] != "every finding" for word in quoted(row[1])}
    no_reasons = {
        "message",
        "max_scan_rows",
        "gap_threshold",
        "percent_used",
        "columns",
        "percent_used >= near_limit_percent",
        "nextval()",
    }
    assert told - no_reasons - _reasons_of_the_code() <= NOT_BUILT


def test_structural_reasons() -> None:
    (sentence,) = re.findall(r"Structural unknowns \(([^)]*)\)", section(4))
    assert set(quoted(sentence)) == STRUCTURAL


def _defaults(cell: str) -> list[str]:
    return [part.strip(" `").replace("_", "") for part in re.split(r"[,;=]", cell)]


@pytest.mark.parametrize(
    ("number", "options"),
    [(3, {**connection_arguments(), **audit_arguments(), **info_arguments()}), (4, repair_arguments())],
    ids=["pg_sequence_info", "pg_sequence_fix"],
)
def test_options_and_their_defaults(number: int, options: dict[str, Any]) -> None:
    table = {name: row[1] for row in rows(number) if len(row) == 3 for name in quoted(row[0])}
    aliases = {alias for option in options.values() for alias in option.get("aliases", ())}
    assert set(table) - set(options) - aliases <= NOT_BUILT
    # Section 4 has another default for jobs, and section 3 says so.
    assert set(options) - set(table) <= {"jobs"}
    for name, cell in table.items():
        default = options.get(name, {}).get("default")
        if isinstance(default, (bool, int, float)):
            words = _defaults(cell.split("(")[0]) + [found.replace("_", "") for found in re.findall(r"[\d_]+", cell)]
            assert any(word in (str(default).lower(), str(default).removesuffix(".0")) for word in words) or (
                number == 3 and name == "login_port"
            ), f"{name}: {default} is not in {cell!r}"


@pytest.mark.parametrize("module", ["pg_sequence_info", "pg_sequence_fix"])
def test_results_are_documented_as_the_rules_have_them(module: str) -> None:
    documented = importlib.import_module(f"ansible_collections.pgops.sequences.plugins.modules.{module}").RETURN
    returned = yaml.safe_load(documented)
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", section(3) + section(4), re.S)]
    result = blocks[0] if module == "pg_sequence_info" else {**blocks[0], **blocks[1]}
    assert set(result) - {"changed"} <= set(returned) | NOT_BUILT
    if module == "pg_sequence_info":
        entry = blocks[0]["sequences"][0]
        assert set(entry) - set(returned["sequences"]["contains"]) <= NOT_BUILT
        assert set(returned["sequences"]["contains"]) <= set(entry)


def test_variables_of_playbooks_exist_or_are_said_not_to() -> None:
    roles = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")]
    known = {name for role in roles for spec in role["argument_specs"].values() for name in spec["options"]}
    # The playbooks' own, and a module's that need no word of the role's.
    known |= {"pg_sequences_hosts"}
    told = {_whole(name) for row in rows(5) for name in quoted(row[0])}
    assert {name for name in told if name.startswith("pg_sequences_")} - known <= {_whole(name) for name in NOT_BUILT}


def _whole(name: str) -> str:
    """A variable's name with the prefix that a table leaves out after the first."""
    return f"pg_sequences{name}" if name.startswith("_") else name


def test_what_the_code_says_was_measured_has_its_place() -> None:
    headings = set(re.findall(r"^## (.*)$", (ROOT / "docs" / "measured.md").read_text(), re.M))
    asked = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        text = re.sub(r"\s+#?\s*", " ", path.read_text())
        asked.update(re.findall(r"docs/measured\.md, ([A-Z][\w ]*\w)", text))
    assert asked and asked <= headings


@pytest.mark.parametrize("page", ["rules.md", "measured.md"])
def test_nothing_leads_out_of_the_repository(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert not re.search(r"https?://|\.\./|facts/", text)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / "docs" / link).exists(), link
