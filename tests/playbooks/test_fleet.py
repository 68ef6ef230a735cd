# Copyright: (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts at once: what a terminal shows, report files, the log of changes."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from support.run import run_playbook, sql, told
from support.servers import Server

SHOP = """
CREATE TABLE orders (id serial PRIMARY KEY); INSERT INTO orders VALUES (40);
CREATE TABLE customers_person (id serial PRIMARY KEY); INSERT INTO customers_person VALUES (7);
CREATE TABLE empty (id serial PRIMARY KEY);
"""

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "report.schema.json").read_text())


@pytest.fixture
def shop(database: dict[str, str]) -> dict[str, str]:
    sql(database, SHOP)
    return database


@pytest.fixture
def fleet(shop: dict[str, str], tmp_path: Path) -> list[str]:
    """The command line's part about a host that burns, one in order, one whose server does not run, and one away."""
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    shop_variables = {f"pg_sequences_{name}": value for name, value in login.items()}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **shop_variables}
    hosts = {
        "burning": local,
        "calm": {**local, "pg_sequences_table": "empty"},
        "down": {**local, "pg_sequences_login_unix_socket": "/no/such/folder"},
        "away": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, **shop_variables},
    }
    place = tmp_path / "fleet.json"
    place.write_text(json.dumps({"fleet": {"hosts": hosts}}))
    return ["-i", str(place), "-e", "pg_sequences_hosts=fleet"]


