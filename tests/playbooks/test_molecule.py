# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario for molecule, by ansible-playbook alone: its playbooks in their order, on a server of their own and on one that is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.run import sql
from support.toolchain import ROOT, link_tree

SCENARIO = ROOT / "extensions" / "molecule" / "default"
SETTINGS = yaml.safe_load((SCENARIO / "molecule.yml").read_text())
STEPS = {"idempotence": "converge"}
"""Which playbook a step runs, where it is not the one of its name."""


def play(folder: Path, step: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step's playbook as molecule does."""
    inventory = {"all": {"hosts": SETTINGS["provisioner"]["inventory"]["host_vars"]}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    (folder / "ansible.cfg").touch()
    name = STEPS.get(step, step) + ".yml"
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", str(SCENARIO / name)],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            **{"ANSIBLE_COLLECTIONS_PATH": str(link_tree()), "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)},
            **{
                name: value.replace("${MOLECULE_SCENARIO_DIRECTORY}", str(SCENARIO))
                for name, value in SETTINGS["provisioner"]["env"].items()
            },
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def whole(folder: Path, *left_out: str, **environment: str) -> None:
    for step in SETTINGS["scenario"]["test_sequence"]:
        if step in ("syntax", *left_out):
            continue
        done = play(folder, step, **environment)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
        if step in ("converge", "idempotence"):
            assert ("changed=0" in done.stdout) == (step == "idempotence"), done.stdout
    assert not (folder / "login.json").exists()


def test_it_starts_a_server_repairs_and_leaves_nothing(tmp_path: Path) -> None:
    whole(tmp_path)


def test_it_takes_a_server_that_is_named(database: dict[str, str], tmp_path: Path) -> None:
    sql(database, "CREATE TABLE other (id serial); INSERT INTO other VALUES (9)")
    there = {"PGHOST": database["host"], "PGPORT": database["port"], "PGDATABASE": database["dbname"]}
    whole(tmp_path, "idempotence", **there)
    # What is not its own it leaves alone, and of its own nothing stays.
    assert sql(database, "SELECT last_value, is_called FROM other_id_seq") == [(1, False)]
    assert sql(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'pgops_molecule'") == []


@pytest.mark.parametrize(
    "step", sorted({STEPS.get(step, step) for step in SETTINGS["scenario"]["test_sequence"]} - {"syntax"})
)
def test_every_step_has_its_playbook(step: str) -> None:
    assert (SCENARIO / f"{step}.yml").is_file()
