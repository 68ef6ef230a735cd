# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions for Semaphore and Rundeck: what they ask for is there, and what Rundeck's jobs run does what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from support.run import sql
from support.toolchain import ROOT, link_tree

GUIDE = (ROOT / "docs" / "docsite" / "rst" / "guide_semaphore_rundeck.rst").read_text()
PROJECT = ROOT / "examples" / "awx" / "project"


def block(kind: str) -> str:
    (found,) = re.findall(rf"^\.\. code-block:: {kind}\n\n((?:(?:    .*)?\n)+)", GUIDE, re.M)
    return re.sub(r"(?m)^    ", "", found)


TEMPLATES = json.loads(block("json"))
JOBS = {job["name"].rpartition(" ")[2]: job for job in yaml.safe_load(block("yaml"))}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["playbook"])
def test_a_template_of_semaphore_asks_for_what_there_is(template: dict[str, Any]) -> None:
    assert (PROJECT / template["playbook"]).is_file()
    known = _variables.ENTRY_POINTS[template["playbook"].removesuffix(".yml")]
    for question in template["survey_vars"]:
        assert {"str": "", "int": "int"}[known[question["name"]]["type"]] == question["type"]
        assert question["title"] and isinstance(question["required"], bool)


def run(job: str, server: dict[str, str], folder: Path, **answers: str) -> subprocess.CompletedProcess[str]:
    """Run a job's script as Rundeck does: every option in the environment, empty where nobody answered."""
    place = {"pg_sequences_login_unix_socket": server["host"], "pg_sequences_login_port": int(server["port"])}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **place}
    (folder / "hosts").write_text(json.dumps({"all": {"hosts": {"db1": here}}}))
    (folder / "ansible.cfg").touch()
    given = {option["name"]: answers.get(option["name"], "") for option in JOBS[job]["options"]}
    (command,) = JOBS[job]["sequence"]["commands"]
    return subprocess.run(
        ["/bin/sh", "-c", command["script"]],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "ANSIBLE_COLLECTIONS_PATH": str(link_tree()),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            **{f"RD_OPTION_{name.upper()}": value for name, value in given.items()},
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_jobs_of_rundeck_look_and_repair(database: dict[str, str], tmp_path: Path) -> None:
    sql(database, "CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40)")
    name = database["dbname"]
    steps: list[tuple[str, dict[str, str], int, str]] = [
        ("check", {}, 2, f"critical {name} public.orders_id_seq"),
        ("fix", {}, 2, name),
        ("fix", {"database": name}, 0, "would be repaired: 1"),
        ("fix", {"database": name, "dry_run": "no"}, 0, "repaired: 1, left: 0"),
        ("check", {"database": name}, 0, "all in order"),
    ]
    for job, answers, code, words in steps:
        before = sql(database, "SELECT last_value FROM orders_id_seq")
        done = run(job, database, tmp_path, **answers)
        assert done.returncode == code and words in done.stdout, f"{job} {answers}: {done.stdout}{done.stderr}"
        assert (sql(database, "SELECT last_value FROM orders_id_seq") != before) == ("dry_run" in answers)
