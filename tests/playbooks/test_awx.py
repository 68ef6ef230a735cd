# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions for AWX: its own modules take their arguments, and its jobs run, also where no question was answered."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pgops.sequences.plugins.plugin_utils._settings import variables as _variables
from support.run import run_playbook, sql
from support.servers import Server, client_binaries
from support.toolchain import CACHE, link_tree

AWX = Path(__file__).resolve().parents[2] / "examples" / "awx"
RELEASE = "ansible==12.3.0"
"""The package that has awx.awx in it, 24.6.1."""


class Loader(yaml.SafeLoader):
    """Reads plays: what is marked as unsafe is a text."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))

((PLAY,), SURVEYS) = (yaml.load((AWX / name).read_text(), Loader) for name in ("setup.yml", "surveys.yml"))
TASKS = {task["name"]: task for task in PLAY["tasks"]}
JOBS = {
    task["awx.awx.job_template"]["playbook"]: SURVEYS[task["awx.awx.job_template"]["survey_spec"].strip("{ }")]["spec"]
    for task in PLAY["tasks"]
    if "awx.awx.job_template" in task
}
SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
"""


@pytest.fixture(scope="session")
def modules() -> Path:
    """A collections path with awx.awx in it."""
    place = CACHE / "awx" / RELEASE
    if not place.exists():
        new = CACHE / "awx" / "new"
        shutil.rmtree(new, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run([*command, "--dest", str(new), RELEASE], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{RELEASE} cannot be downloaded: {done.stderr.strip().splitlines()[-1]}")
        (wheel,) = new.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(
                new, [name for name in archive.namelist() if name.startswith("ansible_collections/awx/awx/")]
            )
        wheel.unlink()
        new.rename(place)
    return place


def test_its_own_modules_take_every_argument(modules: Path, tmp_path: Path) -> None:
    # Each task comes as far as to the server, which is not there. Whatever it may not be given would end it before that.
    text = (AWX / "setup.yml").read_text()
    (tmp_path / "setup.yml").write_text(re.sub(r"(?m)^(    - name: .*)$", r"\1\n      ignore_errors: true", text))
    shutil.copy(AWX / "surveys.yml", tmp_path)
    nowhere = {"CONTROLLER_HOST": "http://127.0.0.1:1", "CONTROLLER_OAUTH_TOKEN": "x"}
    done = run_playbook(
        tmp_path / "setup.yml",
        {"vault_maintenance_password": "x", "vault_reader_password": "x"},
        "-vvv",
        env={"ANSIBLE_COLLECTIONS_PATH": f"{link_tree()}:{modules}", "ANSIBLE_VERBOSE_TO_STDERR": "0", **nowhere},
    )
    answers = re.findall(r"TASK \[(.*?)\] \*.*?\"msg\": \"(.*?)\"", done.stdout, re.S)
    assert {name for name, message in answers if "Connection refused" in message} == set(TASKS), done.stdout
    assert "duplicate mapping key" not in done.stdout + done.stderr
    # AWX fills in the credential, not Ansible.
    assert '"sequences_login_user": "{{ login_user }}"' in done.stdout


def test_every_job_has_its_playbook_and_every_playbook_its_job() -> None:
    files = {path.name for path in (AWX / "project").glob("*.yml")} - {"inventory.yml"}
    assert files == set(JOBS)
    for name in files:
        ((play,),) = [yaml.safe_load((AWX / "project" / name).read_text())]
        assert play["ansible.builtin.import_playbook"] == f"pgops.sequences.{name.removesuffix('.yml')}"


@pytest.mark.parametrize("playbook", JOBS)
def test_a_survey_asks_as_awx_wants_it_and_only_for_what_there_is(playbook: str) -> None:
    run = {"restore_then_fix": "restore", "monitor": "auto_fix"}.get(playbook.removesuffix(".yml"), playbook[:-4])
    known = {**_variables.ENTRY_POINTS[run], **(_variables.MONITOR if playbook == "monitor.yml" else {})}
    asked = [question["variable"] for question in JOBS[playbook]]
    assert set(asked) <= set(known) and len(set(asked)) == len(asked)
    for question in JOBS[playbook]:
        assert {"question_name", "question_description", "variable", "type", "required", "default"} <= set(question)
        wanted = known[question["variable"]]
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]
            assert {*question["choices"]} <= {*wanted.get("choices", ["true", "false"])}
        else:
            assert question["type"] == ("integer" if wanted["type"] == "int" else "text")
            assert isinstance(question["min"], int) and isinstance(question["max"], int)


@pytest.mark.parametrize("name", ["PostgreSQL (pgops.sequences)", "PostgreSQL source (pgops.sequences)"])
def test_a_credential_fills_in_variables_that_there_are(name: str) -> None:
    (given,) = [
        found for task in TASKS.values() if (found := task.get("awx.awx.credential_type", {})).get("name") == name
    ]
    fields = {field["id"] for field in given["inputs"]["fields"]}
    managed = yaml.safe_load((AWX / "project" / "inventory.yml").read_text())["all"]["children"]["managed"]["vars"]
    taken = {str(value).strip("{ }") for name, value in managed.items() if name in _variables.KNOWN}
    for variable, value in given["injectors"]["extra_vars"].items():
        # An extra variable goes before the inventory's, also for hosts whose servers know a peer.
        assert variable in (_variables.SOURCE if "source" in name else taken) and value.strip("{ }") in fields


def test_an_environment_can_be_made_of_its_definition(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("ansible-builder")
    command = [program, "create", "--file", AWX / "execution-environment.yml", "--context", tmp_path / "context"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())
    assert [found["name"] for found in wanted["collections"]] == ["pgops.sequences"]


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, SHOP)
    return database


def job(
    playbook: str, shop: dict[str, str], *arguments: str, host: dict[str, Any] | None = None, **answers: Any
) -> subprocess.CompletedProcess[str]:
    """Run a job's playbook as AWX does: all answers as extra variables, nothing for a question that nobody answered."""
    place = {"pg_sequences_login_unix_socket": shop["host"], "pg_sequences_login_port": int(shop["port"])}
    questions = [question["variable"] for question in JOBS[playbook]]
    given = {name: answers.get(name.removeprefix("pg_sequences_"), "") for name in questions}
    return run_playbook(AWX / "project" / playbook, {**place, **(host or {})}, "-e", json.dumps(given), *arguments)


def next_value(shop: dict[str, str], table: str) -> int:
    ((value,),) = sql(shop, f"SELECT last_value + is_called::int FROM {table}_id_seq")
    return int(value)


def test_an_audit_that_was_asked_nothing_looks_at_every_database(shop: dict[str, str]) -> None:
    done = job("check.yml", shop)
    assert done.returncode == 2 and f"critical {shop['dbname']} public.orders_id_seq" in done.stdout, done.stdout


def test_what_was_left_empty_is_as_the_inventory_has_it(shop: dict[str, str]) -> None:
    host = {"pg_sequences_database": shop["dbname"], "pg_sequences_app": "customers", "pg_sequences_fail_on": "never"}
    done = job("check.yml", shop, host=host)
    assert done.returncode == 0 and "sequences: 1; critical: 1" in done.stdout, done.stdout
    done = job("fix.yml", shop, host=host)
    assert done.returncode == 0, done.stdout
    assert (next_value(shop, "customers_person"), next_value(shop, "orders")) == (8, 1)


def test_a_repair_that_was_told_no_database_fails_and_names_them(shop: dict[str, str]) -> None:
    done = job("fix.yml", shop)
    assert done.returncode == 2 and shop["dbname"] in done.stdout and next_value(shop, "orders") == 1, done.stdout
    done = job("fix.yml", shop, database=shop["dbname"])
    assert done.returncode == 0 and next_value(shop, "orders") == 41, done.stdout


@pytest.mark.parametrize("narrow", ["app", "table", "tables"])
def test_nothing_goes_backward_for_a_question_that_nobody_answered(shop: dict[str, str], narrow: str) -> None:
    sql(shop, "SELECT setval('orders_id_seq', 9000)")
    answers = {"mode": "realign", "confirm": True, "database": shop["dbname"], narrow: ""}
    done = run_playbook(
        "pgops.sequences.fix",
        {"pg_sequences_login_unix_socket": shop["host"], "pg_sequences_login_port": int(shop["port"])},
        *("-e", json.dumps({f"pg_sequences_{name}": value for name, value in answers.items()})),
    )
    assert done.returncode == 2 and f"pg_sequences_{narrow} is empty" in done.stdout, done.stdout
    assert next_value(shop, "orders") == 9001


def test_the_monitor_takes_the_inventory_as_it_is(tmp_path: Path) -> None:
    # Check mode in a folder of its own; it comes as far as to what it would install.
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    here |= {
        "pg_sequences_monitor_become": False,
        "pg_sequences_monitor_user": "",
        "pg_sequences_monitor_python": sys.executable,
    }
    done = run_playbook(
        AWX / "project" / "monitor.yml",
        {},
        *("--check", "-i", str(AWX / "project" / "inventory.yml"), "--limit", "db1.example.com"),
        *("-e", json.dumps({**here, "pg_sequences_monitor_root": str(tmp_path / "root")})),
    )
    assert "The monitor takes no pg_sequences_become_user" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout


def test_a_reset_needs_its_table_and_an_answer(shop: dict[str, str]) -> None:
    sql(shop, "SELECT setval('orders_id_seq', 9000)")
    for answers, words in (
        ({"confirm": "true"}, "pg_sequences_table is empty, and reset may move sequences backward"),
        ({"table": "orders", "confirm": "false"}, "pg_sequences_confirm=true"),
    ):
        done = job("reset.yml", shop, database=shop["dbname"], **answers)
        assert done.returncode == 2 and words in done.stdout and next_value(shop, "orders") == 9001, done.stdout
    done = job("reset.yml", shop, database=shop["dbname"], table="orders", confirm="true")
    assert done.returncode == 0 and next_value(shop, "orders") == 41, done.stdout


def test_a_restore_needs_its_dump(shop: dict[str, str], server: Server, tmp_path: Path) -> None:
    dump = tmp_path / "shop.dump"
    where = ["-h", shop["host"], "-p", str(shop["port"]), "-U", "postgres"]
    subprocess.run([str(client_binaries() / "pg_dump"), *where, "-Fc", "-f", str(dump), shop["dbname"]], check=True)
    new = f"{shop['dbname']}_new"
    host = {"pg_sequences_bin_dir": str(client_binaries())}
    done = job("restore_then_fix.yml", shop, host=host, database=new, restore_create="true")
    assert done.returncode == 2 and "either pg_sequences_dump" in done.stdout, done.stdout
    try:
        done = job("restore_then_fix.yml", shop, host=host, database=new, dump=str(dump), restore_create="true")
        assert done.returncode == 0, done.stdout
        assert next_value({**shop, "dbname": new}, "orders") == 41
    finally:
        sql(server.dsn(), f'DROP DATABASE IF EXISTS "{new}"')


def test_a_cutover_goes_by_the_usual_port_and_margin(shop: dict[str, str]) -> None:
    done = job("cutover.yml", shop, "--check", database=shop["dbname"])
    assert done.returncode == 2 and "Say where the sequences are carried over from" in done.stdout, done.stdout
    done = job("cutover.yml", shop, "--check", database=shop["dbname"], source_login_host="127.0.0.1")
    # Nothing listens there.
    assert done.returncode == 2 and "5432" in done.stdout, done.stdout