def shown(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines about all hosts."""
    (lines,) = re.findall(r"TASK \[[^\n]*Show what came of all hosts[^\n]*\n(.*?)\nok: \[", done.stdout, re.S)
    return [line for line in lines.splitlines() if not line.startswith(("report: ", "to repair: "))]


def failed(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {host for host, number in re.findall(r"^(\w+) +: .*failed=(\d)", done.stdout, re.M) if number != "0"}


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        ([], {}),
        (["--check"], {}),
        (["-e", "pg_sequences_serial=1"], {}),
        (["--tags", "pg_sequences"], {}),
        ([], {"ANSIBLE_STRATEGY": "free"}),
    ],
    ids=["plain", "check", "serial", "tags", "free"],
)
def test_check_tells_of_all_hosts(fleet: list[str], arguments: list[str], env: dict[str, str]) -> None:
    done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, env=env)
    assert done.returncode == 2, done.stdout
    lines = shown(done)
    assert lines[0] == "hosts: 4, audited: 2, not audited: 2; databases: 2"
    assert lines[1] == "sequences: 4; critical: 2, unknown: 0, warning: 0, healthy: 2, skipped: 0"
    assert lines[2].startswith("not audited away: ") and lines[3].startswith("not audited down: cannot use database")
    assert lines[4].split() == ["critical", "unknown", "warning", "healthy", "skipped"]
    assert lines[5].split() == ["burning", "2", "0", "0", "1", "0"]
    assert [line.split(" ")[0:2] for line in lines[6:]] == [["critical", "burning"]] * 2
    assert lines[7].endswith("public.orders_id_seq: next value 1 is not beyond 40 (orders.id)")
    assert failed(done) == {"burning", "down", "away"}


def test_check_fails_by_what_is_asked_and_of_whom(fleet: list[str]) -> None:
    done = run_playbook("pgops.sequences.check", {}, *fleet, "-e", "pg_sequences_fail_on=never")
    assert done.returncode == 0 and len(shown(done)) == 8, done.stdout
    done = run_playbook("pgops.sequences.check", {}, *fleet, "--limit", "calm")
    assert done.returncode == 0, done.stdout
    assert "sequences: 1; critical: 0" in told(done.stdout)


def test_repairs_go_on_without_those_that_fail(fleet: list[str], shop: dict[str, str], tmp_path: Path) -> None:
    reports, log = tmp_path / "reports", tmp_path / "changes.log"
    more = ["-e", f"pg_sequences_report_dir={reports}", "-e", f"pg_sequences_log_file={log}"]
    for arguments in (["--check"], [], []):
        done = run_playbook("pgops.sequences.auto_fix", {}, *fleet, *more, *arguments)
        assert done.returncode == 2 and failed(done) == {"down", "away"}, done.stdout
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(40,)]
    foretold, did, found = (json.loads(path.read_text()) for path in sorted(reports.glob("2*/report.json")))
    for report in (foretold, did, found):
        jsonschema.validate(report, SCHEMA)
        assert report["summary"]["hosts_not_audited"] == 2 and report["summary"]["critical"] == 0
    assert [report["summary"]["repaired"] for report in (foretold, did, found)] == [2, 2, 0]
    assert [report["run"]["check_mode"] for report in (foretold, did, found)] == [True, False, False]
    assert len(found["history"]) == 3
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["check_mode"] for entry in entries] == [True, True, False, False]
    (moved,) = (entry for entry in entries[2:] if entry["sequence"] == "public.orders_id_seq")
    assert moved["before"]["next_value"] == 1 and moved["after"]["next_value"] == 41
    assert moved["host"] == "burning" and moved["database"] == shop["dbname"] and moved["reason"] == "behind"
    assert (
        moved["who"].startswith(f"{os.environ.get('SUDO_USER') or getpass.getuser()}@") and moved["run"] == "auto_fix"
    )


def test_a_report_has_all_hosts_and_no_password(fleet: list[str], tmp_path: Path) -> None:
    more = {
        "report_dir": f"{tmp_path}/reports",
        "report_formats": "json,csv,html,prometheus",
        "login_password": "s3cr3t",
    }
    arguments = [word for name, value in more.items() for word in ("-e", f"pg_sequences_{name}={value}")]
    done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, "-vvv")
    assert done.returncode == 2, done.stdout
    files = {path.name: path.read_text() for path in (tmp_path / "reports" / "latest").iterdir()}
    assert set(files) == {"report.json", "report.csv", "report.html", "pg_sequences.prom"}
    assert "s3cr3t" not in done.stdout + done.stderr + "".join(files.values())
    report = json.loads(files["report.json"])
    jsonschema.validate(report, SCHEMA)
    assert [host["name"] for host in report["hosts"]] == ["away", "down", "burning", "calm"]
    assert report["hosts"][1]["error"].startswith("cannot use database")
    assert [sequence["name"] for sequence in report["sequences"]] == ["customers_person_id_seq", "orders_id_seq"]
    assert 'pg_sequences_host_audited{host="away"} 0' in files["pg_sequences.prom"]


# An audit has no log.
@pytest.mark.parametrize(
    ("playbook", "variable"), [("check", "report_dir"), ("fix", "report_dir"), ("fix", "log_file")]
)
def test_files_that_cannot_be_written_are_told_of_before_anything_is_done(
    shop: dict[str, str], fleet: list[str], tmp_path: Path, variable: str, playbook: str
) -> None:
    (tmp_path / "file").touch()
    wrong = ["-e", f"pg_sequences_{variable}={tmp_path}/file/below"]
    done = run_playbook(f"pgops.sequences.{playbook}", {}, *fleet, *wrong)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert f"pg_sequences_{variable}: cannot write {tmp_path}/file/below on the controller" in told(done.stdout)
    assert sql(shop, "SELECT last_value FROM orders_id_seq") == [(1,)]


def test_findings_are_shown_though_the_report_cannot_be_written(shop: dict[str, str], tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    play = tmp_path / "play.yml"
    # The folder is spoilt between the first look at it and the last.
    play.write_text(
        f"""
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {{name: pgops.sequences.pg_sequences, tasks_from: attempt}}
      vars: {{pg_sequences_run: check}}
    - ansible.builtin.file: {{path: "{reports}", state: absent}}
    - ansible.builtin.file: {{path: "{reports}", state: touch}}
    - ansible.builtin.import_role: {{name: pgops.sequences.pg_sequences, tasks_from: fleet}}
      vars: {{pg_sequences_run: check}}
"""
    )
    login = {"login_unix_socket": shop["host"], "login_port": int(shop["port"]), "database": shop["dbname"]}
    variables = {f"pg_sequences_{name}": value for name, value in {**login, "report_dir": str(reports)}.items()}
    done = run_playbook(play, variables)
    said = told(done.stdout)
    assert done.returncode == 2 and "public.orders_id_seq: next value 1 is not beyond 40" in said, done.stdout
    assert "cannot write" in said and "2 critical" in said


HOSTILE = """a"b'c <img src=x onerror=alert(1)> </script> {{ 1 + 1 }} = \u202e"""


def test_hostile_names_reach_no_interpreter(shop: dict[str, str], fleet: list[str], tmp_path: Path) -> None:
    name = '"' + HOSTILE.replace('"', '""') + '"'
    sql(
        shop,
        f"CREATE SEQUENCE {name}; ALTER TABLE orders ALTER id SET DEFAULT nextval('{name.replace(chr(39), chr(39) * 2)}')",
    )
    more = [
        "-e",
        f"pg_sequences_report_dir={tmp_path}/reports",
        "-e",
        "pg_sequences_report_formats=json,csv,html,prometheus",
    ]
    done = run_playbook("pgops.sequences.check", {}, *fleet, *more)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr, done.stdout
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert HOSTILE in [sequence["name"] for sequence in report["sequences"]]
    assert "{{ 1 + 1 }}" in done.stdout
    assert "<img src=x" not in (tmp_path / "reports" / "latest" / "report.html").read_text()


def test_hot_standbys_and_forbidden_databases_are_part_of_the_answer(
    shop: dict[str, str], fleet: list[str], server: Server
) -> None:
    sql(shop, f"REVOKE CONNECT ON DATABASE {shop['dbname']} FROM public")
    role = f"visitor_{shop['dbname']}"
    sql(shop, f"CREATE ROLE {role} LOGIN")
    try:
        databases: Any = ["-e", json.dumps({"pg_sequences_databases": ["postgres", shop["dbname"]]})]
        arguments = [*databases, "-e", f"pg_sequences_login_user={role}", "-e", "pg_sequences_login_db=postgres"]
        done = run_playbook("pgops.sequences.check", {}, *fleet, *arguments, "--limit", "burning")
        assert done.returncode == 2, done.stdout
        assert "not audited" in told(done.stdout) and "GRANT CONNECT ON DATABASE" in told(done.stdout)
    finally:
        sql(shop, f"DROP ROLE {role}")
