# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables are documented, named, and defaulted in one way, and reach the modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.module_utils._arguments import (
    audit_arguments,
    connection_arguments,
    repair_arguments,
)
from ansible_collections.pgops.sequences.plugins.module_utils._restore.options import restore_arguments

ROLE = Path(__file__).resolve().parents[2] / "roles" / "pg_sequences"


def _load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text())


SPECS: dict[str, Any] = _load("meta/argument_specs.yml")["argument_specs"]


def test_nothing_is_set_unless_the_user_sets_it() -> None:
    """The monitor keeps what was set: it must be able to tell that from a default."""
    assert not (ROLE / "defaults").exists()
    assert not [name for spec in SPECS.values() for name, option in spec["options"].items() if "default" in option]


def test_every_entry_point_has_tasks_and_every_variable_a_prefix() -> None:
    for entry, spec in SPECS.items():
        assert (ROLE / "tasks" / f"{entry}.yml").exists()
        assert spec["short_description"] and spec["description"]
        for name, option in spec["options"].items():
            assert name.startswith("pg_sequences_") and option["description"] and option["type"], name


def _module_arguments(path: str, module: str) -> set[str]:
    found = []

    def search(tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            found.extend([set(task[module])] if module in task else [])
            search(task.get("block", []))

    search(_load(path))
    (arguments,) = found
    return arguments


@pytest.mark.parametrize(
    ("path", "module", "options"),
    [
        ("tasks/audit.yml", "pg_sequence_info", {**connection_arguments(), **audit_arguments()}),
        ("tasks/repair.yml", "pg_sequence_fix", {**connection_arguments(), **audit_arguments(), **repair_arguments()}),
        ("tasks/restore.yml", "pg_sequence_restore", {**connection_arguments(), **restore_arguments()}),
    ],
)
def test_every_option_of_a_module_can_be_set(path: str, module: str, options: dict[str, Any]) -> None:
    # The action plugin sets the last one.
    assert _module_arguments(path, f"pgops.sequences.{module}") == set(options) - {"progress_file"}
